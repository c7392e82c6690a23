"""`report-parts.json`: the parts of the report by themselves, for pages that show a run among others.

They are made with the report, in the process that made the result: who shows them draws no picture twice, and needs
nothing of what made them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

PARTS_FILE = "report-parts.json"


@dataclass(frozen=True, slots=True)
class ReportPart:
    """A part of the report."""

    round: int | None
    """Number of its round; None of what is about the loop as a whole."""
    name: str
    """Of a round `diagnosis`, `plan` or `verdict`; of the loop `sealed`, `corpus` or `costs`."""
    html: str
    """Text from data is escaped in it."""


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What the report says, in parts."""

    headline: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers to the questions that a reader comes with."""
    parts: tuple[ReportPart, ...] = ()

    def html(self, name: str, round_number: int | None = None) -> str:
        """A part; empty where there is none."""
        return next((part.html for part in self.parts if (part.name, part.round) == (name, round_number)), "")
