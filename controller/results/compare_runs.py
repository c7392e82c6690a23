"""`evalmend compare`: one line for each run, so that a sweep can be read at a glance.

Runs are comparable when they had the same data and the same items (`data_hash`); those that had not are
named below the table instead of standing in it unremarked.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from controller.results.loop_json import LOOP_FILE, LoopResult, read_loop
from controller.results.page.words.labels import DECISIONS
from controller.results.page.words.numbers import amount, duration, number, signed, signed_interval
from controller.results.page.words.sentences import decisive, first_finding, slice_words, total_cost

COLUMNS = (
    "run",
    "finding",
    "cause",
    "plan",
    "decision",
    "gain [95 % interval]",
    "before",
    "after",
    "sealed",
    "tokens",
    "time",
    "seed",
)
NUMERIC = frozenset({"before", "after", "tokens", "time", "seed"})
WIDEST = 36
"""Most characters of a cell."""


def compare_table(paths: Sequence[Path]) -> str:
    """Make a table of finished runs: the round that decided each, its gain, and what the run cost.

    Args:
        paths: Run directories. Folders without a `loop.json`, as in `runs/*/`, are left out and named below the
            table.

    Raises:
        ValueError: no path, one that is no folder, or none with a result.
    """
    if not paths:
        raise ValueError("compare needs at least one run directory, got none; name those of finished loops")
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{path} is no folder; name the run_dir of a finished loop")
    finished = [path for path in paths if (path / LOOP_FILE).is_file()]
    if not finished:
        raise ValueError(f"{paths[0]} holds no {LOOP_FILE}; name the run_dir of a finished loop")
    others = [path.resolve().name for path in paths if path not in finished]
    results = [read_loop(path) for path in finished]
    rows = [_cells(path, result) for path, result in zip(finished, results, strict=True)]
    remarks = [_not_comparable(finished, results)]
    if others:
        remarks.append(f"Left out, for there is no {LOOP_FILE}: {', '.join(others)}.")
    return "\n\n".join([_aligned(rows), *filter(None, remarks)])


def _cells(path: Path, result: LoopResult) -> tuple[str, ...]:
    decided = decisive(result)
    total = total_cost(result.costs)
    tail = (
        f"{signed(result.sealed.gain)} {result.sealed.claim}" if result.sealed else "",
        amount(total.tokens),
        duration(total.seconds),
        str(result.seed),
    )
    name = path.resolve().name
    if decided is None:
        return (name, "", "", "", "Ended early", "", "", "", *tail)
    finding, verdict = first_finding(decided), decided.verdict
    before, after = verdict.arms.get("before"), verdict.arms.get("challenger")
    return (
        name,
        slice_words(finding.slice) if finding else "none",
        finding.cause if finding else "",
        ", ".join(f"{action.kind} {slice_words(action.slice)}" for action in decided.plan.actions) or "none",
        DECISIONS[verdict.decision],
        f"{signed(verdict.gain.mean)} {signed_interval(*verdict.gain.ci)}" if verdict.gain else "",
        number(before.score) if before else "",
        number(after.score) if after else "",
        *tail,
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [COLUMNS, *(tuple(_cut(cell) for cell in row) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(COLUMNS))]
    aligned = [
        "  ".join(
            cell.rjust(width) if column in NUMERIC else cell.ljust(width)
            for column, cell, width in zip(COLUMNS, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([aligned[0], "  ".join("-" * width for width in widths), *aligned[1:]])


def _not_comparable(paths: Sequence[Path], results: Sequence[LoopResult]) -> str:
    """Name runs whose data or items differ from those of most; of equally many, from the first run's."""
    counts = Counter(result.data_hash for result in results)
    if len(counts) == 1:
        return ""
    usual = counts.most_common(1)[0][0]
    others = [path.resolve().name for path, r in zip(paths, results, strict=True) if r.data_hash != usual]
    return f"Not comparable with the rest, for data or items differ: {', '.join(others)}."


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
