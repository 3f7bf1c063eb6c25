"""Do workers poll, and does Temporal give them work: versions of a deployment get none before they are current."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentVersion as Version
from temporalio.api.enums.v1 import TaskQueueType, VersionDrainageStatus, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue, TaskQueueVersioningInfo
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkerDeploymentRequest,
)
from temporalio.client import Client

from activities.visibility import quoted
from starter.diagnosis import Finding, failed, ok
from workflows.queues import downloads_of

WORKERS, BUILDS = "workers", "builds"
_POLLS_EVERY = timedelta(seconds=75)
"""A worker that lives asks again at least once a minute; the server names a dead one for five."""
_WORKFLOW, _ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_UNVERSIONED = ""


async def workers(client: Client, task_queue: str) -> Finding:
    """Whether somebody takes new runs, and fetches their videos."""
    downloads = downloads_of(task_queue)
    described, activities, fetching = await asyncio.gather(
        _describe(client, task_queue, _WORKFLOW),
        _describe(client, task_queue, _ACTIVITY),
        _describe(client, downloads, _ACTIVITY),
    )
    both = {name: poller for name, poller in _living(described).items() if name in _living(activities)}
    if not both:
        return failed(
            WORKERS,
            f"none is polling task queue {task_queue}: start one with `manxue worker` or `manxue local`, or set "
            "MANXUE_TASK_QUEUE as the workers have it",
        )
    current = _name(described.versioning_info.current_deployment_version)
    if trouble := _no_work(both, current, task_queue):
        return failed(WORKERS, trouble)
    if not _living(fetching):
        return failed(
            WORKERS, f"none is polling task queue {downloads}, so no video is fetched: start a worker of this release"
        )
    told = (f"{name} (build {_told(poller, described.versioning_info)})" for name, poller in both.items())
    return ok(WORKERS, f"{len(both)} on task queue {task_queue}: {', '.join(sorted(told))}")


async def abandoned_builds(client: Client, task_queue: str) -> Sequence[Finding]:
    """One finding for each build that has no workers any more, though runs are bound to it."""
    described = await _describe(client, task_queue, _WORKFLOW)
    living = {_version(poller) for poller in _living(described).values()}
    pollers = [poller.deployment_options.deployment_name for poller in described.pollers if _version(poller)]
    name = described.versioning_info.current_deployment_version.deployment_name or next(iter(pollers), None)
    if name is None:
        return []
    deployment = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    )
    left = [
        summary.deployment_version
        for summary in deployment.worker_deployment_info.version_summaries
        if summary.drainage_status == VersionDrainageStatus.VERSION_DRAINAGE_STATUS_DRAINING
        and _name(summary.deployment_version) not in living
    ]
    bound = await asyncio.gather(*(_bound(client, task_queue, version) for version in left))
    return [
        failed(
            BUILDS,
            f"{version.build_id} has no workers, and open runs that stay with it: {count}. Start one with "
            f"MANXUE_DEPLOYMENT_NAME={name} MANXUE_BUILD_ID={version.build_id} (docs/upgrading.md)",
        )
        for version, count in zip(left, bound, strict=True)
        if count
    ]


async def _bound(client: Client, task_queue: str, version: Version) -> int:
    query = (
        f"TemporalWorkerDeploymentVersion = {quoted(_name(version))} AND ExecutionStatus = 'Running' "
        f"AND TemporalWorkflowVersioningBehavior = 'Pinned' AND TaskQueue = {quoted(task_queue)}"
    )
    return (await client.count_workflows(query)).count


def _no_work(pollers: Mapping[str, PollerInfo], current: str, task_queue: str) -> str | None:
    """Why those who poll get no new runs."""
    versions = {_version(poller): poller.deployment_options for poller in pollers.values()}
    if current in versions:
        return None
    if not (versioned := sorted(versions.keys() - {_UNVERSIONED})):
        return (
            f"new runs on task queue {task_queue} go to {current} alone, which has no workers: start one, or let the "
            f"workers without versions have them: temporal worker deployment set-current-version --deployment-name "
            f"{current.partition(':')[0]} --unversioned --yes"
        )
    newest = versions[versioned[-1]]
    other = f"the current version is {current}, which has no workers" if current else "no version is current"
    return (
        f"{len(pollers)} on task queue {task_queue} ({', '.join(versioned)}), but new runs do not reach them, since "
        f"{other}: temporal worker deployment set-current-version --deployment-name {newest.deployment_name} "
        f"--build-id {newest.build_id} --yes"
    )


async def _describe(client: Client, queue: str, kind: "TaskQueueType.ValueType") -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    return await client.workflow_service.describe_task_queue(request)


def _living(described: DescribeTaskQueueResponse) -> dict[str, PollerInfo]:
    now = datetime.now(UTC)
    return {p.identity: p for p in described.pollers if now - p.last_access_time.ToDatetime(UTC) < _POLLS_EVERY}


def _version(poller: PollerInfo) -> str:
    """As Temporal writes it, `DEPLOYMENT:BUILD`; empty for a worker without versions."""
    options = poller.deployment_options
    if options.worker_versioning_mode != WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED:
        return _UNVERSIONED
    return f"{options.deployment_name}:{options.build_id}"


def _name(version: Version) -> str:
    return f"{version.deployment_name}:{version.build_id}" if version.build_id else _UNVERSIONED


def _told(poller: PollerInfo, routing: TaskQueueVersioningInfo) -> str:
    build = poller.deployment_options.build_id or poller.worker_version_capabilities.build_id[:8] or "unknown"
    version = _version(poller)
    if version == _UNVERSIONED:
        return build
    if version == _name(routing.current_deployment_version):
        return f"{build}, current"
    if version == _name(routing.ramping_deployment_version):
        return f"{build}, {routing.ramping_version_percentage:g} % of new runs"
    return f"{build}, no new runs"
