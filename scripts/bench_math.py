"""Failing slices of real items: what an 8B model fails of MATH, planted skills, and false alarms on random labels.

    python scripts/bench_math.py FOLDER [--runs 20] [--alarms 200] [--seed 0] [--trec FILE] [--cad FILE]
        [--model FOLDER]

FOLDER is EvalTree's data for MATH (https://github.com/Zhiyuan-Zeng/EvalTree): `problems.jsonl` with question, level and
type, the skill phrase of each problem, the tree of capabilities, and outcomes of models. Printed are:

- the slices named from a model's outcomes with the fields `level` and `type`, nothing else set;
- recall and precision where ten disjoint nodes of the tree with 40 to 250 items fail in .6 and all others in .2. A node
  is found if a named slice has a Jaccard index of .5 with it, and a named slice is right if it has with a node;
- runs with a slice inside the task where .05 to .5 of a thousand items fail at random; the task itself may be named.

With `--model` texts are clustered by that model's hidden states too, of their first 128 tokens; each text is asked once
(6 ms for a token of 135 M parameters on one core: seven minutes for the phrases, forty for the problems).
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from bench_slices import Made, find, item, jaccard
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoTokenizer

from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.hidden_states import TextStates
from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import item_table
from diagnose.slices.text_clusters import Space
from evals.model_ref import ModelRef
from evals.statistics.intervals import wilson

SKILLS = "MATH__EvalTree__stage1-CapabilityAnnotation__[[]annotation=*.json"
TREE = "MATH__EvalTree__stage3-RecursiveClustering__*.json"
OUTCOMES = "MATH__eval_results__real__*__results.json"
SMALLEST, LARGEST, NUM_NODES = 40, 250, 10
INSIDE, OUTSIDE = 0.6, 0.2
FOUND = 0.5
NUM_DRAWN = 1000
"""Items of a run with random labels."""
MOST_TOKENS, BATCH_TOKENS = 128, 4096
RATES = (0.05, 0.1, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Planted:
    num_planted: int
    num_found: int
    num_named: int
    num_right: int


@dataclass
class Remembered:
    """Asks for the vector of each text once."""

    space: Space
    known: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in texts if text not in self.known]
        if new:
            self.known.update(zip(new, self.space(new), strict=True))
        return np.stack([self.known[text] for text in texts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=20, help="of planted nodes, for phrases and for problems")
    parser.add_argument("--alarms", type=int, default=200, help="runs with random labels, over all data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trec", type=Path, help="JSONL of trec_qc: question, coarse")
    parser.add_argument("--model", help="folder of a causal language model whose hidden states are clustered too")
    parser.add_argument("--cad", type=Path, help="TSV of reviews of films: Text, Sentiment")
    options = parser.parse_args()
    hidden = None if options.model is None else Remembered(_states(options.model))
    problems = [json.loads(line) for line in (options.folder / "problems.jsonl").read_text().splitlines()]
    skills = json.loads(_one(options.folder, SKILLS).read_text())
    math = made([one["question"] for one in problems], [{k: one[k] for k in ("level", "type")} for one in problems])
    for file in sorted(options.folder.glob(OUTCOMES)):
        failed = np.array(json.loads(file.read_text())) == 0
        print(f"\n{file.name}: {failed.sum()} of {len(failed)} fail")
        for one in find(math, failed, Thresholds(), hidden):
            print(f"  {one.num_failed:5} of {one.num_items:5}  {one.failure_rate:.3f}  {one.slice}")
    nodes = _nodes(json.loads(_one(options.folder, TREE).read_text()))
    phrases, plain = made(skills, [{}] * len(skills)), made([one["question"] for one in problems], [{}] * len(problems))
    for name, data in (("skill phrases", phrases), ("problems", plain)):
        if options.runs:
            told(name, planted(data, nodes, options.runs, options.seed, hidden))
    sets = {"math": math, "skill phrases": phrases}
    if options.trec is not None:
        rows = _rows(options.trec)
        sets["trec_qc"] = made(
            [f"{one['question']} Kind:" for one in rows], [{}] * len(rows), [r["coarse"] for r in rows]
        )
    if options.cad is not None:
        rows = _rows(options.cad)
        sets["cad"] = made([one["Text"] for one in rows], [{}] * len(rows), [r["Sentiment"] for r in rows])
    if options.alarms:
        false_alarms(sets, options.alarms, options.seed, hidden)


def made(texts: Sequence[str], documents: Sequence[dict[str, object]], answers: Sequence[str] | None = None) -> Made:
    items = [item("task", text, documents[k], k) for k, text in enumerate(texts)]
    if answers is not None:
        items = [replace(one, target=answer) for one, answer in zip(items, answers, strict=True)]
    return Made(items, list(documents[0]))


def planted(data: Made, nodes: Sequence[NDArray[np.int64]], num_runs: int, seed: int, hidden: Space | None) -> Planted:
    """Ten nodes in every run that have no item in common."""
    num_planted = num_found = num_named = num_right = 0
    table = item_table(data.items, data.fields)
    for run in tqdm(range(num_runs), desc="planted nodes", disable=None):
        rng = np.random.default_rng([seed, 4, run])
        truth: list[NDArray[np.bool_]] = []
        for k in rng.permutation(len(nodes)).tolist():
            inside = np.zeros(len(data.items), bool)
            inside[nodes[k]] = True
            if len(truth) < NUM_NODES and not any((inside & other).any() for other in truth):
                truth.append(inside)
        failed = rng.random(len(data.items)) < np.where(np.any(truth, axis=0), INSIDE, OUTSIDE)
        found = find(data, failed, Thresholds(), hidden)
        named = [table.members(one.slice) for one in found if not is_whole_task(one)]
        num_planted += len(truth)
        num_found += sum(any(jaccard(own, other) >= FOUND for other in named) for own in truth)
        num_named += len(named)
        num_right += sum(any(jaccard(own, other) >= FOUND for other in truth) for own in named)
    return Planted(num_planted, num_found, num_named, num_right)


def told(name: str, one: Planted) -> None:
    print(
        f"\nplanted nodes by {name}: {one.num_found} of {one.num_planted} found, recall "
        f"{one.num_found / one.num_planted:.3f}; {one.num_right} of {one.num_named} named are right, precision "
        f"{one.num_right / max(one.num_named, 1):.3f}"
    )


def false_alarms(sets: dict[str, Made], num_runs: int, seed: int, hidden: Space | None) -> None:
    """Takes data sets and failure rates in turn."""
    num_false = dict.fromkeys(sets, 0)
    names = list(sets)
    for run in tqdm(range(num_runs), desc="random labels", disable=None):
        name = names[run % len(names)]
        rate = RATES[run // len(names) % len(RATES)]
        rng = np.random.default_rng([seed, 5, run])
        drawn = rng.permutation(len(sets[name].items))[:NUM_DRAWN].tolist()
        some = Made([sets[name].items[k] for k in drawn], sets[name].fields)
        failed = rng.random(len(drawn)) < rate
        num_false[name] += any(not is_whole_task(one) for one in find(some, failed, Thresholds(), hidden))
    total = sum(num_false.values())
    by_set = ", ".join(f"{name} {count}" for name, count in num_false.items())
    print(
        f"\nrandom labels: a slice in {total} of {num_runs} runs, upper 95 % bound {wilson(total, num_runs).high:.3f}"
    )
    print(f"  {by_set}")


def is_whole_task(one: FailingSlice) -> bool:
    return [key for key, _ in one.slice.conditions] == ["task"]


def _states(folder: str) -> Space:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AskedModel(tokenizer, [Checkpoint(ModelRef(folder), 1.0)], MOST_TOKENS)
    return TextStates(model, BATCH_TOKENS)


def _nodes(tree: dict[str, object]) -> list[NDArray[np.int64]]:
    """Items of each node with so many."""
    found: list[NDArray[np.int64]] = []

    def items_of(node: object) -> set[int]:
        if isinstance(node, int):
            return {node}
        assert isinstance(node, dict)
        below = node["subtrees"]
        children = [below] if isinstance(below, int) else list(below.values() if isinstance(below, dict) else below)
        inside = set().union(*(items_of(child) for child in children))
        if SMALLEST <= len(inside) <= LARGEST:
            found.append(np.array(sorted(inside), np.int64))
        return inside

    items_of(tree)
    return found


def _rows(file: Path) -> list[dict[str, str]]:
    if file.suffix == ".tsv":
        with file.open(newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t"))
    return [json.loads(line) for line in file.read_text().splitlines()]


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise SystemExit(f"{folder} has no file {pattern}")
    return found[0]


if __name__ == "__main__":
    main()
