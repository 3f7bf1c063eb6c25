"""Files of users: from a path on the command line to what the provider fetches, over an S3-compatible server."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.command_line import CommandLine, Told
from tests.support.media_server import audio, image, video
from tests.support.object_store import BUCKET, SECRET, ObjectStore
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, WorkerProcess, free_port, worker_process
from tests.support.provider import Answer, Provider
from workflows.contract import VideoResult

QUICK = ("--duration", "4", "--poll-first", "0", "--poll-interval", "1")
QUEUE = "staging"


@pytest.fixture(scope="module")
def worker(folder: Path, worker_env: dict[str, str], store: ObjectStore) -> Iterator[WorkerProcess]:
    with worker_process(folder, {**worker_env, **store.env, "MANXUE_TASK_QUEUE": QUEUE}) as worker:
        yield worker


@pytest.fixture
def cli(server: DevServer, store: ObjectStore, tmp_path: Path, word: str) -> CommandLine:
    """The program with a staging prefix of the test's own."""
    staging = {"MANXUE_STAGING": f"s3://{BUCKET}/{word}/staging", **store.env}
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address, "MANXUE_TASK_QUEUE": QUEUE, **staging})


@pytest.fixture
def nowhere(tmp_path: Path) -> CommandLine:
    """The program without staging, and with an address at which nobody listens."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"})


@pytest.fixture
def uploads(provider: Provider) -> Iterator[list[str]]:
    """The URLs that the provider is given to review, which no asset id is made of: they are signed."""
    urls: list[str] = []

    def upload(given: list[str]) -> Answer:
        urls.extend(given)
        items = [{"originalUrl": url, "assetId": f"asset-{digest(url)}", "status": "submitted"} for url in given]
        return {"code": "0", "msg": None, "data": {"items": items, "failedItems": []}}

    provider.on_upload = upload
    yield urls
    provider.on_upload = None


def digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def picture(path: Path, width: int = 640) -> tuple[str, bytes]:
    """Put an image there; the name that it is staged under, and its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = image(width=width) + digest(str(path)).encode()
    path.write_bytes(content)
    return f"{digest(content)}{path.suffix}", content


def result_of(told: Told) -> VideoResult:
    assert told.code == 0, told.err
    return VideoResult.model_validate_json(told.out)


@pytest.mark.usefixtures("worker")
async def test_a_local_image_is_staged_once_and_fetched_by_the_provider_through_a_signed_url(
    cli: CommandLine, store: ObjectStore, uploads: list[str], word: str
) -> None:
    name, content = picture(cli.folder / "face.png")
    generate = ("generate", "--prompt", word, *QUICK, "--json", "--first-image")
    first = await cli.run(*generate, "./face.png")
    written = store.at(f"{word}/staging").head(name)["last_modified"]
    second = await cli.run(*generate, str(cli.folder / "face.png"))
    reference = f"s3://{BUCKET}/{word}/staging/{name}"
    assert result_of(first).assets == result_of(second).assets == {reference: f"asset-{digest(uploads[0])}"}
    assert f"face.png: uploaded, {len(content) / 1e3:.1f} kB: {reference}\n" in first.err
    assert f"face.png: is there already: {reference}\n" in second.err
    assert store.read(f"{word}/staging") == {name: content}
    assert store.at(f"{word}/staging").head(name)["last_modified"] == written
    async with httpx.AsyncClient(timeout=60) as http:
        fetched = [await http.get(url) for url in uploads]
    assert [(answer.content, answer.headers["Content-Type"]) for answer in fetched] == [(content, "image/png")]
    assert not [told for told in (first, second) if SECRET in told.err or "X-Amz-Signature" in told.err + told.out]


