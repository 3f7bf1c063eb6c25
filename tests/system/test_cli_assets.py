"""What `manxue assets` promises: reviews asked for beforehand, looked at, and forgotten."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine, Told
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, free_port
from tests.support.provider import Provider, uploaded

KINDS = ("imageUrls", "videoUrls", "audioUrls")

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def cli(server: DevServer, tmp_path: Path) -> CommandLine:
    """The program on the shared server, without an API key."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


def pictures(provider: Provider, word: str, count: int) -> list[str]:
    """Images of a test's own."""
    return [provider.image(f"{word}-{n}.png", f"#{hash((word, n)) & 0xFFFFFF:06x}") for n in range(count)]


def uploads_of(provider: Provider, word: str) -> list[str]:
    """Every URL with the word that was uploaded, as often as it was."""
    return [url for upload in provider.uploads for urls in upload.values() for url in urls if word in url]


def shown(told: Told) -> list[list[str]]:
    """A table's rows: state, asset id, age, reference."""
    head, *rows = told.out.splitlines()
    assert head.split() == ["STATE", "ASSET", "AGE", "REFERENCE"]
    return [[row.split()[0], row.split()[1], row.split()[-1]] for row in rows]


async def until_listed(cli: CommandLine, reference: str, state: str) -> dict[str, Any]:
    """The entry of the list with this reference, once it is in that state: lists follow with a delay."""
    async with asyncio.timeout(PATIENCE):
        while True:
            entries = json.loads((await cli.run("assets", "list", "--json")).out)
            found = [entry for entry in entries if entry["reference"] == reference and entry["state"] == state]
            if found:
                entry: dict[str, Any] = found[0]
                return entry


