"""Evidence: the result of one test."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.finding.forms import Form
from diagnose.slices.predicate import Slice
from evals.items import ItemKey

SETTLED = 0.5
"""Share of failures that a test must explain; by definition that of `format` and `shortcut`."""


@dataclass(frozen=True, slots=True)
class DeniedRow:
    """A training row that may leave the corpus: at least nine in ten of those of one test have a wrong label."""

    id: str
    label: str
    """Label that it may have instead, single spaces between words: at least nine in ten of those of one test are right.
    Empty where that cannot be shown."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A test that was not made."""

    test: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    test: str
    values: Mapping[str, float]
    """Finite numbers by name, for `diagnose.finding.causes`. A test that does not apply leaves its values out."""
    says: str
    """Sentence for people, numbers included."""
    num_tokens: int = 0
    """Tokens through a forward pass of the model."""
    seconds: float = field(default=0.0, compare=False)
    items: tuple[ItemKey, ...] = field(default=())
    """Probe items that the test points at."""
    rows: tuple[str, ...] = field(default=())
    """Ids of the training rows that the test points at."""
    guesses: tuple[str, ...] = field(default=())
    """Label that a classifier gives each of these rows in the place of its own; empty where answers are no labels."""
    forms: tuple[Form, ...] = field(default=())
    """Forms in which the failed items come right, from the training's to the evaluation's."""
    denied: tuple[DeniedRow, ...] = field(default=())
    """Rows of the slice whose label is shown to be wrong."""
    blames: Slice | None = None
    """Training rows that the test blames, where these are others than the data slice."""
