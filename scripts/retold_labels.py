"""The test of labels of kept runs computed anew, after a change of that test alone: python scripts/retold_labels.py
[--data FOLDER] [--work FOLDER]

It reads rows and items and no model, so it says of a kept run what it would have said in it: the run's rows and items
are made again from its seed. How many labels are wrong at least is told anew where a finding's data are those of an
answer; the shares that are denied must come out as they were kept, or the run is named and left as it is. Seconds a
run, of one core; a run that the grid adds meanwhile stays.
"""

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from grid_runs import Key, change_runs, key, read_runs
from play_grid import Wanted

from controller.cli.compose import composed_prove
from controller.data.mixes import load_pool
from controller.engine import logs
from controller.loop.run import opened
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import plant
from controller.prove.result import Named, ProveResult
from controller.prove.worlds import find_world
from diagnose.evidence.from_rows.labels import label_sample, slice_labels
from diagnose.evidence.from_rows.wrong_labels import Denied
from diagnose.slices.listed import NEAREST
from diagnose.slices.predicate import Slice
from diagnose.slices.tags import ANSWER_FORM, GOLD_ANSWER
from evals.fixtures.real import REAL_WORLDS
from evals.splits import Split

_SAME = 1e-4
"""Largest difference of shares of which five digits were kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real data; without it those worlds are left as they are")
    parser.add_argument("--work", type=Path, default=Path("runs/retold"))
    options = parser.parse_args()
    logs.quiet_libraries()
    named: dict[Key, tuple[Named, ...]] = {}
    results = [one for one in read_runs() if any(map(is_of_answers, one.named))]
    for number, result in enumerate(results, 1):
        if result.world not in REAL_WORLDS or options.data is not None:
            named[key(result)] = retold(result, options.work, options.data)
        print(f"{number} of {len(results)}", flush=True)
    change_runs(lambda result: replace(result, named=named.get(key(result), result.named)))


def is_of_answers(named: Named) -> bool:
    """Whether a finding's data are those of an answer, and its labels were tested."""
    keys = set(named.data_slice)
    return "denied" in named.evidence and NEAREST not in keys and bool(keys & {GOLD_ANSWER, ANSWER_FORM})


def retold(result: ProveResult, folder: Path, data: Path | None) -> tuple[Named, ...]:
    """The findings of a run, with how many of their labels are wrong at least as the test says now."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [one for one in result.named if is_of_answers(one)]
    found = denied_in(result, [one.data_slice for one in wanted], folder, data)
    anew: dict[int, Named] = {}
    for one, denied in zip(wanted, found, strict=True):
        was = [float(one.evidence[name]) for name in ("denied", "denied_items", "denied_elsewhere")]
        is_same = denied is not None and all(
            abs(now - before) < _SAME
            for now, before in zip((denied.rows, denied.items, denied.elsewhere), was, strict=True)
        )
        if denied is None or not is_same:
            print(f"left as they are: {' '.join(map(str, key(result)))}, {one.data_slice}", flush=True)
            return result.named
        anew[id(one)] = replace(one, evidence={**one.evidence, "wrong": denied.wrong})
    return tuple(anew.get(id(one), one) for one in result.named)


def denied_in(
    result: ProveResult, slices: list[Mapping[str, str]], folder: Path, data: Path | None
) -> list[Denied | None]:
    """What the test of labels says of slices of a run's rows."""
    settings = composed_prove(Wanted(*key(result)).words(data))
    world = find_world(settings.prove.world, settings.prove.data)
    write_ground(plant(world, settings.prove.scenario, settings.seed), world, folder / "given")
    with opened(loop_settings(settings, world, folder / "given", folder / "loop"), folder / "loop") as run:
        _, sample = label_sample(load_pool(run.corpus.folder))
        items = [item for item in run.loaded.items if item.split is Split.PROBE]
        found = []
        for conditions in slices:
            where = Slice(tuple(conditions.items()))
            labels = slice_labels(sample, items, np.zeros(len(items), bool), where)
            found.append(None if labels is None else labels.denied)
    shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    main()
