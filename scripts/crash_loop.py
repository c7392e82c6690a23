"""Kill a loop with -9 at random moments until it ends, and hold it against one that ran through.

    python scripts/crash_loop.py --kills 20 [--folder FOLDER] [overrides of the loop ...]
    python scripts/crash_loop.py --kills 20 --since train-challenger --longest .3 verify.max_seeds=8 [...]

Each attempt lives for a random part of three fifths of the time that the whole loop takes, so that a run is killed in
start-up, reading, training and judging alike. With `--since` kills fall only once an attempt has come to a stage of
that name: from then on it lives for a random part of `--longest` of what the loop takes from there to its last stage. A
run that ends before all kills are spent is followed by another, each in a folder of its own.

Passes if every killed run leaves the same `loop.json` as the one that ran through, but for seconds, the same lines in
the ledger and in the run variances beside it, but for times, and no journal shows a finished stage done twice.

With `controller.approval=ask` the one that runs through asks nobody. In the killed ones each question is approved by a
command that is killed at random moments, too, until one is not; they pass if every round was asked about and decided
once.
"""

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_SHARE = 0.6
"""Longest life of an attempt, as a share of a whole run. Start-up takes a seventh of it and training writes a
checkpoint every 20 s, so much shorter lives would only ever see the start of the first training."""
BESIDE = ("ledger.jsonl", "run_variance.jsonl")
"""Files beside a run that outlive it."""
POLL_S = 0.02
WAITS = 3
"""Exit code of a loop that waits for approval."""
ASKING = "controller.approval=ask"
LONGEST_ANSWER_S = 0.4
"""Longest life of a command that approves and is killed."""
_NOT_HELD = ("seconds", "time", "approval")
_TRAINING = re.compile(r"train-.+-(\d+)-[0-9a-f]{16}")
"""Stage that trains an arm, with its seed, whose last two digits number the trainings of the arm."""


