"""Queue many loops at once and see that every one ends exactly once: python scripts/bench_queue.py

    python scripts/bench_queue.py --loops 200 --slots 4
    python scripts/bench_queue.py --loops 200 --slots 2 --servers 2 --postgres

The loops are the toy of the tests, with a few steps of training; a loop takes some ten seconds of one core, nearly all
of them imports. `--postgres` makes a PostgreSQL that ends with it; `--database` names one that runs. Ends with 1 where
a loop has not ended, has another number of stretches than one, or has done a finished stage twice.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from builders.postgres import binaries, cluster  # type: ignore[import-not-found]  # noqa: E402  # the tests' own
from builders.services import (  # type: ignore[import-not-found]  # noqa: E402  # the tests' own servers
    done_twice,
    hosted,
    stopped,
)

from service.loops.states import State  # noqa: E402
from service.store import loops  # noqa: E402

SEEN_EACH_S = 30.0


@contextmanager
def database(asked: argparse.Namespace) -> Iterator[str | None]:
    """URL of the database that is asked for; None for the home's own file."""
    if not asked.postgres:
        yield asked.database
        return
    folder = binaries()
    if folder is None:
        raise SystemExit("initdb and pg_ctl are not there; install postgresql, or name one that runs with --database")
    with cluster(folder) as made:
        yield made.new_database()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=200)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--database", default=None)
    parser.add_argument("--postgres", action="store_true")
    asked = parser.parse_args()
    begun, last = time.monotonic(), float("-inf")
    with (
        tempfile.TemporaryDirectory() as folder,
        database(asked) as url,
        hosted(Path(folder) / "home", url, asked.slots) as host,
    ):
        host.database.migrate()
        submitted = [host.submit(asked.steps, seed=number % 1000).id for number in range(asked.loops)]
        print(f"{asked.loops} loops submitted in {time.monotonic() - begun:.1f} s", flush=True)
        servers = [host.start() for _ in range(asked.servers)]
        while (ended := loops.count(host.database, [State.ENDED, State.FAILED])) < asked.loops:
            if time.monotonic() - last > SEEN_EACH_S:
                last = time.monotonic()
                print(f"{ended} ended after {last - begun:.0f} s", flush=True)
            time.sleep(0.5)
        seconds = time.monotonic() - begun
        stretches = {one: loops.stretches(host.database, one) for one in submitted}
        summary = {
            "loops": asked.loops,
            "servers": asked.servers,
            "slots_of_each": asked.slots,
            "database": "SQLite" if url is None else "PostgreSQL",
            "seconds": round(seconds),
            "states": {state.value: number for state, number in loops.counts(host.database).items()},
            "stretches_of_a_loop": dict(Counter(len(found) for found in stretches.values())),
            "stages_done_twice": sum(bool(done_twice(host.journal(host.service.loop(one)))) for one in submitted),
            "loops_of_a_server": sorted(Counter(one[0].server for one in stretches.values()).values()),
            "server_ended_s": round(max(map(stopped, servers)), 1),
        }
    print(json.dumps(summary))
    is_right = summary["states"] == {"ended": asked.loops} and summary["stretches_of_a_loop"] == {1: asked.loops}
    return 0 if is_right and not summary["stages_done_twice"] else 1


if __name__ == "__main__":
    sys.exit(main())
