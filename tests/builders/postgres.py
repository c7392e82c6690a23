"""A PostgreSQL of the tests' own: a cluster in a folder, from the binaries of the system."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

SYSTEM = Path("/usr/lib/postgresql")
SPEED = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def binaries() -> Path | None:
    """Folder of `initdb` and `pg_ctl`; None where there is none."""
    folders = [*sorted(SYSTEM.glob("*/bin"), reverse=True), Path(shutil.which("initdb") or "/none").parent]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def cluster(folder_of: Path) -> Iterator["Cluster"]:
    """A running cluster, which ends and leaves nothing; PostgreSQL runs as no root, so another user has the folder."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    prefix: list[str] = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres" if any(one.pw_name == "postgres" for one in pwd.getpwall()) else "nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        prefix = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    made = Cluster(folder, folder_of, prefix)
    try:
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """A cluster that listens on a socket in its folder alone."""

    def __init__(self, folder: Path, bin_: Path, prefix: Sequence[str]) -> None:
        self._folder, self._bin, self._prefix = folder, bin_, prefix
        self._num_made = 0

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://evalmend@/{name}?host={self._folder}"

    def new_database(self) -> str:
        """URL of a new database."""
        self._num_made += 1
        name = f"made{self._num_made}"
        engine = sa.create_engine(self.url().replace(":", "+psycopg:", 1), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self.url(name)

    def make(self) -> None:
        words = ["-U", "evalmend", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
        self._run("initdb", "-D", str(self._folder / "data"), *words)

    def start(self) -> None:
        data = str(self._folder / "data")
        options = f"-k {self._folder} -c listen_addresses='' {SPEED}"
        self._run("pg_ctl", "-D", data, "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "fast", "stop")

    def _run(self, program: str, *words: str) -> None:
        command = [*self._prefix, str(self._bin / program), *words]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.run(command, cwd=self._folder, check=True, **quiet)
