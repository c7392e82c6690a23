"""Tests of rows alone made again for kept runs, after a change of such a test: python scripts/retold_rows.py
[--data FOLDER] [--work FOLDER]

They read rows and items and no model, so they say of a kept run what they would have said in it: the run's rows and
items are made again from its seed. Told anew is how many labels are wrong at least, where a finding's data are those of
an answer, and whether rows wrap the answers that items are scored by. Shares of denied labels must come out as they
were kept, or the run is named and left as it is. Runs that have all values stay as they are, and so do those that a
grid adds meanwhile. Seconds a run, of one core.
"""

import argparse
import shutil
from collections.abc import Sequence
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
from diagnose.evidence.from_rows.wrapping import SCORED, wrapped
from diagnose.finding.evidence import SETTLED
from diagnose.finding.finding import Cause
from diagnose.rows.pool import TrainPool
from diagnose.slices.listed import NEAREST
from diagnose.slices.predicate import Slice, item_table
from diagnose.slices.tags import ANSWER_FORM, GOLD_ANSWER
from evals.fixtures.real import REAL_WORLDS
from evals.items import Item
from evals.splits import Split

_SAME = 1e-4
"""Largest difference of shares of which five digits were kept."""
_UNLESS_WRAPPED = ("reprompted", "cue_flips")
"""Values of tests that are not made where answers are wrapped."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real data; without it those worlds are left as they are")
    parser.add_argument("--work", type=Path, default=Path("runs/retold"))
    options = parser.parse_args()
    logs.quiet_libraries()
    named: dict[Key, tuple[Named, ...]] = {}
    kept = [one for one in read_runs() if one.world not in REAL_WORLDS or options.data is not None]
    scored = {name: is_scored(name, options.data) for name in {one.world for one in kept}}
    results = [one for one in kept if any(is_open(named, scored[one.world]) for named in one.named)]
    for number, result in enumerate(results, 1):
        named[key(result)] = retold(result, options.work, options.data)
        print(f"{number} of {len(results)}", flush=True)
    change_runs(lambda result: replace(result, named=named.get(key(result), result.named)))


def is_scored(world: str, data: Path | None) -> bool:
    """Whether a world's items are asked for the likelihood of given answers."""
    asking = find_world(world, None if data is None else str(data)).asking
    return asking is not None and asking.output_type in SCORED


def is_open(named: Named, is_scored: bool) -> bool:
    """Whether the tests may say of a finding what is not kept of it."""
    if named.cause == Cause.CONTAMINATION or "wrapped" in named.evidence:
        return False
    return is_of_answers(named) or is_scored


def is_of_answers(named: Named) -> bool:
    """Whether a finding's data are those of an answer, and their labels were tested."""
    keys = set(named.data_slice)
    return "denied" in named.evidence and NEAREST not in keys and bool(keys & {GOLD_ANSWER, ANSWER_FORM})


def retold(result: ProveResult, folder: Path, data: Path | None) -> tuple[Named, ...]:
    """The findings of a run, with what the tests say now."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = composed_prove(Wanted(*key(result)).words(data))
    world = find_world(settings.prove.world, settings.prove.data)
    write_ground(plant(world, settings.prove.scenario, settings.seed), world, folder / "given")
    with opened(loop_settings(settings, world, folder / "given", folder / "loop"), folder / "loop") as run:
        corpus = load_pool(run.corpus.folder)
        items = [item for item in run.loaded.items if item.split is Split.PROBE]
        found = [one if one.cause == Cause.CONTAMINATION else told(one, corpus, items) for one in result.named]
    shutil.rmtree(folder)
    if any(one is None for one in found):
        print(f"left as it is: {' '.join(map(str, key(result)))}", flush=True)
        return result.named
    return tuple(one for one in found if one is not None)


def told(named: Named, corpus: TrainPool, items: Sequence[Item]) -> Named | None:
    """A finding with what the tests say now; None where labels that are denied are others than were kept."""
    evidence = dict(named.evidence)
    if is_of_answers(named):
        where = Slice(tuple(named.data_slice.items()))
        labels = slice_labels(label_sample(corpus)[1], items, np.zeros(len(items), bool), where)
        if labels is None:
            return None
        denied = {"denied": labels.denied.rows, "denied_items": labels.denied.items}
        if any(abs(share - float(evidence[name])) > _SAME for name, share in denied.items()):
            return None
        evidence["wrong"] = labels.denied.wrong
    inside = item_table(items, list(named.slice)).members(Slice(tuple(named.slice.items())))
    own, others = ([items[k] for k in np.flatnonzero(chosen).tolist()] for chosen in (inside, ~inside))
    wraps = wrapped(corpus, own, others)
    if wraps is not None:
        evidence["wrapped"] = wraps.beyond
        if wraps.beyond >= SETTLED:
            evidence = {name: value for name, value in evidence.items() if name not in _UNLESS_WRAPPED}
    return replace(named, evidence=evidence)


if __name__ == "__main__":
    main()
