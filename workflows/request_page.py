"""`RequestPage`: keeps a part of a batch's requests in its own argument, where the batch reads them from."""

from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import VersioningBehavior

from manxue.batch import RELEASE_SIGNAL, REQUEST_PAGE, RequestPage

_LONGEST = timedelta(days=90)
"""For a page whose batch was terminated, or never started."""


@workflow.defn(
    name=REQUEST_PAGE,
    failure_exception_types=[ValidationError, TypeError],
    versioning_behavior=VersioningBehavior.AUTO_UPGRADE,  # it waits for as long as its batch does, and does nothing
)
class KeepRequestPage:
    """Stays open, and so out of reach of the namespace's retention, until the batch is over."""

    def __init__(self) -> None:
        self._released = False

    @workflow.run
    async def run(self, page: RequestPage) -> int:
        """The number of lines it has kept."""
        workflow.set_current_details(f"Keeps {len(page.lines)} requests of a batch until it is over.")
        try:
            await workflow.wait_condition(lambda: self._released, timeout=_LONGEST, timeout_summary="kept at most")
        except TimeoutError:
            workflow.logger.info("page.forgotten")
        return len(page.lines)

    @workflow.signal(name=RELEASE_SIGNAL, description="The batch is over: the requests are needed no more")
    def release(self) -> None:
        """End."""
        self._released = True
