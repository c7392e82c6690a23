"""What one test found."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
