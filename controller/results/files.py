"""Keep the files of a loop up to date: `loop.json`, `items-<split>.parquet`, `report.html`, and the question of a round
that waits for approval.

They are written after every round, each completely or not at all, so that a killed loop leaves its results so far.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from controller.data.reports import ItemTable
from controller.engine.journal.approvals import ask
from controller.results.events import Event, ItemsAnswered, LoopEnded, LoopWaits, ProposalApproved, RoundEnded
from controller.results.loop_json import LOOP_FILE, LoopResult, Round, write_loop
from controller.results.page.approval import asked_words
from controller.results.page.page import write_report
from evals.splits import Split


class RunFiles:
    """Listener that writes to a run directory."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._items: Mapping[Split, ItemTable] = {split: ItemTable() for split in Split}

    def hear(self, event: Event) -> None:
        match event:
            case ItemsAnswered():
                self._items[event.split].add(event.round, event.arm, event.seed, event.results)
            case RoundEnded() | LoopEnded():
                self._write(event.result)
            case LoopWaits():
                self._write(event.result)
                self._ask(event.result.rounds[-1])
            case ProposalApproved() if status_in(self._run_dir) == "waiting":
                self._write(event.result)  # of a loop that is played again the files say more than that

    def _write(self, result: LoopResult) -> None:
        for split, table in self._items.items():
            table.write(self._run_dir / f"items-{split.value}.parquet")
        write_loop(result, self._run_dir)
        write_report(result, self._run_dir)

    def _ask(self, round_: Round) -> None:
        assert round_.approval is not None, "a round that waits has asked"
        asked = round_.approval
        ask(self._run_dir, round_.number, asked.proposal, asked_words(round_.plan, asked), asked.changeable)


def status_in(run_dir: Path) -> str:
    """Status that `loop.json` of a run directory has, whatever version has written it; empty where there is none."""
    path = run_dir / LOOP_FILE
    return str(json.loads(path.read_bytes()).get("status", "ended")) if path.is_file() else ""
