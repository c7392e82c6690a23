"""What one test found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.forms import Form

SETTLED = 0.5
"""Share of failures that a test must explain: the definition of `format` and `shortcut`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    test: str
    values: Mapping[str, float]
    """Finite; what `diagnose.causes` reads. A test that does not apply leaves its values out."""
    says: str
    """A sentence for people, numbers included."""
    num_tokens: int = 0
    """Through a forward pass of the model."""
    seconds: float = field(default=0.0, compare=False)
    items: tuple[str, ...] = field(default=())
    """Ids of the probe items that it points at."""
    rows: tuple[str, ...] = field(default=())
    """Ids of the training rows that it points at."""
    forms: tuple[Form, ...] = field(default=())
    """In which the failed items come right: from the training's to the evaluation's."""
