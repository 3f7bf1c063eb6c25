"""`manxue codec-server` over real HTTP: who may read, and that nothing of what is read is left behind."""

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from playwright.async_api import Page
from temporalio.api.common.v1 import Payload, Payloads

from encryption import ENCODING, EncryptionCodec
from settings import EncryptionSettings
from tests.support.command_line import CommandLine
from tests.support.keys import client_with, new_key
from tests.support.processes import BIN
from tests.support.web_ui import WebUI

KEYS, TOKEN, ORIGIN = new_key("2026-11"), "a-token-for-those-who-may-read", "https://temporal.example"
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"a lighthouse in a storm"')
ALLOWED = {"Authorization": f"Bearer {TOKEN}", "X-Namespace": "default"}


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The program with keys."""
    return CommandLine(tmp_path, {"MANXUE_ENCRYPTION_KEYS": KEYS})


@asynccontextmanager
async def serving(cli: CommandLine, *options: str) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """A client of a codec server, and what the server has said once the block is left."""
    said: list[str] = []
    async with cli.started("codec-server", "--port", "0", "--origin", ORIGIN, *options) as server:
        url = re.findall(r"http://\S+", await server.says("Codec server: "))[0]
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield http, said
        server.interrupt()
        said.append((await server.told()).err)


async def encrypted(keys: str = KEYS) -> dict[str, Any]:
    """What the Web UI sends."""
    codec = EncryptionCodec(EncryptionSettings.model_validate({"encryption_keys": keys}).encryption_keys)
    return MessageToDict(Payloads(payloads=await codec.encode([PLAIN])))


def payloads(answer: httpx.Response) -> list[Payload]:
    """What it is answered."""
    assert answer.status_code == 200, answer.text
    return list(ParseDict(answer.json(), Payloads()).payloads)


async def test_who_shows_the_token_reads_and_nobody_else(cli: CommandLine) -> None:
    async with serving(cli.with_(MANXUE_CODEC_TOKEN=TOKEN)) as (http, said):
        given = await encrypted()
        for header in (
            {},
            {"Authorization": TOKEN},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer"},
        ):
            refused = await http.post("/decode", json=given, headers=header)
            assert (refused.status_code, "lighthouse" in refused.text) == (401, False)
        for path in ("/decode", "/decode?preserveStorageRefs=true"):
            assert payloads(await http.post(path, json=given, headers=ALLOWED)) == [PLAIN]
        there = await http.post("/encode", json=MessageToDict(Payloads(payloads=[PLAIN])), headers=ALLOWED)
        assert b"lighthouse" not in payloads(there)[0].data
        assert payloads(await http.post("/decode", json=there.json(), headers=ALLOWED)) == [PLAIN]

        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-namespace"}
        page = await http.options("/decode", headers={"Origin": ORIGIN, **asked})
        assert (page.status_code, page.headers["access-control-allow-origin"]) == (200, ORIGIN)
        foreign = await http.options("/decode", headers={"Origin": "https://evil.example", **asked})
        assert (foreign.status_code, foreign.headers.get("access-control-allow-origin")) == (400, None)

        unknown = await http.post("/decode", json=await encrypted(new_key("2025-01")), headers=ALLOWED)
        assert (unknown.status_code, "encrypted with the key '2025-01'" in unknown.text) == (400, True)
        for body, status in ((b"{", 400), (b'{"payloads": 3}', 400), (b"\xff", 400), (b"x" * (17 << 20), 413)):
            assert (await http.post("/decode", content=body, headers=ALLOWED)).status_code == status
        assert (await http.get("/health")).text == "ok\n"
    assert "codec.decoded" in said[0]
    secrets = ["lighthouse", base64.b64encode(PLAIN.data).decode(), TOKEN, KEYS.partition(":")[2]]
    assert [secret for secret in secrets if secret in said[0]] == []


async def test_a_token_may_have_letters_of_any_language(cli: CommandLine) -> None:
    token = "schlüssel-für-leser"
    async with serving(cli.with_(MANXUE_CODEC_TOKEN=token)) as (http, _):
        shown = {b"Authorization": f"Bearer {token}".encode()}
        assert payloads(await http.post("/decode", json=await encrypted(), headers=shown)) == [PLAIN]


async def test_without_a_token_only_this_machine_is_answered(cli: CommandLine) -> None:
    async with serving(cli, "--no-auth") as (http, _):
        assert payloads(await http.post("/decode", json=await encrypted())) == [PLAIN]
        rebound = await http.post("/decode", json=await encrypted(), headers={"Host": "evil.example"})
        assert rebound.status_code == 400
    refusals = {
        ("--no-auth", "--host", "0.0.0.0"): "--no-auth is only for this machine",
        (): "MANXUE_CODEC_TOKEN is not set",
        ("--no-auth", "--origin", "*"): "must be scheme, host and port",
    }
    told = await asyncio.gather(*(cli.run("codec-server", *options) for options in refusals))
    assert [(answer.code, reason in answer.err) for answer, reason in zip(told, refusals.values(), strict=True)] == [
        (2, True)
    ] * 3, told
    keyless = await cli.with_(MANXUE_ENCRYPTION_KEYS="").run("codec-server", "--no-auth")
    assert (keyless.code, "MANXUE_ENCRYPTION_KEYS is not set" in keyless.err) == (2, True)


async def test_the_web_ui_of_a_local_stack_and_the_temporal_cli_show_what_is_encrypted(
    cli: CommandLine, page: Page, word: str
) -> None:
    async with cli.started("local", "--speed", "100") as stack:
        said = await stack.says("Ctrl-C stops everything.")
        ui_url, address = (re.findall(rf"{name} +([^\s,]+)", said)[0] for name in ("Web UI", "Temporal"))
        prompt = f"[fail: {word} is too dark] a lighthouse in a storm, {word}"
        ended = await cli.run("generate", "--prompt", prompt, "--duration", "4", "--id", f"run-{word}x")
        assert (ended.code, f"{word} is too dark" in ended.err) == (1, True)
        handle_of = (await client_with(address, KEYS)).get_workflow_handle
        handle = handle_of(f"run-{word}x")
        ui = WebUI(page, ui_url)
        await ui.open(handle, "user-metadata", f"lighthouse in a storm, {word}", "RenderFailed: the provider could not")
        await ui.open(handle, "history", f"{word} is too dark")

        endpoint = await codec_of(page, ui_url)
        sealed = await temporal(address, handle.id, "show", "--detailed")
        opened = await temporal(address, handle.id, "show", "--detailed", "--codec-endpoint", endpoint)
        given = json.dumps({"request": {}, "poll": f"private to {word}"})
        order = ("start", "--type", "GenerateVideo", "--task-queue", "manxue", "--input", given)
        await temporal(address, f"bad-{word}", *order, "--codec-endpoint", endpoint)
        first = await anext(handle_of(f"bad-{word}").fetch_history_events())
        stack.interrupt()
        assert (await stack.told()).code == 0
    assert [prompt in text for text in (sealed, opened)] == [False, True], opened
    (sent,) = first.workflow_execution_started_event_attributes.input.payloads
    assert (sent.metadata["encoding"], word.encode() in sent.data) == (ENCODING, False)


async def codec_of(page: Page, ui_url: str) -> str:
    """Where the Web UI has payloads decrypted."""
    settings = await (await page.request.get(f"{ui_url}/api/v1/settings")).json()
    return str(settings["Codec"]["Endpoint"])


async def temporal(address: str, workflow_id: str, command: str, *options: str) -> str:
    """What a `temporal workflow` command says."""
    words = ["workflow", command, "--address", address, "-w", workflow_id, *options]
    output, env = asyncio.subprocess.PIPE, {**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull}
    process = await asyncio.create_subprocess_exec(str(BIN / "temporal"), *words, stdout=output, stderr=output, env=env)
    said, problems = await process.communicate()
    return (said + problems).decode()
