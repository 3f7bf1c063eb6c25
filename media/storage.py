"""Where finished files go: a directory, or an object store prefix, behind one small interface.

Credentials for object stores come from their usual variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`). Nothing that exists
is ever overwritten by something different.
"""

import asyncio
import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import ObjectStore, from_url

OBJECT_STORES = ("s3", "gs", "az")
BLOCK = 1024 * 1024


class OutputUnavailable(Exception):
    """The output cannot be written now: disk full, no permission, object store down."""


class OutputInvalid(ValueError):
    """The output names no place that files could go to. The text is a hint for its author."""


class Output(ABC):
    """A place for finished files. Names are plain file names."""

    scratch: Path
    """The local directory for unfinished files."""

    @abstractmethod
    async def prepare(self) -> None:
        """Make sure that files can be written, as far as can be known. Raises OutputUnavailable."""

    @abstractmethod
    async def put_new(self, file: Path, name: str) -> bool:
        """Move a finished local file to `name`; False, changing nothing, when something exists there."""

    @abstractmethod
    async def put_text(self, text: str, name: str) -> None:
        """Write a small text file, replacing an earlier one."""

    @abstractmethod
    async def sha256(self, name: str) -> str:
        """The hex digest of what exists under `name`."""

    @abstractmethod
    def uri(self, name: str) -> str:
        """The address of `name`, without any signature."""

    async def deliver(self, file: Path, sha256: str, names: tuple[str, ...]) -> str:
        """Move `file` to the first of `names` that is free or holds the same content, and return that name."""
        for name in names:
            if await self.put_new(file, name):
                return name
            if await self.sha256(name) == sha256:
                await asyncio.to_thread(file.unlink)
                return name
        raise OutputUnavailable(f"{self.uri(names[-1])} exists already with other content; it was not overwritten")


class Directory(Output):
    """A directory of this machine. Unfinished files lie in it under hidden names, so that the last step is a rename."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.scratch = path

    async def prepare(self) -> None:
        await asyncio.to_thread(self._try)

    def _try(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._path):
                pass
        except OSError as error:
            raise OutputUnavailable(f"{self._path} cannot be written: {error.strerror}") from error

    async def put_new(self, file: Path, name: str) -> bool:
        return await asyncio.to_thread(self._link, file, self._path / name)

    def _link(self, file: Path, target: Path) -> bool:
        """A hard link fails where a rename would overwrite, and appears as one step."""
        try:
            os.link(file, target)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputUnavailable(f"{target} cannot be written: {error.strerror}") from error
        file.unlink()
        self._sync_directory()
        return True

    async def put_text(self, text: str, name: str) -> None:
        await asyncio.to_thread(self._replace, text, self._path / name)

    def _replace(self, text: str, target: Path) -> None:
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._path, prefix=".", delete=False, encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(target)
        except OSError as error:
            raise OutputUnavailable(f"{target} cannot be written: {error.strerror}") from error
        self._sync_directory()

    def _sync_directory(self) -> None:
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    async def sha256(self, name: str) -> str:
        def digest() -> str:
            with (self._path / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return await asyncio.to_thread(digest)

    def uri(self, name: str) -> str:
        return (self._path / name).as_uri()


class Bucket(Output):
    """An object store prefix. Files are finished and checked on the local disk, then uploaded in parts."""

    def __init__(self, url: str, scratch: Path) -> None:
        self._url = url.rstrip("/")
        self._store: ObjectStore = from_url(self._url)
        self.scratch = scratch

    async def prepare(self) -> None:
        await asyncio.to_thread(self.scratch.mkdir, parents=True, exist_ok=True)

    async def put_new(self, file: Path, name: str) -> bool:
        try:
            if await self._exists(name):
                return False
            await obstore.put_async(self._store, name, file)
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error
        await asyncio.to_thread(file.unlink)
        return True

    async def _exists(self, name: str) -> bool:
        try:
            await obstore.head_async(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    async def put_text(self, text: str, name: str) -> None:
        try:
            await obstore.put_async(self._store, name, text.encode())
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        try:
            stream = (await obstore.get_async(self._store, name)).stream(min_chunk_size=BLOCK)
            async for block in stream:
                await asyncio.to_thread(digest.update, block)
        except (BaseError, OSError) as error:
            raise self._unavailable(name, error) from error
        return digest.hexdigest()

    def uri(self, name: str) -> str:
        return f"{self._url}/{name}"

    def _unavailable(self, name: str, error: Exception) -> OutputUnavailable:
        return OutputUnavailable(f"{self.uri(name)} cannot be written: {type(error).__name__}")


def output_problem(reference: str) -> str | None:
    """What is wrong with an `output`, as a hint; None when it names a directory or an object store prefix."""
    try:
        parts = urlsplit(reference)
    except ValueError as error:
        return f"is not a valid URL ({error})"
    path = unquote(parts.path)
    if parts.query or parts.fragment or any(ord(c) < 0x20 for c in unquote(reference)):
        return "must be a plain URL without query, fragment or control characters"
    if ".." in path.split("/"):
        return "must not contain `..`"
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not path.startswith("/"):
            return "must be an absolute path of the worker's machine, such as file:///videos/"
        return None
    if parts.scheme in OBJECT_STORES:
        return None if parts.netloc else f"must name a bucket, such as {parts.scheme}://bucket/prefix/"
    return "must be file:///dir/, s3://bucket/prefix/, gs://bucket/prefix/ or az://container/prefix/"


def open_output(reference: str) -> Output:
    """The output that a URL, or a plain local path, names. Raises OutputInvalid."""
    if "://" not in reference:
        return Directory(Path(reference).resolve())
    if hint := output_problem(reference):
        raise OutputInvalid(hint)
    parts = urlsplit(reference)
    if parts.scheme == "file":
        return Directory(Path(unquote(parts.path)))
    scratch = Path(tempfile.gettempdir()) / "manxue-worker"
    try:
        return Bucket(reference, scratch)
    except BaseError as error:
        raise OutputInvalid(f"cannot be opened as an object store: {error}") from error
