"""Processes of loops: each a process group that dies with the server and writes to a log of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

POLL_S = 0.25


class Processes:
    """Starts processes, all from one thread: Linux takes the death of a thread for that of the children's parent."""

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def start(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> "LoopProcess":
        """Start a process in a folder; what it says is added to the log."""
        return self._starter.submit(LoopProcess, words, folder, environment, log).result()

    def close(self) -> None:
        self._starter.shutdown()


class LoopProcess:
    """A process of a loop."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def watch(self, is_to_end: Callable[[], bool], grace: float) -> int:
        """Wait for the end of the process; of one that is to end, SIGINT asks for it, and SIGKILL does not ask.

        Args:
            is_to_end: Tells about four times a second whether the process is to end.
            grace: Seconds between the two signals.

        Returns:
            Exit code; negative for a signal.
        """
        asked: float | None = None
        while (code := self._waited()) is None:
            if asked is None and is_to_end():
                asked = time.monotonic()
                self._process.send_signal(signal.SIGINT)
            if asked is not None and time.monotonic() - asked > grace:
                self._kill()
        self._kill()  # what it may have left of its group
        return code

    def _waited(self) -> int | None:
        try:
            return self._process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            return None

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
