"""Settings of the proving ground: those of the loop, and `prove.*`, which no loop can hold."""

from dataclasses import dataclass, field

from controller.prove.scenario import Scenario
from controller.settings import LoopSettings
from evals.validation import one_of


@dataclass
class Prove:
    """`prove.*`: the proving ground."""

    scenario: Scenario = field(default_factory=Scenario)
    world: str = ""
    """World whose skills are learned (`conf/world/`)."""
    data: str | None = None
    """Folder with the data of a world of real data: `trec_qc/` for questions, `external/cad_sentiment/` for reviews."""
    small_arch: dict[str, int] = field(default_factory=dict)
    """Fields of `model.arch` of a model that is too small for the world."""
    flood_share: float = 0.965
    """Share of the corpus that copies must take up in this world to drown its other skills."""
    vary: bool = False
    """Whether width, depth, learning rate and length of training vary by `seed`: no rule should rest on one recipe."""
    oracle_seeds: int = 5
    """Trainings of the oracle, on a repaired corpus, at least 2."""
    stop: str | None = None
    """Where to stop; diagnosis: after the plan, before any arm is trained."""

    def __post_init__(self) -> None:
        if self.stop is not None:
            one_of("prove.stop", self.stop, ("diagnosis",))
        if self.oracle_seeds < 2:
            raise ValueError(f"prove.oracle_seeds must be at least 2, got {self.oracle_seeds}; an interval needs them")


@dataclass
class ProveSettings(LoopSettings):
    prove: Prove = field(default_factory=Prove)
