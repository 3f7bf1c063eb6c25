"""Which build a worker says it is."""

from typing import Any

import pytest
from pydantic import SecretStr

from deployment import default_build_id, deployment_of
from manxue import __version__
from settings import SettingsError, WorkerSettings, load
from tests.support.processes import API_KEY


def settings(**given: Any) -> WorkerSettings:
    return WorkerSettings(api_key=SecretStr(API_KEY), **given)


def test_a_build_is_named_after_the_version_and_may_be_given_as_a_setting_again() -> None:
    assert default_build_id().startswith(__version__)
    assert settings(build_id=default_build_id()).build_id == default_build_id()


def test_a_worker_is_versioned_only_where_a_deployment_is_named() -> None:
    assert not deployment_of(settings(build_id="0.2.0")).use_worker_versioning
    versioned = deployment_of(settings(deployment_name="renders", build_id="0.2.0"))
    assert versioned.use_worker_versioning
    assert versioned.version.to_canonical_string() == "renders.0.2.0"


@pytest.mark.parametrize(("variable", "value"), [("MANXUE_DEPLOYMENT_NAME", "my.renders"), ("MANXUE_BUILD_ID", "a b")])
def test_a_name_that_temporal_does_not_take_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("MANXUE_API_KEY", API_KEY)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load(WorkerSettings)
