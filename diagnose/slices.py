"""A slice: a predicate that reads the same on an evaluation item and on a training row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROMPT_CONTAINS = "prompt contains"
"""Condition on the text: the value is a run of words that the prompt (or plain text) contains."""


@dataclass(frozen=True, slots=True)
class Slice:
    """All of its conditions hold. Keys are fields (of the document, of a row's metadata, `task`,
    `source`) or `PROMPT_CONTAINS`; an empty slice holds everywhere."""

    conditions: tuple[tuple[str, str], ...]

    def as_dict(self) -> dict[str, str]:
        return dict(self.conditions)

    def __str__(self) -> str:
        return (
            " and ".join(
                f"{key} = {value}" if key != PROMPT_CONTAINS else f"{key} '{value}'"
                for key, value in self.conditions
            )
            or "everything"
        )

    def holds(self, text: str, fields: Mapping[str, Any]) -> bool:
        """Whether a prompt and its fields are in the slice; a missing field is not."""
        words = f" {' '.join(text.split())} "
        return all(
            f" {value} " in words if key == PROMPT_CONTAINS else str(fields.get(key)) == value
            for key, value in self.conditions
        )
