"""Where a judgement with looks ends, and why."""

import numpy as np
import pytest

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.results.loop_json import Ending, GroupRecord
from controller.verdict.ruling import At, LookRuling, first_seeds, rule_at
from evals.statistics.compare import ArmScores
from evals.statistics.looks import Looks

LOOKS = Looks((3, 5, 8), 0.0152)
NUM_ITEMS = 1000
ITEMS = tuple(map(str, range(NUM_ITEMS)))
MARGIN = 0.03


def arms(means: dict[str, float], spread: float = 0.005) -> dict[str, ArmScores]:
    """Arms of 8 seeds whose runs lie symmetrically about their mean score, early ones too."""
    rng = np.random.default_rng(0)
    off = spread * np.array([-1.0, 0.0, 1.0, -1.0, 1.0, 0.5, -0.5, 0.0])
    easy = rng.permutation(NUM_ITEMS)
    found = {}
    for name, mean in means.items():
        counts = np.round((mean + off) * NUM_ITEMS).astype(int)
        scores = np.array([(easy < count).astype(float) for count in counts])
        found[name] = ArmScores(name, ITEMS, scores, name == RANDOM)
    return found


def ruled(
    gain: float,
    look: int,
    *,
    guard_change: float = 0.0,
    spread: float = 0.005,
    guard_spread: float = 0.002,
    groups: tuple[GroupRecord, ...] = (),
) -> LookRuling:
    endpoint = arms({CHALLENGER: 0.5 + gain, CONTINUE: 0.5, RANDOM: 0.5}, spread)
    guard = arms({CHALLENGER: 0.9 + guard_change, CONTINUE: 0.9, RANDOM: 0.9}, guard_spread)
    seeds = LOOKS.seeds[look]
    return rule_at(first_seeds(endpoint, seeds), {"guard": first_seeds(guard, seeds)}, groups, At(LOOKS, look), MARGIN)


def test_a_plain_gain_is_accepted_at_the_first_look() -> None:
    found = ruled(0.2, 0)
    assert found.ending is Ending.ACCEPTED
    assert found.shown.num_seeds == 3
    assert found.ruling.is_accepted


def test_no_gain_is_futile_at_the_first_look_and_is_the_end_at_the_last() -> None:
    assert ruled(0.0, 0).ending is Ending.FUTILE
    assert ruled(0.0, 2).ending is Ending.LAST


def test_a_gain_that_is_not_shown_yet_asks_for_more_seeds() -> None:
    found = ruled(0.08, 0, spread=0.03)
    assert found.ending is Ending.GOES_ON
    assert not found.ruling.is_accepted
    assert 0 < found.shown.gate.hardest.mean < found.shown.boundary


def test_a_sure_gain_waits_for_a_guard_that_is_not_shown_unharmed_yet() -> None:
    assert ruled(0.2, 0, guard_spread=0.03).ending is Ending.GOES_ON
    assert ruled(0.2, 2, guard_spread=0.03).ending is Ending.ACCEPTED


def test_a_guard_that_is_shown_harmed_ends_the_judgement_whatever_the_gain() -> None:
    assert ruled(0.2, 0, guard_change=-0.1).ending is Ending.HARMED


def test_a_harmed_group_ends_the_judgement_whatever_the_gain() -> None:
    group = GroupRecord({"class": "a"}, 100, 0.9, 0.9, 0.7, -0.2, (-0.3, -0.1), 0.001, True)
    assert ruled(0.2, 0, groups=(group,)).ending is Ending.HARMED


def test_a_look_at_the_first_seeds_leaves_out_those_of_later_looks() -> None:
    early = first_seeds(arms({CHALLENGER: 0.5}), 3)[CHALLENGER]
    assert early.num_seeds == 3
    assert early.seed_means == pytest.approx([0.495, 0.5, 0.505])
