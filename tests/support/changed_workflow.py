"""`GenerateVideo` with another order of steps, as a release might bring it: it takes a breath before it begins."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, VersioningBehavior

from workflows.contract import GENERATE_VIDEO, VideoResult
from workflows.generate_video import GenerateVideo
from workflows.run_input import ArgumentCount

FIRST_STEP = "the other order of steps"


@workflow.defn(name=GENERATE_VIDEO, versioning_behavior=VersioningBehavior.PINNED)
class ChangedGenerateVideo(GenerateVideo):
    """Histories of `GenerateVideo` do not fit it."""

    @workflow.run
    async def run(self, raw: RawValue) -> VideoResult:
        """See the base class."""
        return await super().run(raw)

    async def _begin(self, raw: RawValue | ArgumentCount) -> None:
        await workflow.sleep(timedelta(milliseconds=1), summary=FIRST_STEP)
        await super()._begin(raw)
