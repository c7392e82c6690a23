"""Ask the API what its own description allows, and what it does not, for some minutes: python scripts/probe_api.py

    python scripts/probe_api.py --minutes 10 [--examples 2000]

Needs schemathesis: pip install -c constraints.txt -e '.[probe]'. The server has a home with a loop that waits, one that
failed, and a recipe; no engine plays what is submitted. Streams of events are left out, as they do not end. What the
home alone decides, such as whether a recipe opens a field, is no part of the description, so a request that is refused
for it is no fault. Ends with 1 where an answer is a 5xx, or not what the description says.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from builders.recorded import recorded  # type: ignore[import-not-found]  # noqa: E402  # the tests' own runs
from builders.served import Served  # type: ignore[import-not-found]  # noqa: E402

from service.home import home_of, make_home  # noqa: E402
from service.loops.states import State  # noqa: E402
from service.settings import Serve  # noqa: E402
from service.store.database import Database  # noqa: E402
from service.web.security.roles import Role  # noqa: E402

RECIPE = "experiment: smoke\nfields:\n  seed: {type: int, key: seed, min: 0, max: 9}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--examples", type=int, default=2000, help="of each operation, as far as the minutes allow")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = home_of(Serve(home=str(Path(folder) / "home")))
        make_home(home)
        home.recipes.mkdir()
        (home.recipes / "smoke.yaml").write_text(RECIPE)
        database = Database(home.database)
        database.migrate()
        served = Served(home, database, per_minute=10**9)
        recorded(served, "made-1", State.WAITING)
        recorded(served, "made-2", State.FAILED)
        port = answering(served)
        code = probe(port, served.texts[Role.ADMIN], asked.examples, 60 * asked.minutes)
        database.close()
    return code


def answering(served: Served) -> int:
    """Answer on a free port, in a thread; returns the port."""
    server = uvicorn.Server(uvicorn.Config(served.app, port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return int(server.servers[0].sockets[0].getsockname()[1])


def probe(port: int, token: str, examples: int, seconds: float) -> int:
    """Run schemathesis; its exit code, or 0 where the time ended without a fault."""
    words = ["run", f"http://127.0.0.1:{port}/api/v1/openapi.json", "-H", f"Authorization: Bearer {token}"]
    words += ["-n", str(examples), "--continue-on-failure", "--exclude-path-regex", "events"]
    words += ["--exclude-checks", "positive_data_acceptance", "--max-time", str(round(seconds))]
    return subprocess.run([str(Path(sys.executable).with_name("schemathesis")), *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