@pytest.mark.usefixtures("worker", "uploads")
async def test_every_kind_of_medium_in_a_request_file_is_relative_to_the_file(
    cli: CommandLine, provider: Provider, store: ObjectStore, word: str
) -> None:
    scenes, home = cli.folder / "scenes", cli.folder / "home"
    name, content = picture(scenes / "media" / "face.png")
    at_home, _ = picture(home / "other.png")
    recordings = {"clip.mp4": video(padding=60_000), "voice.mp3": audio()}
    for file, recording in recordings.items():
        (scenes / file).write_bytes(recording)
    body = {
        "model": "sd2_manxue_video_720p",
        "prompt": word,
        "duration": 4,
        "referenceImages": ["media/face.png", "~/other.png", "media/face.png"],
        "referenceVideos": ["./clip.mp4"],
        "referenceAudios": [(scenes / "voice.mp3").as_uri()],
    }
    (scenes / "scene.json").write_text(json.dumps({"request": body, "asset_review": "none"}))
    told = await cli.with_(HOME=str(home)).run("generate", "-r", "scenes/scene.json", *QUICK, "--json")
    assert result_of(told).assets == {}
    staged = store.read(f"{word}/staging")
    clip, voice = (f"{digest(recordings[file])}{Path(file).suffix}" for file in recordings)
    assert staged.keys() == {name, at_home, clip, voice}
    assert staged[clip] == recordings["clip.mp4"]  # more than 5 MB: in parts
    (sent,) = provider.creates_of(word)
    names = [[Path(url.partition("?")[0]).name for url in sent[f"reference{kind}"]] for kind in ("Images", "Videos")]
    assert names == [[name, at_home, name], [clip]]
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(sent["referenceImages"][2])).content == content


@pytest.mark.usefixtures("worker")
async def test_files_that_a_schedule_picks_are_staged_when_it_is_made_and_its_runs_take_turns_with_them(
    cli: CommandLine, store: ObjectStore, uploads: list[str], word: str
) -> None:
    names = [picture(cli.folder / file)[0] for file in ("a.png", "b.png")]
    request = {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "first_image": "{{ pick(faces) }}"}
    fields = {"request": request, "template": {"lists": {"faces": ["a.png", "b.png"]}}, "poll": {"first": 0}}
    (cli.folder / "request.json").write_text(json.dumps(fields))
    create = ("schedule", "create", word, "-r", "request.json", "--cron", "0 9 * * *")
    assert (await cli.run(*create, "--preview", "1")).code == 0
    assert store.read(f"{word}/staging") == {}
    assert (await cli.run(*create)).code == 0
    assert store.read(f"{word}/staging").keys() == set(names)
    span = ("--from", "2026-01-01", "--to", "2026-01-02T23:00", "--yes")
    assert (await cli.run("schedule", "backfill", word, *span)).code == 0
    async with asyncio.timeout(PATIENCE):
        while len(set(uploads)) < 2:
            await asyncio.sleep(0.1)
    assert {Path(url.partition("?")[0]).name for url in uploads} == set(names)
    assert (await cli.run("schedule", "delete", word)).code == 0


