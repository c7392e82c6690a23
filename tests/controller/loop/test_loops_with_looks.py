"""Judgements that train more seeds, in real loops on a small corpus: killed between two looks, and out of budget."""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from builders.checkout import journal
from builders.fixes import AddSkill, RaiseSkill
from builders.toy import write_toy

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.results.loop_json import read_loop
from controller.results.verdict_json import Decision, Ending
from controller.settings import LoopSettings

pytestmark = pytest.mark.slow

LOOKS = ("budget.rounds=1", "verify.max_seeds=8", "train.max_steps=90", "verify.alpha=0.45", "evals.guard_rest=false")
"""At a level this high the few items of the toy leave the first look undecided."""


def settings_of(words: list[str]) -> LoopSettings:
    """Settings with a fix that acts whatever the cause."""
    return replace(composed(words), interventions=RaiseSkill())


def play(words: list[str]) -> None:
    run_loop(settings_of(words), None)


def trainings(run_dir: Path) -> list[str]:
    """Names of the trainings that were finished."""
    return [
        line["stage"] for line in journal(run_dir) if line["stage"].startswith("train-") and line["event"] == "finished"
    ]


def test_a_judgement_killed_between_two_looks_goes_on_and_counts_once_and_a_budget_leaves_the_last_look(
    tmp_path: Path,
) -> None:
    words = [*write_toy(tmp_path), *LOOKS]
    process = multiprocessing.get_context("spawn").Process(target=play, args=(words,))
    process.start()
    stages = tmp_path / "run" / "stages"
    while process.is_alive() and not list(stages.glob("measure-random-102-*/done.json")):
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    result = run_loop(settings_of(words), None)
    verdict = result.rounds[0].verdict
    first, *others = verdict.looks
    assert (first.num_seeds, first.ending) == (3, Ending.GOES_ON)
    assert [look.num_seeds for look in others] == [5, 8][: len(others)]
    assert others
    last = verdict.looks[-1]
    assert verdict.alpha == last.level
    assert {len(arm.seeds) for name, arm in verdict.arms.items() if name != "before"} == {last.num_seeds}
    assert max(Counter(trainings(tmp_path / "run")).values()) == 1
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1

    spent = sum(cost.tokens for name, cost in result.costs.items() if name in ("train_initial", "train"))
    short = [*words, f"budget.train_tokens={spent - 1}", f"run_dir={tmp_path / 'short'}"]
    stopped = run_loop(settings_of(short), None).rounds[0].verdict
    assert stopped.decision is Decision.REJECTED
    assert len(stopped.looks) == len(verdict.looks) - 1
    assert stopped.looks[-1] == replace(verdict.looks[-2], ending=Ending.BUDGET)
    stood = stopped.looks[-1]
    assert (stopped.gain, stopped.alpha) == (stood.gain, stood.level)
    assert {len(arm.seeds) for name, arm in stopped.arms.items() if name != "before"} == {stood.num_seeds}
    assert len(trainings(tmp_path / "short")) == 1 + 3 * stood.num_seeds
    assert "budget.train_tokens: round 0, training seeds" in stopped.reason
    assert read_loop(tmp_path / "short").rounds[0].verdict == stopped
    assert len(json.loads((tmp_path / "short" / "loop.json").read_text())["rounds"]) == 1


def test_random_rows_that_may_be_enough_are_given_seeds_that_the_fix_no_longer_needs(tmp_path: Path) -> None:
    """Of a pool that has nothing but rows of the failing skill, random rows do as well as chosen ones."""
    words = write_toy(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    jump = [row for row in rows if row["skill"] == "jump"]
    for name, kept in (("rows", [row for row in rows if row not in jump]), ("pool", jump)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    words += [f"corpus.pool={tmp_path / 'pool.jsonl'}", "budget.rounds=1", "verify.max_seeds=8", "train.max_steps=40"]
    settings = composed([*words, "evals.tasks=[toy_jump]", "evals.guard_rest=false"])
    verdict = run_loop(replace(settings, interventions=AddSkill(num_examples=8)), None).rounds[0].verdict
    (look,) = verdict.looks
    assert (look.num_seeds, look.ending) == (3, Ending.FUTILE)
    assert verdict.decision is Decision.RANDOM_IS_ENOUGH
    assert verdict.champion_arm == "random"
    seeds = {name: len(arm.seeds) for name, arm in verdict.arms.items() if name != "before"}
    assert seeds["challenger"] == seeds["continue"] == seeds["random"] > 3
