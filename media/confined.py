"""Runs a program of ours that reads somebody else's bytes, in a process of its own for each: `confined.py PROGRAM`.

A process, because 700 bytes of MP4 can make FFmpeg fill 2.8 GB for one track, and no thread in it can be stopped. Each
has limits of memory and processor time, can open nothing, and knows no secret. A program is a module with `MEMORY` in
bytes, `SECONDS` of processor time and `main(arguments)`; it has only its standard streams.

Python and FFmpeg take five times longer to start than a usual file to read. So this process, the fork server, imports
the program once, reads no file itself, and forks for each. Its standard input is a socket, which brings, for each job,
`REQUEST` bytes of JSON with the arguments, and with them three files: standard input and output of the process, and a
socket on which its end is told, as `waitpid` has it, and whose end tells that nobody needs the process any more. `C` on
standard output says that the program begins.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from socket import MSG_WAITALL, recv_fds, socket
from types import ModuleType
from typing import NoReturn

REQUEST = 256
STATUS = struct.Struct(">i")
_FILES = 3
_PR_SET_PDEATHSIG = 1
"""Of `prctl`, from `linux/prctl.h`."""
_NICE = 10
"""The worker's event loop, which others wait for, comes before it."""
_MOST_FILES = 65_536
"""Above the number of any file that this process has."""


class _ForkServer:
    """One thread, which waits for jobs, for the ends of processes, and for those that are to end."""

    def __init__(self, program: ModuleType) -> None:
        self._program, self._pid = program, os.getpid()
        self._jobs = socket(fileno=os.dup(0))
        self._running: dict[int, socket] = {}
        self._selector = DefaultSelector()
        self._ended, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the default would not be written to the pipe
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # by Python's own, a process would end as by its file's fault
        self._selector.register(self._jobs, EVENT_READ)
        self._selector.register(self._ended, EVENT_READ)

    def run(self) -> None:
        """Until the other end of the socket is closed; no process is left then."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._jobs:
                    if not self._begin():
                        return
                elif key.fileobj == self._ended:
                    os.read(self._ended, 1024)
                else:
                    self._kill(key.data)
            self._reap()

    def _begin(self) -> bool:
        content, files, _, _ = recv_fds(self._jobs, REQUEST, _FILES, MSG_WAITALL)
        if len(content) < REQUEST:
            for pid in self._running:
                self._kill(pid)
            return False
        *streams, told = files
        with socket(fileno=told) as control, suppress(OSError):  # there may be no memory for a process
            pid = os.fork()
            if pid == 0:
                self._confined(streams, content)
            self._running[pid] = control.dup()
            self._selector.register(self._running[pid], EVENT_READ, pid)
        for stream in streams:
            os.close(stream)
        return True

    def _confined(self, streams: list[int], arguments: bytes) -> NoReturn:
        """In the new process: run the program."""
        code = 1
        try:
            _end_with_parent(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, file in enumerate(streams):
                os.dup2(file, number)
            os.closerange(3, _MOST_FILES)
            _confine(self._program.MEMORY, self._program.SECONDS)
            os.write(1, b"C")
            self._program.main(json.loads(arguments))
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)

    def _kill(self, pid: int) -> None:
        """Nobody needs it any more; or it has ended already, and that is about to be told."""
        os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so the number is still its own
        with suppress(KeyError):
            self._selector.unregister(self._running[pid])

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                control = self._running.pop(pid)
                with suppress(KeyError):
                    self._selector.unregister(control)
                with suppress(OSError), control:
                    control.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _end_with_parent(parent: int) -> None:
    """Should the fork server be killed, which then cannot end this one. Elsewhere than on Linux, its limits do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it was killed before that
            os._exit(1)


def _confine(memory: int, seconds: int) -> None:
    """From here on: so much more memory, so much processor time, no file or socket besides the three, and no hurry."""
    if sys.platform == "linux":  # elsewhere the limit means nothing
        with Path("/proc/self/statm").open(encoding="utf-8") as statm:
            most = int(statm.read().split()[0]) * resource.getpagesize() + memory
        _limit(resource.RLIMIT_AS, most, most)
        with suppress(OSError):  # when memory runs out all the same, this process is to go and not the worker
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    _limit(resource.RLIMIT_CORE, 0, 0)
    # A second between them: the first ends the process by SIGXCPU, which tells it from one that was killed.
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _limit(resource.RLIMIT_NOFILE, 3, 3)
    os.nice(_NICE)


def _limit(kind: int, soft: int, hard: int) -> None:
    """As far as whoever runs the worker has not set a lower limit, which cannot be raised."""
    given = resource.getrlimit(kind)[1]
    soft, hard = (one if given == resource.RLIM_INFINITY else min(one, given) for one in (soft, hard))
    resource.setrlimit(kind, (soft, hard))


def main() -> None:
    """Import the program, then serve."""
    sys.path.append(str(Path(__file__).parents[1]))  # the last place, so that nothing of ours hides another module
    program = importlib.import_module(sys.argv[1])
    gc.freeze()  # what is here already is not looked at again by each process
    _ForkServer(program).run()


if __name__ == "__main__":
    main()
