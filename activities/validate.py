"""Everything that can be known to be wrong before a single call to the provider."""

from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.errors import final
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem, problem, sentence
from manxue.request import check_request
from media.output import OutputInvalid, open_output, output_problem
from media.storage import OutputUnavailable

_MOST_PROBLEMS = 100
"""In one failure, whose size Temporal limits; a list of a hundred thousand bad URLs is cut here."""


class ValidateInput(BaseModel):
    """A request as it came, with what is already known to be wrong with the fields around it."""

    request: Any = None
    request_given: bool = True
    extra: Any = None
    allow_unknown_model: bool = False
    strict_media: bool = False
    output: Any = None
    problems: list[Problem] = []


class Validated(BaseModel):
    """A request worth paying for."""

    request: CheckedRequest
    warnings: list[Problem] = []


class Validate:
    """Checks requests against the provider's rules, and that the video will have a place to go."""

    def __init__(self, default_output: str) -> None:
        self._default_output = default_output

    @activity.defn(name="validate")
    async def validate(self, given: ValidateInput) -> Validated:
        """Fails with InvalidRequest and the whole list, MediaRejected, or OutputUnavailable."""
        problems = [*given.problems, *self._output_problems(given.output)]
        request, warnings = None, []
        if given.request_given:
            verdict = check_request(given.request, extra=given.extra, allow_unknown_model=given.allow_unknown_model)
            request, warnings = verdict.request, verdict.warnings
            problems += verdict.problems
        if problems or request is None:
            told = problems[:_MOST_PROBLEMS]
            message = f"the input has {len(problems)} problem{'s' * (len(problems) != 1)}: {sentence(told)}"
            raise final(FailureType.INVALID_REQUEST, message[:2000], FailureDetails(problems=told))
        if given.strict_media and warnings:
            raise final(FailureType.MEDIA_REJECTED, sentence(warnings), FailureDetails(problems=warnings))
        await self._require_output(given.output)
        return Validated(request=request, warnings=warnings)

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
