"""What stands in the memo of an execution: our own words, where whoever started it has not put something else there."""

from temporalio.client import WorkflowExecution


async def memo_text(execution: WorkflowExecution, name: str) -> str | None:
    """A text; None where there is none, or what no text is, in whatever encoding. Raises PayloadUnreadable."""
    try:
        value = await execution.memo_value(name, None)
    except (ValueError, KeyError, RuntimeError):
        return None  # a caller's, of a codec of its own
    return value if isinstance(value, str) else None
