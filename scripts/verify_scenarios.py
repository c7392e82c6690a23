"""Which causes are true in each scenario of each world, by retraining: python scripts/verify_scenarios.py

A cause is the repair that would work: its own minimal repair closes at least half of the gap between the planted corpus
and the oracle (the recipe on the repaired corpus). For each scenario and world every repair that changes anything is
trained from new weights, with `--seeds` seeds where one does not tell plainly; what needs no training (an extractor, an
edited cue) is measured on the planted model. Results go to `controller/prove/verified.json`, one entry for each world
and scenario; what is there already is kept unless `--again` is given. Stages are kept in `runs/verify`: a stopped run
goes on.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from controller import logs
from controller.budget import Books
from controller.compose_settings import CONF, register_schemas
from controller.journal.store import code_version
from controller.model import base_model, train_initially
from controller.named_corpora import TASKS
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import Planted, Row, plant
from controller.prove.prover import planted_skills
from controller.prove.truth import VERIFIED
from controller.rounds import measure_model
from controller.run import open_run
from controller.runner import Runner
from controller.settings import LoopSettings
from controller.workers import Workers
from diagnose.finding import Cause
from evals.items import ItemResult
from evals.splits import Split
from evals.worlds import WORLDS
from evals.worlds.world import World

CLOSES = 0.5
PLAIN = 0.25
"""A share further from one half than this is not measured with a second seed."""
LONGER = 2
"""How many times as long the same data is trained on, for `training_setup`."""
CLEAN_SEEDS = 5
LACKING = 0.5
"""Of its fair share: with more rows than that a skill is not missing data, whatever further rows would do."""
JUDGED_BY_LINES_OF_THEIR_OWN = ("forgetting_trap", "two_defects")
"""Their truth is that of the defects that they are made of."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One corpus and one recipe."""

    rows: Sequence[Row]
    settings: LoopSettings


@dataclass(frozen=True, slots=True)
class Measured:
    runs: tuple[tuple[ItemResult, ...], ...]
    """Results of each seed."""

    def scores(self, tasks: Sequence[str]) -> list[float]:
        return [float(np.mean([r.score for r in run if r.item.task in tasks])) for run in self.runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(
        path.stem for path in (Path(CONF) / "scenario").glob("*.yaml") if path.stem not in JUDGED_BY_LINES_OF_THEIR_OWN
    )
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--scenarios", nargs="+", default=known, choices=known)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--workers", type=int, help="trainings side by side")
    parser.add_argument("--out", type=Path, default=VERIFIED, help="to be written and not repeated")
    parser.add_argument("--work", type=Path, default=Path("runs/verify"))
    options = parser.parse_args()
    logs.quiet_libraries()
    register_schemas()
    for world in options.worlds:
        for scenario in options.scenarios:
            verified = json.loads(options.out.read_text()) if options.out.is_file() else {}
            if scenario in verified.get(world, {}) and not options.again:
                continue
            entry = verify(
                world, scenario, options.seeds, options.workers, (options.work / world / scenario).absolute()
            )
            verified.setdefault(world, {})[scenario] = entry
            options.out.write_text(json.dumps(verified, indent=1) + "\n")
            print(f"{world} {scenario}: {json.dumps(entry)}", flush=True)


