"""Workers are replaced while renders are in flight. The long form is `make soak-upgrade RUNS=50`."""

from pathlib import Path

from tests.soak.upgrade import upgrade


async def test_a_version_with_other_steps_takes_over_ten_renders_and_a_batch_and_nothing_is_lost_or_paid_twice(
    tmp_path: Path,
) -> None:
    findings = await upgrade(10, tmp_path)
    print("\n".join(findings.report()))
    assert findings.breaches() == []
