"""A run's place among others on the task queue, from its input as it came."""

from collections.abc import Mapping
from typing import Any

from temporalio.common import Priority


def priority_of(given: Mapping[str, Any]) -> Priority:
    """`priority` and `tenant` where they are usable; what is wrong in them is for the run itself to tell."""
    key, tenant = given.get("priority"), given.get("tenant")
    return Priority(
        priority_key=key if type(key) is int and 1 <= key <= 5 else None,
        fairness_key=tenant if isinstance(tenant, str) and len(tenant.encode()) <= 64 else None,
    )
