"""The short form of `make soak`."""

from pathlib import Path

from tests.soak.soak import Options, soak


async def test_thirty_generations_through_chaos_and_eight_kills_are_paid_once_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    options = Options(runs=30, kills=8, every=4, minutes=5, seed=3)
    verdict = await soak(options, tmp_path)
    print("\n".join(verdict.lines()))
    assert verdict.breaches == []
    assert verdict.kills.total() == options.kills
    assert verdict.delivered > options.runs / 2
