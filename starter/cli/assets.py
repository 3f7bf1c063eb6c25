"""`manxue assets`: what the provider has reviewed, so that runs need not wait for it."""

import asyncio
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from manxue.asset_review import AssetReview, Kind
from manxue.failure import FailureDetails, FailureType
from manxue.problem import problem
from manxue.redact import redact
from manxue.url import is_http, is_object_store, media_url_problem
from settings import Settings, load
from starter import display, reviews
from starter.cli.session import Session, in_session, interruptible, stack_in_use
from starter.execution import NotPossible, NoWorkerAnswers
from starter.inputs import InvalidInput
from starter.outcome import RunFailed
from starter.reviews import ListedAsset, Review
from starter.staging import LocalMedia, staging_place
from starter.table import put_table

app = typer.Typer(
    help="Media in the provider's asset library: reviewed once, remembered for every run.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="URL|FILE|ID", help="The medium, its asset id, or the id of its review.")]

_COLUMNS = ("STATE", "ASSET", "AGE", "REFERENCE")


@app.command()
def add(
    media: Annotated[list[str], typer.Argument(metavar="URL|FILE...", help="Media to put through the review.")],
    kind: Annotated[
        Kind | None, typer.Option(help="What they are. Default: as their names say, or else images.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the verdicts.")] = False,
    as_json: Json = False,
) -> None:
    """Have media reviewed before a run needs them, and wait for the verdicts."""
    local = LocalMedia(staging_place(load(Settings), stack_in_use()))
    references = {local.reference(text, "URL|FILE", Path()): kind or _kind(text) for text in media}
    for reference in references:
        if hint := _unreviewable(reference):
            local.problems.append(problem("URL|FILE", "url", reference, hint))
    if local.problems:
        raise InvalidInput(local.problems)

    async def work(session: Session) -> None:
        await local.upload()
        await _add(session, references, detach=detach, as_json=as_json)

    in_session(work)


async def _add(session: Session, media: Mapping[str, Kind], *, detach: bool, as_json: bool) -> None:
    asked = await reviews.ask(session.client, session.settings.task_queue, media)
    verdicts = {review.review_id: review for review in asked.values()}
    found = {review_id: await Review.find(session.client, review_id) for review_id in verdicts}
    waiting = [found[review_id] for review_id, review in verdicts.items() if review.state == "reviewing"]
    if waiting and not detach:
        display.say(f"{len(waiting)} of {len(asked)} assets are under review at the provider")
        with interruptible("the reviews go on. Look at them: manxue assets list"):
            ended = await asyncio.gather(*map(_verdict, waiting))
        verdicts |= {review.review_id: review for review in ended}
    shown = [
        (await found[key].listed(verdicts[key])).model_copy(update={"reference": redact(reference)})
        for reference, key in ((reference, review.review_id) for reference, review in asked.items())
    ]
    _put(shown, as_json=as_json)
    _require({asset.reference: verdicts[asset.review_id] for asset in shown})


async def _verdict(review: Review) -> AssetReview:
    silent: list[str] = []

    def once(silence: NoWorkerAnswers) -> None:
        if not silent:
            display.say(f"{silence}; start one with `manxue worker` or `manxue local`", "yellow")
        silent.append(str(silence))

    verdict = await review.verdict(once)
    display.say(f"{verdict.state}: {(await review.listed()).reference}")
    return verdict


def _require(verdicts: Mapping[str, AssetReview]) -> None:
    """Raises RunFailed for what can never be used, or else for what has no verdict."""
    refused = {reference: str(review.reason) for reference, review in verdicts.items() if review.state == "refused"}
    if refused:
        message = f"the provider refused {len(refused)} of {len(verdicts)} assets"
        raise RunFailed(FailureType.ASSET_REFUSED, message, FailureDetails(assets=refused))
    for review in verdicts.values():
        if review.state == "failed":
            kind = review.failure or FailureType.DEADLINE_EXCEEDED
            raise RunFailed(kind, f"there is no verdict: {review.reason}", FailureDetails())


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List what is under review or remembered."""

    async def work(session: Session) -> None:
        _put([asset async for asset in reviews.known_assets(session.client)], as_json=as_json)

    in_session(work)


@app.command()
def status(name: Name, as_json: Json = False) -> None:
    """Show where a review is."""

    async def work(session: Session) -> None:
        review = await reviews.find(session.client, _reference(name))
        try:
            asset = await review.listed(await review.asset())
        except (NotPossible, NoWorkerAnswers) as silence:
            display.say(f"as far as is known without an answer: {silence}", "yellow")
            asset = await review.listed()
        if as_json:
            display.put_json(asset.model_dump(mode="json"))
            return
        rows = {
            "review": asset.review_id,
            "state": asset.state,
            "asset": asset.asset_id,
            "reason": asset.reason,
            "reference": asset.reference,
            "started": f"{display.clock(asset.started_at)}, {display.elapsed(asset.started_at)} ago",
            "web ui": session.link(review),
        }
        display.put_rows([(label, value) for label, value in rows.items() if value])

    in_session(work)


@app.command()
def forget(name: Name) -> None:
    """Forget a verdict: the next run that needs the medium submits it anew."""

    async def work(session: Session) -> None:
        review = await reviews.find(session.client, _reference(name))
        await review.forget()
        display.say(f"forgotten: {review.id}; the next run that needs it submits it for review anew")

    in_session(work)


def _put(assets: Sequence[ListedAsset], *, as_json: bool) -> None:
    if as_json:
        display.put_json([asset.model_dump(mode="json") for asset in assets])
        return
    rows = [(a.state, a.asset_id or "-", display.elapsed(a.started_at), a.reference) for a in assets]
    put_table(_COLUMNS, rows)


def _reference(name: str) -> str:
    """The reference of a file of this machine, if it is one and could be staged; else the name as it is."""
    local = LocalMedia(staging_place(load(Settings), stack_in_use()))
    reference: str = local.reference(name, "URL|FILE|ID", Path())
    return name if local.problems else reference


def _unreviewable(reference: str) -> str | None:
    if hint := media_url_problem(reference):
        return hint
    reviewable = is_http(reference) or is_object_store(reference)
    return None if reviewable else "is no medium to be reviewed; give a file, a URL, or an object store reference"


def _kind(text: str) -> Kind:
    guessed = (mimetypes.guess_type(text.partition("?")[0])[0] or "").partition("/")[0]
    return "video" if guessed == "video" else "audio" if guessed == "audio" else "image"
