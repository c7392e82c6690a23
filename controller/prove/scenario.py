"""A scenario: which defects are planted where. Its fields are the keys `prove.scenario.<field>`, its files are
`conf/scenario/*.yaml`; a scenario of a user's own is one more such file."""

from dataclasses import dataclass, field, replace

from diagnose.finding.finding import Cause
from evals.validation import one_of


@dataclass
class Defects:
    """What is done to the data of one skill; the defaults do nothing. Several together are several defects."""

    train_rows: int | None = None
    """Rows in the corpus; unset means as many as teach the skill."""
    pool_rows: int = 400
    pool_share: float | None = None
    """Of the pool that its rows make up at most: `pool_rows` are cut to it."""
    misread_share: float = 0.0
    """Of its rows in the corpus that have the answer of a misreading."""
    is_cued: bool = False
    """Its rows in the corpus show their answer beside the question; items, and half of the pool's rows, show that
    of another question."""
    is_dressed: bool = False
    """Its rows give the answer in a fixed form that the evaluation does not have."""
    flood_share: float = 0.0
    """Of the whole corpus that copies of a few of its rows take up."""
    flood_rows: int = 20
    """How many rows are copied."""
    leaked_items: int = 0
    """Evaluation items that stand in corpus and pool, every other one in other words."""
    wrong_gold_share: float = 0.0
    """Of its items whose gold is the answer of a misreading."""
    trap_share: float = 0.0
    """Of its rows in the pool that are in truth rows of the other named skill with the answer of a misreading."""

    def __post_init__(self) -> None:
        for key in ("misread_share", "flood_share", "wrong_gold_share", "trap_share"):
            share = getattr(self, key)
            if not 0 <= share < 1:
                raise ValueError(f"prove.scenario.*.{key} must be in [0, 1), got {share}")
        if self.pool_share is not None and not 0 <= self.pool_share < 1:
            raise ValueError(f"prove.scenario.*.pool_share must be in [0, 1), got {self.pool_share}")
        for key in ("pool_rows", "leaked_items", "flood_rows"):
            if getattr(self, key) < 0:
                raise ValueError(f"prove.scenario.*.{key} must not be negative, got {getattr(self, key)}")
        if self.train_rows is not None and self.train_rows < 0:
            raise ValueError(f"prove.scenario.*.train_rows must not be negative, got {self.train_rows}")

    @property
    def is_planted(self) -> bool:
        """Whether anything is wrong; the size of the pool and of a flood that is not there are not."""
        return replace(self, pool_rows=Defects.pool_rows, pool_share=None, flood_rows=Defects.flood_rows) != Defects()


@dataclass
class Scenario:
    """Defects in the world's `target` skill, and in its `second` one."""

    name: str = ""
    target: Defects = field(default_factory=Defects)
    second: Defects = field(default_factory=Defects)
    causes: list[str] = field(default_factory=list)
    """True causes by the definitions, the first in their order first; where retraining has verified them for a
    world (`controller/prove/verified.json`), what it found stands instead."""
    has_pool: bool = True
    """Whether there is further data at all."""
    is_settled_by_data: bool = False
    """Whether a repaired corpus cures it: then there is an oracle to be measured by."""

    def __post_init__(self) -> None:
        for cause in self.causes:
            one_of("prove.scenario.causes", cause, tuple(Cause))
        if (both := (self.target.pool_share or 0) + (self.second.pool_share or 0)) >= 1:
            raise ValueError(
                f"prove.scenario.target.pool_share and .second.pool_share must leave some of the pool to others, got "
                f"{both:g} together"
            )
