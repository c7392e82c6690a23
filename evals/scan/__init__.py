"""SCAN with a starved primitive: corpus, pool and items, and a task for each primitive.

SCAN (Lake and Baroni 2018, arXiv 1711.00350) maps commands such as `jump twice` to action sequences. From its
simple split the corpus loses every command with `jump` but a few, the pool keeps them, and the evaluation
asks for them: what a model cannot do is known beforehand, and so is the data that would help. Pure functions
of the split's rows; milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

STARVED = "jump"
PRIMITIVES = ("walk", "run", "look")
"""Those that are well fed; a task for each."""

Row = dict[str, str]
"""prompt (the command), completion (the actions) and primitive (the first one of the command, or `turn`)."""


@dataclass(frozen=True, slots=True)
class ScanJump:
    train: tuple[Row, ...]
    pool: tuple[Row, ...]
    items: Mapping[str, tuple[Row, ...]]
    """By task. `scan_others` holds all items without `jump`, the others those with their first primitive."""


def scan_jump(
    train_split: Iterable[Mapping[str, str]],
    test_split: Iterable[Mapping[str, str]],
    *,
    num_starved: int,
    num_held_out: int,
    max_actions: int,
    seed: int,
) -> ScanJump:
    """Corpus, pool and items of the simple split.

    Args:
        train_split: Rows with `command` and `actions`.
        test_split: Likewise; becomes items.
        num_starved: Rows with `jump` that the corpus keeps.
        num_held_out: Rows with `jump` of the training split that join the items: the gate needs about 900
            `select` items to see a gain of .05.
        max_actions: Longer rows are left out everywhere.
        seed: Of the choice of rows.

    Raises:
        ValueError: a row has neither form of the fields, or the split has too few rows with `jump`.
    """
    rows = [row for row in map(_row, train_split) if len(row["completion"].split()) <= max_actions]
    starved = [row for row in rows if _has(row, STARVED)]
    if len(starved) < num_starved + num_held_out:
        raise ValueError(
            f"corpus.num_starved {num_starved} and corpus.num_held_out {num_held_out} need as many rows with "
            f"'{STARVED}', the training split has {len(starved)} of at most {max_actions} actions"
        )
    rng = Random(seed)
    rng.shuffle(starved)
    held_out, kept = starved[:num_held_out], starved[num_held_out : num_held_out + num_starved]
    away = {row["prompt"] for row in held_out}
    train = [*(row for row in rows if not _has(row, STARVED)), *kept]
    rng.shuffle(train)
    pool = [row for row in rows if row["prompt"] not in away]
    asked = [row for row in map(_row, test_split) if len(row["completion"].split()) <= max_actions]
    others = [row for row in asked if not _has(row, STARVED)]
    items: dict[str, tuple[Row, ...]] = {
        f"scan_{STARVED}": (*(row for row in asked if _has(row, STARVED)), *held_out),
        "scan_others": tuple(others),
    }
    for primitive in PRIMITIVES:
        items[f"scan_{primitive}"] = tuple(row for row in others if row["primitive"] == primitive)
    return ScanJump(tuple(train), tuple(pool), items)


def _row(row: Mapping[str, str]) -> Row:
    """From the distributed files (`command`) or the hub (`commands`); both call the answer `actions`."""
    command = row.get("command", row.get("commands"))
    actions = row.get("actions")
    if command is None or actions is None:
        raise ValueError(f"a SCAN row needs command and actions, this one has {', '.join(row)}")
    return {"prompt": command, "completion": actions, "primitive": _primitive(command.split())}


def _primitive(words: Sequence[str]) -> str:
    return next((word for word in words if word in (STARVED, *PRIMITIVES)), "turn")


def _has(row: Row, word: str) -> bool:
    return word in row["prompt"].split()
