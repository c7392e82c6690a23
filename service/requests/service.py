"""What may be asked of loops."""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from controller.engine.journal.approvals import (
    APPROVALS_FILE,
    Decided,
    Decision,
    Question,
    check_text,
    decide,
    waiting,
)
from controller.engine.journal.changes import UNCHANGED
from controller.engine.journal.changes import Change as ProposalChange
from service.home import Home
from service.loops.recipes import checked, read_recipe, shown, words_of
from service.loops.states import RESUMABLE, State
from service.requests.errors import Conflict, Unknown
from service.runs.comparing import SELECT_FILE, Change, Model, changes, ended_with
from service.runs.found import Submitted, found_run, write_submitted
from service.runs.looks import LEDGER_FILE, Looked, read_looks
from service.runs.places import file_of
from service.runs.reading import LOOP_FILE, RunRecord, is_asked, read_run
from service.runs.rounds import read_result
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop, new_loop

LOOP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be answered on one proposal."""

    decision: Decision
    round: int
    proposal: str
    """Hash of its content."""
    why: str
    change: ProposalChange = UNCHANGED
    """What is taken away from it before it is approved."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A loop against the first one."""

    loop: str
    model: Model
    changes: Sequence[Change]


class Service:
    """The service of a home."""

    def __init__(self, home: Home, database: Database) -> None:
        self._home, self._database = home, database

    def submit(self, recipe: str, fields: Mapping[str, object], submitted_by: str) -> Loop:
        """Put a new loop into the queue.

        Raises:
            ValueError: there is no such recipe, or a field is not one that it opens, or out of its bounds.
        """
        asked = read_recipe(self._home.recipes, recipe)
        values = checked(asked, fields)
        words = words_of(asked, values, self._home.recipes)
        submitted = Submitted(recipe, values, tuple(words), submitted_by, time.time())
        loop = new_loop(f"{recipe}-{secrets.token_hex(4)}", submitted, State.QUEUED)
        assert loops.add(self._database, loop), "no other loop has a random id"
        write_submitted(self._home.runs / loop.id, submitted)
        return loop

    def loop(self, loop_id: str) -> Loop:
        """The loop of an id.

        Raises:
            Unknown: there is none.
        """
        found = loops.get(self._database, loop_id) if LOOP_ID.fullmatch(loop_id) else None
        if found is None:
            near = get_close_matches(loop_id[:64], loops.ids(self._database), n=1)
            hint = f"did you mean '{near[0]}'?" if near else "evalmend status lists all"
            raise Unknown(f"unknown loop {shown(loop_id)}; {hint}")
        return found

    @property
    def recipes(self) -> Path:
        """Folder of the recipes."""
        return self._home.recipes

    def run_dir(self, loop_id: str) -> Path:
        """Run directory of a loop that is known."""
        return self._home.runs / loop_id

    def file(self, loop: Loop, name: str) -> Path | None:
        """A file of a loop's run directory; None where it has none, or a link leads elsewhere."""
        return file_of(self._home.runs, loop.id, name)

    def result(self, loop: Loop) -> Mapping[str, Any]:
        """`loop.json` of a loop; nothing before its first round."""
        path = self.file(loop, LOOP_FILE)
        return {} if path is None else read_result(path)

    def read(self, loop: Loop) -> RunRecord:
        """What the run directory of a loop says now."""
        return read_run(self._home.runs / loop.id)

    def cancel(self, loop_id: str) -> Loop:
        """Cancel a loop: at once where no process of it runs, else as soon as that has ended.

        Raises:
            Unknown: there is none.
            Conflict: it is over.
        """
        loop = self.loop(loop_id)
        if not loops.cancel(self._database, loop_id):
            raise Conflict(f"loop {loop_id} is {self.loop(loop_id).state}, and cannot be cancelled")
        return self.loop(loop.id)

    def resume(self, loop_id: str) -> Loop:
        """Put a loop that stopped, failed or was cancelled back into the queue; what it has done is not done again.

        Raises:
            Unknown: there is none.
            Conflict: it is in another state, or it is not known how it was started.
        """
        loop = self.loop(loop_id)
        if not loop.words:
            raise Conflict(f"loop {loop_id} was found in the home, and it is not known how it was started")
        if not loops.requeue(self._database, loop_id):
            states = ", ".join(sorted(RESUMABLE))
            raise Conflict(f"loop {loop_id} is {self.loop(loop_id).state}; what is {states} can be resumed")
        return self.loop(loop_id)

    def proposal(self, loop: Loop) -> Question | None:
        """The proposal that a loop waits with; None where it waits with none.

        Raises:
            Conflict: the questions and answers of its run directory cannot be read.
        """
        path = self.file(loop, APPROVALS_FILE)
        try:
            return None if path is None else waiting(path.parent)
        except ValueError as error:
            raise Conflict(f"{APPROVALS_FILE} of loop {loop.id} cannot be read") from error

    def decide(self, loop_id: str, answer: Wish, by: str) -> Decided:
        """Answer the proposal that a loop waits with; one that has this answer already keeps it as it was given.

        Raises:
            Unknown: there is no such loop.
            Conflict: another proposal waits, or none, or it was decided otherwise, or the change is out of its bounds.
            ValueError: the reason is no line of text.
        """
        loop = self.loop(loop_id)
        check_text("why", answer.why)
        path = self.file(loop, APPROVALS_FILE)
        if path is None:
            raise Conflict(f"loop {loop.id} has never asked for approval")
        run_dir = path.parent
        try:
            return decide(
                run_dir,
                answer.decision,
                by,
                answer.why,
                round_number=answer.round,
                proposal=answer.proposal,
                change=answer.change,
            )
        except ValueError as error:
            raise Conflict(str(error).replace(str(run_dir), f"loop {loop.id}")) from error

    def compare(self, loop_ids: Sequence[str]) -> list[Compared]:
        """Compare what loops have ended with: each with the first, on the items that both answered.

        Raises:
            Unknown: there is no loop of an id.
            Conflict: a loop has no answers yet, or they cannot be read.
        """
        found = []
        for loop in [self.loop(one) for one in loop_ids]:
            path = self.file(loop, SELECT_FILE)
            if path is None:
                raise Conflict(f"loop {loop.id} has judged nothing yet, and cannot be compared")
            found.append((loop.id, path, ended_with(self.result(loop))))
        try:
            first = found[0]
            return [Compared(name, model, changes(*first[1:], path, model)) for name, path, model in found[1:]]
        except (OSError, ValueError, LookupError) as error:
            raise Conflict("the answers of a loop cannot be read; they may be written just now") from error

    def looks(self) -> list[Looked]:
        """Looks of all judgements of the home, by the items that they looked at."""
        return read_looks(self._home.runs / LEDGER_FILE)

    def find_runs(self) -> int:
        """Enter the runs that lie in the home and the database does not know; the number of them."""
        known = set(loops.ids(self._database))
        folders = sorted(folder for folder in self._home.runs.iterdir() if folder.is_dir() and folder.name not in known)
        num_found = 0
        for folder in folders:
            name, submitted = folder.name, found_run(folder)
            if submitted is None or not LOOP_ID.fullmatch(name):
                continue
            seen = read_run(folder)
            idle = State.WAITING if is_asked(folder) else State.STOPPED
            found = new_loop(name, submitted, State.ENDED if seen.is_over else idle)
            num_found += loops.add(self._database, found)
            loops.see(self._database, name, asdict(seen))
        return num_found
