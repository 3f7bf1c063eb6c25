"""The compose file and what belongs to it are right as data; no container engine is needed to see that."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import WorkerSettings
from starter.dev_server import RETENTION, temporal_program
from tests.support.deployment import PINNED, SETTINGS, compose, resolved, seconds
from tests.support.processes import ROOT

JOBS = {"temporal-schema", "temporal-namespace"}
"""Services that run to their end."""
SECRET = re.compile(r"KEY|PASSWORD|PWD|SECRET|TOKEN")


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The compose file with every profile, as Compose itself reads and checks it."""
    return resolved("--env-file", "emulator.env", "--profile", "*")


@pytest.fixture(scope="module")
def services(stack: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its services."""
    found: dict[str, dict[str, Any]] = stack["services"]
    return found


def test_copied_examples_are_all_that_a_stack_needs_and_each_service_gets_its_own_secrets(tmp_path: Path) -> None:
    for name in (".env", "worker.env"):
        filled = re.sub(r"^([A-Z_]+)=$", r"\1=secret-\1", (ROOT / f"{name}.example").read_text(), flags=re.M)
        (tmp_path / name).write_text(filled)
    stack = resolved("--env-file", str(tmp_path / ".env"), "--profile", "*", WORKER_ENV=str(tmp_path / "worker.env"))
    holders = {
        secret: {name for name, service in stack["services"].items() if f"secret-{secret}" in str(service)}
        for secret in ("POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "MANXUE_API_KEY")
    }
    assert holders == {
        "POSTGRES_PASSWORD": {"postgresql", "temporal-schema", "temporal"},
        "GRAFANA_PASSWORD": {"grafana"},
        "MANXUE_API_KEY": {"worker"},
    }


def test_a_stack_without_its_secrets_does_not_start_and_says_what_to_set() -> None:
    done = compose("--env-file", "/dev/null", WORKER_ENV="emulator.env")
    assert done.returncode != 0
    assert "POSTGRES_PASSWORD is missing a value: set it in .env" in done.stderr


def test_no_secret_is_written_down_and_none_can_be_committed() -> None:
    written = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in written["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not value or not SECRET.search(name) or str(value).startswith("${"), name
    assert {".env", "worker.env"} <= set((ROOT / ".gitignore").read_text().split())
    for name in (".env.example", "worker.env.example"):
        given = re.findall(r"^([A-Z_]+)=(.+)$", (ROOT / name).read_text(), re.M)
        assert not [variable for variable, _ in given if SECRET.search(variable)]


def test_every_variable_of_ours_is_a_setting_that_exists(services: dict[str, dict[str, Any]]) -> None:
    offered = re.findall(r"^#? ?(MANXUE_\w+)=", (ROOT / "worker.env.example").read_text(), re.M)
    given = {name for name in services["worker"]["environment"] if name.startswith("MANXUE_")}
    assert given | set(offered) <= SETTINGS


def test_every_service_is_closed_bounded_and_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name
        assert service["image"].startswith("manxue-worker:") or PINNED.search(service["image"]), name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name


def test_every_service_starts_again_and_shows_its_health_and_jobs_end(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("on-failure:5" if name in JOBS else "unless-stopped")
        assert ("healthcheck" in service) == (name not in JOBS), name
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == ("service_completed_successfully" if needed in JOBS else "service_healthy")


def test_workers_can_be_many(services: dict[str, dict[str, Any]]) -> None:
    assert not {"container_name", "ports", "hostname"} & set(services["worker"])
    more = resolved("--env-file", "emulator.env", WORKERS="3")
    assert (services["worker"]["deploy"]["replicas"], more["services"]["worker"]["deploy"]["replicas"]) == (1, 3)


def test_the_emulator_is_what_the_workers_of_its_profile_call(services: dict[str, dict[str, Any]]) -> None:
    options = services["emulator"]["command"]
    given = services["worker"]["environment"]
    assert given["MANXUE_API_KEY"] == options[options.index("--key") + 1]
    assert given["MANXUE_BASE_URL"] == f"http://emulator:{options[options.index('--port') + 1]}"


def test_the_codec_server_is_open_to_pages_of_the_web_ui_on_this_machine_alone(
    services: dict[str, dict[str, Any]],
) -> None:
    codec, (ui,) = services["codec-server"], services["temporal-ui"]["ports"]
    assert codec["command"] == ["codec-server", "--no-auth", "--origin", f"http://{ui['host_ip']}:{ui['published']}"]
    assert codec["network_mode"] == "host", "so that its 127.0.0.1 is the browser's"
    assert not codec["environment"]["MANXUE_API_KEY"]
    (endpoint,) = re.findall(r"^# TEMPORAL_CODEC_ENDPOINT=(\S+)$", (ROOT / ".env.example").read_text(), re.M)
    assert endpoint == "http://127.0.0.1:8234"
    shown = resolved("--env-file", "emulator.env", TEMPORAL_CODEC_ENDPOINT=endpoint)["services"]["temporal-ui"]
    assert shown["environment"]["TEMPORAL_CODEC_ENDPOINT"] == endpoint


def test_a_create_call_is_never_cut_off(services: dict[str, dict[str, Any]]) -> None:
    worker = services["worker"]
    fields = WorkerSettings.model_fields
    create = float(fields["create_timeout"].default) * 1.25
    grace = float(worker["environment"]["MANXUE_SHUTDOWN_GRACE"])
    assert create < grace < seconds(worker["stop_grace_period"])
    assert worker["init"]  # else a SIGTERM during its first second is not heard


def test_what_is_mounted_from_here_exists_and_is_read_only(services: dict[str, dict[str, Any]]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", []) if mount["type"] == "bind"]
    assert mounts
    for mount in mounts:
        assert Path(mount["source"]).is_dir()
        assert mount["read_only"]


def test_the_database_is_reached_by_temporal_alone(stack: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    assert stack["networks"]["database"]["internal"]
    inside = {name for name, service in services.items() if "database" in service.get("networks", ())}
    assert inside == {"postgresql", "temporal-schema", "temporal"}
    assert "ports" not in services["postgresql"]


def test_the_server_is_the_one_that_the_tests_run_against(services: dict[str, dict[str, Any]]) -> None:
    said = subprocess.run([temporal_program(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Server ([\d.]+), UI ([\d.]+)", said)
    assert found, said
    server, ui = found.groups()
    assert services["temporal"]["image"] == f"temporalio/server:{server}"
    assert services["temporal-schema"]["image"] == services["temporal-namespace"]["image"]
    assert services["temporal-schema"]["image"] == f"temporalio/admin-tools:{server}"
    assert services["temporal-ui"]["image"] == f"temporalio/ui:{ui}"


def test_the_server_is_set_as_the_embedded_one(services: dict[str, dict[str, Any]]) -> None:
    assert services["temporal-namespace"]["environment"]["RETENTION"] == f"{RETENTION.days}d"
    file = ROOT / "deploy/temporal" / Path(services["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]).name
    dynamic = yaml.safe_load(file.read_text())
    embedded = re.findall(r'"--dynamic-config-value", "([\w.]+)=(\w+)"', (ROOT / "starter/dev_server.py").read_text())
    assert {key: str(values[0]["value"]).lower() for key, values in dynamic.items()} == dict(embedded)


def test_scripts_are_posix_shell_without_mistakes_of_form() -> None:
    for script in (ROOT / "deploy").rglob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_workers_and_server_are_scraped_where_they_show_metrics(services: dict[str, dict[str, Any]]) -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    found = {job["job_name"]: job for job in jobs}
    port = services["worker"]["environment"]["MANXUE_METRICS_ADDRESS"].rpartition(":")[2]
    assert found["manxue-worker"]["dns_sd_configs"][0] | {"refresh_interval": ""} == {
        "names": ["worker"],
        "type": "A",
        "port": int(port),
        "refresh_interval": "",
    }
    port = services["temporal"]["environment"]["PROMETHEUS_ENDPOINT"].rpartition(":")[2]
    assert found["temporal"]["static_configs"] == [{"targets": [f"temporal:{port}"]}]


def test_no_download_address_stands_in_the_locks() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text
