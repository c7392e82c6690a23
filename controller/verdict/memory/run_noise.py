"""Record the noise of training that judgements of the same `select` items found.

A file beside the runs that outlives them, as the ledger does: one line for each judgement and endpoint (guards are
endpoints too). Promises read it, so that the gain they announce rests on measured variances. The gate takes of it what
arms by chance have shown alone, which it knows too little of by itself.
"""

import fcntl
import json
import time
from collections.abc import Mapping
from pathlib import Path

from evals.statistics.run_variance import RunNoise, RunVariance, pool_noise

BY_CHANCE = ", by chance"
"""Ends the name of an endpoint where the noise of arms that draw their rows by chance is noted."""
LEAST_DF = 4
"""Fewest degrees of freedom: fewer show less about the variance than the default does."""


def note_run_noise(file: Path, items_hash: str, judgement: str, noise: Mapping[str, RunNoise]) -> None:
    """Append the noise that a judgement found, unless it is there already.

    Args:
        file: JSONL file; created when missing.
        items_hash: Hash of the `select` items.
        judgement: Content key of what was judged.
        noise: Noise by name of the endpoint or guard.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)  # sweeps run side by side
        lines.seek(0)
        there = [json.loads(line) for line in lines if line.endswith("\n")]
        if any(line["items"] == items_hash and line["judgement"] == judgement for line in there):
            return
        records = [
            {
                "items": items_hash,
                "judgement": judgement,
                "endpoint": name,
                "variance": one.run.variance,
                "df": one.run.df,
                "item_noise": one.item_noise,
                "noise_share": one.noise_share,
                "time": time.time(),
            }
            for name, one in noise.items()
        ]
        lines.write("".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def known_run_noise(file: Path, items_hash: str, before: float) -> Mapping[str, RunNoise]:
    """Pool the noise over judgements, by name of the endpoint or guard; kept from `LEAST_DF` degrees of freedom on,
    that of arms by chance, which adds to what a judgement finds itself, with any.

    Args:
        file: File that `note_run_noise` writes; may be missing.
        items_hash: Hash of the `select` items.
        before: Time of the look: a resumed promise must not read what came after it.
    """
    if not file.is_file():
        return {}
    found: dict[str, list[RunNoise]] = {}
    for text in file.read_text().splitlines(keepends=True):
        line = json.loads(text) if text.endswith("\n") else {}  # a killed writer leaves half a line
        if line and line["items"] == items_hash and line["time"] < before:
            noise = RunNoise(RunVariance(line["variance"], line["df"]), line["item_noise"], line["noise_share"])
            found.setdefault(line["endpoint"], []).append(noise)
    pooled = {name: pool_noise(parts) for name, parts in found.items()}
    return {name: noise for name, noise in pooled.items() if noise.run.df >= LEAST_DF or name.endswith(BY_CHANCE)}
