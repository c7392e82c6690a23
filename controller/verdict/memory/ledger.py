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
        lines = [json.loads(line) for line in file if line.endswith("\n")]
        same = [line for line in lines if line["items"] == items_hash]
        for line in same:
            if line["judgement"] == judgement:
                return Look(int(line["look"]), float(line["time"]))
        look = Look(len(same) + 1, time.time())
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
