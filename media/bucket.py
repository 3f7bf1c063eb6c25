"""Finished files in an object store: S3, Google Cloud Storage, Azure, configured by their usual variables (`AWS_*`,
`GOOGLE_*`, `AZURE_*`)."""

import asyncio
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from media.cancellation import to_its_end
from media.storage import BLOCK, Directory, Output, OutputUnavailable

if TYPE_CHECKING:
    from obstore.store import RetryConfig  # exists for type checkers only

RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
"""Few and short: trying again is Temporal's work."""
_PART = 5 * BLOCK
_MARKER = ".manxue-worker"


class Bucket(Output):
    """An object store prefix. A file is finished and checked on the local disk, uploaded under a hidden name, and then
    copied by the store to its own, which it does only where nothing is: what a hard link does in a directory."""

    def __init__(self, url: str, scratch: Path) -> None:
        """Raises OutputUnavailable when settings or credentials are incomplete."""
        self._url = url.rstrip("/")
        self.scratch = scratch
        copying = os.environ.get("AWS_COPY_IF_NOT_EXISTS", "multipart")  # R2 has a header of its own for it
        with self._explained(""):
            self._store = from_url(
                self._url,
                config={"copy_if_not_exists": copying} if urlsplit(url).scheme == "s3" else {},
                retry_config=RETRIES,
            )

    async def prepare(self) -> None:
        """Only a put proves that putting is allowed: of an object that stays, so that later ones write nothing."""
        await Directory(self.scratch).prepare()
        with self._explained(""), suppress(AlreadyExistsError):
            async with asyncio.timeout(20):
                await obstore.put_async(self._store, _MARKER, b"manxue-worker may write here\n", mode="create")

    async def put_new(self, file: Path, sha256: str, name: str) -> bool:
        # A call that is cancelled leaves the parts of what it has begun, which cost money and are listed nowhere; one
        # that fails takes them away. So it goes to its end, which comes soon when there is nothing more to upload.
        stopped = Event()
        return await to_its_end(asyncio.create_task(self._put_new(file, sha256, name, stopped)), stopped.set)

    async def _put_new(self, file: Path, sha256: str, name: str, stopped: Event) -> bool:
        hidden = f".{sha256}.part"  # whoever else writes it at the same time writes the same bytes
        large = (await asyncio.to_thread(file.stat)).st_size > _PART
        with self._explained(name):
            with suppress(FileNotFoundError, PermissionDeniedError):  # "denied" is said of nothing, too
                await obstore.head_async(self._store, name)
                return False
            try:
                blocks = _blocks(file, stopped)
                await obstore.put_async(
                    self._store, hidden, blocks, use_multipart=large, chunk_size=_PART, max_concurrency=4
                )
                if stopped.is_set():
                    return False  # to nobody
                await obstore.copy_async(self._store, hidden, name, overwrite=False)
            except AlreadyExistsError:
                return False
            finally:
                with suppress(BaseError, OSError):
                    await obstore.delete_async(self._store, hidden)
        if not stopped.is_set():  # nobody would know what became of it
            await asyncio.to_thread(file.unlink)
        return True

    async def holds(self, name: str, size: int, sha256: str) -> bool:
        digest = hashlib.sha256()
        with self._explained(name):
            try:
                if (await obstore.head_async(self._store, name))["size"] != size:
                    return False
            except FileNotFoundError:
                return False
            for at in range(0, size, _PART):  # each in its own request, which alone must keep to the timeout
                digest.update(await obstore.get_range_async(self._store, name, start=at, end=min(at + _PART, size)))
        return digest.hexdigest() == sha256

    def uri(self, name: str) -> str:
        return f"{self._url}/{name}"

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise OutputUnavailable(f"{self.uri(name)} cannot be written: {trouble(error)}") from None


def _blocks(file: Path, stopped: Event) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            if stopped.is_set():
                raise InterruptedError("the upload was cancelled")
            yield block


def trouble(error: Exception) -> str:
    """What is wrong, without addresses and secrets, and with the store's own code for it where it gave one."""
    text = str(error)
    kind = text.partition("\n")[0].rpartition(" - ")[2].partition(": <")[0]
    if isinstance(error, FileNotFoundError):
        kind = "not found"
    elif isinstance(error, PermissionDeniedError | UnauthenticatedError):
        kind = "access is denied"
    elif re.search(r"token request|//169\.254\.|/latest/api/token", text):
        kind = "no credentials were found"
    elif isinstance(error, TimeoutError) or re.search(r"kind: (Connect|Timeout)\b", text):
        kind = "the object store does not answer"
    code = re.search(r"<Code>(\w+)</Code>", text)
    return f"{kind} ({code[1]})" if code else kind
