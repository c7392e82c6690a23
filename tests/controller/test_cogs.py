"""A construction that the corpus starves, through the whole loop: where the pool has few of it the fix is accepted and
opens the sealed items, where it has hardly anything else random rows are enough."""

from pathlib import Path

import pytest
from builders.cogs import write_cogs

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.results.arm_names import CHALLENGER
from controller.results.loop_json import Decision, LoopResult

pytestmark = pytest.mark.slow


def played(folder: Path, passives_in_pool: float) -> LoopResult:
    words = write_cogs(folder, passives_in_pool)
    return run_loop(composed([*words, f"run_dir={folder / 'run'}"]), None)


def test_a_starved_construction_that_is_rare_in_the_pool_is_mended_and_the_gain_confirmed(tmp_path: Path) -> None:
    result = played(tmp_path, 0.2)
    (round_,) = result.rounds
    finding, verdict = round_.diagnosis.findings[0], round_.verdict
    assert finding.slice in ({"prompt contains": "by"}, {"prompt contains": "was"})
    assert finding.cause == "missing_data"
    assert verdict.decision is Decision.ACCEPTED
    assert verdict.gain is not None
    assert verdict.gain.mean >= 0.2
    assert all(guard.ok for guard in verdict.guards)
    assert result.champion.round == 0
    assert result.sealed is not None
    assert result.sealed.claim == "confirmed"
    assert result.sealed.gain >= 0.2
    assert (tmp_path / "run" / "items-sealed.parquet").is_file()


def test_where_nearly_all_of_the_pool_is_the_construction_random_rows_are_enough_and_go_on(tmp_path: Path) -> None:
    result = played(tmp_path, 0.95)
    verdict = result.rounds[0].verdict
    assert verdict.decision is Decision.RANDOM_IS_ENOUGH
    assert verdict.champion_arm != CHALLENGER
    assert result.champion.round == 0
    assert verdict.arms["random"].score >= verdict.arms["continue"].score + 0.1
    assert result.sealed is not None
    assert result.sealed.claim == "confirmed"
