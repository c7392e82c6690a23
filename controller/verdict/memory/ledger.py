"""Count how often the gate has looked at the same items; each look spends part of alpha.

Judgement number k spends 6 / (pi^2 k^2) of alpha. The ledger is a file beside the runs, one line for each judgement,
keyed by the hash of the items. It outlives the run: nights and sweeps share it. The same judgement again, after a kill
or in a second run of the same settings, keeps its number.
"""

import fcntl
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    number: int
    """Number of the judgement on the same items, from 1."""
    time: float
    """Time when it was first written, in seconds since the epoch."""


def look_at(ledger: Path, items_hash: str, judgement: str, purpose: str) -> Look:
    """Find the number of this judgement among those on the same items, from 1; a new one is written.

    Args:
        ledger: JSONL file; created when missing.
        items_hash: Hash of the items' ids.
        judgement: Content key of what is judged.
        purpose: `select` or `sealed`, for people who read the file.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # sweeps run side by side
        file.seek(0)
        text = file.read()
        look = _look(text, items_hash, judgement)
        if look is None:
            look = _next(text, items_hash)
            record = {
                "items": items_hash,
                "judgement": judgement,
                "purpose": purpose,
                "look": look.number,
                "time": look.time,
            }
            file.write(json.dumps(record) + "\n")
            file.flush()
        return look


def planned_look(ledger: Path, items_hash: str, judgement: str) -> Look:
    """The look that `look_at` would find now; nothing is written, so a judgement that is not made spends nothing."""
    text = ledger.read_text() if ledger.is_file() else ""
    return _look(text, items_hash, judgement) or _next(text, items_hash)


def _look(text: str, items_hash: str, judgement: str) -> Look | None:
    for line in _of_items(text, items_hash):
        if line["judgement"] == judgement:
            return Look(int(line["look"]), float(line["time"]))
    return None


def _next(text: str, items_hash: str) -> Look:
    return Look(len(_of_items(text, items_hash)) + 1, time.time())


def _of_items(text: str, items_hash: str) -> list[dict[str, Any]]:
    """Lines on the same items; a killed writer leaves half a line."""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if line["items"] == items_hash]
