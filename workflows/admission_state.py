"""What an `AdmitRenders` execution knows and carries over, and its decisions: pure functions of it and of the time."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heapify, heapreplace
from typing import NamedTuple

from pydantic import BaseModel

from manxue.admission import Admitted, Ask, InFlight, Leave, Limits, Overview, Queue
from workflows.fair_queue import in_order
from workflows.token_bucket import TokenBucket

MOST_WAITING, MOST_BYTES = 5_000, 1_500_000
"""Runs in the queue, and what they and the slots take in the state as JSON, of which Temporal takes 2 MiB. Who finds no
room asks again until there is some."""
_BYTES_EACH = 160
"""Beside the names in it."""
TASK_PATIENCE, UNKNOWN_PATIENCE = 24 * 3600.0, 30 * 60.0
"""Seconds that a slot is kept for a render that nobody waits for: as long as the provider calls it unfinished, but not
for ever; and where nobody knows whether there is one."""
_NEXT_TOLD = 20


class Waiter(BaseModel):
    """A run that waits for its turn."""

    workflow_id: str
    ticket: float
    number: int
    tenant: str
    priority: int


class Holder(BaseModel):
    """A slot that is taken."""

    workflow_id: str
    ticket: float
    number: int
    """The latest create call that was admitted."""
    tenant: str
    since: float
    left_at: float | None = None
    """When the run ended without its render."""
    task_id: str | None = None
    """Then: the provider's task, where it is known."""


class Grant(NamedTuple):
    """Somebody to be told."""

    workflow_id: str
    admitted: Admitted
    again: bool = False
    """Whether it was admitted earlier, and asked all the same."""


