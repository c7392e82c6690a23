"""Which small trainings are made after the first ones: one open repair at a time, and none where nothing is open."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from builders.findings import experiment, finding
from builders.toy import model_of, unread_run

from controller.engine.artifacts import Artifact
from controller.engine.budget import Spent
from controller.engine.runner import Done
from controller.loop.pilots.bench import SEEDS, Arm, Bench
from controller.loop.pilots.further import LONGER, Concluded, further, spent
from controller.stages.diagnose import Settled
from controller.stages.retraining.rival_mixes import RivalMade, RivalsMade
from controller.train.recipe import recipe
from controller.train.settings import TrainUpdate
from diagnose.finding.finding import Cause
from diagnose.slices.predicate import Slice

TASK = Slice((("task", "toy"),))
NAMES = ("same", "raise", "add", "random", "random-removal", "clean")
FIRST = dict.fromkeys(NAMES, SEEDS)
"""Trainings of the first look."""


def bench(folder: Path, budget: float) -> Bench:
    run = unread_run(folder)
    how = recipe(run.settings.train, run.settings.model, TrainUpdate(), 100, 8.0)
    mixes = tuple(RivalMade(name, (100,), (TASK,), name, 0, 0.5) for name in NAMES)
    made = Done(RivalsMade(mixes, 8.0, Spent()), Artifact(folder, "rivals"), Spent())
    return Bench(run, model_of(run, "model"), made, how, 0.1, budget, 9, 0, 1000)


def concluded(works: Mapping[Cause, float], unknown: float = 0.0) -> Concluded:
    """A finding whose repairs work with these probabilities."""
    made = tuple(experiment(cause, works=share, is_first=share) for cause, share in works.items())
    causes = {cause: share * (1 - unknown) for cause, share in works.items()} | {Cause.UNKNOWN: unknown}
    return Concluded(Settled(TASK, causes, made), finding(Cause.UNKNOWN), {})


def names(look: Sequence[tuple[Arm, int]]) -> dict[str, int]:
    """Number of trainings by name of the arm."""
    return dict(Counter(arm.name for arm, _ in look))


OPEN = concluded({Cause.WRONG_LABELS: 0.5, Cause.UNDERWEIGHTED: 0.4, Cause.MISSING_DATA: 0.7})


def test_the_likeliest_open_repair_is_tried_for_longer_with_its_control_and_no_other_beside_it(tmp_path: Path) -> None:
    look = further(bench(tmp_path, 9.0), [OPEN], FIRST)
    assert names(look) == {"same-longer": SEEDS, "add-longer": SEEDS}
    assert [arm.length for arm, _ in look] == pytest.approx([LONGER * 0.1] * len(look))


def test_what_is_left_open_is_tried_in_turn_and_no_training_twice(tmp_path: Path) -> None:
    shared, made, order = bench(tmp_path, 9.0), dict(FIRST), []
    while look := further(shared, [OPEN], made):
        order.append(sorted(names(look)))
        made = dict(Counter(made) + Counter(arm.name for arm, _ in look))
    assert order == [["add-longer", "same-longer"], ["clean-longer", "random-removal-longer"], ["raise-longer"]]
    assert set(made.values()) == {SEEDS}


def test_what_the_first_longer_training_settles_ends_the_looks(tmp_path: Path) -> None:
    settled = concluded({Cause.WRONG_LABELS: 0.02, Cause.UNDERWEIGHTED: 0.03, Cause.MISSING_DATA: 0.95})
    made = FIRST | {"same-longer": SEEDS, "add-longer": SEEDS}
    assert further(bench(tmp_path, 9.0), [settled], made) == []


@pytest.mark.parametrize(
    ("budget", "left"), [(1.2, {}), (1.9, {"same-longer": 2}), (2.4, {"same-longer": 2, "add-longer": 2})]
)
def test_no_look_passes_the_budget_whatever_was_spent_before(
    tmp_path: Path, budget: float, left: dict[str, int]
) -> None:
    look = further(bench(tmp_path, budget), [OPEN], FIRST)
    assert names(look) == left
    tokens = sum(SEEDS * 0.1 for _ in FIRST) + sum(arm.length for arm, _ in look)
    assert tokens <= budget + 1e-9


def test_what_small_trainings_took_is_told_as_a_share_of_nine_trainings_of_a_round(tmp_path: Path) -> None:
    shared = bench(tmp_path, 3.0)
    made = {"same": 2, "add": 2, "add-longer": 2}
    assert spent(shared, made) == pytest.approx(2 * 0.1 + 2 * 0.1 + 2 * 0.3)
    assert shared.share(spent(shared, made)) == pytest.approx(1.0 / 9)


def test_where_longer_trainings_are_too_much_the_pair_gets_more_seeds(tmp_path: Path) -> None:
    look = further(bench(tmp_path, 1.7), [OPEN], FIRST)
    assert names(look) == {"add": SEEDS, "same": SEEDS}
    assert sorted(place for _, place in look) == [2, 2, 3, 3]
