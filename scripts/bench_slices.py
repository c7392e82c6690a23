"""Failing slices on made items: false alarms on random labels, recall and precision on planted slices, and time.

    python scripts/bench_slices.py [--runs 200] [--seed 0] [--json]

Items have 8 fields of 2 to 10 values, two fields of numbers and prompts of ten words, two of them of one of ten topics
in most. Random labels have no slice to
find; a run that names one is a false alarm. There a whole task may fail no more often than the base rate, lest it be
named rightly. A planted slice is 40 to 150 of 900 items: 60 % of them fail, and 10 % of all others. It is found if a
named slice has a Jaccard index of .8 with its items. Two to five minutes on one core.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.find import FailingSlice, find_failing_slices
from diagnose.slices.predicate import item_table
from diagnose.slices.text_clusters import Space
from evals.items import Item, ItemResult, OutputType, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split, split_of
from evals.statistics.intervals import wilson

NUM_ITEMS, LARGE = 900, 50_000
SMALLEST, LARGEST = 40, 150
INSIDE, OUTSIDE = 0.6, 0.1
FOUND = 0.8
BASE_RATES = (0.05, 0.1, 0.2, 0.3)
KINDS = ("value", "pair", "word", "range", "topic")
VOCABULARY = 600
TOPICS = [[f"t{number}{letter}" for letter in "abcdef"] for number in range(10)]
NO_TOPIC = 0.4
"""Share of the items."""


@dataclass(frozen=True, slots=True)
class Made:
    items: list[Item]
    fields: list[str]


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    num_runs: int
    num_false: int
    upper: float
    """Wilson, 95 %."""


@dataclass(frozen=True, slots=True)
class Planted:
    kind: str
    num_planted: int
    num_found: int
    num_named: int
    num_right: int
    item_recall: float
    """Of the items of planted slices, those in a named one."""
    item_precision: float
    """Of the items of named slices, those in a planted one."""

    @property
    def recall(self) -> float:
        return self.num_found / self.num_planted

    @property
    def precision(self) -> float:
        return self.num_right / self.num_named if self.num_named else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    false = false_alarms(options.runs, options.seed)
    planted = [find_planted((kind,), options.runs // len(KINDS), options.seed) for kind in KINDS]
    planted.append(find_planted(("pair", "word"), options.runs // len(KINDS), options.seed))
    seconds = large_search(options.seed)
    if options.json:
        found = [asdict(one) | {"recall": one.recall, "precision": one.precision} for one in planted]
        print(json.dumps({"false_alarms": asdict(false), "planted": found, "large_seconds": seconds}))
        return
    print(f"random labels: a slice in {false.num_false} of {false.num_runs} runs, upper 95 % bound {false.upper:.3f}\n")
    print("| planted | slices | recall | precision | of their items | of named items |")
    print("|---|---|---|---|---|---|")
    for one in [*planted, total(planted)]:
        print(
            f"| {one.kind} | {one.num_planted} | {one.recall:.3f} | {one.precision:.3f} "
            f"| {one.item_recall:.3f} | {one.item_precision:.3f} |"
        )
    print(f"\n{LARGE:,} items with 30 fields: {seconds:.1f} s")


def false_alarms(num_runs: int, seed: int) -> FalseAlarms:
    num_false = 0
    for run in tqdm(range(num_runs), desc="random labels", disable=None):
        rng = np.random.default_rng([seed, 1, run])
        base = BASE_RATES[run % len(BASE_RATES)]
        made = make(rng, NUM_ITEMS, num_tasks=(1, 5)[run // len(BASE_RATES) % 2])
        num_false += bool(find(made, rng.random(NUM_ITEMS) < base, Thresholds(max_failure_rate=max(0.1, base))))
    return FalseAlarms(num_runs, num_false, wilson(num_false, num_runs).high)


def find_planted(kinds: Sequence[str], num_runs: int, seed: int) -> Planted:
    """One slice of each kind in every run."""
    num_planted = num_found = num_named = num_right = 0
    items = np.zeros(3)
    for run in tqdm(range(num_runs), desc=" and ".join(kinds), disable=None):
        rng = np.random.default_rng([seed, 2, *(KINDS.index(kind) for kind in kinds), run])
        made = make(rng, NUM_ITEMS, num_tasks=(1, 5)[run % 2])
        truth = [plant(made, kind, rng) for kind in kinds]
        failed = rng.random(NUM_ITEMS) < np.where(np.any(truth, axis=0), INSIDE, OUTSIDE)
        table = item_table(made.items, made.fields)
        named = [table.members(one.slice) for one in find(made, failed, Thresholds())]
        num_planted += len(truth)
        num_found += sum(any(jaccard(own, other) >= FOUND for other in named) for own in truth)
        num_named += len(named)
        num_right += sum(any(jaccard(own, other) >= FOUND for other in truth) for own in named)
        own, other = np.any(truth, axis=0), np.any([np.zeros(NUM_ITEMS, bool), *named], axis=0)
        items += (own & other).sum(), own.sum(), other.sum()
    return Planted(
        " + ".join(kinds), num_planted, num_found, num_named, num_right, items[0] / items[1], items[0] / items[2]
    )


def total(planted: Sequence[Planted]) -> Planted:
    """Of all kinds; shares of items are means over them."""
    return Planted(
        kind="all",
        num_planted=sum(one.num_planted for one in planted),
        num_found=sum(one.num_found for one in planted),
        num_named=sum(one.num_named for one in planted),
        num_right=sum(one.num_right for one in planted),
        item_recall=sum(one.item_recall for one in planted) / len(planted),
        item_precision=sum(one.item_precision for one in planted) / len(planted),
    )


def large_search(seed: int) -> float:
    rng = np.random.default_rng([seed, 3])
    made = make(rng, LARGE, num_tasks=5, num_fields=28, num_values=(10, 11))
    hit = np.array([item.document["f0"] == "v1" and item.document["f1"] == "v2" for item in made.items])
    failed = rng.random(LARGE) < np.where(hit, INSIDE, OUTSIDE)
    start = time.perf_counter()
    find(made, failed, Thresholds())
    return time.perf_counter() - start


def make(
    rng: np.random.Generator,
    num_items: int,
    num_tasks: int,
    num_fields: int = 8,
    num_values: tuple[int, int] = (2, 11),
) -> Made:
    """Items with so many fields of values and two of numbers, all independent."""
    columns: dict[str, list[object]] = {}
    for field in range(num_fields):
        number = int(rng.integers(*num_values))
        drawn = rng.choice(number, num_items, p=rng.dirichlet(np.full(number, 10.0)))
        columns[f"f{field}"] = [f"v{value}" for value in drawn.tolist()]
    columns["whole"] = rng.integers(0, 100, num_items).tolist()
    columns["real"] = np.exp(rng.normal(size=num_items)).tolist()
    share = 1 / np.arange(4, VOCABULARY + 4)
    words = rng.choice(VOCABULARY, (num_items, 10), p=share / share.sum())
    prompts = [" ".join([*(f"w{word}" for word in row), *of_topic(rng)]) for row in words[:, 2:].tolist()]
    tasks = rng.integers(0, num_tasks, num_items).tolist()
    items = [
        item(f"task_{tasks[k]}", prompts[k], {name: column[k] for name, column in columns.items()}, k)
        for k in range(num_items)
    ]
    return Made(items, list(columns))


def of_topic(rng: np.random.Generator) -> list[str]:
    """Two of its words, or of no topic."""
    if rng.random() < NO_TOPIC:
        return [f"w{word}" for word in rng.integers(VOCABULARY, size=2)]
    words = TOPICS[rng.integers(len(TOPICS))]
    return [words[k] for k in rng.permutation(len(words))[:2].tolist()]


def item(task: str, prompt: str, document: dict[str, object], number: int) -> Item:
    """With a key of the probe split."""
    keys = (hashlib.sha256(f"{number} {attempt} {prompt}".encode()).hexdigest() for attempt in range(1000))
    key = next(key for key in keys if split_of(key) is Split.PROBE)
    return Item(task, f"{key[:16]}-0", key, document, prompt, "gold", " ", OutputType.GENERATE_UNTIL)


def plant(made: Made, kind: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Members of a slice of this kind with few enough and many enough items."""
    kinds = {"value": _value, "pair": _pair, "word": _word, "range": _range, "topic": _topic}
    draw: Callable[[], NDArray[np.bool_]] = kinds[kind](made, rng)
    while not SMALLEST <= (members := draw()).sum() <= LARGEST:
        pass
    return members


