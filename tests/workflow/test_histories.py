"""Recorded histories fit the workflow code: runs in flight survive the next start of a worker. docs/upgrading.md."""

import gc
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, WorkflowRunner

from tests.support.changed_workflow import ChangedGenerateVideo
from tests.support.histories import read, recorded, text
from tests.support.processes import API_KEY
from tests.support.provider import SIGNATURE
from tests.support.sandbox import sandbox
from worker import WORKFLOWS, workflow_interceptors
from workflows.runner import runner

_OF_THIS_MACHINE = re.compile(
    rf"127\.0\.0\.1|localhost|/tmp/|/root/|/home/|site-packages|whsec_|{re.escape(API_KEY)}|{re.escape(SIGNATURE)}"
)


_AS_IN_A_WORKER = runner(versioned=False)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What the SDK leaves behind of replays ends here, with its tracebacks, not in the middle of another test."""
    yield
    gc.collect()


def replayer(workflows: Sequence[type], runner: WorkflowRunner = _AS_IN_A_WORKER) -> Replayer:
    """With all that the worker has between Temporal and its workflows."""
    return Replayer(
        workflows=workflows,
        namespace="default",  # ids of deliveries follow from it
        data_converter=pydantic_data_converter,
        workflow_runner=runner,
        interceptors=workflow_interceptors("temporal.example.com:7233"),
    )


# The SDK leaves the coroutine of a workflow alone whose argument it could not take.
@pytest.mark.filterwarnings("ignore:coroutine .*run_workflow.* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("runner", [_AS_IN_A_WORKER, sandbox()], ids=["as in a worker", "watched"])
async def test_every_recorded_history_fits_the_code(runner: WorkflowRunner) -> None:
    replaying, misfits = replayer(WORKFLOWS, runner), {}
    assert recorded()
    for path in recorded():
        result = await replaying.replay_workflow(read(path), raise_on_replay_failure=False)
        if result.replay_failure:
            misfits[path.name] = str(result.replay_failure)
    assert misfits == {}


def test_every_workflow_of_the_worker_has_recorded_histories() -> None:
    types = {path.name.partition(".")[0] for path in recorded()}
    assert types == {workflow.__temporal_workflow_definition.name for workflow in WORKFLOWS}  # type: ignore[attr-defined]


async def test_another_order_of_steps_is_noticed() -> None:
    (path, *_) = [path for path in recorded() if path.name.startswith("GenerateVideo.success.")]
    result = await replayer([ChangedGenerateVideo]).replay_workflow(read(path), raise_on_replay_failure=False)
    assert "Nondeterminism" in str(result.replay_failure)


def test_recorded_histories_tell_nothing_of_the_machine_and_no_secret() -> None:
    for path in recorded():
        document = text(path)
        payloads = [b64decode(data).decode(errors="replace") for data in re.findall(r'"data":"([^"]+)"', document)]
        for place in (document, *payloads):
            assert not (found := _OF_THIS_MACHINE.search(place)), f"{path.name}: {found}"
