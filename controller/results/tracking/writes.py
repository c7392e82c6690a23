"""What is to be written to MLflow, as values: they can wait in a file until a server answers.

Runs are named by keys of ours (`loop`, `round-0`, `round-0/train`); their ids are known only once MLflow has made them.
Times are milliseconds since the epoch, as MLflow has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

LOOP, SWEEP = "loop", "sweep"
"""Keys of the runs of the loop and of its sweep."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    run: str
    name: str
    parent: str | None
    """Key of the run that this one stands below."""
    tags: Mapping[str, str]
    time: int
    kind: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class OpenSweep:
    """Find the run that stands above all jobs of a sweep; the first job makes it."""

    run: str
    sweep: str
    """Name of the sweep, by which it is found."""
    name: str
    tags: Mapping[str, str]
    time: int
    kind: Literal["sweep"] = "sweep"


@dataclass(frozen=True, slots=True)
class Reopen:
    run: str
    kind: Literal["reopen"] = "reopen"


@dataclass(frozen=True, slots=True)
class Pause:
    """A run waits for a person: MLflow shows it as one that is still to come, and no process works at it."""

    run: str
    kind: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True)
class Params:
    """Values that MLflow keeps for good; those that a run already has are left as they are."""

    run: str
    values: Mapping[str, str]
    kind: Literal["params"] = "params"


@dataclass(frozen=True, slots=True)
class Tags:
    run: str
    values: Mapping[str, str]
    kind: Literal["tags"] = "tags"


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a curve."""

    name: str
    value: float
    step: int
    """Number of the round, but of `score` and `challenger` the number of rounds played."""


@dataclass(frozen=True, slots=True)
class Metrics:
    run: str
    points: tuple[Point, ...]
    time: int
    kind: Literal["metrics"] = "metrics"


@dataclass(frozen=True, slots=True)
class Input:
    """A data set that the run works with."""

    run: str
    name: str
    context: str
    """Use of the data: corpus, pool, or items."""
    digest: str
    source: str
    profile: Mapping[str, int]
    kind: Literal["input"] = "input"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the run folder; one that is gone when it is sent is left out."""

    run: str
    path: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class Text:
    run: str
    name: str
    """Name of the file that the text becomes."""
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class NameModel:
    """A new version of a registered model, with an alias."""

    run: str
    model: str
    alias: str
    round: int
    folder: str
    kind: Literal["model"] = "model"


@dataclass(frozen=True, slots=True)
class SumUp:
    """Have the run of a sweep show the best of those below it."""

    run: str
    metric: str
    """Metric that is best when largest."""
    metrics: tuple[str, ...]
    """Metrics and tags of the best that the sweep's run shows as its own."""
    tags: tuple[str, ...]
    kind: Literal["sum"] = "sum"


@dataclass(frozen=True, slots=True)
class Close:
    run: str
    status: str
    """FINISHED, FAILED or KILLED."""
    time: int
    kind: Literal["close"] = "close"


Write = Annotated[
    OpenRun | OpenSweep | Reopen | Pause | Params | Tags | Metrics | Input | File | Text | NameModel | SumUp | Close,
    Field(discriminator="kind"),
]
