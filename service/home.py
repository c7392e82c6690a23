"""The home of a service: one folder with all that it keeps."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.settings import Serve


@dataclass(frozen=True, slots=True)
class Home:
    """Places in the home."""

    folder: Path
    """Absolute."""
    database: str
    """SQLAlchemy's URL of the service's database."""
    queue: str
    """URL of the database of the queue."""
    is_shared: bool
    """Whether several servers may use the home at a time."""

    @property
    def runs(self) -> Path:
        """Folder of the run directories, each named by its loop."""
        return self.folder / "runs"

    @property
    def recipes(self) -> Path:
        return self.folder / "recipes"

    @property
    def secret(self) -> Path:
        """Key that signs sessions."""
        return self.folder / "secret"

    @property
    def audit(self) -> Path:
        """Who did what."""
        return self.folder / "audit.jsonl"


def home_of(serve: Serve) -> Home:
    """The home that the settings name; nothing is made."""
    folder = Path(serve.home).expanduser().absolute()
    if serve.database is None:
        return Home(folder, f"sqlite:///{folder / 'service.db'}", f"sqlite:///{folder / 'queue.db'}", False)
    return Home(folder, serve.database.replace("postgresql:", "postgresql+psycopg:", 1), serve.database, True)


def make_home(home: Home) -> None:
    """Make the folders of the home, readable by their owner alone.

    Raises:
        ValueError: they cannot be made.
    """
    try:
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.runs.mkdir(exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"serve.home {home.folder} cannot be a folder that is written to: {error.strerror}; choose another"
        ) from error


@contextmanager
def held(home: Home, about: str) -> Iterator[None]:
    """Hold the home as its only server; one on a database that is shared holds nothing.

    Args:
        home: Home to hold.
        about: What another server that finds it held is told of this one.

    Raises:
        ValueError: another process holds it; the message says which one.
    """
    if home.is_shared:
        yield
        return
    with (home.folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"serve.home {home.folder} has a server already: {file.read().strip() or 'unknown'}; stop it, choose "
                "another serve.home, or set serve.database for several servers"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}, {about}")
        file.flush()
        yield
