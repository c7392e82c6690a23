"""What one test found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.finding.forms import Form
from evals.items import ItemKey

SETTLED = 0.5
"""Share of failures that a test must explain: the definition of `format` and `shortcut`."""


@dataclass(frozen=True, slots=True)
class DeniedRow:
    """A training row that may leave the corpus: of those of one test at least nine in ten have a wrong label."""

    id: str
    label: str
    """That it may have instead, single spaces between words: of those of one test at least nine in ten are right. Empty
    where so many cannot be shown to be."""


@dataclass(frozen=True, slots=True)
class Evidence:
    test: str
    values: Mapping[str, float]
    """Finite; what `diagnose.finding.causes` reads. A test that does not apply leaves its values out."""
    says: str
    """A sentence for people, numbers included."""
    num_tokens: int = 0
    """Through a forward pass of the model."""
    seconds: float = field(default=0.0, compare=False)
    items: tuple[ItemKey, ...] = field(default=())
    """Probe items that it points at."""
    rows: tuple[str, ...] = field(default=())
    """Ids of the training rows that it points at."""
    forms: tuple[Form, ...] = field(default=())
    """In which the failed items come right: from the training's to the evaluation's."""
    denied: tuple[DeniedRow, ...] = field(default=())
    """Rows of the slice whose label is shown to be wrong."""