async def test_media_are_reviewed_beforehand_and_the_run_that_needs_them_does_not_wait(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    urls = pictures(provider, word, 2)
    ids = [f"asset-{word}-{n}.png" for n in range(2)]
    added = await cli.run("assets", "add", *urls)
    assert (added.code, shown(added)) == (0, [["active", ids[n], urls[n]] for n in range(2)])
    assert "2 of 2 assets are under review at the provider" in added.err
    look_ups = len(provider.look_ups)
    again = await cli.run("assets", "add", *urls)
    assert (again.code, shown(again)) == (0, shown(added))
    assert "under review" not in again.err
    quick = ("--duration", "4", "--poll-first", "0", "--poll-interval", "1", "--json")
    made = await cli.run("generate", "--prompt", word, "--first-image", urls[0], *quick)
    assert json.loads(made.out)["assets"] == {urls[0]: ids[0]}
    assert sorted(uploads_of(provider, word)) == urls
    assert len(provider.look_ups) == look_ups


async def test_an_asset_is_listed_shown_and_forgotten_by_each_of_its_names(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    (url,) = pictures(provider, word, 1)
    await cli.run("assets", "add", url)
    listed = await until_listed(cli, url, "active")
    names = (url, listed["asset_id"], f"asset://{listed['asset_id']}", listed["review_id"])
    told = await cli.run_all(*(("assets", "status", name, "--json") for name in names))
    assert [json.loads(one.out) for one in told] == [listed] * 4
    status, forgotten = await cli.run("assets", "status", url), await cli.run("assets", "forget", url)
    assert {"review", "state", "asset", "reference", "started"} == {line.split()[0] for line in status.out.splitlines()}
    assert (forgotten.code, f"forgotten: {listed['review_id']}" in forgotten.err) == (0, True)
    await cli.run("assets", "add", url)
    assert uploads_of(provider, word) == [url, url]


async def test_a_refusal_ends_with_code_1_and_its_reason_and_is_remembered(
    cli: CommandLine, provider: Provider, word: str, states: dict[str, str]
) -> None:
    good, bad = pictures(provider, word, 2)
    states[f"{word}-1"] = "Failed"
    for _ in range(2):
        told = await cli.run("assets", "add", good, bad)
        assert told.code == 1
        assert shown(told) == [["active", f"asset-{word}-0.png", good], ["refused", "-", bad]]
        assert "\nAssetRefused: the provider refused 1 of 2 assets\n" in f"\n{told.err}"
        assert f"  - {bad}: refused by the review\nWhat to do: Use other media" in told.err
    assert (await until_listed(cli, bad, "refused"))["reason"] == "refused by the review"
    assert len(uploads_of(provider, word)) == 2


async def test_what_is_wrong_with_the_account_is_no_verdict_and_has_its_own_name(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    (url,) = pictures(provider, word, 1)
    refused = {"code": 402, "msg": "insufficient balance", "data": None}
    provider.on_upload = lambda urls: refused if word in urls[0] else uploaded(urls)
    told = await cli.run("assets", "add", url)
    provider.on_upload = None
    assert told.code == 1
    assert [row[0] for row in shown(told)] == ["failed"]
    assert "\nInsufficientBalance: there is no verdict: " in told.err
    assert "What to do: Top up" in told.err


async def test_a_review_under_way_is_left_watched_and_interrupted_without_harm(
    cli: CommandLine, provider: Provider, word: str, states: dict[str, str]
) -> None:
    (url,) = pictures(provider, word, 1)
    states[word] = "Processing"
    signed = f"{url}?token=of-the-caller"
    left = await cli.run("assets", "add", signed, "--detach")
    assert (left.code, shown(left)) == (0, [["reviewing", "-", f"{url}?…"]])
    listed = await until_listed(cli, f"{url}?…", "reviewing")
    status = await cli.run("assets", "status", signed)
    assert f"review     {listed['review_id']}\nstate      reviewing\n" in status.out
    async with cli.started("assets", "add", signed) as watching:
        await watching.says("1 of 1 assets are under review")
        watching.interrupt()
        told = await watching.told(seconds=30)
    assert (told.code, told.out) == (130, "")
    assert told.err.endswith("the reviews go on. Look at them: manxue assets list\n")
    states[word] = "Active"
    done = await cli.run("assets", "add", signed, "--json")
    assert [asset["state"] for asset in json.loads(done.out)] == ["active"]
    assert len(uploads_of(provider, word)) == 1


async def test_videos_and_audios_are_what_their_names_say_or_what_is_said(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    urls = {name: f"{provider.url}/media/{word}-{name}" for name in ("a.mp4", "b.mp3", "c", "d")}
    told = await cli.run_all(
        ("assets", "add", urls["a.mp4"], urls["b.mp3"], urls["c"]), ("assets", "add", urls["d"], "--kind", "audio")
    )
    assert [one.code for one in told] == [0, 0]
    sent = {kind: {url for upload in provider.uploads for url in upload.get(kind, []) if word in url} for kind in KINDS}
    assert sent == {"imageUrls": {urls["c"]}, "videoUrls": {urls["a.mp4"]}, "audioUrls": {urls["b.mp3"], urls["d"]}}


async def test_two_media_that_only_their_query_tells_apart_are_told_apart_by_id(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    url = f"{provider.url}/media/{word}.mp4"
    added = await cli.run("assets", "add", f"{url}?id=1", f"{url}?id=2", "--json")
    ids = {entry["review_id"] for entry in json.loads(added.out)}
    async with asyncio.timeout(PATIENCE):
        while "2 reviews are known" not in (told := await cli.run("assets", "status", f"{url}?id=1")).err:
            await asyncio.sleep(0.1)
    assert told.code == 3
    assert [review_id for review_id in ids if review_id in told.err] == list(ids)


async def test_what_is_no_medium_or_not_known_or_not_there_is_one_sentence(
    cli: CommandLine, provider: Provider, tmp_path: Path, word: str
) -> None:
    (url,) = pictures(provider, word, 1)
    nowhere = CommandLine(tmp_path, {"TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"})
    bad = await nowhere.run("assets", "add", "gone.png", "asset://asset-1", "ftp://a.example/a.png")
    assert (bad.code, len(bad.err.splitlines())) == (2, 4)
    unknown = await cli.run_all(*(("assets", name, word) for name in ("status", "forget")))
    assert {(told.code, told.err) for told in unknown} == {
        (3, f"error: no review of {word} is known in the namespace default\n")
    }
    alone = await cli.with_(MANXUE_TASK_QUEUE=word).run("assets", "add", url, seconds=25)
    assert (alone.code, alone.out) == (4, "")
    assert alone.err == f"error: no worker is polling task queue {word} in the namespace default\n"
