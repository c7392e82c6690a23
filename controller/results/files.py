"""Keep the files of a loop up to date: `loop.json`, `items-<split>.parquet` and `report.html`.

They are written after every round, each completely or not at all, so that a killed loop leaves its results so far.
"""

from collections.abc import Mapping
from pathlib import Path

from controller.data.reports import ItemTable
from controller.results.events import Event, ItemsAnswered, LoopEnded, RoundEnded
from controller.results.loop_json import write_loop
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
                for split, table in self._items.items():
                    table.write(self._run_dir / f"items-{split.value}.parquet")
                write_loop(event.result, self._run_dir)
                write_report(event.result, self._run_dir)
