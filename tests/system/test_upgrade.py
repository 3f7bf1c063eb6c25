"""Workers are replaced while renders are in flight. The long form is `make soak-upgrade RUNS=50`."""

from pathlib import Path

from temporalio.client import Client

from tests.soak.upgrade import upgrade
from tests.support.command_line import CommandLine
from tests.support.processes import WorkerProcess, worker_process
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import FAST, Runs, request, until_phase


async def test_a_version_with_other_steps_takes_over_ten_renders_and_a_batch_and_nothing_is_lost_or_paid_twice(
    tmp_path: Path,
) -> None:
    findings = await upgrade(10, tmp_path)
    print("\n".join(findings.report()))
    assert findings.breaches() == []


async def test_who_decides_about_a_run_that_the_new_code_does_not_fit_is_told_so(
    client: Client, provider: Provider, worker_env: dict[str, str], folder: Path, word: str
) -> None:
    env = {**worker_env, "MANXUE_TASK_QUEUE": "other-steps"}
    with worker_process(folder, env):
        provider.on_create[word] = lambda _: bad_gateway()
        held = await Runs(client, "other-steps").start(request=request(word), poll=FAST)
        await until_phase(held, "needs_decision")
    changed = WorkerProcess(folder, env, changed=True).ready()
    try:
        told = await CommandLine(folder, env).run("resolve", held.id, "--abandon")
    finally:
        changed.kill()
    assert told.code == 4
    assert "no worker of task queue other-steps gets on with it: [TMPRL1100] Nondeterminism error" in told.err
    await held.terminate()
