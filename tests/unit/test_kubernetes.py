"""The example for Kubernetes is right as data: by the schemas of Kubernetes, and by what KEDA documents."""

import re
from collections import Counter
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from settings import Settings, WorkerSettings
from tests.support.deployment import SETTINGS
from tests.support.processes import ROOT
from workflows.queues import downloads_of

FOLDER = ROOT / "deploy/kubernetes"
TEMPORAL_TRIGGER = {
    "endpoint",
    "namespace",
    "taskQueue",
    "queueTypes",
    "targetQueueSize",
    "activationTargetQueueSize",
    "workerDeploymentName",
    "workerDeploymentBuildId",
    "minConnectTimeout",
    "unsafeSsl",
    "tlsServerName",
}
"""What the documentation of KEDA 2.22 lists; no package has the schema of a ScaledObject, and none has this."""


def read(name: str) -> dict[str, Any]:
    """One file."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return content


@pytest.fixture
def pod() -> dict[str, Any]:
    """The pod of the Deployment."""
    spec: dict[str, Any] = read("deployment.yaml")["spec"]["template"]["spec"]
    return spec


def environment() -> dict[str, str]:
    """What settings.env sets."""
    return dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "settings.env").read_text(), re.M))


def test_every_object_keeps_to_the_schema_of_kubernetes() -> None:
    kustomization = read("kustomization.yaml")
    assert {*kustomization["resources"], "kustomization.yaml"} == {path.name for path in FOLDER.glob("*.yaml")}
    kinds = Counter[str]()
    for name in kustomization["resources"]:
        content = read(name)
        kinds[content["kind"]] += 1
        if content["kind"] != "ScaledObject":
            kubernetes_validate.validate(content, kubernetes_validate.latest_version(), strict=True)
    assert set(kinds) == {"ServiceAccount", "Deployment", "PodDisruptionBudget", "NetworkPolicy", "ScaledObject"}


def test_the_schema_check_can_fail() -> None:
    deployment = read("deployment.yaml")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 120
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


def test_workers_are_scaled_by_their_own_backlog_and_never_to_none() -> None:
    spec = read("scaledobject.yaml")["spec"]
    assert spec["scaleTargetRef"]["name"] == read("deployment.yaml")["metadata"]["name"]
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    queue = environment().get("MANXUE_TASK_QUEUE", Settings.model_fields["task_queue"].default)
    queues = {}
    for trigger in spec["triggers"]:
        given = trigger["metadata"]
        assert trigger["type"] == "temporal"
        assert set(given) <= TEMPORAL_TRIGGER
        assert all(isinstance(value, str) for value in given.values())  # KEDA takes nothing else
        assert given["endpoint"] == environment()["TEMPORAL_ADDRESS"]
        assert given["namespace"] == environment()["TEMPORAL_NAMESPACE"]
        queues[given["taskQueue"]] = set(given["queueTypes"].split(","))
    assert queues == {queue: {"workflow", "activity"}, downloads_of(queue): {"activity"}}


def test_all_select_the_pods_of_the_deployment() -> None:
    deployment = read("deployment.yaml")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert read("poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert read("networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"] == labels


def test_a_create_call_is_never_cut_off(pod: dict[str, Any]) -> None:
    create = float(WorkerSettings.model_fields["create_timeout"].default) * 1.25
    assert create < float(environment()["MANXUE_SHUTDOWN_GRACE"]) < pod["terminationGracePeriodSeconds"]
    assert pod["shareProcessNamespace"]  # else a SIGTERM during its first second is not heard


def test_the_pod_is_closed(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert user
    assert [str(pod["securityContext"][name]) for name in ("runAsUser", "runAsGroup")] == list(user.groups())
    assert pod["automountServiceAccountToken"] is False
    assert {"cpu", "memory", "ephemeral-storage"} == set(container["resources"]["limits"])


def test_settings_exist_and_secrets_are_only_named(pod: dict[str, Any]) -> None:
    given = {name for name in environment() if name.startswith("MANXUE_")}
    assert given <= SETTINGS
    assert not [name for name in environment() if re.search("KEY|SECRET|TOKEN", name)]
    assert {"secretRef": {"name": "manxue-worker"}} in pod["containers"][0]["envFrom"]
