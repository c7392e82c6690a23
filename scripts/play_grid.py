"""Play the runs of the proving ground that probabilities of causes are fitted on, as far as they are not kept yet.

    python scripts/play_grid.py [--seeds 10 11 12 13 14] [--worlds ...] [--scenarios ...] [--data FOLDER] [--players 2]
        [--longer]

Each world of `FIT_WORLDS` with each scenario and intensity that has a meaning there, clean ones first, stopped at the
diagnosis, with all repairs tried; with `--longer` small models that are trained twice as long, whose scores alone are
kept. What left nothing to gain with the seeds that were played comes last. Every run is added to
`docs/proof/causes/runs.jsonl` (`longer.jsonl`) when it is over, and its folder goes, so a stopped grid goes on where it
was, on any machine: with the code of the kept runs. A minute or two of one core a run; a player plays several in one
process, which imports once.
"""

import argparse
import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from cause_examples import examples_of
from grid_runs import add_longer, add_runs, check_version, key, read_longer, read_runs

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.engine.versions import code_version
from controller.engine.workers.server import die_with_parent
from controller.prove.prover import prove
from controller.prove.worlds import find_world, meaningless
from evals.fixtures.real import REAL_WORLDS
from evals.fixtures.worlds import FIT_WORLDS

INTENSITIES = {
    "clean": (1,),
    "missing_skill": (1,),
    "starved_skill": (1, 0.5),
    "little_data": (1, 0.5),
    "wrong_labels": (1, 0.5, 0.25),
    "hidden_misreading": (1,),
    "wrong_gold": (1,),
    "chance_labels": (1,),
    "shortcut": (1, 0.5),
    "duplicate_flood": (1, 0.5),
    "format_shift": (1,),
    "masked_end": (1,),
    "short_training": (1,),
    "small_model": (1,),
    "two_defects": (1,),
    "two_in_one": (1,),
    "half_training": (1,),
}
"""Intensities of each scenario."""
SAME = ("prove.stop=diagnosis", "prove.vary=true", "workers=1", "tracking.uri=none")
RUNS_AT_ONCE = 50
"""Players are replaced after so many: what a library keeps in memory goes. `max_tasks_per_child` would do so one by
one, and hangs (https://github.com/python/cpython/issues/115634)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One run of the grid."""

    world: str
    scenario: str
    intensity: float
    seed: int
    is_longer: bool = False
    """Whether it is a small model that is trained twice as long."""

    def words(self, data: Path | None) -> list[str]:
        found = [f"world={self.world}", f"scenario={self.scenario}", f"seed={self.seed}", *SAME]
        found += [f"diagnose.pilots={'never' if self.is_longer else 'always'}"]
        if self.world in REAL_WORLDS and data is not None:
            found.append(f"prove.data={data}")
        if self.is_longer:
            found.append("prove.scenario.steps_share=2")
        return found if self.intensity == 1 else [*found, f"prove.scenario.intensity={self.intensity:g}"]

    def __str__(self) -> str:
        longer = ", twice as long" if self.is_longer else ""
        return f"{self.world} {self.scenario} {self.intensity:g} seed {self.seed}{longer}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(10, 15))
    parser.add_argument("--worlds", nargs="+", choices=FIT_WORLDS, default=FIT_WORLDS)
    parser.add_argument("--scenarios", nargs="+", choices=INTENSITIES, default=tuple(INTENSITIES))
    parser.add_argument("--data", type=Path, help="folder of real data; without it those worlds are left out")
    parser.add_argument("--players", type=int, default=2, help="processes that play runs side by side")
    parser.add_argument("--work", type=Path, default=Path("runs/grid"))
    parser.add_argument("--longer", action="store_true", help="small models that are trained twice as long, instead")
    parser.add_argument("--list", action="store_true", help="print what is left, and play nothing")
    options = parser.parse_args()
    left = [
        one
        for one in missing(options.seeds, options.worlds, options.data)
        if one.scenario in options.scenarios and one.is_longer == options.longer
    ]
    if not options.longer:
        check_version(code_version())
    print(f"{len(left)} runs are left", flush=True)
    if options.list:
        print("\n".join(map(str, left)))
        return
    context, done = multiprocessing.get_context("spawn"), 0
    for first in range(0, len(left), RUNS_AT_ONCE):
        with ProcessPoolExecutor(options.players, context, die_with_parent) as players:
            some = left[first : first + RUNS_AT_ONCE]
            jobs = {players.submit(play, one, options.work.absolute(), options.data): one for one in some}
            for job in as_completed(jobs):
                keep(jobs[job], job)
                done += 1
                print(f"{done} of {len(left)}", flush=True)


def missing(seeds: Sequence[int], worlds: Sequence[str], data: Path | None) -> list[Wanted]:
    """Runs that are not kept: clean ones first, as gaps are told by them, then those that may have something to gain, a
    seed after the other."""
    results, longer = read_runs(), read_longer()
    kept, played = {key(result) for result in results}, {key(result)[:3] for result in results}
    gaining = {(one.world, one.scenario, one.intensity) for one in examples_of(results, longer)}
    worlds = [name for name in worlds if data is not None or name not in REAL_WORLDS]
    grid = [
        (world, scenario, intensity)
        for scenario, intensities in INTENSITIES.items()
        for world in worlds
        if has_meaning(scenario, world, data)
        for intensity in intensities
    ]

    def is_vain(one: Wanted) -> bool:
        place = (one.world, one.scenario, one.intensity)
        return one.scenario != "clean" and place in played and place not in gaining

    left = [Wanted(*place, seed) for seed in seeds for place in grid if (*place, seed) not in kept]
    left += [
        Wanted(world, "small_model", 1, seed, is_longer=True)
        for seed in seeds
        for world in worlds
        if (world, seed) not in longer
    ]
    return sorted(left, key=lambda one: (is_vain(one), one.scenario != "clean"))


def has_meaning(scenario: str, world: str, data: Path | None) -> bool:
    """Whether what a scenario plants can be planted in a world."""
    settings = composed_prove(Wanted(world, scenario, 1, 0).words(data))
    return meaningless(settings, find_world(world, settings.prove.data)) is None


def play(wanted: Wanted, work: Path, data: Path | None) -> Path:
    """Play one run; returns its folder, of which `prove.json` is left."""
    logs.quiet_libraries()
    folder = work / str(wanted).replace(" ", "-").replace(",", "")
    prove(composed_prove(wanted.words(data)), folder, None)
    for name in ("loop", "given"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return folder


def keep(wanted: Wanted, job: "Future[Path]") -> None:
    """Add a run that is over to the kept ones; one that failed is told, and stands in no one's way."""
    error = job.exception()
    if error is not None:
        print(f"{wanted}: {type(error).__name__}: {error}", flush=True)
        return
    (add_longer if wanted.is_longer else add_runs)([job.result()])
    shutil.rmtree(job.result())


if __name__ == "__main__":
    main()
