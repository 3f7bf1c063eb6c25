"""A worker's metrics and health, as Prometheus and Kubernetes ask for them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx

from tests.support.patience import PATIENCE
from tests.support.processes import WorkerProcess, free_port

T = TypeVar("T")

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.M)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Samples:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = [(name, dict(_LABEL.findall(labels)), float(v)) for name, labels, v in _SAMPLE.findall(text)]

    def __call__(self, name: str, **labels: str) -> float | None:
        """The sum over the series that have the labels; None where there is none."""
        found = [v for n, given, v in self._samples if n == name and labels.items() <= given.items()]
        return sum(found) if found else None

    @property
    def names(self) -> set[str]:
        """Of all series."""
        return {name for name, _, _ in self._samples}

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {given[label] for n, given, _ in self._samples if n == name and label in given}


class MeasuredWorker(WorkerProcess):
    """A worker that answers at an address of its own."""

    def __init__(self, folder: Path, env: dict[str, str], events: int | None = None) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(folder, env | {"MANXUE_METRICS_ADDRESS": self.address}, events=events)

    async def ask(self, path: str) -> httpx.Response:
        """GET."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.get(f"http://{self.address}{path}")

    async def metrics(self) -> Samples:
        """All metrics, now."""
        return Samples((await self.ask("/metrics")).raise_for_status().text)

    async def until(self, condition: Callable[[Samples], bool]) -> Samples:
        """The first metrics that satisfy the condition: open runs are read every few seconds."""
        return await _until(self.metrics, condition)

    async def until_answer(self, path: str, status: int) -> httpx.Response:
        """The first answer with that status."""
        return await _until(lambda: self.ask(path), lambda answer: answer.status_code == status)


async def _until(ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> T:
    async with asyncio.timeout(PATIENCE):
        while not condition(answer := await ask()):
            await asyncio.sleep(0.2)
    return answer
