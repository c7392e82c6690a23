"""States of a loop."""

from enum import StrEnum

from controller.cli.nights.night_json import WORSE_CODE


class State(StrEnum):
    """What a loop is doing; the words are in the database and in answers."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """A proposal waits for a person; no process runs."""
    STOPPED = "stopped"
    """Interrupted by something else than the service; can be resumed."""
    ENDED = "ended"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = frozenset({State.QUEUED, State.RUNNING, State.WAITING})
"""States that can be cancelled."""
RESUMABLE = frozenset({State.STOPPED, State.FAILED, State.CANCELLED})
"""States that a loop can be put back into the queue from."""


def state_after(code: int, is_cancelled: bool, is_server_ending: bool) -> State:
    """State after a process of the loop.

    Args:
        code: Exit code; negative for a signal.
        is_cancelled: Whether a person had asked for its end.
        is_server_ending: Whether the server had ended it, to be gone on with at its next start.
    """
    if code in (0, WORSE_CODE):
        return State.ENDED
    if is_cancelled:
        return State.CANCELLED
    if code == 3:
        return State.WAITING
    if is_server_ending:
        return State.QUEUED
    return State.STOPPED if code in (130, -2) else State.FAILED
