"""What will be changed and why, before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from diagnose.slices.predicate import Slice
from interventions.mix.diversity import DiversityChange


@dataclass(frozen=True, slots=True)
class Action:
    kind: str
    """`reweight`, `retrieve`, ...: the module of `interventions` that carries it out."""
    slice: Slice
    """Training rows that it acts on."""
    items: Slice
    """Evaluation items that it should fix; the endpoint is measured on them."""
    num_added: int
    num_removed: int
    num_reweighted: int
    share: float
    """Share of the draws that the rows of the action get, in [0, 1); 0 where rows only leave."""
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    actions: tuple[Action, ...]
    reason: str
    """Why these actions; or why there are none."""
    blocked: Mapping[str, str]
    """Ids of rows that the quality gate kept out, each with the reason, for `blocked-<round>.jsonl`."""

    diversity: DiversityChange | None = None
    """Of what is trained on; None where nothing is changed."""
    taken: float = 0.0
    """Share of the draws that the corpus's other rows lose."""
    is_share_told: bool = True
    """Whether a user or the answers say what share added rows should have; where not, small trainings are asked."""

    @property
    def keys(self) -> list[str]:
        """What it does where: a plan that was judged is not proposed again."""
        return [f"{action.kind}: {action.slice}" for action in self.actions]
