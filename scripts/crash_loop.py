"""Kill a loop with -9 at random moments until it ends, and hold it against one that ran through.

    python scripts/crash_loop.py --kills 20 [--folder FOLDER] [overrides of the loop ...]

Passes if both leave the same `loop.json` but for seconds, and the journal of the killed one shows no finished
stage done twice. Moments are uniform over the duration of the run that was not killed, counted anew from each
restart, with the finished stages behind it; the first ones fall into start-up, reading and training alike.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any


def command(run_dir: Path, overrides: list[str]) -> list[str]:
    return [sys.executable, "-m", "controller.main", "loop", *overrides, f"run_dir={run_dir}"]


def without_times(value: Any) -> Any:
    """`loop.json` without its seconds."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key != "seconds"}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def stages_done_twice(run_dir: Path) -> list[str]:
    lines = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    finished = Counter(line["stage"] for line in lines if line["event"] == "finished")
    done: set[str] = set()
    again = []
    for line in lines:
        if line["event"] == "started" and line["stage"] in done:
            again.append(line["stage"])
        if line["event"] == "finished":
            done.add(line["stage"])
    return again + [stage for stage, count in finished.items() if count > 1]


def run_through(run_dir: Path, overrides: list[str]) -> float:
    start = time.monotonic()
    subprocess.run(command(run_dir, overrides), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def kill_at_random(run_dir: Path, overrides: list[str], seconds: float, num_kills: int, seed: int) -> int:
    """Start and kill up to `num_kills` times, then let it end; returns the number of kills that hit."""
    rng = random.Random(seed)
    hits = 0
    for number in range(num_kills):
        process = subprocess.Popen(
            command(run_dir, overrides), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # Most of the run lies behind the later kills, so they come earlier: what is left is shorter.
        wait_s = rng.uniform(0, seconds * (1 - 0.6 * number / num_kills))
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            hits += 1
        print(f"kill {number + 1}: after {wait_s:.1f} s, {'hit' if process.returncode else 'it had ended'}", flush=True)
    run_through(run_dir, overrides)
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None)
    options, overrides = parser.parse_known_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    seconds = run_through(folder / "whole", overrides)
    print(f"ran through in {seconds:.0f} s", flush=True)
    hits = kill_at_random(folder / "killed", overrides, seconds, options.kills, options.seed)
    whole, killed = (json.loads((folder / name / "loop.json").read_text()) for name in ("whole", "killed"))
    is_same = without_times(whole) == without_times(killed)
    again = stages_done_twice(folder / "killed")
    print(json.dumps({"kills": hits, "same_loop_json": is_same, "stages_done_twice": again}))
    sys.exit(0 if is_same and not again else 1)


if __name__ == "__main__":
    main()
