"""What asks a process to stop, so that it ends what it has begun."""

import asyncio
import signal


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM, Ctrl-C and a terminal that is closed set, instead of ending this process at once."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has it
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
