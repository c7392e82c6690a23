"""Nights of `evalmend nightly`: which came before, and what has changed since, item by item."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow.parquet as pq

from controller.loop.models import CHAMPION_FILE
from controller.results.files import status_in
from controller.results.loop_json import LOOP_FILE
from evals.statistics.paired import flips, paired_difference

PROBE_FILE = "items-probe.parquet"
SHOWN = 5
"""Most items of a kind that the summary shows."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """Row of `items-<split>.parquet`, as far as nights are compared by it."""

    task: str
    id: str
    prompt: str
    answer: str
    score: float
    is_failed: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    """An item as the models of two nights answered it."""

    before: _Answered
    now: _Answered


def earlier_nights(nights: Path, tonight: str) -> list[Path]:
    """Folders of finished nights before this one, the oldest first; a night's folder is named by its date."""
    return sorted(path.parent for path in nights.glob(f"*/{CHAMPION_FILE}") if path.parent.name < tonight)


def night_not_over(nights: Path, tonight: str) -> Path | None:
    """Last night before this one if its loop is not over; None where it is, or there is none."""
    begun = sorted(path.parent for path in nights.glob(f"*/{LOOP_FILE}") if path.parent.name < tonight)
    return begun[-1] if begun and status_in(begun[-1]) != "ended" else None


def since_lines(before: Path, tonight: Path) -> list[str]:
    """Say in Markdown which items turned right or wrong between the models that two nights opened with.

    Both answered the same probe items, so they are paired; items of one alone are counted. Empty where a night
    left none.
    """
    was, now = (_opened_with(folder) for folder in (before, tonight))
    shared = [_Pair(was[key], now[key]) for key in now if key in was]
    if not shared:
        return []
    lines = [
        f"## Since {before.name}",
        "",
        "The model that this night opened with, against that of the night before, on the same probe items:",
        "",
        "| task | items | before | now | change, 95 % | turned right | turned wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    tasks = dict.fromkeys(pair.now.task for pair in shared)
    lines += [_row(task, [pair for pair in shared if pair.now.task == task]) for task in tasks]
    if len(tasks) > 1:
        lines.append(_row("all", shared))
    lines += ["", *_shown("Turned right", [p.now for p in shared if p.before.is_failed and not p.now.is_failed])]
    lines += _shown("Turned wrong", [p.now for p in shared if p.now.is_failed and not p.before.is_failed])
    if left_out := len(was) + len(now) - 2 * len(shared):
        lines.append(f"{left_out} items that only one of the two answered are left out.")
    return [
        *lines,
        "The interval takes items as a sample and both models as they are. A fix may have been made for these very "
        "items: whether it helped is for the verdict, on others.",
        "",
    ]


def _opened_with(night: Path) -> dict[tuple[str, str], _Answered]:
    """Items as the night's first model answered them, by task and id."""
    path = night / PROBE_FILE
    if not path.is_file():
        return {}
    names = [one.name for one in fields(_Answered)]
    rows = pq.read_table(path, columns=names, filters=[("round", "=", 0), ("arm", "=", "champion")]).to_pylist()
    return {(row["task"], row["id"]): _Answered(**row) for row in rows}


def _row(task: str, pairs: Sequence[_Pair]) -> str:
    before, now = ([item.score for item in items] for items in zip(*((p.before, p.now) for p in pairs), strict=True))
    change = paired_difference(before, now)
    turned = flips([not pair.before.is_failed for pair in pairs], [not pair.now.is_failed for pair in pairs])
    means = [f"{sum(scores) / len(scores):.3f}" for scores in (before, now)]
    gained = f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
    return f"| {' | '.join([task, str(len(pairs)), *means, gained, str(turned.fixed), str(turned.broken)])} |"


def _shown(title: str, items: Sequence[_Answered]) -> list[str]:
    if not items:
        return []
    more = f", the first {SHOWN} of {len(items)}" if len(items) > SHOWN else ""
    shown = [f"- {item.task}: {_code(item.prompt[-120:])} gave {_code(item.answer[:60])}" for item in items[:SHOWN]]
    return [f"{title}{more}:", "", *shown, ""]


def _code(text: str) -> str:
    """One line in code marks, whatever the text holds."""
    return f"`{' '.join(text.replace('`', chr(39)).split()) or ' '}`"
