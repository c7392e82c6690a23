"""What waits to be sent, and what was told already: a file of the run folder, whole at every moment.

A loop that is killed, or whose server is lost, leaves here what MLflow has not got; the same command sends it. Events
come again when a loop is played again: each is told once, by a key of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from controller.engine.hashes import hash_of
from controller.engine.whole_file import write_whole
from controller.results.tracking.writes import Write

OUTBOX_FILE = "mlflow.json"


@dataclass
class _State:
    address: str
    """Hash of the address, which may hold a password."""
    ids: dict[str, str] = field(default_factory=dict)
    """MLflow's run ids by our keys."""
    told: list[str] = field(default_factory=list)
    waiting: list[Write] = field(default_factory=list)
    page: str = ""
    """Address of the loop's page in MLflow; empty where no server shows one."""


_ADAPTER = TypeAdapter(_State)


class Outbox:
    """Writes in their order; another address than before begins anew."""

    def __init__(self, run_dir: Path, address: str) -> None:
        self._file = run_dir / OUTBOX_FILE
        self._address = hash_of(address)
        self._state = _State(self._address)
        if self._file.is_file():
            found = _ADAPTER.validate_json(self._file.read_bytes())
            if found.address == self._address:
                self._state = found

    @property
    def ids(self) -> dict[str, str]:
        return self._state.ids

    @property
    def first(self) -> Write | None:
        """Write that is to be sent next; None where all is sent."""
        return self._state.waiting[0] if self._state.waiting else None

    def is_told(self, key: str) -> bool:
        return key in self._state.told

    def put(self, writes: Iterable[Write], key: str | None = None) -> None:
        """Have writes wait; those of a key that was told are not told again."""
        if key is not None:
            if key in self._state.told:
                return
            self._state.told.append(key)
        self._state.waiting += writes
        self._save()

    def sent(self, run: str, run_id: str | None) -> None:
        """Strike off the first write, which made the run `run_id` where that is given."""
        self._state.waiting.pop(0)
        if run_id is not None:
            self._state.ids[run] = run_id
        self._save()

    def shown_at(self, page: str) -> None:
        """Note the address of the loop's page."""
        if page != self._state.page:
            self._state.page = page
            self._save()

    def forget(self) -> None:
        """Begin anew: MLflow does not know the runs any more."""
        self._state = _State(self._address)
        self._save()

    def _save(self) -> None:
        write_whole(self._file, _ADAPTER.dump_json(self._state, indent=1))
