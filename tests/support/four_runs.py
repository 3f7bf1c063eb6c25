"""A running, a held, a failed and a finished run, for all that looks at runs."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from starlette.responses import Response

from starter.client import start
from starter.inputs import check
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import FAST, Handle, Runs, failure_of, outcome, request, until

_REASON = "the picture shows a person who may not be shown"


@dataclass(frozen=True)
class FourRuns:
    """Their handles."""

    running: Handle
    held: Handle
    failed: Handle
    finished: Handle


async def four_runs(runs: Runs, provider: Provider, word: str) -> FourRuns:
    """Start them and wait until each is where it belongs. `word` is in their prompts and workflow ids.

    Another service starts the held one, the command line the others.
    """
    prompts = {
        "running": f"a lighthouse in a storm, waves as high as houses, {word}",
        "held": f"a paper boat crossing a puddle, seen from above, {word}",
        "failed": f"an actress on a red carpet, photographers left and right, {word}",
        "finished": f"a portrait that turns its head and smiles, {word}",
    }

    def lost(_: Any) -> Response:
        return bad_gateway()

    provider.on_query[prompts["running"]] = lambda task: provider.status(task, "processing", progress=40)
    provider.on_create[prompts["held"]] = lost
    provider.on_query[prompts["failed"]] = lambda task: provider.status(task, "failed", error={"message": _REASON})
    colour = f"#ff{crc32(word.encode()) % 65536:04x}"  # no other test's: alike images are one asset
    face = provider.image(f"{word}.png", colour)

    async def begin(name: str, **more: Any) -> Handle:
        poll = {"first": 1, "interval": 8 if name == "running" else 1}
        fields = {"request": request(prompts[name], **more), "poll": poll, "deadline": "PT6H"}
        await start(runs.client, runs.task_queue, f"{name}-{word}", fields, check(fields)[1])
        return runs.client.get_workflow_handle(f"{name}-{word}")

    four = FourRuns(
        running=await begin("running", model="sd2_manxue_1080p", duration=8),
        held=await runs.start(workflow_id=f"held-{word}", request=request(prompts["held"]), poll=FAST),
        failed=await begin("failed"),
        finished=await begin("finished", first_image=face),
    )
    await until(four.running, lambda now: now["polls"] > 2 and now["next_poll_at"])
    await until(four.held, lambda now: now["phase"] == "needs_decision")
    await failure_of(four.failed)
    await outcome(four.finished)
    return four
