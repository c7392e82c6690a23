"""Errors that the user can correct, each a `ValueError` that our own code raised about its input, and the end of the
budget, which is no error."""

from concurrent.futures.process import _RemoteTraceback
from pathlib import Path
from types import TracebackType

from controller.engine.versions import PACKAGES, ROOT

OURS = (*PACKAGES, "service")
"""Packages whose `ValueError`s are about what a user gave."""


class BudgetSpent(Exception):  # noqa: N818  # an end of the loop, not an error
    """A limit of `budget.*` is reached; the message names the key, the limit and the work that would pass it."""


def is_user_error(error: BaseException) -> bool:
    """Whether one line is enough; the same type from inside a library is a defect and keeps its traceback."""
    if not isinstance(error, ValueError):
        return False
    if isinstance(error.__cause__, _RemoteTraceback):  # workers let only such errors through as they are
        return True
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    raised_in = Path(last.tb_frame.f_code.co_filename)
    return any(raised_in.is_relative_to(ROOT / package) for package in OURS)
