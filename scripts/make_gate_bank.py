"""Really trained runs for the gate's trial: one recipe, many seeds, every item's result.

    python scripts/make_gate_bank.py [--runs 48] [--worlds skills commands tables grammar] [--out tests/data/gate_bank]

Each world's `starved_skill` corpus is trained from new weights with `--runs` seeds, and every item of two splits is
asked (the third stays sealed). `<world>.npz` has scores [runs, items] of 0 and 1, and for each item its task and
whether it belongs to the starved skill (the endpoint) or to the guard. Stages are kept in `runs/gate_bank`: a stopped
run goes on. About 6 minutes a world on 2 cores.
"""

import argparse
from pathlib import Path

import numpy as np

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.loop.models import base_model, measure_model, train_initially
from controller.loop.run import opened
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import OTHERS, plant
from evals.fixtures.worlds import ASKED_WORLDS
from evals.splits import Split

SCENARIO = "starved_skill"
_CHUNK = 8
"""Trainings between two measurements, so that a stopped run has lost little."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=48)
    parser.add_argument("--worlds", nargs="+", default=list(ASKED_WORLDS), choices=list(ASKED_WORLDS))
    parser.add_argument("--out", type=Path, default=Path("tests/data/gate_bank"))
    parser.add_argument("--work", type=Path, default=Path("runs/gate_bank"))
    options = parser.parse_args()
    logs.quiet_libraries()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.worlds:
        make_bank(name, options.runs, (options.work / name).absolute(), options.out / f"{name}.npz")


def make_bank(name: str, num_runs: int, folder: Path, file: Path) -> None:
    world = ASKED_WORLDS[name]
    settings = composed_prove([f"world={name}", f"scenario={SCENARIO}"])
    write_ground(plant(world, settings.prove.scenario, 0), world, folder / "given")
    given = loop_settings(settings, world, folder / "given", folder / "loop")
    rows: list[dict[tuple[str, str], float]] = []
    with opened(given, folder / "loop") as run:
        for start in range(0, num_runs, _CHUNK):
            seeds = list(range(start, min(start + _CHUNK, num_runs)))
            models = train_initially(run, [base_model(run, seed) for seed in seeds], seeds)
            for model, seed in zip(models, seeds, strict=True):
                reports = [
                    measure_model(run, model, split, f"measure-{split.value}-{seed}").report
                    for split in (Split.PROBE, Split.SELECT)
                ]
                rows.append({r.item.key: r.score for report in reports for r in report.results})
    items = sorted(rows[0])
    scores = np.array([[row[item] for item in items] for row in rows], dtype=np.uint8)
    tasks = np.array([task for task, _ in items])
    np.savez_compressed(
        file,
        scores=scores,
        task=tasks,
        is_target=tasks == f"{name}_{world.target}",
        is_guard=tasks == f"{name}_{OTHERS}",
    )
    target = scores[:, tasks == f"{name}_{world.target}"].mean(axis=1)
    print(f"{file}: {scores.shape[0]} runs, {scores.shape[1]} items, target {target.mean():.3f} sd {target.std():.3f}")


if __name__ == "__main__":
    main()
