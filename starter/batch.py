"""One batch: where it is, how it ends, and how to steer it. Prints nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from manxue.batch import REQUEST_PAGE, BatchLine, pages
from starter.client import FINGERPRINT, OtherRequest
from starter.execution import Execution, NotPossible, NoWorkerAnswers, describe
from starter.outcome import failure_of
from starter.run import RunNotFound
from workflows.batch_contract import (
    BATCH_PROGRESS_QUERY,
    GENERATE_BATCH,
    PAUSE_UPDATE,
    RESUME_UPDATE,
    SET_CONCURRENCY_UPDATE,
    BatchProgress,
    BatchResult,
)

SOURCE = "source"
"""Memo field: the file that a batch was read from, to name its lines in messages."""


@dataclass(frozen=True)
class Batch(Execution):
    """One batch, by its workflow id."""

    source: str = "line"

    @classmethod
    async def find(cls, client: Client, batch_id: str) -> Self:
        """Look a batch up. Raises RunNotFound."""
        description = await describe(client, batch_id)
        if description is None:
            raise RunNotFound(f"there is no batch {batch_id!r} in the namespace {client.namespace}")
        if description.workflow_type != GENERATE_BATCH:
            raise RunNotFound(f"{batch_id!r} is a run of {description.workflow_type}, not of {GENERATE_BATCH}")
        source = str((await description.memo()).get(SOURCE, "line"))
        return cls(client.get_workflow_handle(batch_id, result_type=BatchResult), description, source)

    async def progress(self) -> BatchProgress:
        """Where the batch is. Raises NoWorkerAnswers, or NotPossible when it never got as far as a worker."""
        answer: BatchProgress = await self.query(BATCH_PROGRESS_QUERY, BatchProgress)
        return answer

    async def result(self) -> BatchResult:
        """Wait for the end. Raises RunFailed when it was cancelled, or never began."""
        try:
            result: BatchResult = await self.handle.result()
        except WorkflowFailureError as error:
            memo = await (await self.handle.describe()).memo()
            raise failure_of(error, memo.get("outcome")) from error
        return result

    async def follow(self, show: Callable[[BatchProgress | NoWorkerAnswers], Any]) -> BatchResult:
        """Wait for the end as `result` does, and show where the batch is every second or two."""
        ending = asyncio.ensure_future(self.result())
        looks = 0
        try:
            while not ending.done():
                try:
                    await show(await self.progress())
                except NoWorkerAnswers as silence:
                    await show(silence)
                except NotPossible:
                    pass  # no workflow task has been done yet, or the batch has just closed
                looks += 1
                await asyncio.wait([ending], timeout=min(1 + looks / 60, 5))
            return await ending
        finally:
            ending.cancel()

    async def cancel(self) -> None:
        """Ask it to start nothing more and to cancel what is in flight. Raises NotPossible when it is closed."""
        if not self.is_open:
            raise NotPossible(f"the batch is closed already ({self.status})")
        await self.handle.cancel()

    async def pause(self) -> BatchProgress:
        """Start no more runs. Raises NotPossible and NoWorkerAnswers."""
        return BatchProgress.model_validate(await self.update(PAUSE_UPDATE))

    async def resume(self) -> BatchProgress:
        """Start runs again. Raises NotPossible and NoWorkerAnswers."""
        return BatchProgress.model_validate(await self.update(RESUME_UPDATE))

    async def set_concurrency(self, concurrency: int) -> BatchProgress:
        """How many runs may be in flight from now on. Raises NotPossible and NoWorkerAnswers."""
        return BatchProgress.model_validate(await self.update(SET_CONCURRENCY_UPDATE, concurrency))


async def existing(client: Client, batch_id: str, ordered: str) -> Batch | None:
    """The batch with this id that orders the same, open or closed; None when there is none, so that one may start.

    Raises OtherRequest when one that orders something else is going on.
    """
    if await describe(client, batch_id) is None:
        return None
    batch = await Batch.find(client, batch_id)
    if (await batch.description.memo()).get(FINGERPRINT) == ordered:
        return batch
    if batch.is_open:
        raise OtherRequest(
            f"{batch_id} is going on with other requests; wait for it (manxue batch watch {batch_id}), cancel it, or "
            "use another --key"
        )
    return None


async def start_batch(
    client: Client,
    task_queue: str,
    batch_id: str,
    lines: Sequence[BatchLine],
    ordered: str,
    concurrency: int,
    source: str,
    *,
    skip_invalid: bool = False,
) -> tuple[Batch, bool]:
    """Start a batch: first the pages of its requests, then itself, so that it is whole when it is there at all.

    Under the id of a closed batch that ordered something else it goes on with what that has not rendered. The flag says
    whether the batch is new; somebody may have started the same meanwhile. Raises OtherRequest.
    """
    made = pages(batch_id, lines)
    for ref, page in made:
        await client.start_workflow(
            REQUEST_PAGE,
            page,
            id=ref.id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"{ref.lines} requests of {batch_id}",
        )
    given = {
        "pages": [ref.model_dump() for ref, _ in made],
        "concurrency": concurrency,
        "skip_invalid": skip_invalid,
    }
    try:
        await client.start_workflow(
            GENERATE_BATCH,
            given,
            id=batch_id,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            memo={FINGERPRINT: ordered, SOURCE: source},
            static_summary=f"{len(lines)} videos of {source}",
        )
    except WorkflowAlreadyStartedError:
        batch = await existing(client, batch_id, ordered)
        if batch is None:
            raise
        return batch, False
    return await Batch.find(client, batch_id), True
