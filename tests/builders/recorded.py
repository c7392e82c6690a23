"""Run directories as loops leave them, without a loop: small, and with texts that are meant to do harm."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from builders.loop_results import accepted_round
from builders.served import Served
from controller.engine.journal.approvals import ask
from controller.engine.journal.changes import Changeable
from controller.results.loop_json import SCHEMA_VERSION, Champion, LoopResult, write_loop
from controller.results.page.parts import write_parts
from service.loops.states import State
from service.store import loops
from service.store.loops import Loop

PROPOSAL = "0123456789abcdef"
CHANGEABLE = Changeable(("clean: verb = walk", "retrieve: verb = jump"), 0.2)
"""What of the proposal an approval may take away."""
HOSTILE_TEXT = "<script>alert(1)</script>\x1b[31m\u202eevil\x00"
NUM_ITEMS = 250


def write_run(folder: Path) -> None:
    """A round whose proposal waits, 250 items of which each fifth failed, and 40 rows of a mix, ten of which leave."""
    folder.mkdir(parents=True)
    rounds = (accepted_round(), replace(accepted_round(1), diagnosis=replace(accepted_round().diagnosis, findings=())))
    champion = Champion("stages/model", None, "the model of round 0")
    result = LoopResult(SCHEMA_VERSION, "made", rounds, None, champion, "", {}, {}, "c", "d", 0, status="waiting")
    write_loop(result, folder)
    write_parts(result, folder)
    (folder / "report.html").write_text(f"<!doctype html><title>report</title>{HOSTILE_TEXT}")
    items = [
        {
            "round": 0,
            "arm": "before",
            "seed": None,
            "task": "scan" if number % 2 else "sums",
            "id": f"item-{number}",
            "document": "{}",
            "prompt": HOSTILE_TEXT if number == 7 else f"Prompt {number}",
            "target": "t",
            "answer": "a",
            "metric": "acc",
            "score": float("nan") if number == 8 else 0.5,
            "is_failed": number % 5 == 0,
            "is_unparsed": None,
        }
        for number in range(NUM_ITEMS)
    ]
    pq.write_table(pa.Table.from_pylist(items), folder / "items-probe.parquet")
    rows = [
        {
            "id": f"row-{number}",
            "source": "web" if number < 30 else "book",
            "kind": "clean" if number < 10 else "original",
            "slice": "",
            "weight_before": 1 / 40,
            "weight": 0.0 if number < 10 else 1 / 30,
            "prompt": f"prompt {number}",
            "completion": "c",
            "reason": "why",
        }
        for number in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "mix-0.parquet")
    lines = [
        {"time": 1.0 + number, "event": event, "stage": f"stage-{number // 2}", "pid": 1}
        for number, event in enumerate(["started", "finished"] * 3)
    ]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ask(folder, 0, PROPOSAL, "400 rows of verb = jump", CHANGEABLE)


def recorded(served: Served, loop_id: str = "made-1", state: State = State.WAITING) -> Loop:
    """A loop that waits for a decision, or is in another state, with its run directory."""
    write_run(served.home.runs / loop_id)
    loop = Loop(loop_id, "smoke", {"seed": 1}, ("experiment=smoke",), "me", state, 1, False, None, 1.0, 1.0, "", None)
    assert loops.add(served.database, loop)
    return loop
