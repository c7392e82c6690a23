"""A row that a maker has written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.rows.pool import COLUMNS


@dataclass(frozen=True, slots=True)
class Row:
    prompt: str
    completion: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """Metadata, as rows of the corpus have it; data slices may be defined by these."""
    parent: str = ""
    """Id of the row that this one was made from, if any."""

    def __post_init__(self) -> None:
        if own := set(self.fields) & set(COLUMNS):
            raise ValueError(f"a program's row must not have a field '{min(own)}', which every row has; rename it")