def _value(made: Made, rng: np.random.Generator) -> Callable[[], NDArray[np.bool_]]:
    return lambda: _holds(made, _drawn_name(made, rng), rng)


def _pair(made: Made, rng: np.random.Generator) -> Callable[[], NDArray[np.bool_]]:
    def draw() -> NDArray[np.bool_]:
        first, second = _drawn_name(made, rng), _drawn_name(made, rng)
        both = _holds(made, first, rng) & _holds(made, second, rng)
        return both if first != second else np.zeros_like(both)

    return draw


def _word(made: Made, rng: np.random.Generator) -> Callable[[], NDArray[np.bool_]]:
    split = [set(one.prompt.split()) for one in made.items]

    def draw() -> NDArray[np.bool_]:
        word = f"w{rng.integers(VOCABULARY)}"
        return np.array([word in words for words in split], bool)

    return draw


def _range(made: Made, rng: np.random.Generator) -> Callable[[], NDArray[np.bool_]]:
    def draw() -> NDArray[np.bool_]:
        name = ("whole", "real")[rng.integers(2)]
        values = np.array([one.document[name] for one in made.items], np.float64)
        low, high = np.sort(rng.choice(values, 2, replace=False))
        return np.asarray((values >= low) & (values <= high), bool)

    return draw


def _topic(made: Made, rng: np.random.Generator) -> Callable[[], NDArray[np.bool_]]:
    split = [set(one.prompt.split()) for one in made.items]

    def draw() -> NDArray[np.bool_]:
        words = set(TOPICS[rng.integers(len(TOPICS))])
        return np.array([len(words & own) == 2 for own in split], bool)

    return draw


def _drawn_name(made: Made, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in made.fields if name.startswith("f")]))


def _holds(made: Made, name: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    values = np.array([one.document[name] for one in made.items])
    return np.asarray(values == rng.choice(np.unique(values)), bool)


def find(
    made: Made, failed: NDArray[np.bool_], thresholds: Thresholds, hidden: Space | None = None
) -> tuple[FailingSlice, ...]:
    results = tuple(
        ItemResult(one, "answer", {"acc": float(not bad)}, "acc", float(not bad), bool(bad))
        for one, bad in zip(made.items, failed, strict=True)
    )
    report = ProbeReport(ModelRef("model"), Split.PROBE, results, 0, 0)
    return find_failing_slices(report, made.fields, (), thresholds, hidden)


def jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


if __name__ == "__main__":
    main()