@pytest.mark.usefixtures("worker", "uploads")
async def test_the_same_file_under_the_same_key_is_the_same_run_and_another_file_is_another_request(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    _, content = picture(cli.folder / "face.png")
    (cli.folder / "copy.png").write_bytes(content)
    picture(cli.folder / "other.png")
    generate = ("generate", "--key", word, "--prompt", word, *QUICK, "--first-image")
    told = [await cli.run(*generate, file) for file in ("face.png", "copy.png", "other.png")]
    assert [one.code for one in told] == [0, 0, 2]
    assert "exists already" in told[1].err
    assert f"generate-{word} was started with another request" in told[2].err
    assert len(provider.creates_of(word)) == 1


async def test_every_unusable_file_is_told_with_all_other_problems_before_anything_is_sent(
    cli: CommandLine, nowhere: CommandLine, store: ObjectStore, word: str
) -> None:
    picture(cli.folder / "face.png")
    (cli.folder / "empty.png").touch()
    media = [("--reference-image", name) for name in ("face.png", "gone.png", ".", "empty.png", "a.example/a.png")]
    command = ["generate", "--prompt", " ", "--duration", "99", "--reference-audio", "gone.mp3"]
    command += [part for pair in media for part in pair]
    told = await nowhere.with_(**{**cli.environment, **nowhere.environment}).run(*command)
    assert (told.code, told.out) == (2, "")
    usable = "give the path of a file, or a URL with its scheme"
    assert told.err.splitlines() == [
        "error: the request has 7 problems; nothing was started",
        f'  - --reference-image: the file does not exist; {usable} (given: "gone.png")',
        f'  - --reference-image: the file is a directory; {usable} (given: ".")',
        f'  - --reference-image: the file is empty; {usable} (given: "empty.png")',
        f'  - --reference-image: the file does not exist; {usable} (given: "a.example/a.png")',
        f'  - --reference-audio: the file does not exist; {usable} (given: "gone.mp3")',
        '  - prompt: must not be empty (given: " ")',
        "  - duration: must be 4 to 15 seconds (given: 99)",
    ]
    assert store.read(word) == {}


async def test_without_staging_the_error_says_what_to_set(nowhere: CommandLine) -> None:
    picture(nowhere.folder / "face.png")
    told = await nowhere.run("generate", "--prompt", "cat", "--first-image", "face.png")
    assert told.code == 2
    (_, problem) = told.err.splitlines()
    assert problem.startswith("  - --first-image: is a file of this machine, which the provider cannot reach: set ")
    assert "MANXUE_STAGING" in problem
    assert problem.endswith('or give a URL (given: "face.png")')
    wrong = await nowhere.with_(MANXUE_STAGING="/tmp").run("generate", "--prompt", "cat")
    assert (wrong.code, "MANXUE_STAGING: must be an object store prefix" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("staging", "settings", "said"),
    [
        ("s3://read-only/x", {}, "access is denied"),
        ("s3://not-there/x", {}, "NoSuchBucket"),
        (f"s3://{BUCKET}/x", {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}, "does not answer"),
    ],
)
async def test_what_keeps_a_file_from_being_staged_is_one_sentence_and_nothing_is_started(
    cli: CommandLine, provider: Provider, staging: str, settings: dict[str, str], said: str, word: str
) -> None:
    picture(cli.folder / "face.png")
    told = await cli.with_(MANXUE_STAGING=staging, **settings).run(
        "generate", "--prompt", word, "--id", word, "--first-image", "face.png"
    )
    assert (told.code, told.out) == (4, "")
    (line,) = told.err.splitlines()
    assert line.startswith(f"error: face.png cannot be staged in {staging}/: ")
    assert said in line
    assert SECRET not in line
    assert (await cli.run("status", word)).code == 3


async def test_a_local_stack_stages_on_this_machine_and_knows_the_file_again_when_it_starts_anew(
    tmp_path: Path, word: str
) -> None:
    cli = CommandLine(tmp_path, {})
    name, content = picture(tmp_path / "face.png")
    generate = ("generate", "--key", word, "--prompt", word, "--duration", "4", "--first-image", "face.png", "--json")
    told = []
    for _ in range(2):
        async with cli.with_(MANXUE_STAGING=f"s3://{BUCKET}/never").started("local", "--speed", "100") as stack:
            await stack.says("Ctrl-C stops everything.")
            added = await cli.run("assets", "add", "face.png")
            assert (added.code, "active" in added.out) == (0, True)
            told.append(await cli.with_(MANXUE_STAGING=f"s3://{BUCKET}/never").run(*generate))
            stack.interrupt()
            await stack.told()
    result = result_of(told[0])
    assert result == result_of(told[1])
    assert "exists already" in told[1].err
    ((reference, asset_id),) = result.assets.items()
    assert reference.startswith("http://127.0.0.1:")
    assert reference.endswith(f"/staging/{name}")
    assert asset_id
    assert [(file.name, file.read_bytes()) for file in (tmp_path / ".manxue" / "staging").iterdir()] == [
        (name, content)
    ]


async def test_with_the_real_provider_a_local_stack_needs_a_staging(tmp_path: Path, provider: Provider) -> None:
    cli = CommandLine(tmp_path, {"MANXUE_API_KEY": "any", "MANXUE_BASE_URL": provider.url})
    picture(tmp_path / "face.png")
    async with cli.started("local", "--real") as stack:
        await stack.says("Ctrl-C stops everything.")
        told = await cli.run("generate", "--prompt", "cat", "--first-image", "face.png")
        stack.interrupt()
        await stack.told()
    assert (told.code, "set MANXUE_STAGING" in told.err) == (2, True)
