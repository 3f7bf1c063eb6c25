"""Settings with which a worker would start, and then do no work or lose some, are refused by name."""

import pytest

from settings import SettingsError, WorkerSettings, load


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every worker needs."""
    monkeypatch.setenv("MANXUE_API_KEY", "sk-1")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MANXUE_BASE_URL", "https://"),
        ("MANXUE_BASE_URL", "https:///v1"),
        ("MANXUE_BASE_URL", "https://provider.example:port"),
        ("MANXUE_BASE_URL", "https://provider.example:70000"),
        ("MANXUE_BASE_URL", "https://me:secret@provider.example"),
        ("MANXUE_BASE_URL", "https://provider.example/api?key=secret"),
        ("MANXUE_BASE_URL", "https://provider.example/api#secret"),
        ("MANXUE_BASE_URL", "https://provider .example"),
        ("MANXUE_TASK_QUEUE", " "),
        ("MANXUE_TASK_QUEUE", "manxue "),
        ("MANXUE_TASK_QUEUE", 'man"xue'),
        ("MANXUE_TASK_QUEUE", "x" * 995),
        ("MANXUE_SHUTDOWN_GRACE", "inf"),
        ("MANXUE_SHUTDOWN_GRACE", "1e300"),
        ("MANXUE_MAX_CACHED_WORKFLOWS", "1000000000000"),
    ],
)
def test_what_no_worker_could_work_with_is_refused_by_name_without_being_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: ") as refused:
        load(WorkerSettings)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["https://provider.example/api/", "http://127.0.0.1:8090", "http://[::1]:8090"])
def test_addresses_that_can_be_added_to_are_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANXUE_BASE_URL", value)
    assert load(WorkerSettings).base_url == value.rstrip("/")
