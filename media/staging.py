"""Files of this machine on their way to the provider: kept under names made of their content, so each is sent once."""

import hashlib
import mimetypes
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import LocalStore, ObjectStore, from_url

from media.bucket import RETRIES, trouble
from media.storage import BLOCK

_PART = 5 * BLOCK
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}")


class FileUnusable(Exception):
    """There is no content at this path; the text goes on from "the file"."""


class StagingFailed(Exception):
    """A file could not be brought to its place; the text is a sentence."""


@dataclass(frozen=True)
class Content:
    """What a file held when it was looked at."""

    path: Path
    size: int
    """Bytes, at least one."""
    sha256: str

    @property
    def name(self) -> str:
        """The same for the same content, with a suffix that tells its kind."""
        suffix = self.path.suffix.lower()
        return self.sha256 + (suffix if _SUFFIX.fullmatch(suffix) else "")


def read_content(path: Path) -> Content:
    """Read the whole file, to know what it is. Raises FileUnusable."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileUnusable("is a directory")
        if not stat.S_ISREG(mode):
            raise FileUnusable("is not a regular file")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            size = file.tell()
    except FileNotFoundError:
        raise FileUnusable("does not exist") from None
    except (OSError, ValueError) as error:
        raise FileUnusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not size:
        raise FileUnusable("is empty")
    return Content(path, size, digest.hexdigest())


class Staging:
    """A place that files can be put and the provider, or the worker for it, can fetch from."""

    def __init__(self, open_store: Callable[[], ObjectStore], prefix: str, url: str) -> None:
        """`prefix` is where names begin in the store, and `url` how references to them begin."""
        self._open_store = open_store
        self._prefix = prefix
        self._url = url

    def reference(self, content: Content) -> str:
        """What stands for the content in a request."""
        return self._url + content.name

    async def put(self, content: Content, sent: Callable[[int], None]) -> bool:
        """Bring the content there and call `sent` with bytes as they go; False when it was there already.

        What appears under the name is whole and is that content, or it does not appear. Raises StagingFailed.
        """
        try:
            store, key = self._open_store(), self._prefix + content.name
            with suppress(FileNotFoundError, PermissionDeniedError):  # without the permission to list, "denied" is said
                if (await obstore.head_async(store, key))["size"] == content.size:
                    return False
            kind = mimetypes.guess_type(content.name)[0]
            await obstore.put_async(
                store,
                key,
                _blocks(content, sent),
                attributes={"Content-Type": kind} if kind and not isinstance(store, LocalStore) else None,
                use_multipart=content.size > _PART,
                chunk_size=_PART,
                max_concurrency=4,
            )
        except (BaseError, OSError, ValueError) as error:
            raise StagingFailed(f"{content.path} cannot be staged in {self._url}: {trouble(error)}") from None
        return True


def bucket_staging(url: str) -> Staging:
    """An object store prefix, from which the worker presigns."""
    parts = urlsplit(url)
    prefix = f"{unquote(parts.path).strip('/')}/".lstrip("/")

    def open_store() -> ObjectStore:
        return from_url(f"{parts.scheme}://{parts.netloc}", retry_config=RETRIES)

    return Staging(open_store, prefix, url.rstrip("/") + "/")


def folder_staging(folder: Path, url: str) -> Staging:
    """A directory of this machine, which somebody serves at `url`."""
    return Staging(lambda: LocalStore(folder, mkdir=True), "", url.rstrip("/") + "/")


def _blocks(content: Content, sent: Callable[[int], None]) -> Iterator[bytes]:
    """The file's bytes. An upload that this breaks off leaves nothing behind, so a wrong name cannot appear."""
    digest = hashlib.sha256()
    try:
        with content.path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                yield block
                sent(len(block))
    except OSError as error:
        raise StagingFailed(f"{content.path} cannot be read: {error.strerror}") from None
    if digest.hexdigest() != content.sha256:
        raise StagingFailed(f"{content.path} was changed while it was read; start again when it is finished")
