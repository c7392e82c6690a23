"""Compare what loops have ended with, item by item.

Models are compared on the `select` items that all of them answered: the mean over the seeds of the arm that a loop has
ended with, or of the model that it began with where nothing was accepted. Numbers are computed when they are asked for,
and numpy and scipy are imported then, as the server's first answer should not wait for them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from service.runs.rounds import part, rounds_of

SELECT_FILE = "items-select.parquet"
ALL = "all"
"""Name of all tasks together."""


@dataclass(frozen=True, slots=True)
class Change:
    """A loop against the first one, on the items of a task that both answered."""

    task: str
    num_items: int
    first: float
    """Score of the first loop's model; `other` likewise."""
    other: float
    change: float
    ci: tuple[float, float]
    """95 % interval of the change: items are a sample, both models are what they are."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a loop has ended with."""

    round: int
    arm: str


def ended_with(result: Mapping[str, Any]) -> Model:
    """The arm that the last accepted round took; without one the model that the loop began with."""
    taken = Model(0, "before")
    for number, round_ in rounds_of(result):
        arm = part(round_, "verdict").get("champion_arm")
        if isinstance(arm, str) and arm:
            taken = Model(number, arm)
    return taken


def changes(first: Path, first_model: Model, other: Path, other_model: Model) -> list[Change]:
    """Changes by task and over all, of the items that both models answered; none where they share none.

    Args:
        first: `items-select.parquet` of the loop that is compared with.
        first_model: What that loop has ended with.
        other: That of another loop.
        other_model: What it has ended with.
    """
    from evals.statistics.paired import paired_difference

    was, now = (
        _scores(path, path.stat().st_mtime_ns, one) for path, one in ((first, first_model), (other, other_model))
    )
    shared = [key for key in was if key in now]
    tasks = sorted({task for task, _ in shared})
    found = []
    for task in [ALL, *tasks] if len(tasks) > 1 else tasks:
        keys = [key for key in shared if task in (ALL, key[0])]
        before, after = [was[key] for key in keys], [now[key] for key in keys]
        change = paired_difference(before, after)
        means = sum(before) / len(keys), sum(after) / len(keys)
        found.append(Change(task, len(keys), *means, change.mean, (change.low, change.high)))
    return found


@lru_cache(32)
def _scores(path: Path, stamp: int, model: Model) -> Mapping[tuple[str, str], float]:
    """Mean score over seeds by task and id; a file that is written again has another stamp."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    is_asked = (pc.field("round") == model.round) & (pc.field("arm") == model.arm)
    table = pq.read_table(path, columns=["round", "arm", "task", "id", "score"]).filter(is_asked)
    sums: dict[tuple[str, str], list[float]] = {}
    for task, name, score in zip(*(table[key].to_pylist() for key in ("task", "id", "score")), strict=True):
        if score is not None and math.isfinite(score):
            sums.setdefault((task, name), []).append(score)
    return {key: sum(scores) / len(scores) for key, scores in sums.items()}
