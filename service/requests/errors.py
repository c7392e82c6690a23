"""What a request cannot be answered for, whoever asks."""


class Unknown(ValueError):  # noqa: N818  # what was asked for is
    """There is nothing of the name that was asked for."""


class Conflict(ValueError):  # noqa: N818
    """What was asked for cannot be done in the state that the loop is in."""
