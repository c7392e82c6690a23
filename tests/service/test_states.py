"""The state of a loop after its process, from the exit code and from what was asked for."""

import pytest

from service.loops.states import State, state_after


@pytest.mark.parametrize(
    ("code", "cancelled", "ending", "state"),
    [
        (0, False, False, State.ENDED),
        (0, True, True, State.ENDED),  # it had ended before it was asked to
        (3, False, False, State.WAITING),
        (3, False, True, State.WAITING),
        (3, True, False, State.CANCELLED),
        (130, True, False, State.CANCELLED),
        (-9, True, True, State.CANCELLED),
        (130, False, True, State.QUEUED),
        (-9, False, True, State.QUEUED),
        (130, False, False, State.STOPPED),
        (-2, False, False, State.STOPPED),
        (1, False, False, State.FAILED),
        (2, False, False, State.FAILED),
        (-9, False, False, State.FAILED),
    ],
)
def test_the_state_follows_from_code_and_wish(code: int, cancelled: bool, ending: bool, state: State) -> None:
    assert state_after(code, cancelled, ending) is state
