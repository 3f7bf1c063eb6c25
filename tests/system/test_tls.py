"""A Temporal server that asks for client certificates, reached as Temporal's own variables say."""

import asyncio
import json
from pathlib import Path

from tests.support.command_line import CommandLine
from tests.support.processes import DevServer, WorkerProcess
from tests.support.runs import FAST, request
from tests.support.tls import Authority, tls_door


async def test_a_run_over_mutual_tls_and_what_is_said_without_the_right_certificates(
    server: DevServer, worker_env: dict[str, str], tmp_path: Path, word: str
) -> None:
    authority, foreign = Authority(tmp_path), Authority(tmp_path / "foreign")
    authority.issue("worker")
    foreign.issue("worker")
    async with tls_door(authority, server.port) as address:
        trusting = {"TEMPORAL_ADDRESS": address, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": authority.path("authority")}

        def shows(mine: Authority) -> dict[str, str]:
            cert, key = mine.path("worker"), mine.path("worker", "key")
            return {"TEMPORAL_TLS_CLIENT_CERT_PATH": cert, "TEMPORAL_TLS_CLIENT_KEY_PATH": key}

        ours = {**trusting, **shows(authority), "MANXUE_TASK_QUEUE": f"tls-{word}"}
        worker = WorkerProcess(tmp_path, {**worker_env, **ours})
        await asyncio.to_thread(worker.ready)
        scene = json.dumps({"request": request(word), "poll": FAST})
        generated = await CommandLine(tmp_path, ours).run("generate", "--request", "-", stdin=scene)
        assert generated.code == 0, generated.err
        assert Path(generated.out.strip()).is_file()
        assert await asyncio.to_thread(worker.stop) == 0

        wanted = "the server may want TLS (TEMPORAL_TLS=true) and a client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH"
        strangers: list[tuple[dict[str, str], str]] = [
            ({"TEMPORAL_ADDRESS": address}, wanted),
            (trusting, wanted),
            ({**trusting, **shows(foreign)}, wanted),
            ({**ours, "TEMPORAL_ADDRESS": server.address}, wanted),
            ({**ours, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": foreign.path("authority")}, "name the authority of its"),
            ({**ours, "TEMPORAL_TLS_CLIENT_CERT_PATH": str(tmp_path / "no.pem")}, "cannot be read: "),
        ]
        lists = [CommandLine(tmp_path, environment).run("list") for environment, _ in strangers]
        told = await asyncio.gather(*lists)
    expected = [(4, True)] * len(strangers)
    assert [(a.code, text in a.err) for a, (_, text) in zip(told, strangers, strict=True)] == expected, told
