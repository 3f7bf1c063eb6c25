"""What the image holds is enough for a render, with nothing of the tests' packages and a root that nobody writes."""

import signal
from pathlib import Path

from temporalio.client import Client

from tests.support.deployment import resolved
from tests.support.image import Image
from tests.support.processes import API_KEY, DevServer, wait_for
from tests.support.runs import Runs, request


async def test_the_images_files_and_packages_make_a_video_and_write_only_to_its_volumes(
    server: DevServer, client: Client, tmp_path: Path
) -> None:
    image = Image(tmp_path)
    before = image.files()
    logs = {name: tmp_path / f"{name}.log" for name in ("emulator", "worker")}
    for log in logs.values():
        log.touch()
    options = ("--port", "0", "--key", API_KEY, "--speed", "200")
    emulator = image.run(logs["emulator"], "emulator", *options)
    wait_for("API key", logs["emulator"], emulator)
    url = logs["emulator"].read_text().split()[1]
    probe = resolved("--env-file", "emulator.env", "--profile", "emulator")["services"]["emulator"]["healthcheck"][
        "test"
    ]
    for port, healthy in ((url.rpartition(":")[2], True), ("1", False)):
        asked = image.python(tmp_path / "probe.log", "-c", probe[-1].replace("8300", port))
        assert (asked.wait(30) == 0) == healthy
    worker = image.run(
        logs["worker"],
        TEMPORAL_ADDRESS=server.address,
        MANXUE_API_KEY=API_KEY,
        MANXUE_BASE_URL=url,
        MANXUE_TASK_QUEUE="image",
    )
    wait_for("worker.started", logs["worker"], worker)

    result = await Runs(client, "image").result(request=request("an image of an image"))

    videos = {path.name for path in (tmp_path / "videos").iterdir()}
    assert Path(result["video"]["uri"]).name in videos
    assert (
        len([name for name in videos if name.endswith(".jpg")]) == 2
    )  # drawn by a confined process, which started too
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    emulator.terminate()
    emulator.wait(60)
    assert image.files() == before
