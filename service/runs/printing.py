"""Text of models, rows and logs as a terminal is given it."""


def printable(line: str) -> str:
    """A line without what a terminal would take for commands."""
    return "".join(letter for letter in line if letter.isprintable())
