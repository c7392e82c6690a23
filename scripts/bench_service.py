"""How fast a server answers with many loops and items stored and many clients at once: python scripts/bench_service.py

Makes a home with loops that have ended, all items in the run directories of some of them, starts `evalmend serve` on
it and asks from threads; prints seconds from the start to the first answer, and for each kind of request the median and
the 95th percentile in milliseconds. With the defaults it takes two minutes.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from service.home import Home, home_of, make_home
from service.loops.states import State
from service.settings import Serve
from service.store import loops, tokens
from service.store.database import Database
from service.store.loops import Loop

ROOT = Path(__file__).parents[1]
SEEN = {"num_rounds": 1, "decision": "accepted", "gain": {"mean": 0.1, "low": 0.0, "high": 0.2, "control": "random"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=1_000_000, help="of all loops together")
    parser.add_argument("--with-items", type=int, default=10, help="loops that have the items")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--requests", type=int, default=30, help="of each client and kind")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds of a client between two requests")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = home_of(Serve(home=str(Path(folder) / "home")))
        make_home(home)
        texts = fill(home, asked.loops, asked.items, asked.with_items, asked.clients)
        begun = time.monotonic()
        server, port = started(home)
        try:
            print(f"first answer after {time.monotonic() - begun:.2f} s")
            paths = {
                "list of loops": "/api/v1/loops?limit=50",
                "list by state, far": f"/api/v1/loops?state=ended&limit=50&offset={asked.loops // 2}",
                "one loop": "/api/v1/loops/loop-0",
                "page of items": "/api/v1/loops/loop-0/items?limit=50",
                "failed items": "/api/v1/loops/loop-0/items?limit=50&is_failed=true",
                "search in items": "/api/v1/loops/loop-0/items?limit=50&text=PROMPT%2099",
                "first page": "/",
                "page of a loop": "/loops/loop-0",
                "page with a search": "/loops/loop-0/items?text=PROMPT%2099",
            }
            for name, path in paths.items():
                ask(port, texts[:1], path, 1, 0.0)  # what is made at the first request alone is not meant
                times = ask(port, texts, path, asked.requests, asked.pause)
                median, late = np.percentile(times, [50, 95]) * 1000
                print(f"{name:20} {median:7.0f} ms, 95 % below {late:7.0f} ms, {len(times)} answers")
        finally:
            server.terminate()
            server.wait()


def fill(home: Home, num_loops: int, num_items: int, with_items: int, num_tokens: int) -> list[str]:
    """Fill the home; texts of viewers' tokens."""
    database = Database(home.database)
    database.migrate()
    for number in range(num_loops):
        made = float(number)
        loop = Loop(f"loop-{number}", "smoke", {}, ("a=1",), "me", State.ENDED, 1, False, None, made, made, "", SEEN)
        loops.add(database, loop)
        (home.runs / loop.id).mkdir()
    size = num_items // with_items
    columns: Mapping[str, object] = {
        "round": np.zeros(size, np.int64),
        "arm": ["before"] * size,
        "task": ["task"] * size,
        "id": [f"item-{number}" for number in range(size)],
        "prompt": [f"Prompt {number} with some words that are read and searched" for number in range(size)],
        "target": ["target"] * size,
        "answer": ["answer"] * size,
        "score": np.ones(size),
        "is_failed": np.arange(size) % 5 == 0,
    }
    for number in range(with_items):
        pq.write_table(pa.table(columns), home.runs / f"loop-{number}" / "items-probe.parquet")
    texts = [tokens.give(database, "bench", "viewer")[1] for _ in range(num_tokens)]
    database.close()
    return texts


def started(home: Home) -> tuple[subprocess.Popen[str], int]:
    """A server that answers, and its port."""
    words = [f"serve.home={home.folder}", "serve.port=0"]
    command = [sys.executable, "-m", "controller.main", "serve", *words]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        if " serving " in line:
            port = int(line.rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server, port
    raise RuntimeError("the server has ended")


def ask(port: int, texts: list[str], path: str, num_requests: int, pause_s: float) -> list[float]:
    """Seconds of each answer, of all clients at once."""
    times: dict[int, list[float]] = defaultdict(list)

    def one(client: int, text: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(num_requests):
            begun = time.monotonic()
            connection.request("GET", path, headers={"authorization": f"Bearer {text}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times[client].append(time.monotonic() - begun)
            time.sleep(pause_s)

    threads = [threading.Thread(target=one, args=one_client) for one_client in enumerate(texts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [seconds for found in times.values() for seconds in found]


if __name__ == "__main__":
    main()
