"""`evalmend approve` and `evalmend reject`: answer a loop that waits (`controller.approval=ask`)."""

import getpass
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from controller.engine.journal.approvals import Decision, decide
from controller.engine.journal.changes import Change, change_of

DECISIONS: dict[str, Decision] = {"approve": "approved", "reject": "rejected"}
"""What each verb decides."""
OPTIONS = ("by", "why", "round", "proposal", "leave_out", "scale")


def answer_lines(verb: str, words: Sequence[str]) -> Iterator[str]:
    """Decide what waits in a run directory, and say what stands now.

    Args:
        verb: `approve` or `reject`.
        words: Run directory, and `key=value` of `OPTIONS`.

    Raises:
        ValueError: the words are none of these, or the decision is refused.
    """
    folders, options = _parsed(verb, words)
    if len(folders) != 1:
        raise ValueError(
            f"evalmend {verb} needs one run directory, got {len(folders)}; for example: evalmend {verb} "
            f'runs/starter-1a2b3c4d why="..."'
        )
    number = options.get("round")
    if number is not None and not number.isdecimal():
        raise ValueError(f"round must be the number of a round, got {number!r}")
    decided = decide(
        Path(folders[0]),
        DECISIONS[verb],
        options.get("by") or _user(),
        options.get("why", ""),
        round_number=int(number) if number is not None else None,
        proposal=options.get("proposal"),
        change=_change(options),
    )
    answer = decided.answer
    yield f"round {answer.round} of {folders[0]}, proposal {answer.proposal}: {answer.in_words}"
    if not decided.is_new:
        yield "it was decided before, and nothing is changed"
    elif answer.is_approval:
        yield "the command that began the loop trains and judges it"
    else:
        yield "the command that began the loop goes on without it"


def _change(options: Mapping[str, str]) -> Change:
    places = options.get("leave_out", "").split(",") if "leave_out" in options else []
    if not all(place.strip().isdecimal() for place in places):
        raise ValueError(f"leave_out must be places of actions, as leave_out=0,2, got {options['leave_out']!r}")
    try:
        scale = float(options.get("scale", "1"))
    except ValueError as error:
        raise ValueError(f"scale must be a number, as scale=0.5, got {options['scale']!r}") from error
    return change_of([int(place) for place in places], scale)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ValueError("the system knows no name of this user; by=NAME says who decides") from error


def _parsed(verb: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    folders: list[str] = []
    options: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if name in OPTIONS and sign:
            if name in options:
                raise ValueError(f"{name} is given twice, {name}={options[name]} and {word}")
            options[name] = value
        elif word.startswith("-") or (sign and not Path(word).exists()):
            near = get_close_matches(name.lstrip("-"), OPTIONS, n=1)
            hint = f"; did you mean {near[0]}=?" if near else f"; it has {', '.join(f'{one}=' for one in OPTIONS)}"
            raise ValueError(f"evalmend {verb} has no option {name}{hint}")
        else:
            folders.append(word)
    return folders, options
