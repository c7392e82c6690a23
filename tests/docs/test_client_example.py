"""The example of docs/service.md asks a real server: it submits, watches until the loop waits, and approves."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from builders.services import Hosted, hosted, until

from controller.engine.journal.approvals import APPROVALS_FILE
from service.loops.states import State
from service.store import tokens

PAGE = Path(__file__).parents[2] / "docs" / "service.md"
SERVER = "http://127.0.0.1:8700"
RECIPE = """experiment: smoke
words: [tracking.uri=none, workers=1, controller.approval=ask]
fields: {seed: {type: int, key: seed, min: 0, max: 9}}
"""


def example(host: Hosted) -> dict[str, Any]:
    """Run the page's block against this server, with an approver's token; what it leaves."""
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert SERVER in block
    there = urlsplit(host.link())
    left: dict[str, Any] = {"token": tokens.give(host.database, "bot", "approver")[1]}
    exec(block.replace(SERVER, f"http://127.0.0.1:{there.port}"), left)
    return left


@pytest.mark.long
def test_the_client_of_the_page_submits_a_loop_watches_it_and_approves_what_it_waits_with(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        (host.home.recipes / "starter.yaml").write_text(RECIPE)
        host.start()
        loop = host.service.loop(example(host)["loop"]["id"])
        assert (loop.recipe, loop.fields) == ("starter", {"seed": 1})
        told = (host.home.runs / loop.id / APPROVALS_FILE).read_text()
        assert '"by": "bot", "why": "the rows are right"' in told
        until(lambda: host.service.loop(loop.id).state is State.ENDED, "a loop that goes on to its end")
        assert host.service.result(loop)["rounds"][0]["approval"]["answer"]["by"] == "bot"