def verify(world_name: str, scenario_name: str, num_seeds: int, workers: int | None, folder: Path) -> dict[str, object]:
    """What stands in `verified.json` for one scenario of one world."""
    world = WORLDS[world_name]
    with initialize_config_dir(CONF, version_base="1.3"):
        settings = OmegaConf.to_object(compose("loop", [f"world={world_name}", f"scenario={scenario_name}"]))
    assert isinstance(settings, LoopSettings)
    planted = plant(world, settings.prove.scenario, 0)
    write_ground(planted, world, folder / "given")
    given = replace(loop_settings(settings, world, folder / "given", folder / "loop"), workers=workers)
    if scenario_name == "clean":
        parts = [
            _train(Variant(planted.train, given), CLEAN_SEEDS, folder / "clean", split)
            for split in (Split.PROBE, Split.SELECT)
        ]
        both = Measured(tuple((*probe, *select) for probe, select in zip(*(part.runs for part in parts), strict=True)))
        scores = {skill.name: both.scores([f"{world_name}_{skill.name}"]) for skill in world.skills}
        lowest = min(float(np.mean(of_skill)) for of_skill in scores.values())
        return {"causes": [], "scores": scores, "lowest": lowest, "code_version": code_version()}
    skills = planted_skills(world, settings.prove.scenario) or [skill.name for skill in world.skills]
    tasks = [f"{world_name}_{name}" for name in skills]
    base = _train(Variant(planted.train, given), num_seeds, folder / "base")
    oracle = _train(_oracle(planted, settings, given), num_seeds, folder / "oracle")
    low, high = float(np.mean(base.scores(tasks))), float(np.mean(oracle.scores(tasks)))
    closed: dict[str, float] = {}
    for cause, variant in _repairs(world, planted, given, skills, settings.prove.scenario.causes).items():
        for seeds in (1, num_seeds):  # one where it is plain
            score = float(np.mean(_train(variant, seeds, folder / cause).scores(tasks)))
            closed[cause] = (score - low) / max(high - low, 1e-9)
            if abs(closed[cause] - CLOSES) > PLAIN:
                break
    recovered = {
        Cause.FORMAT: _recovered_by_extractor(world, base, tasks),
        Cause.SHORTCUT: _flipped_by_cue(planted, world, given, base, folder / "base"),
    }
    entry = {
        "before": low,
        "oracle": high,
        "gap": high - low,
        "closed": closed,
        "recovered": {cause.value: share for cause, share in recovered.items()},
        "seeds": num_seeds,
        "code_version": code_version(),
    }
    return {"causes": _causes(closed, recovered, settings, high - low), **entry}


def _causes(
    closed: Mapping[str, float], recovered: Mapping[Cause, float], settings: LoopSettings, gap: float
) -> list[str]:
    """By the definitions, in the order of `Cause`; those by construction are taken as the scenario declares them."""
    scenario = settings.prove.scenario
    found = {cause.value for cause, share in recovered.items() if share >= CLOSES}
    found |= {Cause(c).value for c in scenario.causes if c in _BY_CONSTRUCTION}
    if gap >= CLOSES / 5:
        found |= {cause for cause, share in closed.items() if share >= CLOSES}
        if Cause.UNDERWEIGHTED in found:  # raising the existing rows does close: their lack is not the cause
            found.discard(Cause.MISSING_DATA)
    return [cause.value for cause in Cause if cause.value in found]


_BY_CONSTRUCTION = (Cause.TRAINING_SETUP, Cause.CONTAMINATION, Cause.WRONG_GOLD)


def _oracle(planted: Planted, settings: LoopSettings, given: LoopSettings) -> Variant:
    """The repaired corpus under a recipe without a defect."""
    train = replace(given.train, end_in_loss=True)
    with initialize_config_dir(CONF, version_base="1.3"):
        clean = OmegaConf.to_object(compose("loop", [f"world={settings.prove.world}", "scenario=clean"]))
    assert isinstance(clean, LoopSettings)
    return Variant(planted.repaired, replace(given, train=train, model=clean.model))


