"""Plan of what will be changed and why, before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from diagnose.slices.predicate import Slice
from interventions.mix.diversity import DiversityChange


@dataclass(frozen=True, slots=True)
class Action:
    kind: str
    """Kind of action: the module of `interventions.fixes` that carries it out, or `relabel`, which `clean` does."""
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
    """Why these actions, or why there are none."""
    blocked: Mapping[str, str]
    """Ids of rows that the quality gate kept out, each with the reason, for `blocked-<round>.jsonl`."""

    diversity: DiversityChange | None = None
    """Change of diversity from the corpus to the mix; None where nothing is changed."""
    taken: float = 0.0
    """Share of the draws that the corpus's other rows lose."""
    is_share_told: bool = True
    """Whether a user or the answers determine the share of added rows; if not, pilot trainings do."""

    @property
    def keys(self) -> list[str]:
        """Kind and slice of each action; a plan whose keys were judged is not proposed again."""
        return [f"{action.kind}: {action.slice}" for action in self.actions]

    @property
    def distinct_keys(self) -> tuple[str, ...]:
        """Its keys, each once: rows that leave and those made in their place are actions of one key."""
        return tuple(dict.fromkeys(self.keys))
