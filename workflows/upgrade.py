"""How a run that is pinned to the version of its worker moves on to the next: where it continues as new.

What is pinned never meets other code in the middle of its history, so steps may change freely between versions. It is
not kept longer than needed, though: an old version's workers have to run until its last run has left it.
"""

from typing import NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior

_EVENTS_BEFORE = 10
"""In its history before a run moves: one that is pinned by hand cannot move, and must get on all the same."""


def is_due() -> bool:
    """Whether new runs go to another version by now. Never for workers without versions."""
    info = workflow.info()
    return info.is_target_worker_deployment_version_changed() and info.get_current_history_length() > _EVENTS_BEFORE


def continue_as_new(state: object) -> NoReturn:
    """Go on with `state`, on the version that new runs go to."""
    # Not stated where nothing has changed, so that a run never leaves a version that it was moved to by hand.
    behavior = ContinueAsNewVersioningBehavior.AUTO_UPGRADE if is_due() else None
    workflow.continue_as_new(state, initial_versioning_behavior=behavior)
