"""Is a fix as good as knowing the answer? SCAN with `jump` starved, under one recipe held fixed.

    python scripts/bench_scan_jump.py FOLDER [--seeds 10] [--out docs/proof/scan_jump/seeds.jsonl]

Each seed trains a model from nothing on the starved corpus, diagnoses it, and trains it on for 120 steps, half of each
batch from added rows: `random` ones of the pool, the `oracle`'s (random rows that truly have `jump`), and those of the
`fix`, 400 and 100 of them. Scored on all `select` items of `jump` and of the other commands. FOLDER holds
`simple_train.jsonl` and `simple_test.jsonl`. Finished seeds are in the file already and are not run again; stages are
kept in `runs/bench_scan_jump`, so that a stopped seed goes on. Two to four minutes a seed on 2 cores.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats

from controller.cli.compose import composed
from controller.data.mixes import load_mix, load_pool, save_mix
from controller.engine import logs
from controller.engine.artifacts import Data
from controller.engine.hashes import fingerprint, hash_of
from controller.engine.versions import code_version
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import TrainingJob, base_model, initial_model, measure_model, measure_models, train_models
from controller.loop.proposing import propose_round
from controller.loop.run import Run, opened
from controller.results.arm_names import CHALLENGER
from controller.stages.measure import INDEX_FILE
from controller.stages.model import Model
from controller.train.recipe import Recipe, recipe
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_members
from evals.items import ItemResult
from evals.leaks.item_index import load_index
from evals.splits import Split
from interventions.admission.gate import admit, contents, take_stock
from interventions.mix.compose import Draw, compose
from interventions.mix.mix import Origin
from interventions.plan.attempts import Attempts

SIZES = (400, 100)
"""Rows added."""
JUMP, OTHERS = "scan_jump", "scan_others"
TRUE_ROWS = Slice(((PROMPT_CONTAINS, "jump"),))
RANDOM, ORACLE, FIX = "random", "oracle", "fix"
LEAST_OF_THE_WAY = 0.8


@dataclass(frozen=True, slots=True)
class SeedResult:
    seed: int
    code_version: str
    before: tuple[float, float]
    """Scores on `jump` and on the others."""
    scores: Mapping[str, tuple[float, float]]
    """By arm and number of rows: `fix-400`."""
    named: str
    """The data slice of the first finding."""
    cause: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("docs/proof/scan_jump/seeds.jsonl"))
    parser.add_argument("--work", type=Path, default=Path("runs/bench_scan_jump"))
    options = parser.parse_args()
    logs.quiet_libraries()
    kept = _kept(options.out)
    for seed in range(options.seeds):
        if seed not in kept:
            kept[seed] = play(seed, options.folder, options.work.absolute() / str(seed))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            with options.out.open("a") as file:
                file.write(json.dumps(asdict(kept[seed])) + "\n")
        told = " ".join(f"{arm} {jump:.3f} {others:.3f}" for arm, (jump, others) in kept[seed].scores.items())
        print(f"{seed:2d} {kept[seed].named} ({kept[seed].cause}): {told}", flush=True)
    for line in summary([kept[seed] for seed in range(options.seeds)]):
        print(line)


def _kept(path: Path) -> dict[int, SeedResult]:
    """Results of this code version."""
    lines = path.read_text().splitlines() if path.is_file() else []
    results = [TypeAdapter(SeedResult).validate_json(line) for line in lines]
    return {result.seed: result for result in results if result.code_version == code_version()}


def play(seed: int, folder: Path, work: Path) -> SeedResult:
    """All arms of one seed."""
    settings = composed(["experiment=scan_jump", f"corpus.root={folder.absolute()}", f"seed={seed}"])
    with opened(settings, work) as run:
        champion = initial_model(run, base_model(run))
        probe = measure_model(run, champion, Split.PROBE, "measure-probe")
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        diagnosed = diagnose_round(run, champion, probe)
        arms: dict[str, _Arm] = {}
        for size in SIZES:
            sized = replace(settings, interventions=replace(settings.interventions, num_examples=size))
            proposal = propose_round(replace(run, settings=sized), champion, diagnosed, Attempts(), 0)
            proposed = proposal.proposed
            plan = recipe(sized.train, sized.model, sized.train.update, proposed.num_rows, proposed.mean_tokens)
            oracle = work / f"oracle-{size}"
            _save_oracle(run, diagnosed.inputs.index.folder, size, seed, oracle)
            for name, mix in {
                RANDOM: proposal.artifact.folder / RANDOM,
                ORACLE: oracle,
                FIX: proposal.artifact.folder / CHALLENGER,
            }.items():
                arms[f"{name}-{size}"] = _Arm(mix, plan)
        scores = _trained_scores(run, champion, arms, seed)
    first = diagnosed.diagnosis.findings[0]
    return SeedResult(seed, code_version(), _scores(before.report.results), scores, str(first.data_slice), first.cause)


@dataclass(frozen=True, slots=True)
class _Arm:
    mix: Path
    recipe: Recipe
    """With the tokens of the fix that adds as many rows."""


def _trained_scores(run: Run, champion: Model, arms: Mapping[str, _Arm], seed: int) -> dict[str, tuple[float, float]]:
    """Each arm trained on from the champion and measured."""
    mixes = {
        name: Data(arm.mix, hash_of(fingerprint(arm.mix)), len(load_mix(arm.mix).weights), name)
        for name, arm in arms.items()
    }
    jobs = [
        TrainingJob(f"train-{name}", champion, mixes[name], arm.recipe, seed, keeps_middle=False)
        for name, arm in arms.items()
    ]
    trained = train_models(run, jobs, "train", "the arms")
    named = [(f"measure-{name}", one.model) for name, one in zip(arms, trained, strict=True)]
    measured = measure_models(run, named, Split.SELECT, "verify")
    return {name: _scores(one.report.results) for name, one in zip(arms, measured, strict=True)}


def _save_oracle(run: Run, index: Path, size: int, seed: int, folder: Path) -> None:
    """The corpus, and rows of the pool at random that truly have `jump`, new and no evaluation items."""
    assert run.pool is not None, "the named corpus has a pool"
    stock = take_stock(load_pool(run.corpus.folder), load_pool(run.pool.folder), load_index(index / INDEX_FILE))
    assert stock.pool is not None, "as above"
    order = np.random.default_rng([seed, size]).permutation(np.flatnonzero(row_members(TRUE_ROWS, stock.pool)))
    known = frozenset(contents(stock.corpus, stock.kept))
    rows = np.sort(admit(stock.pool, order, stock.gate, known).rows[:size])
    origin = Origin(ORACLE, "rows at random that truly have the skill")
    folder.mkdir(parents=True, exist_ok=True)
    save_mix(compose([Draw(origin, stock.pool, rows, run.settings.interventions.share)], stock), folder)


def _scores(results: Sequence[ItemResult]) -> tuple[float, float]:
    """On `jump` and on the other commands."""
    jump = [result.score for result in results if result.item.task == JUMP]
    others = [result.score for result in results if result.item.task == OTHERS]
    return float(np.mean(jump)), float(np.mean(others))


def summary(results: Sequence[SeedResult]) -> Iterator[str]:
    """What was asked, beside what came."""
    yield f"{len(results)} seeds; before {_mean([result.before[0] for result in results])}"
    for name in results[0].scores:
        jump, others = ([result.scores[name][place] for result in results] for place in (0, 1))
        yield f"{name:<11} jump {_mean(jump)}   others {_mean(others)}"
    for size in SIZES:
        random, oracle, fix = (
            np.array([result.scores[f"{name}-{size}"] for result in results]) for name in (RANDOM, ORACLE, FIX)
        )
        way = (fix - random)[:, 0].mean() / (oracle - random)[:, 0].mean()
        yield f"{size} rows: {way:.2f} of the way from random to the oracle ({LEAST_OF_THE_WAY} asked of {SIZES[0]})"
        yield f"          fix - random on jump {_interval((fix - random)[:, 0])}"
        yield f"          fix - random on others {_interval((fix - random)[:, 1])}"
        yield f"          oracle - random on jump {_interval((oracle - random)[:, 0])}"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} (sd {np.std(values, ddof=1):.3f})"


def _interval(differences: NDArray[np.float64]) -> str:
    """Mean and 95 % by t over seeds, paired."""
    half = stats.t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    return f"{differences.mean():+.4f} [{differences.mean() - half:+.4f}, {differences.mean() + half:+.4f}]"


if __name__ == "__main__":
    main()
