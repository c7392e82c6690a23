"""What small trainings of rival fixes are read as, and which pairs count."""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import pytest

from diagnose.finding.trials import Trials, Tried
from evals.statistics.intervals import Estimate


def _tried(before: float, **arms: float) -> Tried:
    """Four items that all read alike, with two seeds."""
    return Tried(np.full(4, before), {name: np.full((2, 4), value) for name, value in arms.items()})


def test_what_items_of_other_labels_lose_is_taken_off_a_fix(module: Callable[[str], ModuleType]) -> None:
    readings = module("fix_order_readings")
    trials = Trials(
        likelihood=_tried(0.1, **{"continue": 0.2}, retrieve=0.6, reweight=0.5),
        is_failed=np.ones(4, bool),
        score=_tried(0.0, **{"continue": 0.0}, retrieve=1.0, reweight=0.5),
        is_failed_of_scores=np.ones(4, bool),
        failure_rate=1.0,
        gap=0.5,
        rest=_tried(0.8, **{"continue": 0.8}, retrieve=0.7, reweight=0.9),
        rest_weight=2.0,
    )
    read = readings.readings(trials, np.random.default_rng(0))

    def difference(name: str) -> float:
        return float(np.median(read[name]["retrieve"] - read[name]["reweight"]))

    assert difference(readings.OF_SLICE) == pytest.approx(0.1 / 0.5)
    assert difference(readings.LIKELIHOOD) == pytest.approx((0.1 - 2 * 0.1) / 0.5)
    assert difference(readings.SCORE) == pytest.approx(0.5)


def test_a_pair_counts_only_where_full_trainings_tell_it_apart(module: Callable[[str], ModuleType]) -> None:
    above, across, below = Estimate(0.3, 0.2, 0.4), Estimate(0.1, -0.1, 0.3), Estimate(-0.3, -0.4, -0.2)
    told = _told(module, [(above, above), (across, below), (below, across)])
    assert [line.split(" | ")[-1] for line in told[2:4]] == ["same |", "**other** |"]
    assert "tell 2 of 3 pairs apart" in told[5]
    assert "1 of 2: 0.50" in next(line for line in told if line.startswith("| 0.1 | likelihood |"))


def test_a_wrong_order_costs_what_the_better_fix_would_have_scored(module: Callable[[str], ModuleType]) -> None:
    told = _told(module, [(Estimate(0.2, 0.1, 0.3), Estimate(-0.1, -0.2, 0.0))])
    assert "0.200 (at most 0.200) below the best where small trainings choose" in told[-1]
    assert "0.000 (at most 0.000) where the order of `auto` does" in told[-1]


def _told(module: Callable[[str], ModuleType], pairs: Sequence[tuple[Estimate, Estimate]]) -> list[str]:
    """Table of a run whose pairs read so in full and in small trainings; `retrieve` scores .8, `reweight` .6."""
    readings, table = module("fix_order_readings"), module("fix_order_table")
    run = readings.Outcome(
        *("skills", "starved_skill", 0, (), "missing_data", "a", "b", 10, 20, ("retrieve", "reweight")),
        scores={"retrieve": (0.9, 0.7), "reweight": (0.6,)},
        rest={},
        pairs=tuple(
            readings.Pair("retrieve", "reweight", full, None, (readings.Small(0.1, readings.LIKELIHOOD, small, 0.5),))
            for full, small in pairs
        ),
        code_version="",
    )
    return list(table.lines([run]))
