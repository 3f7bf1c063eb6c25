"""The job for Celery and Redis: a task for each step, which starts the next. Settings that lose the least."""

from pathlib import Path
from typing import Any

import httpx
from celery import Celery, signals

from benchmarks.jobs.steps import CREATE, ENGINE, FOLDER, HEADERS, PAUSE, RESULT, options

app = Celery("benchmarks.jobs.celery_job", broker=ENGINE or None)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
_http: httpx.Client


@signals.worker_process_init.connect
def _begin(**_: Any) -> None:
    global _http  # noqa: PLW0603 - a client for each process of the pool
    _http = httpx.Client(**options())


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    print("ready", flush=True)


@app.task
def generate(request: dict[str, Any]) -> None:
    """The first step, which checks nothing, as in the other implementations."""
    submit.delay(request)


@app.task
def submit(request: dict[str, Any]) -> None:
    """One POST."""
    answer = _http.post(CREATE, json=request, headers=HEADERS).raise_for_status()
    poll.apply_async((answer.json()["id"],), countdown=PAUSE)


@app.task
def poll(task_id: str) -> None:
    """One GET."""
    if _http.get(RESULT + task_id, headers=HEADERS).raise_for_status().json()["status"] == "completed":
        download.delay(task_id)
    else:
        poll.apply_async((task_id,), countdown=PAUSE)


@app.task
def download(task_id: str) -> None:
    """Two GETs, and a file."""
    url = _http.get(RESULT + task_id, headers=HEADERS).raise_for_status().json()["video_url"]
    with Path(FOLDER, f"{task_id}.mp4").open("wb") as file, _http.stream("GET", url) as answer:
        for block in answer.raise_for_status().iter_bytes():
            file.write(block)
