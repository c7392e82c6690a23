"""What the loop itself costs: the share of a run's wall time that is neither training, generation nor attribution.

    python scripts/bench_overhead.py [--folder FOLDER] [overrides of the loop ...]

Times a whole `evalmend loop` from the start of its process to its end, imports included, and takes from that the
time in which at least one stage that trains, measures or attributes was under way.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from controller.engine.runner import covered_seconds

WORK = ("train-", "measure-", "diagnose-")
"""Beginnings of the names of such stages' folders."""


def seconds_of_work(run_dir: Path) -> float:
    spans = []
    for path in run_dir.glob("stages/*/done.json"):
        if path.parent.name.startswith(WORK):
            record = json.loads(path.read_text())
            spans.append((record["started"], record["started"] + record["seconds"]))
    return covered_seconds(spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="run directory; must not exist; default: a temporary one")
    arguments, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        run_dir: Path = arguments.folder or Path(temporary) / "run"
        if run_dir.exists():
            sys.exit(f"{run_dir} exists; the time of a resumed run would say nothing")
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "controller.main", "loop", *overrides, f"run_dir={run_dir}"], check=True)
        wall = time.monotonic() - started
        work = seconds_of_work(run_dir)
    print(f"wall {wall:.1f} s, training, generation and attribution {work:.1f} s, overhead {1 - work / wall:.1%}")


if __name__ == "__main__":
    main()
