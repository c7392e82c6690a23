"""Artifacts: what a stage left on disk, with the key of its content."""

from dataclasses import dataclass, field
from pathlib import Path

from evals.validation import FREE


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder that another stage reads; its path is not part of a key, since a run may be moved."""

    folder: Path = field(metadata=FREE)
    digest: str
    """Key of the content: that of the stage that made it, or a hash of the files."""


@dataclass(frozen=True, slots=True)
class Data(Artifact):
    """A folder of rows: a corpus, a pool or a mix."""

    num_rows: int = field(metadata=FREE)
    source: str = field(metadata=FREE)
    """Where the rows came from, for people."""
