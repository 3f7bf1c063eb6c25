"""What lets a worker start sooner: imported before everything else; `done` is called after it."""

import gc
import sys

_UNUSED = ("rich", "httpx._main")
"""Imported by structlog and httpx where they can be, for coloured tracebacks and a command line: 100 modules."""

# What is imported stays. To look for garbage among it, again and again as it grows, is a tenth of a start.
gc.disable()
for _name in _UNUSED:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type] # so that importing it says that it is not there


def done() -> None:
    """Everything is imported. From now on garbage is collected, but never looked for among what is here already."""
    for name in _UNUSED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]
    gc.freeze()
    gc.enable()
