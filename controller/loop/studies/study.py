"""A study: what is measured of a judged fix when everything else is done, and decides nothing."""

from dataclasses import dataclass
from typing import Protocol

from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.results.loop_json import Round
from controller.stages.model import Model
from controller.verdict.arm_scores import Arm
from controller.verdict.promise import Promise


@dataclass(frozen=True, slots=True)
class JudgedFix:
    """A fix that was judged, with all that a study may train or measure again."""

    number: int
    """Number of its round."""
    champion: Model
    """The model that the round opened with."""
    proposal: ProposedRound
    agreed: Promise
    """Endpoint and guards."""
    arms: tuple[Arm, ...]
    """Arms of the verdict, the fix first."""


class Study(Protocol):
    """Trainings or measurements that describe a fix. They come last, so they take nothing of a budget from what
    decides; their stages are kept, so a finished run may add one afterwards."""

    def describe(self, run: Run, fix: JudgedFix, played: Round) -> Round:
        """The round with what was found: in `Round.studies` under a name, or where `loop.json` has a place for it."""
        ...
