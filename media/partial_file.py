"""A file that is being downloaded: written under a temporary name, hashed as it grows, resumed at the same byte."""

import fcntl
import hashlib
import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from weakref import WeakSet

from media.storage import BLOCK

_HASHERS = cycle([ThreadPoolExecutor(1, "sha256") for _ in range(max((os.cpu_count() or 1) - 1, 1))])
"""For all files: to start a thread for each takes as long as to hash a quarter of a megabyte. They leave one core to
the event loop, which many files at full speed keep waiting otherwise. A file stays with one of them, which hashes its
blocks in their order."""
_MOST_BEHIND = 16
"""Blocks, of all open files together, that wait to be hashed, or are, while more come: so much can a hasher be late
without being waited for, when others take its processor."""
_open: "WeakSet[PartialFile]" = WeakSet()
"""Those that share it."""


class PartialFileBusy(Exception):
    """Another process, or an attempt that is thought dead, is still writing to it."""


@dataclass(frozen=True)
class Version:
    """Which content a download is of, by the validators that its server gave."""

    validator: str | None
    """A strong `ETag`, else `Last-Modified`: what goes into `If-Range`. Without one nothing can be resumed."""
    length: int | None
    """The whole file's bytes, where the server said so."""


class PartialFile:
    """Blocking: call the methods in a thread, one at a time. Raises OSError (disk full, no permission)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes = path.with_name(path.name + ".json")
        self._digest = hashlib.sha256()
        self._hasher = next(_HASHERS)
        self._hashing: deque[Future[None]] = deque()
        self.size = 0
        self.received = 0
        """Bytes that were appended since it was opened, those of a beginning that was given up included."""
        self.version = Version(None, None)

    def open(self) -> "PartialFile":
        """Open it, alone, and take up what an earlier attempt left. Raises PartialFileBusy."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._take()
        try:
            self._recall()
        except BaseException:
            self.close()
            raise
        return self

    def _take(self) -> None:
        # Unbuffered, so that `size` is what lies in the file, also when a write fails half way.
        self._file = self._path.open("ab+", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between our opening and locking, another attempt may have finished the file and moved it to its place.
            alone = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        if not alone:
            self._file.close()
            raise PartialFileBusy(f"{self._path.name} is being written by another attempt")
        _open.add(self)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._path.parent

    def close(self) -> None:
        """Close it, leaving it where it is."""
        _open.discard(self)
        self._settle()
        self._file.close()

    def _recall(self) -> None:
        """The bytes of an earlier attempt are hashed again, so that the digest is of the whole."""
        version = self._noted()
        if version is None or (version.length is not None and os.fstat(self._file.fileno()).st_size > version.length):
            self.restart(Version(None, None))
            return
        self.version = version
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            self._digest.update(block)
            self.size += len(block)

    def _noted(self) -> Version | None:
        try:
            match json.loads(self._notes.read_text()):
                case {"validator": str() | None as validator, "length": int() | None as length}:
                    return Version(validator, length)
        except (FileNotFoundError, ValueError):
            pass  # a crash came before the notes, or while they were written
        return None

    def restart(self, version: Version) -> None:
        """Begin again with nothing, for content of this version."""
        self._settle()
        if os.fstat(self._file.fileno()).st_nlink > 1:
            # A crash came between the two steps of a delivery: under its other name this is the finished video.
            self._path.unlink()
            self._file.close()
            self._take()
        self._file.truncate(0)
        self._digest, self.size, self.version = hashlib.sha256(), 0, version
        if version == Version(None, None):  # so nothing can be resumed, and no notes say the same
            self._notes.unlink(missing_ok=True)
        else:
            self._note()

    def learn(self, length: int) -> None:
        """Keep in mind how long the whole file is, of which the server said nothing at first."""
        self.version = Version(self.version.validator, length)
        self._note()

    def _note(self) -> None:
        self._notes.write_text(json.dumps({"validator": self.version.validator, "length": self.version.length}))

    def append(self, block: bytes | memoryview) -> int:
        """Add bytes at the end. Those that were written before an OSError count.

        They are hashed beside what the caller does next. Returns how many of the last blocks must be left alone for
        that, until another call says fewer, or another method has returned.
        """
        whole, written = memoryview(block), 0
        try:
            while written < len(whole):
                written += self._file.write(whole[written:])
        finally:
            if written < BLOCK:  # the bytes come slowly, or are the last
                self._settle()
                self._digest.update(whole[:written])
            else:
                self._hashing.append(self._hasher.submit(self._digest.update, whole[:written]))
                self._settle(max(_MOST_BEHIND // len(_open), 1))
            self.size += written
            self.received += written
        return len(self._hashing)

    def _settle(self, behind: int = 0) -> None:
        """Wait until no more than so many blocks are to be hashed."""
        while self._hashing and (len(self._hashing) > behind or self._hashing[0].done()):
            self._hashing.popleft().result()

    def sync(self) -> str:
        """Bring every byte to the disk; the content's sha256 in hex."""
        os.fsync(self._file.fileno())
        self._settle()
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Remove the file and what is remembered of it, and close it: a large one takes its time to vanish."""
        self._path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self.close()

    def forget_notes(self) -> None:
        """Remove what is remembered, once the file itself has moved to its place."""
        self._notes.unlink(missing_ok=True)
