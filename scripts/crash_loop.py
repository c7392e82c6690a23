"""Kill a loop with -9 at random moments until it ends, and hold it against one that ran through.

    python scripts/crash_loop.py --kills 20 [--folder FOLDER] [overrides of the loop ...]

Each attempt lives for a random part of three fifths of the time that the whole loop takes, so that a run is killed in
start-up, reading, training and judging alike. A run that ends before all kills are spent is followed by another.
Passes if every killed run leaves the same `loop.json` as the one that ran through, but for seconds, and no journal
shows a finished stage done twice.

With `controller.approval=ask` the one that runs through asks nobody. In the killed ones each question is approved by a
command that is killed at random moments, too, until one is not; they pass if every round was asked about and decided
once.
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

LONGEST_SHARE = 0.6
"""Longest life of an attempt, as a share of a whole run. Start-up takes a seventh of it and training writes a
checkpoint every 20 s, so much shorter lives would only ever see the start of the first training."""


WAITS = 3
"""Exit code of a loop that waits for approval."""
ASKING = "controller.approval=ask"
LONGEST_ANSWER_S = 0.4
"""Longest life of a command that approves and is killed."""


def command(run_dir: Path, overrides: list[str]) -> list[str]:
    return [sys.executable, "-m", "controller.main", "loop", *overrides, f"run_dir={run_dir}"]


def approve(run_dir: Path, rng: random.Random) -> int:
    """Approve what waits, by a command that is killed until one is not; returns the number of kills."""
    words = [sys.executable, "-m", "controller.main", "approve", str(run_dir), "by=crash_loop"]
    kills = 0
    while rng.random() < 0.5:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0, LONGEST_ANSWER_S))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return kills


def questions_not_decided_once(run_dir: Path, num_rounds: int) -> list[str]:
    """Rounds that were not asked about and approved exactly once each, with what was written of them."""
    path = run_dir / "approvals.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    events: dict[int, list[str]] = {number: [] for number in range(num_rounds)}
    for line in lines:
        events.setdefault(line["round"], []).append(line["event"])
    return [f"round {number}: {found}" for number, found in events.items() if found != ["asked", "decided"]]


def without_times(value: Any) -> Any:
    """`loop.json` without its seconds, and without who approved what."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in ("seconds", "approval")}
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


def run_through(run_dir: Path, overrides: list[str], rng: random.Random) -> float:
    start = time.monotonic()
    words, code = command(run_dir, overrides), WAITS
    while code == WAITS:
        code = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        if code == WAITS:
            approve(run_dir, rng)
    if code:
        raise RuntimeError(f"{' '.join(words)} ended with exit code {code}")
    return time.monotonic() - start


def kill_until_it_ends(run_dir: Path, overrides: list[str], longest_s: float, rng: random.Random, most: int) -> int:
    """Kill at random moments, at most `most` times, and let it end; returns the number of kills."""
    kills = 0
    while kills < most:
        process = subprocess.Popen(
            command(run_dir, overrides), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_s = rng.uniform(0, longest_s)
        try:
            code = process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            stages = run_dir / "stages"
            done = len([p for p in stages.iterdir() if p.suffix != ".partial"]) if stages.is_dir() else 0
            kills += 1
            print(f"{run_dir.name}, kill {kills} after {wait_s:.1f} s, {done} stages done", flush=True)
            continue
        if code != WAITS:
            return kills
        killed = approve(run_dir, rng)
        print(f"{run_dir.name} is approved, by a command that was killed {killed} times first", flush=True)
    run_through(run_dir, overrides, rng)
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None)
    options, overrides = parser.parse_known_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    rng = random.Random(options.seed)
    seconds = run_through(folder / "whole", [word for word in overrides if word != ASKING], rng)
    print(f"ran through in {seconds:.0f} s", flush=True)
    whole = json.loads((folder / "whole" / "loop.json").read_text())
    kills, runs, is_same, again, unsettled = 0, 0, True, list[str](), list[str]()
    while kills < options.kills:
        run_dir = folder / f"killed-{runs}"
        kills += kill_until_it_ends(run_dir, overrides, seconds * LONGEST_SHARE, rng, options.kills - kills)
        runs += 1
        is_same &= without_times(json.loads((run_dir / "loop.json").read_text())) == without_times(whole)
        again += stages_done_twice(run_dir)
        if ASKING in overrides:
            tried = sum(bool(round_["plan"]["actions"]) for round_ in whole["rounds"])
            unsettled += questions_not_decided_once(run_dir, tried)
    found = {"kills": kills, "runs": runs, "same_loop_json": is_same, "stages_done_twice": again}
    print(json.dumps(found | {"questions_not_decided_once": unsettled}))
    sys.exit(0 if is_same and not again and not unsettled else 1)


if __name__ == "__main__":
    main()