def _repairs(
    world: World, planted: Planted, given: LoopSettings, skills: Sequence[str], causes: Sequence[str]
) -> dict[str, Variant]:
    """The minimal repair of each cause, where it changes anything.

    Where the defect is not in the data, the one cause that needs a training is `capacity`; what holds by construction
    needs none.
    """
    if any(cause in _BY_CONSTRUCTION for cause in causes):
        return {}
    rows = planted.train
    wide = {name: 2 * given.model.arch[name] for name in ("hidden_size", "intermediate_size")}
    wider = Variant(rows, replace(given, model=replace(given.model, arch={**given.model.arch, **wide})))
    if sorted(map(str, rows)) == sorted(map(str, planted.repaired)):
        return {Cause.CAPACITY.value: wider}
    distinct = list({(row["prompt"], row["completion"]): row for row in rows}.values())
    right = {row["prompt"]: row["completion"] for row in planted.repaired}
    is_dressed = any(world.dressed(right.get(row["prompt"], "")) == row["completion"] for row in rows)
    corrected = [row for row in rows if is_dressed or right.get(row["prompt"], row["completion"]) == row["completion"]]
    mine = [row for row in rows if planted.skill_of.get(row["prompt"]) in skills]
    more = [row for row in planted.pool if planted.skill_of.get(row["prompt"]) in skills]
    train = given.train
    longer = replace(train, max_steps=LONGER * (train.max_steps or 0), tokens=None)
    repairs = {Cause.TRAINING_SETUP.value: Variant(rows, replace(given, train=longer))}
    if len(corrected) < len(rows):
        repairs[Cause.WRONG_LABELS.value] = Variant(corrected, given)
    if len(distinct) < len(rows):
        repairs[Cause.DUPLICATES.value] = Variant(distinct, given)
    fair = len(skills) / len(world.skills)
    if mine and len(mine) / len(rows) < fair:
        # As many copies as give the slice its fair share of the draws.
        number = round((fair * len(rows) - len(mine)) / (1 - fair))
        copies = [mine[k % len(mine)] for k in range(number)]
        repairs[Cause.UNDERWEIGHTED.value] = Variant([*rows, *copies], given)
    if len(mine) / len(rows) < LACKING * fair:
        repairs[Cause.MISSING_DATA.value] = Variant([*rows, *more], given)
    repairs[Cause.CAPACITY.value] = wider
    return repairs


def _train(variant: Variant, num_seeds: int, folder: Path, split: Split = Split.SELECT) -> Measured:
    """The recipe from new weights, once for each seed, and what the models answer."""
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    file = folder / "rows" / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in variant.rows))
    corpus = replace(variant.settings.corpus, train=str(file), pool=None)
    settings = replace(variant.settings, corpus=corpus, run_dir=str(folder))
    books = Books(settings.budget)
    with Workers(settings.workers) as workers:
        run = open_run(settings, folder, Runner(folder, workers, books.check_time), books)
        seeds = list(range(num_seeds))
        models = train_initially(run, [base_model(run, seed) for seed in seeds], seeds)
        reports = [
            measure_model(run, model, split, f"measure-{split.value}-{seed}").report
            for model, seed in zip(models, seeds, strict=True)
        ]
    return Measured(tuple(report.results for report in reports))


def _recovered_by_extractor(world: World, base: Measured, tasks: Sequence[str]) -> float:
    """Share of the failed answers that the world's extractor makes right."""
    failed = [r for run in base.runs for r in run if r.item.task in tasks and r.is_failed]
    found = [(re.search(world.undress, result.answer), result.item.target) for result in failed]
    return float(np.mean([match is not None and match.group(1) == gold for match, gold in found])) if failed else 0.0


def _flipped_by_cue(planted: Planted, world: World, given: LoopSettings, base: Measured, folder: Path) -> float:
    """Share of the failing answers that turn right when the cue shows the right answer; 0 without a cue."""
    if not planted.honest:
        return 0.0
    edited = {
        name: tuple(row | {"prompt": planted.honest.get(row["prompt"], row["prompt"])} for row in rows)
        for name, rows in planted.items.items()
    }
    write_ground(replace(planted, items=edited), world, folder / "edited")
    suite = replace(given.evals, include_path=str(folder / "edited" / TASKS))
    right: list[dict[str, bool]] = [{} for _ in base.runs]
    for split in (Split.PROBE, Split.SELECT):  # an edited item may be in any split; sealed ones stay closed
        measured = _train(Variant(planted.train, replace(given, evals=suite)), len(base.runs), folder, split)
        for known, run in zip(right, measured.runs, strict=True):
            known.update({result.item.prompt: not result.is_failed for result in run})
    flipped = [
        known[planted.honest[result.item.prompt]]
        for run, known in zip(base.runs, right, strict=True)
        for result in run
        if result.is_failed and planted.honest.get(result.item.prompt) in known
    ]
    return float(np.mean(flipped)) if flipped else 0.0


if __name__ == "__main__":
    main()