@dataclass(frozen=True, slots=True)
class Game:
    """How runs are killed."""

    overrides: list[str]
    since: str | None
    """Name that a stage begins with; kills fall only once an attempt has come to one."""
    longest_s: float
    looks: tuple[int, ...]
    """Seeds of each arm at the looks of the judgement; empty where there is one look."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--since", help="beginning of a stage's name")
    parser.add_argument("--longest", type=float, default=LONGEST_SHARE, help="longest life, as a share")
    options, overrides = parser.parse_known_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    whole, rng = folder / "whole" / "run", random.Random(options.seed)
    seconds = run_through(whole, [word for word in overrides if word != ASKING], rng)
    left = json.loads((whole / "loop.json").read_text())
    rounds = left["rounds"]
    if options.since is not None:
        seconds = time_since(options.since, whole)
    looks = tuple(look["num_seeds"] for look in rounds[0]["verdict"]["looks"])
    at = f", looks at {looks} seeds" if looks else ""
    print(f"ran through in {seconds:.0f} s that are to be killed in, {trainings(whole)}{at}", flush=True)
    game = Game(overrides, options.since, seconds * options.longest, looks)
    kills, runs, is_same, again, unsettled = 0, 0, True, list[str](), list[str]()
    while kills < options.kills:
        run_dir = folder / f"killed-{runs}" / "run"
        spent = kill_until_it_ends(run_dir, game, rng, options.kills - kills)
        same = without_times(json.loads((run_dir / "loop.json").read_text())) == without_times(left)
        same_beside = all(lines_beside(run_dir, name) == lines_beside(whole, name) for name in BESIDE)
        twice = stages_done_twice(run_dir)
        print(
            f"{run_dir.parent.name}: {spent} kills, {trainings(run_dir)}, {len(twice)} stages done twice, "
            f"{len(lines_beside(run_dir, 'ledger.jsonl'))} lines in the ledger, "
            f"{'the same' if same and same_beside else 'NOT the same'}",
            flush=True,
        )
        kills, runs, is_same = kills + spent, runs + 1, is_same and same and same_beside
        again += twice
        if ASKING in overrides:
            unsettled += questions_not_decided_once(run_dir, sum(bool(round_["plan"]["actions"]) for round_ in rounds))
    found = {"kills": kills, "runs": runs, "same_loop_json": is_same, "stages_done_twice": again}
    print(json.dumps(found | {"questions_not_decided_once": unsettled}))
    sys.exit(0 if is_same and not again and not unsettled else 1)


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


def kill_until_it_ends(run_dir: Path, game: Game, rng: random.Random, most: int) -> int:
    """Kill at random moments, at most `most` times, and let it end; returns the number of kills."""
    kills, name = 0, run_dir.parent.name
    while kills < most:
        num_lines = len(journal(run_dir))
        process = subprocess.Popen(
            command(run_dir, game.overrides),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while game.since is not None and process.poll() is None and not is_under_way(run_dir, game.since, num_lines):
            time.sleep(POLL_S)
        wait_s = rng.uniform(0, game.longest_s)
        try:
            code = process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            stages = run_dir / "stages"
            done = len([p for p in stages.iterdir() if p.suffix != ".partial"]) if stages.is_dir() else 0
            kills += 1
            where = look_under_way(run_dir, game.looks)
            print(f"{name}, kill {kills} after {wait_s:.1f} s, {done} stages done{where}", flush=True)
            continue
        if code != WAITS:
            return kills
        killed = approve(run_dir, rng)
        print(f"{name} is approved, by a command that was killed {killed} times first", flush=True)
    run_through(run_dir, game.overrides, rng)
    return kills


def journal(run_dir: Path) -> list[dict[str, Any]]:
    file = run_dir / "journal.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def is_under_way(run_dir: Path, since: str, num_lines: int) -> bool:
    """Whether an attempt has come to a stage of that name, done before or begun now, after so many lines of others."""
    return any(line["stage"].startswith(since) for line in journal(run_dir)[num_lines:])


def time_since(since: str, run_dir: Path) -> float:
    """Seconds from the first beginning of a stage of that name to the end of the last stage."""
    lines = journal(run_dir)
    begun = [float(line["time"]) for line in lines if line["stage"].startswith(since)]
    if not begun:
        raise SystemExit(f"no stage of {run_dir} begins with {since!r}; name one of its stages with --since")
    return max(float(line["time"]) for line in lines if line["event"] == "finished") - begun[0]


def look_under_way(run_dir: Path, looks: tuple[int, ...]) -> str:
    """The stage that was begun last, and the look for which an arm was trained last."""
    begun = [line["stage"] for line in journal(run_dir) if line["event"] == "started"]
    places = [int(found[1]) % 100 for found in map(_TRAINING.fullmatch, begun) if found]
    look = [num for num in looks if places and num > places[-1]][:1]
    return "".join(f", {name.rpartition('-')[0]}" for name in begun[-1:]) + "".join(f" for {num} seeds" for num in look)


def trainings(run_dir: Path) -> str:
    names = [line["stage"] for line in journal(run_dir) if line["event"] == "finished"]
    found = [name for name in names if _TRAINING.fullmatch(name)]
    return f"{len(found)} trainings of {len(set(found))} arms and seeds"


def without_times(value: Any) -> Any:
    """`loop.json`, or a line beside it, without its seconds and times, and without who approved what."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in _NOT_HELD}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def lines_beside(run_dir: Path, name: str) -> list[Any]:
    file = run_dir.parent / name
    return [without_times(json.loads(line)) for line in file.read_text().splitlines()] if file.is_file() else []


def stages_done_twice(run_dir: Path) -> list[str]:
    lines = journal(run_dir)
    finished = Counter(line["stage"] for line in lines if line["event"] == "finished")
    done: set[str] = set()
    again = []
    for line in lines:
        if line["event"] == "started" and line["stage"] in done:
            again.append(line["stage"])
        if line["event"] == "finished":
            done.add(line["stage"])
    return again + [stage for stage, count in finished.items() if count > 1]


def questions_not_decided_once(run_dir: Path, num_rounds: int) -> list[str]:
    """Rounds that were not asked about and approved exactly once each, with what was written of them."""
    path = run_dir / "approvals.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    events: dict[int, list[str]] = {number: [] for number in range(num_rounds)}
    for line in lines:
        events.setdefault(line["round"], []).append(line["event"])
    return [f"round {number}: {found}" for number, found in events.items() if found != ["asked", "decided"]]


if __name__ == "__main__":
    main()
