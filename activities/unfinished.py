"""The unfinished file of a download, while an attempt has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from media.cancellation import to_its_end
from media.partial_file import PartialFile


@asynccontextmanager
async def unfinished(path: Path) -> AsyncIterator[PartialFile]:
    """Open, alone, while the block runs. What the block leaves is kept for the next attempt, if there will be one.

    Raises PartialFileBusy, and OSError.
    """
    # To its end, also when cancelled: still being read, it would be in the next one's way, or left where there is none.
    opening = asyncio.create_task(asyncio.to_thread(PartialFile(path).open))
    try:
        await to_its_end(opening)
        yield opening.result()
    except BaseException as error:
        if not opening.exception() and (_last(error) or not opening.result().size):
            with suppress(OSError):  # of the two errors, the first says why
                await asyncio.to_thread(opening.result().discard)
        raise
    finally:
        if not opening.exception():
            opening.result().close()


def _last(error: BaseException) -> bool:
    """Whether no attempt will follow: the run is cancelled, and not only this attempt, or it fails for good.

    A run that is started again with `task_id` is most often another one, and may be on another machine: it fetches the
    file anew, and nobody else would ever remove this one.
    """
    if isinstance(error, asyncio.CancelledError):
        details = activity.cancellation_details()
        return details is not None and details.cancel_requested
    return isinstance(error, ApplicationError) and error.non_retryable
