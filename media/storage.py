"""Where finished files go, behind one small interface; and the simplest such place, a directory of this machine.

Nothing that exists is ever overwritten by something different.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from media.cancellation import to_its_end

BLOCK = 1024 * 1024
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without hard links answer: exFAT, shares of Windows, many that object stores are mounted by."""


class OutputUnavailable(Exception):
    """The output cannot be written now: disk full, no permission, object store down."""


def what_is_wrong(error: OutputUnavailable | OSError) -> str:
    """With a place that files could not be written to, in one sentence."""
    if isinstance(error, OutputUnavailable):
        return str(error)
    return f"{error.filename or 'the file'} cannot be written: {error.strerror or error}"


class Output(ABC):
    """A place for finished files. Names are plain file names."""

    scratch: Path
    """The local directory for unfinished files."""

    @abstractmethod
    async def prepare(self) -> None:
        """Make sure that files can be written, as far as can be known. Raises OutputUnavailable."""

    @abstractmethod
    async def put_new(self, file: Path, sha256: str, name: str) -> bool:
        """Move a finished local file to `name`; False, changing nothing, when something exists there."""

    @abstractmethod
    async def holds(self, name: str, size: int, sha256: str) -> bool:
        """Whether a file exists under `name` that has so many bytes, with this digest."""

    @abstractmethod
    def uri(self, name: str) -> str:
        """The address of `name`, without any signature."""

    def local(self, name: str) -> Path | None:
        """Where `name` can be read as a file of this machine; None where it cannot."""
        return None

    async def deliver_bytes(self, content: bytes, names: tuple[str, ...]) -> str:
        """Write a small file under the first of `names` that is free or holds the same, and return that name."""
        file = self.scratch / f".{uuid4().hex}.part"
        try:
            # To its end, also when cancelled: what it writes afterwards nobody would remove.
            await to_its_end(asyncio.create_task(asyncio.to_thread(_write, file, content)))
            return await self.deliver(file, hashlib.sha256(content).hexdigest(), names)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise

    async def deliver(self, file: Path, sha256: str, names: tuple[str, ...]) -> str:
        """Move `file` to the first of `names` that is free or holds the same content, and return that name."""
        for name in names:
            if await self.put_new(file, sha256, name):
                return name
            if await self.holds(name, (await asyncio.to_thread(file.stat)).st_size, sha256):
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
        """All that a download and its delivery will ask of the file system, which may know no locks, with no bytes."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._path, prefix=".", suffix=".try") as folder:
                file, target = Path(folder) / "file", Path(folder) / "target"
                with file.open("xb") as opened:
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    os.link(file, target)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    with self._locked() as directory:
                        file.rename(target)
                        os.fsync(directory)
        except OSError as error:
            raise OutputUnavailable(f"{self._path} cannot be written: {error.strerror}") from error

    async def put_new(self, file: Path, sha256: str, name: str) -> bool:
        return await asyncio.to_thread(self._link, file, self._path / name)

    def _link(self, file: Path, target: Path) -> bool:
        """A hard link fails where a rename would overwrite, and appears as one step."""
        try:
            os.link(file, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in _NO_LINKS:
                return self._rename(file, target)
            raise OutputUnavailable(f"{target} cannot be written: {error.strerror}") from error
        file.unlink()
        with self._opened() as directory:
            os.fsync(directory)
        return True

    def _rename(self, file: Path, target: Path) -> bool:
        """Look and rename are two steps: the lock keeps apart the workers that share it, those of one machine."""
        try:
            with self._locked() as directory:
                if os.path.lexists(target):
                    return False
                file.rename(target)
                os.fsync(directory)
        except OSError as error:
            raise OutputUnavailable(f"{target} cannot be written: {error.strerror}") from error
        return True

    @contextmanager
    def _opened(self) -> Iterator[int]:
        handle = os.open(self._path, os.O_RDONLY)
        try:
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with self._opened() as directory:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield directory

    async def holds(self, name: str, size: int, sha256: str) -> bool:
        def same() -> bool:
            try:
                with (self._path / name).open("rb") as file:
                    same_size = os.fstat(file.fileno()).st_size == size
                    return same_size and hashlib.file_digest(file, "sha256").hexdigest() == sha256
            except OSError:
                return False  # a directory, a link to nowhere, or somebody else's

        return await asyncio.to_thread(same)

    def uri(self, name: str) -> str:
        return (self._path / name).as_uri()

    def local(self, name: str) -> Path:
        return self._path / name


def _write(file: Path, content: bytes) -> None:
    """A new file, on the disk."""
    try:
        with file.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        file.chmod(0o644)
    except OSError as error:
        raise OutputUnavailable(f"{file.parent} cannot be written: {error.strerror}") from error
