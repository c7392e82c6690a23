"""Events of a loop that was not played, and what MLflow holds of it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from builders.loop_results import loop_result

from controller.results.events import DataRead, Event, LoopEnded, LoopOpened, ModelNamed, RoundEnded
from controller.results.files import RunFiles
from controller.results.loop_json import LoopResult

Told = Callable[[Path, LoopResult], Sequence[Event]]


def _told(run_dir: Path, result: LoopResult) -> Sequence[Event]:
    model = run_dir / "model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text("{}")
    settings = {
        "name": "scan_jump",
        "run_dir": "runs/one",
        "corpus": {"train": "/data/rows.jsonl", "prompt": "prompt", "root": "../data"},
        "interventions": {"max_factor": 8.0},
        "budget": {"rounds": 2, "flops": None},
        "tracking": {"uri": "postgresql://me:secret@host/db"},
    }
    opened = LoopOpened(
        run_dir=run_dir,
        settings=settings,
        free=frozenset({"run_dir", "tracking", "budget"}),
        tags={"config_hash": result.config_hash, "code_version": "4be1"},
        data=(DataRead("corpus", "aa11", "/data/rows.jsonl", 9_504), DataRead("items", "bb22", "scan", 1_600)),
    )
    rounds = [
        RoundEnded(round_, None, None, loop_result(*result.rounds[: k + 1])) for k, round_ in enumerate(result.rounds)
    ]
    events: list[Event] = [opened, ModelNamed(model, "champion", -1), *rounds, LoopEnded(result)]
    files = RunFiles(run_dir)  # which hear first in a loop, so that the report is there
    for event in events:
        files.hear(event)
    return events


@pytest.fixture
def told() -> Told:
    """Makes the events of a loop with this result, and its files."""
    return _told
