"""The ledger of looks: how often judgements have looked at the same items, and what is left to spend on them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.statistics.spending import alpha_at

LEDGER_FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Looked:
    """Looks at one set of items."""

    items: str
    """Hash of the items' ids."""
    purpose: str
    """`select` or `sealed`."""
    num_looks: int
    last: float
    """Unix time of the last look, in seconds."""
    spent: float
    """Part of alpha that the looks have spent, in [0, 1]."""
    next_level: float
    """One-sided level of the next judgement on these items."""


def read_looks(ledger: Path) -> list[Looked]:
    """Read the ledger beside the runs, the items that were looked at last first; none where there is none."""
    found: dict[tuple[str, str], list[float]] = {}
    for line in _lines(ledger):
        found.setdefault((str(line["items"]), str(line.get("purpose", ""))), []).append(float(line["time"]))
    looked = [
        Looked(
            items=items,
            purpose=purpose,
            num_looks=len(times),
            last=max(times),
            spent=sum(alpha_at(look, 1.0) for look in range(1, len(times) + 1)),
            next_level=alpha_at(len(times) + 1),
        )
        for (items, purpose), times in found.items()
    ]
    return sorted(looked, key=lambda one: -one.last)


def _lines(ledger: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; a killed writer leaves half a one."""
    try:
        text = ledger.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "items" in found and isinstance(found.get("time"), int | float):
            yield found
