"""The worker: the one place where everything is built and handed to what needs it.

Run it with `python worker.py` or `manxue worker`. SIGTERM or SIGINT stops it, and gives a create call time to finish.
"""

import startup

# isort: split

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
import uvloop
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Interceptor, Worker

import logs
import tls
from activities.admission_upkeep import earlier_admission, left_slots
from activities.ask_admission import AskAdmission
from activities.download import Download
from activities.finished_runs import FinishedRuns
from activities.notify import Notify
from activities.poll import Poll
from activities.receivers import Receivers
from activities.request_pages import RequestPages
from activities.review_assets import ReviewAssets
from activities.run_ends import ended_runs, run_ends
from activities.submit import Submit
from activities.upload_assets import UploadAssets
from activities.validate import Validate
from connection import TemporalUnavailable, connect, ensure_search_attributes, require_provider
from deployment import deployment_of
from manxue.admission import Limits
from manxue.client import ManxueClient
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.output import OutputInvalid, open_output
from media.post import Poster
from media.storage import OutputUnavailable
from settings import SettingsError, WorkerSettings, load
from starter.nexus_service import ManxueService
from starter.stopping import stop_on_signals
from telemetry import provider_calls, tracing
from telemetry.metrics import Exporter, start_exporter
from workflows.admit_renders import AdmitRenders
from workflows.argument_count import ArgumentCountInterceptor
from workflows.current_details import CurrentDetailsInterceptor
from workflows.deliver_notification import DeliverNotification
from workflows.generate_batch import GenerateBatch
from workflows.generate_video import GenerateVideo
from workflows.queues import downloads_of
from workflows.request_page import KeepRequestPage
from workflows.review_asset import ReviewAsset
from workflows.run_input import input_problems
from workflows.runner import runner
from workflows.server_address import ServerAddressInterceptor

startup.done()
log = structlog.stdlib.get_logger("worker")

WORKFLOWS: list[type] = [GenerateVideo, ReviewAsset, AdmitRenders, GenerateBatch, KeepRequestPage, DeliverNotification]
"""Each has recorded histories, which every change is tried on: docs/upgrading.md."""

ACTIVITIES = 300
"""At a time, downloads aside: all of them wait for an answer, a batch's `run_ends` for half an hour."""


def workflow_interceptors(address: str) -> list[Interceptor]:
    """What stands between Temporal and the workflows. `address` is the server's."""
    return [ArgumentCountInterceptor(), ServerAddressInterceptor(address), CurrentDetailsInterceptor()]


async def run_worker(
    settings: WorkerSettings, client: Client, stop: asyncio.Event, exporter: Exporter | None = None
) -> None:
    """Work until `stop` is set, then stop gracefully. With the client's `exporter`, answer at `metrics_address`.

    Raises TemporalUnavailable, OutputInvalid, OutputUnavailable or SettingsError when it cannot begin.
    """
    output = open_output(settings.output)
    if settings.shutdown_grace < settings.longest_create:
        log.warning("worker.grace_cuts_create_calls_off", MANXUE_SHUTDOWN_GRACE_needed=settings.longest_create)
    loading = asyncio.create_task(asyncio.to_thread(tls.context))  # beside what waits for Temporal
    await asyncio.gather(
        require_provider(client, settings.base_url), ensure_search_attributes(client), output.prepare()
    )
    working = asyncio.Event()
    async with AsyncExitStack() as parts:
        if exporter:
            await parts.enter_async_context(_monitored(settings, client, exporter, working))
        worker = await parts.enter_async_context(build_worker(settings, client))
        await loading
        working.set()
        log.info(
            "worker.started",
            task_queue=settings.task_queue,
            namespace=client.namespace,
            provider=settings.base_url,
            nexus=bool(worker.config().get("nexus_service_handlers")),
            encrypts_with=settings.encryption_keys[0].id if settings.encryption_keys else None,
            build=deployment_of(settings).version.build_id,
            deployment=settings.deployment_name,
        )
        await stop.wait()
        working.clear()
        log.info("worker.stopping", grace_seconds=settings.shutdown_grace)
    log.info("worker.stopped")


@asynccontextmanager
async def _monitored(
    settings: WorkerSettings, client: Client, exporter: Exporter, working: asyncio.Event
) -> AsyncIterator[None]:
    from telemetry.http import CannotListen, monitored  # a web server, for those only who want one

    try:
        async with monitored(str(settings.metrics_address), client, settings.task_queue, exporter, working):
            yield
    except CannotListen as error:
        raise SettingsError(f"MANXUE_METRICS_ADDRESS: {error}") from error


