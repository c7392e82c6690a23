"""Items of an evaluation, what a model did with them, and reports of that."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.items import EvalReport, Item, ItemResult, OutputType, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split, split_of

COLORS, SHAPES, WORDS = ("red", "green", "blue"), ("disc", "cube", "ring", "cone"), ("one", "two", "six", "ten", "few")


def item(
    prompt: str,
    target: str = "gold",
    task: str = "task",
    *,
    id: str = "0-0",
    split_key: str = "0",
    document: Mapping[str, Any] | None = None,
    output: OutputType = OutputType.GENERATE_UNTIL,
    question: str = "",
) -> Item:
    """With a space between prompt and target; by default all have one id and one split."""
    return Item(task, id, split_key, document or {}, prompt, target, " ", output, question)


def probe_key(text: str) -> str:
    """A split key of the probe split: it is searched for, since a hash of the key decides the split."""
    keys = (hashlib.sha256(f"{number} {text}".encode()).hexdigest() for number in count())
    return next(key for key in keys if split_of(key) is Split.PROBE)


def probe_item(
    prompt: str, target: str = "gold", task: str = "task", output: OutputType = OutputType.GENERATE_UNTIL
) -> Item:
    """Of the probe split, with an id of its prompt."""
    key = probe_key(prompt)
    return item(prompt, target, task, id=f"{key[:16]}-0", split_key=key, output=output)


def made_items(num_items: int, seed: int) -> list[Item]:
    """Probe items with two fields of values, a whole and a real number, and five words of a prompt; all independent."""
    rng = np.random.default_rng(seed)
    items: list[Item] = []
    number = 0
    while len(items) < num_items:
        key = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
        number += 1
        if split_of(key) is Split.PROBE:
            document = {
                "color": str(rng.choice(COLORS)),
                "shape": str(rng.choice(SHAPES)),
                "depth": int(rng.integers(100)),
                "size": float(rng.lognormal()),
            }
            prompt = " ".join(rng.choice(WORDS, 5))
            items.append(item(prompt, id=key[:16], split_key=key, document=document))
    return items


def column(items: Sequence[Item], name: str) -> NDArray[np.object_]:
    """A field of the items' documents."""
    return np.array([item.document[name] for item in items], dtype=object)


def answered(item: Item, answer: str) -> ItemResult:
    """Right where the answer is the target."""
    score = float(answer == item.target)
    return ItemResult(item, answer, {"acc": score}, "acc", score, answer != item.target)


def result(prompt: str, target: str, answer: str, output: OutputType = OutputType.GENERATE_UNTIL) -> ItemResult:
    """What a model answered to a probe item."""
    return answered(probe_item(prompt, target, output=output), answer)


def scored(item: Item, score: float, answer: str = "") -> ItemResult:
    """Failed below one half, whatever the answer is."""
    return ItemResult(item, answer, {"acc": score}, "acc", score, score < 0.5)


def probe_report(results: Iterable[ItemResult]) -> ProbeReport:
    """What a diagnosis may see of a model."""
    return ProbeReport(ModelRef("model"), Split.PROBE, tuple(results), 0, 0)


def report_of(items: Iterable[Item], failed: Iterable[bool]) -> ProbeReport:
    """Probe items of which these have failed."""
    return probe_report(scored(item, float(not bad), "answer") for item, bad in zip(items, failed, strict=True))


def select_report(results: Iterable[ItemResult]) -> EvalReport:
    """What the gate judges a model on."""
    return EvalReport(ModelRef("m"), Split.SELECT, tuple(results), 0, 100)
