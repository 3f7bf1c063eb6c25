"""Everything that can be known to be wrong before a single call to the provider."""

from typing import Any

from pydantic import BaseModel
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.check_media import TurnMissed, check_media
from activities.errors import final, passing
from activities.finished_runs import FinishedRuns
from activities.heartbeat import heartbeating
from activities.receivers import Receivers
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem, problem, sentence
from manxue.render_times import RenderTimes
from manxue.request import Verdict, check_request
from media.fetch import Fetcher
from media.output import OutputInvalid, open_output, output_problem
from media.probe import Prober
from media.storage import OutputUnavailable

_BUSY = "WorkerBusy"
_MOST_PROBLEMS = 100
"""In one failure, whose size Temporal limits; a list of a hundred thousand bad URLs is cut here."""


class ValidateInput(BaseModel):
    """A request as it came, with what is already known to be wrong with the fields around it."""

    request: Any = None
    request_given: bool = True
    extra: Any = None
    allow_unknown_model: bool = False
    strict_media: bool = False
    probe_media: bool = True
    """False where a task is adopted: its media are the provider's already, and may be gone from where they were."""
    output: Any = None
    notify: list[str] = []
    """URLs of who is to be notified."""
    problems: list[Problem] = []


class Validated(BaseModel):
    """A request worth paying for."""

    request: CheckedRequest
    warnings: list[Problem] = []
    render_times: RenderTimes | None = None
    """What finished runs teach about how long it will take."""
    admission_id: str | None = None
    """Of the execution to be asked before a create call; None where the account has no limits."""
    polls_may_wait: bool = False
    """Whether a poll may be told to wait for its first question, by builds that can; runs from before have a timer."""
    polls_wait: bool = False
    """Likewise, by whatever build: so some builds told it, before workers of older ones were thought of."""


class Validate:
    """Checks requests and their media against the provider's rules, and that the video will have a place to go."""

    def __init__(
        self,
        default_output: str,
        fetcher: Fetcher,
        finished_runs: FinishedRuns,
        receivers: Receivers,
        admission_id: str | None = None,
    ) -> None:
        self._default_output = default_output
        self._receivers = receivers
        self._admission_id = admission_id
        self._finished_runs = finished_runs
        self._prober = Prober(fetcher)

    @activity.defn(name="validate")
    async def validate(self, given: ValidateInput) -> Validated:
        """Fails with InvalidRequest and the whole list, MediaRejected, or OutputUnavailable."""
        problems = [*given.problems, *self._output_problems(given.output), *self._receivers.problems(given.notify)]
        verdict = Verdict(None)
        if given.request_given:
            verdict = check_request(given.request, extra=given.extra, allow_unknown_model=given.allow_unknown_model)
            problems += verdict.problems
        if problems or verdict.request is None:
            raise _invalid(problems)
        self._finished_runs.look_up(verdict.request.model)
        async with heartbeating():
            refused, warnings = await self._receivers.look_up(given.notify)
            if refused:
                raise _invalid(refused)
            warnings += await self._check_media(verdict, given)
            await self._require_output(given.output)
            render_times = await self._finished_runs.render_times(verdict.request)
        return Validated(
            request=verdict.request,
            warnings=warnings,
            render_times=render_times,
            admission_id=self._admission_id,
            polls_may_wait=True,
        )

    async def _check_media(self, verdict: Verdict, given: ValidateInput) -> list[Problem]:
        """The warnings."""
        try:
            found = await check_media(self._prober, verdict.media) if given.probe_media else []
        except TurnMissed as missed:
            raise passing(_BUSY, f"{missed} could not be looked at yet: too many media at once") from None
        advice = [*verdict.warnings, *(finding.problem for finding in found if not finding.definite)]
        if given.strict_media and (verdict.warnings or found):
            raise _rejected([*verdict.warnings, *(finding.problem for finding in found)], [])
        if definite := [finding.problem for finding in found if finding.definite]:
            raise _rejected(definite, advice)
        return advice

    def _output_problems(self, output: Any) -> list[Problem]:
        hint = output_problem(output) if isinstance(output, str) and output else None
        return [problem("output", "url", output, hint)] if hint else []

    async def _require_output(self, output: str | None) -> None:
        """An output that cannot be written is better known before the render is paid for than after."""
        try:
            await open_output(output or self._default_output).prepare()
        except OutputInvalid as error:
            given = problem("output", "url", output, str(error))
            raise final(FailureType.INVALID_REQUEST, str(given), FailureDetails(problems=[given])) from None
        except OutputUnavailable as error:
            raise final(FailureType.OUTPUT_UNAVAILABLE, f"{error}; nothing was bought") from None


def _invalid(problems: list[Problem]) -> ApplicationError:
    told = problems[:_MOST_PROBLEMS]
    message = f"the input has {len(problems)} problem{'s' * (len(problems) != 1)}: {sentence(told)}"
    return final(FailureType.INVALID_REQUEST, message[:2000], FailureDetails(problems=told))


def _rejected(problems: list[Problem], advice: list[Problem]) -> ApplicationError:
    besides = f"; besides, not the reason: {sentence(advice)}" if advice else ""
    message = f"{sentence(problems)}{besides}"[:2000]
    return final(FailureType.MEDIA_REJECTED, message, FailureDetails(problems=problems))
