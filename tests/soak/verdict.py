"""What a soak shows: a ledger of what was asked, paid for and delivered, and every breach of a promise."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from emulator.ledger import Ledger
from manxue.failure import FailureType
from tests.soak.generations import Generation, accepted
from tests.support.runs import path_of

_NOTHING_BOUGHT = (FailureType.SUBMISSION_REFUSED, FailureType.ASSET_REFUSED)


@dataclass
class Verdict:
    """The ledger of a soak. `breaches` is empty when every promise was kept."""

    asked: int
    creates: int = 0
    accepted: int = 0
    accepted_twice: int = 0
    delivered: int = 0
    held: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    breaches: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The ledger, for people."""
        failed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.failed.items())) or "none"
        kills = ", ".join(f"{count} {what}" for what, count in sorted(self.kills.items())) or "none"
        return [
            f"generations asked for          {self.asked}",
            f"create calls                   {self.creates}",
            f"  accepted by the provider     {self.accepted}",
            f"  accepted twice               {self.accepted_twice}",
            f"files delivered and right      {self.delivered}",
            f"held for a decision            {self.held}",
            f"failed for the provider's word {failed}",
            f"kills (SIGKILL)                {kills}",
            f"breaches of a promise          {len(self.breaches)}",
            *(f"  ! {breach}" for breach in self.breaches),
        ]


def judge(generations: list[Generation], ledger: Ledger, kills: Counter[str]) -> Verdict:
    """Compare what came out with what the provider really did."""
    verdict = Verdict(asked=len(generations), creates=len(ledger.creates), kills=kills)
    for generation in generations:
        tasks = accepted(ledger, generation)
        verdict.accepted += len(tasks)
        verdict.held += generation.held
        if len(tasks) > 1:
            verdict.accepted_twice += 1
            verdict.breaches.append(f"{generation.workflow_id} was accepted {len(tasks)} times: {tasks}")
        breach = _breach(generation, tasks, ledger)
        if breach:
            verdict.breaches.append(f"{generation.workflow_id}: {breach}")
        elif generation.ended == "completed":
            verdict.delivered += 1
        else:
            verdict.failed[generation.ended] += 1
    return verdict


def _breach(generation: Generation, tasks: list[str], ledger: Ledger) -> str | None:
    """What is wrong with how it ended."""
    if generation.ended == "completed":
        assert generation.result
        sha256 = hashlib.sha256(path_of(generation.result).read_bytes()).hexdigest()
        if generation.result["task_id"] not in tasks:
            return f"it delivered the task {generation.result['task_id']}, which is not its own"
        if sha256 != generation.result["video"]["sha256"]:
            return "the file is not the one that the result names"
        return None if sha256 in ledger.rendered[tasks[0]] else "the file is not what the provider rendered"
    if generation.ended == FailureType.RENDER_FAILED and tasks and tasks[0] in ledger.failed:
        return None
    if generation.ended in _NOTHING_BOUGHT and not tasks:
        return None
    return f"it ended as {generation.ended} with {len(tasks)} accepted tasks: {generation.message}"
