"""Ask a person, and keep the answer: `approvals.jsonl` of a run directory, whole at every moment.

A loop that waits has no process, so question and answer meet in a file: one JSON line for each question, each answer
and each withdrawal. Lines are appended under a lock of the file's own, because an answer may come while a loop works in
the folder. An answer is bound to the number of the round and the hash of the proposal. A line counts once its end is
written: the rest that a killed writer leaves is no line, and the next writer removes it.

This module imports little, so that a command that answers takes a moment.
"""

import fcntl
import json
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from controller.engine.journal.changes import FIXED, UNCHANGED, Change, Changeable, change_of, read_changeable

APPROVALS_FILE = "approvals.jsonl"
MOST_CHARACTERS = 2000
"""Most characters of a name or a reason."""

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of signs that move a terminal, break a line or cannot be written."""
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that turn the direction of what follows, so that a line reads otherwise than it is."""

Decision = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Question:
    """A proposal that waits for an answer."""

    round: int
    proposal: str
    """Hash of the proposal's content."""
    summary: str
    """What would be trained, in one line."""
    time: str
    """Time of the question in UTC, ISO 8601."""
    changeable: Changeable = FIXED
    """What of it may be changed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Decision of a person on one proposal."""

    round: int
    proposal: str
    """Hash of the proposal's content."""
    decision: Decision
    by: str
    """Name of the person."""
    why: str
    """Reason; empty where none was given."""
    time: str
    """Time of the decision in UTC, ISO 8601."""
    change: Change = UNCHANGED
    """What was taken away from the proposal before it was approved."""

    @property
    def is_approval(self) -> bool:
        return self.decision == "approved"

    @property
    def in_words(self) -> str:
        decided = " ".join(filter(None, (self.decision, self.change.in_words)))
        return f"{decided} by {self.by} at {self.time}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class Decided:
    answer: Answer
    is_new: bool
    """Whether the answer was written now; false where it had been given before."""


@dataclass(frozen=True, slots=True)
class _History:
    open: Question | None
    answers: tuple[Answer, ...]

    def answer_on(self, round_number: int, proposal: str) -> Answer | None:
        asked = (one for one in reversed(self.answers) if (one.round, one.proposal) == (round_number, proposal))
        return next(asked, None)


def waiting(run_dir: Path) -> Question | None:
    """Read which proposal of a run waits for an answer; None where none does."""
    path = run_dir / APPROVALS_FILE
    return _history(path).open if path.is_file() else None


def decide(
    run_dir: Path,
    decision: Decision,
    by: str,
    why: str = "",
    *,
    round_number: int | None = None,
    proposal: str | None = None,
    change: Change = UNCHANGED,
) -> Decided:
    """Answer the question of a run; the answer is on the disk when this returns.

    Args:
        run_dir: Folder of the run.
        decision: Answer that is given.
        by: Name of the person.
        why: Reason.
        round_number: Number of the round that the answer is for; None for the one that waits.
        proposal: Hash of the proposal that the answer is for; None for the one that waits.
        change: What is taken away from it before it is approved.

    Raises:
        ValueError: no such proposal waits, it was decided otherwise, or the change is out of its bounds; nothing is
            written.
    """
    check_text("by", by)
    check_text("why", why)
    if not by:
        raise ValueError("by must name who decides, got an empty text")
    if change and decision != "approved":
        raise ValueError("leave_out and scale change what is approved; a proposal is rejected as a whole")
    if not run_dir.is_dir():
        raise ValueError(f"{run_dir} is no folder; name the run_dir of a loop that waits for approval")
    path = run_dir / APPROVALS_FILE
    if not path.is_file():
        raise ValueError(f"no proposal of {run_dir} waits for approval; a loop asks with controller.approval=ask")
    with _opened(path) as file:
        history = _read(file, path)
        asked = history.open
        if asked is not None and round_number in (None, asked.round) and proposal in (None, asked.proposal):
            asked.changeable.check(change)
            answer = Answer(asked.round, asked.proposal, decision, by, why, _now(), change)
            _append(file, "decided", asdict(answer))
            return Decided(answer, is_new=True)
        given = _given(history, round_number, proposal)
        if given is None:
            raise ValueError(_not_waiting(run_dir, asked, round_number, proposal))
        if (given.decision, given.change) != (decision, change):
            raise ValueError(
                f"round {given.round} of {run_dir} was {given.in_words}; a decision stands, and the other one comes "
                "too late"
            )
        return Decided(given, is_new=False)


