"""`DeliverNotification`, and renders that somebody is told about."""

from typing import Any

from tests.record_histories.renders import decided, ended, held, rendering
from tests.record_histories.stage import Scene, Stage
from tests.support.receiver import SECRET, Answer, Receiver


def _receiver(on: Stage) -> Receiver:
    receiver = Receiver().start()  # its thread is a daemon: it ends with the recording
    on.places[receiver.url] = "https://receiver.example.com"
    return receiver


def _told(receiver: Receiver, word: str) -> list[dict[str, Any]]:
    return [{"url": f"{receiver.url}/{word}", "events": ["completed", "failed", "needs_decision"]}]


async def notified(on: Stage, word: str) -> None:
    """Of a decision that is needed, and of the end."""
    receiver = _receiver(on)
    await on.worker(word, MANXUE_WEBHOOK_SECRETS=SECRET)
    handle = await held(on, word, queue=word, notify=_told(receiver, word))
    await decided(handle, action="resubmit")


async def notified_of_failure(on: Stage, word: str) -> None:
    receiver = _receiver(on)
    await on.worker(word, MANXUE_WEBHOOK_SECRETS=SECRET)
    on.provider.on_query[f"[{word}]"] = lambda task: on.provider.status(task, "failed", error={"message": "too dark"})
    await ended(await on.render(word, queue=word, notify=_told(receiver, word)))


async def notification_refused(on: Stage, word: str) -> None:
    """The receiver is gone for good: 410."""
    receiver = _receiver(on)
    receiver.answers[f"/{word}"] = lambda _: Answer(status=410)
    await on.worker(word, MANXUE_WEBHOOK_SECRETS=SECRET)
    await ended(await on.render(word, queue=word, notify=_told(receiver, word)))


async def notification_under_way(on: Stage, word: str) -> None:
    """The receiver does not listen: the delivery outlives the run."""
    receiver = _receiver(on)
    receiver.answers[f"/{word}"] = lambda _: Answer(status=503)
    await on.worker(word, MANXUE_WEBHOOK_SECRETS=SECRET)
    await ended(await on.render(word, queue=word, notify=_told(receiver, word)))


async def notified_of_cancellation(on: Stage, word: str) -> None:
    receiver = _receiver(on)
    rendering(on, word)
    await on.worker(word, MANXUE_WEBHOOK_SECRETS=SECRET)
    handle = await on.render(word, queue=word, notify=_told(receiver, word))
    await handle.cancel()
    await ended(handle)


SCENES: tuple[Scene, ...] = (
    notified,
    notified_of_failure,
    notification_refused,
    notification_under_way,
    notified_of_cancellation,
)
