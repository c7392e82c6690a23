"""Seeds of trainings."""

from itertools import product
from pathlib import Path

from builders.toy import unread_run

from controller.loop.trial.mixes import training_seed


def test_no_two_trainings_of_an_arm_share_a_seed_over_rounds_and_runs(tmp_path: Path) -> None:
    runs = []
    for seed in (0, 1, 2, 11):
        (tmp_path / str(seed)).mkdir()
        runs.append(unread_run(tmp_path / str(seed), f"seed={seed}"))
    seeds = [training_seed(run, number, place) for run, number, place in product(runs, range(40), range(100))]
    assert len(set(seeds)) == len(seeds)