def ask(run_dir: Path, round_number: int, proposal: str, summary: str, changeable: Changeable = FIXED) -> None:
    """Write the question, once everything that a person reads before deciding is on the disk; one that stands there
    already, or has been answered, is not written again."""
    path = run_dir / APPROVALS_FILE
    with _opened(path) as file:
        history = _read(file, path)
        asked = history.open
        is_open = asked is not None and (asked.round, asked.proposal) == (round_number, proposal)
        if not is_open and history.answer_on(round_number, proposal) is None:
            _append(file, "asked", asdict(Question(round_number, proposal, summary, _now(), changeable)))


def find_answer(run_dir: Path, round_number: int, proposal: str) -> Answer | None:
    """Find the answer on a proposal; None where there is none."""
    path = run_dir / APPROVALS_FILE
    if not path.is_file():
        return None
    return _history(path).answer_on(round_number, proposal)


def withdraw(run_dir: Path, round_number: int | None = None) -> None:
    """Withdraw the question that is open, so that no answer comes too late.

    Args:
        run_dir: Folder of the run.
        round_number: Number of the round whose question alone is withdrawn; None for that of any round.
    """
    path = run_dir / APPROVALS_FILE
    if not path.is_file():
        return
    with _opened(path) as file:
        asked = _read(file, path).open
        if asked is not None and round_number in (None, asked.round):
            _append(file, "withdrawn", {"round": asked.round, "proposal": asked.proposal, "time": _now()})


def _given(history: _History, round_number: int | None, proposal: str | None) -> Answer | None:
    """Last answer to the round and the proposal that are named, to any where none is."""
    named = (
        one
        for one in reversed(history.answers)
        if round_number in (None, one.round) and proposal in (None, one.proposal)
    )
    return next(named, None)


def _not_waiting(run_dir: Path, asked: Question | None, round_number: int | None, proposal: str | None) -> str:
    if asked is None:
        return (
            f"no proposal of {run_dir} waits for approval; one that does is named when its loop ends with exit code 3"
        )
    of_round = f"round {round_number}" if round_number is not None else ""
    of_proposal = f"proposal {proposal}" if proposal is not None else ""
    return (
        f"{', '.join(filter(None, (of_round, of_proposal)))} of {run_dir} does not wait for approval, round "
        f"{asked.round}, proposal {asked.proposal} does: {asked.summary}; read that one before you decide"
    )


def _history(path: Path) -> _History:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return _read(file, path)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open the file for reading and appending, alone."""
    is_new = not path.exists()
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if is_new:
            _sync_folder(path.parent)
        yield file


def _read(file: IO[bytes], path: Path) -> _History:
    open_: Question | None = None
    answers: list[Answer] = []
    file.seek(0)
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            break  # a killed writer has left it
        try:
            record = json.loads(line)
            match record.pop("event"):
                case "asked":
                    bounds = read_changeable(record.pop("changeable", {}))
                    open_ = Question(**record, changeable=bounds)
                case "withdrawn":
                    open_ = None
                case "decided":
                    change = change_of(**record.pop("change", {}))
                    answers.append(Answer(**record, change=change))
                    open_ = None
                case other:
                    raise ValueError(f"unknown event {other!r}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}, is no question and no answer: {error}") from error
    return _History(open_, tuple(answers))


def _append(file: IO[bytes], event: str, record: dict[str, Any]) -> None:
    """Write one line to the disk."""
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.write(json.dumps({"event": event, **record}).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the disk know of a new file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_text(name: str, text: str) -> None:
    """Raise a ValueError where a name or a reason is no single line of printable characters, or too long."""
    is_line = all(unicodedata.category(sign) not in _REFUSED and sign not in _TURNS for sign in text)
    if len(text) > MOST_CHARACTERS or not is_line:
        raise ValueError(f"{name} must be one line of at most {MOST_CHARACTERS} printable characters, got {text!r:.60}")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
