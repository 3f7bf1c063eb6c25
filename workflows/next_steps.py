"""What to do after a run has failed: one sentence per failure type, for the terminal and the Web UI."""

from manxue.failure import EarlyEnd, FailureType

CANCELED, TERMINATED, TIMED_OUT = EarlyEnd

NEXT_STEPS: dict[str, str] = {
    FailureType.INVALID_REQUEST: "Mend every field named above and start again. Nothing was sent, nothing is billed.",
    FailureType.MEDIA_REJECTED: (
        "Replace or convert the media named above, or start without `strict_media` if it is only a recommendation. "
        "Nothing is billed."
    ),
    FailureType.ASSET_REFUSED: (
        "Use other media in place of those that the provider's review refused, and start again. No render is billed."
    ),
    FailureType.AUTHENTICATION_FAILED: (
        "Check MANXUE_API_KEY and MANXUE_BASE_URL in the environment of the worker, restart it, and start again."
    ),
    FailureType.INSUFFICIENT_BALANCE: "Top up the account of the worker's MANXUE_API_KEY, and start again.",
    FailureType.SUBMISSION_REFUSED: (
        "The provider took no order and bills nothing: change what its reason names, and start again."
    ),
    FailureType.SUBMISSION_UNKNOWN: (
        "Look in the provider's account whether the order arrived. If it did, start again with its `task_id`; "
        "if not, start again as before."
    ),
    FailureType.RENDER_FAILED: (
        "Change the prompt or the media that the provider's reason names. A new run is a new render, billed anew."
    ),
    FailureType.RESULT_INCOMPLETE: (
        "The provider gives no video, or no useful answer: ask again later, or ask the vendor."
    ),
    FailureType.DEADLINE_EXCEEDED: (
        "The render goes on at the provider and is billed: fetch it later instead of ordering it again."
    ),
    FailureType.DOWNLOAD_FAILED: (
        "The video is paid for and lies at the provider: see that the worker can reach it, then fetch it."
    ),
    FailureType.VIDEO_INVALID: (
        "The file was set aside, not delivered: look at it, and fetch it again or ask the vendor."
    ),
    FailureType.OUTPUT_UNAVAILABLE: (
        "Make the output writable for the worker: space, permissions, bucket, credentials. Then start again."
    ),
    CANCELED: "Start again when it is wanted.",
    TERMINATED: "Somebody ended the run from outside. What the provider had accepted goes on rendering and is billed.",
    TIMED_OUT: "The run's own time limit is over. What the provider had accepted goes on rendering and is billed.",
}


def what_to_do(kind: str) -> str:
    """What to do after a failure of type `kind`; it may have code in backticks."""
    return NEXT_STEPS.get(kind, "Look at the run in the Temporal Web UI; its last failure says what went wrong.")


def goes_on(kind: str) -> bool:
    """Whether a task that was accepted may still bring the video after a failure of type `kind`."""
    return kind not in (FailureType.RENDER_FAILED, FailureType.INVALID_REQUEST)


def next_step(kind: str, task_id: str | None) -> str:
    """The same for the terminal; `task_id` is the provider's task where one was accepted."""
    step = what_to_do(kind)
    if task_id and goes_on(kind):
        step += f" The same request with --task-id {task_id} goes on from there without a second payment."
    return step
