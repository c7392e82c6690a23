"""Compare the models that two nights opened with, item by item, and say what got worse.

Items are a sample, and so are nights: where the model is trained anew each night, or answers are drawn, nights differ
without anything being worse. How much they do is read from earlier nights, in excess of what items explain, pooled over
tasks; nights that were shown worse are left out of it. Tasks are corrected for their number (Holm 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from controller.cli.nights.night_json import ALL, Night, TaskChange, WorseSlice, read_night
from evals.statistics.harm import holm
from evals.statistics.intervals import item_variance, mean_by_t
from evals.statistics.paired import flips

PROBE_FILE = "items-probe.parquet"
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, slots=True)
class Answered:
    """Row of `items-<split>.parquet`, as far as nights are compared by it."""

    task: str
    id: str
    prompt: str
    answer: str
    score: float
    is_failed: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """An item as the models of two nights answered it."""

    before: Answered
    now: Answered


@dataclass(frozen=True, slots=True)
class Compared:
    """Two nights on the same items."""

    since: str
    """Name of the earlier night."""
    pairs: tuple[Pair, ...]
    changes: tuple[TaskChange, ...]
    num_left_out: int
    """Items that only one of the two models answered."""

    @property
    def turned_right(self) -> list[Answered]:
        return [pair.now for pair in self.pairs if pair.before.is_failed and not pair.now.is_failed]

    @property
    def turned_wrong(self) -> list[Answered]:
        return [pair.now for pair in self.pairs if pair.now.is_failed and not pair.before.is_failed]


def compare_nights(earlier: Sequence[Path], tonight: Path, alpha: float) -> Compared | None:
    """Compare a night with the one before it.

    Args:
        earlier: Folders of finished nights, the oldest first.
        tonight: Folder of the night.
        alpha: Probability of a false alarm, of all tasks together.

    Returns:
        None on a first night, or where the two have no items in common.
    """
    if not earlier:
        return None
    was, now = (_opened_with(folder) for folder in (earlier[-1], tonight))
    shared = tuple(Pair(was[key], now[key]) for key in now if key in was)
    if not shared:
        return None
    known = [night for folder in earlier if (night := read_night(folder)) is not None and not night.worse]
    return Compared(earlier[-1].name, shared, changes(shared, known, alpha), len(was) + len(now) - 2 * len(shared))


def changes(pairs: Sequence[Pair], known: Sequence[Night], alpha: float) -> tuple[TaskChange, ...]:
    """Changes of all tasks together, where there are several, and of each.

    Args:
        pairs: Items that both nights answered.
        known: Earlier nights that nothing was shown to be worse on, by which it is told how much nights differ.
        alpha: Probability of a false alarm, of all tasks together.
    """
    tasks = list(dict.fromkeys(pair.now.task for pair in pairs))
    of_tasks = [[pair for pair in pairs if pair.now.task == task] for task in tasks]
    excess = _excess(known)
    found = [_change(task, own, excess) for task, own in zip(tasks, of_tasks, strict=True)]
    found = [
        replace(one, is_worse=is_worse) for one, is_worse in zip(found, holm([c.p for c in found], alpha), strict=True)
    ]
    together = [_change(ALL, pairs, excess)] if len(tasks) > 1 else []
    return (*together, *found)


@dataclass(frozen=True, slots=True)
class _Excess:
    """Variance of a task's change from one night to the next, in excess of what items explain."""

    variance: float
    df: int
    """Number of changes that it was read from."""


def _excess(nights: Sequence[Night]) -> _Excess:
    """Variance over the changes of all tasks of these nights; none as long as there are none."""
    changes = [one for night in nights for one in night.changes if one.task != ALL or len(night.changes) == 1]
    if not changes:
        return _Excess(0.0, 0)
    beyond = [one.change**2 - ((one.ci[1] - one.ci[0]) / 2 / _Z) ** 2 for one in changes]
    return _Excess(max(0.0, float(np.mean(beyond))), len(changes))


def _opened_with(night: Path) -> dict[tuple[str, str], Answered]:
    """Items as the night's first model answered them, by task and id."""
    path = night / PROBE_FILE
    if not path.is_file():
        return {}
    names = [one.name for one in fields(Answered)]
    rows = pq.read_table(path, columns=names, filters=[("round", "=", 0), ("arm", "=", "champion")]).to_pylist()
    return {(row["task"], row["id"]): Answered(**row) for row in rows}


def _change(task: str, pairs: Sequence[Pair], excess: _Excess) -> TaskChange:
    before, now = (
        np.array([item.score for item in items]) for items in zip(*((p.before, p.now) for p in pairs), strict=True)
    )
    change = mean_by_t(now - before, [before, now])
    turned = flips([not pair.before.is_failed for pair in pairs], [not pair.now.is_failed for pair in pairs])
    return TaskChange(
        task=task,
        num_items=len(pairs),
        before=float(before.mean()),
        now=float(now.mean()),
        change=change.mean,
        ci=(change.low, change.high),
        p=_p_of_no_loss(now - before, item_variance(now - before, [before, now]) / len(pairs), excess),
        num_fixed=turned.fixed,
        num_broken=turned.broken,
    )


def _p_of_no_loss(
    differences: "np.ndarray[tuple[int], np.dtype[np.float64]]", of_items: float, excess: _Excess
) -> float:
    """One-sided p-value by t; its degrees of freedom as Satterthwaite (1946) has them."""
    whole = of_items + excess.variance
    if whole <= 0:
        return 1.0 if differences.mean() >= 0 else 0.0
    parts = of_items**2 / max(len(differences) - 1, 1) + (excess.variance**2 / excess.df if excess.df else 0.0)
    df = whole**2 / parts if parts > 0 else float(len(differences))
    return float(stats.t.cdf(differences.mean() / np.sqrt(whole), df))


def night_of(name: str, model: str, compared: Compared | None, findings: Sequence[WorseSlice]) -> Night:
    """What `night.json` tells of a night."""
    if compared is None:
        return Night(name, model, None, (), 0)
    return Night(name, model, compared.since, compared.changes, compared.num_left_out, tuple(findings))