@asynccontextmanager
async def build_worker(settings: WorkerSettings, client: Client) -> AsyncIterator[Worker]:
    """A running worker with its clients; leaving the block stops it."""
    address, key = client.service_client.config.target_host, settings.api_key.get_secret_value()
    grace = timedelta(seconds=settings.shutdown_grace)
    guard = AddressGuard(settings.allowed_networks)
    # Results may come from a provider in a private network; what a user names may not lead there.
    results_guard = AddressGuard(settings.allowed_networks, allowed_hosts=[urlsplit(settings.base_url).hostname or ""])
    server, deployment = await asyncio.gather(
        client.workflow_service.get_system_info(GetSystemInfoRequest()),
        asyncio.to_thread(deployment_of, settings),  # asks git
    )
    # A server that has no Nexus, or where it is off, would refuse every poll for it.
    has_nexus = server.capabilities.nexus
    async with (
        ManxueClient(key, settings.base_url, settings.create_timeout, provider_calls.watch()) as manxue,
        Fetcher(guard) as fetcher,
        Fetcher(results_guard) as files,  # a pool of its own: downloads must not take the others' connections
        Poster(guard) as poster,
        Poll(manxue, provider_calls.new_context) as polls,
    ):
        secrets = [secret.get_secret_value() for secret in settings.webhook_secrets]
        receivers = Receivers(poster, can_sign=bool(secrets))
        assets = UploadAssets(manxue)
        limits = Limits(max_in_flight=settings.max_in_flight, submits_per_second=settings.submits_per_second)
        admission = AskAdmission(settings.task_queue, settings.base_url, key, limits)
        pages = RequestPages(input_problems)
        download = Download(manxue, files, settings.output).download
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=WORKFLOWS,
            activities=[
                Validate(
                    settings.output,
                    fetcher,
                    FinishedRuns(settings.base_url),
                    receivers,
                    admission.admission_id if admission.applies else None,
                ).validate,
                admission.ask_admission,
                left_slots,
                earlier_admission,
                ReviewAssets(fetcher, settings.base_url, key, settings.keep_assets).review_assets,
                assets.upload_assets,
                assets.asset_state,
                Submit(manxue).submit,
                polls.poll,
                download,  # for runs of workers from before it had a queue of its own
                Notify(poster, secrets).notify,
                pages.read_page,
                pages.check_page,
                run_ends,
                ended_runs,
            ],
            nexus_service_handlers=[ManxueService()] if has_nexus else [],
            workflow_runner=runner(deployment.use_worker_versioning),
            interceptors=workflow_interceptors(address),
            deployment_config=deployment,
            max_cached_workflows=settings.max_cached_workflows,
            max_concurrent_activities=ACTIVITIES,
            graceful_shutdown_timeout=grace,
            # After a crash the next worker should not wait 10 s for the dead one's sticky queue.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=3),
            max_heartbeat_throttle_interval=timedelta(seconds=15),  # the server may go away during a create call
        )
        downloads = Worker(
            client,
            task_queue=downloads_of(settings.task_queue),
            activities=[download],
            deployment_config=deployment,
            max_concurrent_activities=settings.max_downloads,
            graceful_shutdown_timeout=grace,
            # By default a beat is held back for most of the heartbeat timeout; people watch downloads by them.
            max_heartbeat_throttle_interval=timedelta(seconds=2),
        )
        async with worker, downloads:
            try:
                yield worker
            finally:  # both at once: neither may take work while the other one's last activities end
                await asyncio.gather(worker.shutdown(), downloads.shutdown())


async def _serve(settings: WorkerSettings) -> None:
    # Before anything else: process 1 of a container does not hear a signal that it has no handler for.
    stop = stop_on_signals()
    exporter = start_exporter(logs.core_logging()) if settings.metrics_address else None
    client = await connect(exporter.runtime if exporter else Runtime(telemetry=TelemetryConfig(logs.core_logging())))
    await run_worker(settings, client, stop, exporter)


def main() -> int:
    """The worker process. 0 after a graceful stop, 2 for a wrong setting, 4 when Temporal cannot be used."""
    try:
        settings = load(WorkerSettings)
        tracing.start("manxue-worker")
        logs.configure(settings.log_format, settings.log_level)
        uvloop.run(_serve(settings))
    except (OutputInvalid, OutputUnavailable) as error:
        print(f"manxue worker: MANXUE_OUTPUT: {error}", file=sys.stderr)
        return 2
    except (SettingsError, tracing.TracingUnusable) as error:
        print(f"manxue worker: {error}", file=sys.stderr)
        return 2
    except TemporalUnavailable as error:
        print(f"manxue worker: {error}", file=sys.stderr)
        return 4
    finally:
        tracing.stop()
    return 0


if __name__ == "__main__":
    # Not sys.exit: threads of the SDK can crash an interpreter that shuts down the ordinary way, and each run in the
    # cache would print a traceback.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
