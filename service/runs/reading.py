"""What a run directory says of its loop, at any moment, finished or not.

Files are read as they are: one that is missing, half written or of another version says less and never stops a reader.
Costs about two milliseconds for each megabyte of `loop.json`.
"""

import fcntl
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.cli.nights.night_json import Night, read_night
from controller.engine.journal.approvals import APPROVALS_FILE, waiting
from controller.engine.workers.progress import read_share
from service.runs.rounds import read_result

LOOP_FILE, JOURNAL_FILE, LOCK_FILE, MLFLOW_FILE = "loop.json", "journal.jsonl", "lock", "mlflow.json"

_LARGEST = 1e300
"""A number beyond it is read as none."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain over the strongest control, with its interval."""

    mean: float
    low: float
    high: float
    control: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A stage that is not finished."""

    stage: str
    share: float
    """Share of it that is done, in [0, 1]."""
    seconds: float
    """Seconds since it was started."""
    remaining_s: float | None
    """Seconds that it will take at its pace so far; None as long as no pace can be told."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """State of a run directory."""

    is_over: bool
    """Whether the loop has played its last round."""
    num_rounds: int
    """Number of rounds that are judged."""
    decision: str
    """Decision of the round that decides: the last that accepted, else the last that trained, else the last; empty
    before the first."""
    reason: str
    """Why the loop stopped, or the last verdict decided so; empty before the first."""
    gain: Gain | None
    """Gain of that round; None where it trained nothing."""
    seconds: float
    """Seconds of all stages, as booked; before the first verdict, from the first line of the journal to the last."""
    tokens: int
    flops: float
    num_stages: int
    """Number of stages that are done."""
    night: str
    """Of a night that is over how it is to the one before: `first`, `better`, `same` or `worse`; else empty."""
    worse: tuple[str, ...]
    """Tasks that a night is shown to have got worse at."""
    mlflow: str
    """Address of its page in MLflow; empty where no server shows one."""
    under_way: tuple[UnderWay, ...]
    """Stages that were begun and not finished, the earliest first; meaningful while a process runs."""

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the stages under way are done, as far as can be told; stages after them are not foreseen."""
        known = [stage.remaining_s for stage in self.under_way if stage.remaining_s is not None]
        return max(known) if known else None


NOTHING = RunRecord(False, 0, "", "", None, 0.0, 0, 0.0, 0, "", (), "", ())
"""What a run directory says in which nothing was done; of records that older versions have noted, what these lack."""


def read_run(run_dir: Path) -> RunRecord:
    """Read a run directory; one that is empty, or not there, has done nothing."""
    result, night = read_result(run_dir / LOOP_FILE), read_night(run_dir)
    rounds = [_mapping(one) for one in _list(result.get("rounds"))]
    verdict = _decisive([_mapping(one.get("verdict")) for one in rounds])
    costs = [_mapping(cost) for cost in _mapping(result.get("costs")).values()]
    journal = list(_journal(run_dir / JOURNAL_FILE))
    times = [_number(line["time"]) for line in journal]
    booked = sum(_number(cost.get("seconds")) for cost in costs)
    return RunRecord(
        is_over=result.get("status", "ended") == "ended" if result else night is not None,
        num_rounds=len(rounds),
        decision=str(verdict.get("decision") or ""),
        reason=str(result.get("stopped_because") or verdict.get("reason") or ""),
        gain=_gain(_mapping(verdict.get("gain"))),
        seconds=booked or (max(times) - min(times) if times else 0.0),
        tokens=int(sum(_number(cost.get("tokens")) for cost in costs)),
        flops=sum(_number(cost.get("flops")) for cost in costs),
        num_stages=len({line["stage"] for line in journal if line["event"] == "finished"}),
        night="" if night is None else _told(night),
        worse=() if night is None else night.worse,
        mlflow=_web(_mapping(_parsed(_text(run_dir / MLFLOW_FILE))).get("page")),
        under_way=tuple(_under_way(run_dir, journal, time.time())),
    )


def _told(night: Night) -> str:
    """How a night is to the one before, by all its tasks together."""
    if not night.changes:
        return "first"
    if night.worse:
        return "worse"
    return "better" if night.changes[0].ci[0] > 0 else "same"


def _decisive(verdicts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Verdict of the round that decides; a loop that waits or was not approved has decided nothing else."""
    if verdicts and verdicts[-1].get("decision") in ("awaiting_approval", "not_approved"):
        return verdicts[-1]
    accepted = [one for one in verdicts if one.get("champion_arm") or one.get("decision") == "accepted"]
    trained = [one for one in verdicts if one.get("arms")]
    return next((found[-1] for found in (accepted, trained, verdicts) if found), {})


def is_locked(run_dir: Path) -> bool:
    """Whether a process works in the run directory."""
    try:
        with (run_dir / LOCK_FILE).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def is_asked(run_dir: Path) -> bool:
    """Whether a proposal of the loop waits for a person."""
    try:
        return waiting(run_dir) is not None
    except (OSError, ValueError):
        return False


def is_decided(run_dir: Path) -> bool:
    """Whether the proposal that a loop waited with has its answer, or its question was withdrawn."""
    try:
        return (run_dir / APPROVALS_FILE).is_file() and waiting(run_dir) is None
    except (OSError, ValueError):
        return False


def _under_way(run_dir: Path, journal: list[dict[str, Any]], now: float) -> Iterator[UnderWay]:
    started: dict[str, float] = {}
    for line in journal:
        if line["event"] == "started":
            started[line["stage"]] = _number(line["time"])
        else:
            started.pop(line["stage"], None)
    for stage, since in started.items():
        share = read_share(run_dir / "stages" / f"{stage}.partial")
        seconds = max(0.0, now - since)
        yield UnderWay(stage, share, seconds, seconds * (1 - share) / share if share > 0 else None)


def _gain(found: Mapping[str, Any]) -> Gain | None:
    ends = _list(found.get("ci"))
    if len(ends) != 2:
        return None
    return Gain(_number(found.get("mean")), _number(ends[0]), _number(ends[1]), str(found.get("control") or ""))


def _journal(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of the journal that are whole."""
    for line in _text(path).splitlines():
        found = _parsed(line)
        if (
            isinstance(found, dict)
            and isinstance(found.get("stage"), str)
            and isinstance(found.get("event"), str)
            and isinstance(found.get("time"), int | float)
        ):
            yield found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _web(value: object) -> str:
    """An address of the web; empty where the value is none."""
    return value if isinstance(value, str) and re.fullmatch(r"https?://[^\s\"'<>]{1,500}", value) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    """A number that every database takes: JSON's may be infinite, or too large for a float."""
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else 0.0