class AdmissionState(BaseModel):
    """Times are Unix seconds."""

    limits: Limits = Limits()
    waiting: dict[str, Waiter] = {}
    """By workflow id."""
    holders: dict[str, Holder] = {}
    bucket: TokenBucket = TokenBucket()
    served: dict[str, int] = {}
    """Tenant -> number of its latest admission, for those who still have anything here."""
    admissions: int = 0
    untold: list[Grant] = []
    """Decided, and not told yet."""

    def ask(self, ask: Ask, now: float, *, one_by_one: bool = False) -> Grant | None:
        """Enqueue; where it was admitted already, say so again.

        With `one_by_one` there is no `drop` afterwards, as in histories from before it.
        """
        self.limits = ask.limits
        holder = self.holders.get(ask.workflow_id)
        if holder and holder.ticket != ask.ticket:
            # Another run under the same workflow id: it adopts what was bought, so it is the same render.
            holder.ticket, holder.number, holder.left_at, holder.task_id = ask.ticket, 0, None, None
        if holder and ask.number <= holder.number:
            return Grant(ask.workflow_id, Admitted(ticket=ask.ticket, number=ask.number), again=True)
        if not one_by_one or ask.workflow_id in self.waiting or self._has_room_for(ask.tenant):
            self.waiting[ask.workflow_id] = Waiter(**ask.model_dump(exclude={"limits"}))
        return None

    def drop(self) -> None:
        """Down to what there is room for: the last ones of the tenant that has most of them give way to others."""
        most = MOST_BYTES - sum(_bytes_of(holder) for holder in self.holders.values())
        size = sum(_bytes_of(waiter) for waiter in self.waiting.values())
        if len(self.waiting) <= MOST_WAITING and size <= most:
            return
        tenants: dict[str, list[Waiter]] = defaultdict(list)
        for waiter in sorted(self.waiting.values(), key=lambda w: (w.workflow_id not in self.holders, w.ticket)):
            tenants[waiter.tenant].append(waiter)
        fullest = [(-len(waiters), tenant) for tenant, waiters in tenants.items()]
        heapify(fullest)
        while self.waiting and (len(self.waiting) > MOST_WAITING or size > most):
            tenant = fullest[0][1]
            last = tenants[tenant].pop()
            heapreplace(fullest, (-len(tenants[tenant]), tenant))
            size -= _bytes_of(last)
            del self.waiting[last.workflow_id]

    def leave(self, leave: Leave, now: float) -> None:
        """Out of the queue; and the slot is free, unless the render goes on."""
        waiter, holder = self.waiting.get(leave.workflow_id), self.holders.get(leave.workflow_id)
        if waiter and waiter.ticket == leave.ticket:
            del self.waiting[leave.workflow_id]
        if holder and holder.ticket == leave.ticket:
            if leave.task_id or leave.unknown:
                holder.left_at, holder.task_id = holder.left_at or now, leave.task_id or holder.task_id
            else:
                self.free(leave.workflow_id)

    def free(self, workflow_id: str) -> None:
        """The render is over."""
        self.holders.pop(workflow_id, None)

    def expire(self, now: float) -> None:
        """Give up on renders that nobody waits for and that do not end."""
        for holder in list(self.holders.values()):
            patience = TASK_PATIENCE if holder.task_id else UNKNOWN_PATIENCE
            if holder.left_at is not None and now >= holder.left_at + patience:
                self.free(holder.workflow_id)

    def admit(self, now: float, most: int) -> list[Grant]:
        """Admit whoever may go now, `most` at a time."""
        grants: list[Grant] = []
        for waiter in self._in_order():
            if len(grants) == most or not self._may_go(waiter) or not self.bucket.take(self._rate, now):
                break
            del self.waiting[waiter.workflow_id]
            self._hold(waiter, now)
            self.admissions += 1
            self.served[waiter.tenant] = self.admissions
            grants.append(Grant(waiter.workflow_id, Admitted(ticket=waiter.ticket, number=waiter.number)))
        if grants:
            here = {w.tenant for w in self.waiting.values()} | {h.tenant for h in self.holders.values()}
            self.served = {tenant: number for tenant, number in self.served.items() if tenant in here}
        return grants

    def unused(self, grant: Grant, now: float) -> None:
        """Whoever was admitted was no longer there to be told."""
        if not grant.again:
            self.bucket.give_back(self._rate, now)

    def wait_for_rate(self, now: float) -> float | None:
        """Seconds until the next one may go; None when it is not the rate that holds it up."""
        first = next(self._in_order(), None)
        return self.bucket.wait(self._rate, now) if first and self._may_go(first) else None

    @property
    def is_full(self) -> bool:
        """Whether somebody waits for a slot."""
        first = next(self._in_order(), None)
        return first is not None and not self._may_go(first)

    def queue(self, now: datetime) -> Queue:
        """Who waits, in order."""
        return Queue(
            limits=self.limits,
            waiting=[(waiter.workflow_id, waiter.ticket, waiter.number) for waiter in self._in_order()],
            in_flight=len(self.holders),
            as_of=now,
        )

    def overview(self) -> Overview:
        """For people."""
        return Overview(
            limits=self.limits,
            in_flight=[
                InFlight(
                    workflow_id=holder.workflow_id,
                    tenant=holder.tenant,
                    since=datetime.fromtimestamp(holder.since, UTC),
                    run_ended=holder.left_at is not None,
                    task_id=holder.task_id,
                )
                for holder in self.holders.values()
            ],
            waiting=len(self.waiting),
            waiting_by_tenant=dict(Counter(waiter.tenant for waiter in self.waiting.values())),
            next=[waiter.workflow_id for waiter, _ in zip(self._in_order(), range(_NEXT_TOLD), strict=False)],
        )

    @property
    def _rate(self) -> float | None:
        return self.limits.submits_per_second

    def _in_order(self) -> Iterator[Waiter]:
        """Who has a slot, and waits for the rate alone, keeps others waiting meanwhile: first."""
        holding = [waiter for waiter in self.waiting.values() if waiter.workflow_id in self.holders]
        yield from sorted(holding, key=lambda waiter: waiter.ticket)
        others = [waiter for waiter in self.waiting.values() if waiter.workflow_id not in self.holders]
        yield from in_order(others, Counter(holder.tenant for holder in self.holders.values()), self.served)

    def _has_room_for(self, tenant: str) -> bool:
        """Whether another one can wait; the last one of the tenant that has most of them gives way to other tenants."""
        if len(self.waiting) < MOST_WAITING:
            return True
        counts = Counter(waiter.tenant for waiter in self.waiting.values())
        fullest = max(counts, key=lambda name: counts[name])
        if counts[fullest] <= counts[tenant] + 1:
            return False
        last = max((w for w in self.waiting.values() if w.tenant == fullest), key=lambda waiter: waiter.ticket)
        del self.waiting[last.workflow_id]
        return True

    def _may_go(self, waiter: Waiter) -> bool:
        most = self.limits.max_in_flight
        return most is None or waiter.workflow_id in self.holders or len(self.holders) < most

    def _hold(self, waiter: Waiter, now: float) -> None:
        if self.limits.max_in_flight is None:
            self.free(waiter.workflow_id)  # nobody counts them
            return
        before = self.holders.get(waiter.workflow_id)
        self.holders[waiter.workflow_id] = Holder(
            workflow_id=waiter.workflow_id,
            ticket=waiter.ticket,
            number=waiter.number,
            tenant=waiter.tenant,
            since=before.since if before else now,
        )


def _bytes_of(entry: Waiter | Holder) -> int:
    return _BYTES_EACH + 2 * len(entry.workflow_id.encode()) + len(entry.tenant.encode())
