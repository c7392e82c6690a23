"""Scenarios: which defects are planted where. The fields are the keys `prove.scenario.<field>`, the files are
`conf/scenario/*.yaml`; a user's own scenario is one more such file."""

from dataclasses import dataclass, field, replace

from diagnose.finding.finding import Cause
from evals.validation import one_of


@dataclass
class Defects:
    """Defects in the data of one skill; the defaults are none. Several together are several defects."""

    train_rows: int | None = None
    """Number of rows in the corpus; unset means as many as teach the skill."""
    pool_rows: int = 400
    """Number of its rows in the pool."""
    pool_share: float | None = None
    """Largest share of the pool that its rows may make up; `pool_rows` are cut to it."""
    misread_share: float = 0.0
    """Share of its rows in the corpus that have the answer of a misreading."""
    is_cued: bool = False
    """Whether its rows in the corpus show their answer beside the question; items, and half of the pool's rows, then
    show that of another question."""
    is_dressed: bool = False
    """Whether its rows in corpus and pool give the answer in a fixed form that the evaluation does not have."""
    flood_share: float = 0.0
    """Share of the whole corpus that copies of a few of its rows take up."""
    flood_rows: int = 20
    """Number of rows that are copied."""
    leaked_items: int = 0
    """Number of evaluation items that stand in corpus and pool, every other one in other words."""
    wrong_gold_share: float = 0.0
    """Share of its items whose gold is the answer of a misreading."""
    trap_share: float = 0.0
    """Share of its rows in the pool that are really rows of the other named skill with the answer of a misreading."""

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
        """Whether anything is wrong, whatever the size of the pool, or of a flood that is not there."""
        return replace(self, pool_rows=Defects.pool_rows, pool_share=None, flood_rows=Defects.flood_rows) != Defects()


@dataclass
class Scenario:
    """Defects in the world's `target` skill, and in its `second` one."""

    name: str = ""
    """Name of the scenario, as its file is called."""
    target: Defects = field(default_factory=Defects)
    second: Defects = field(default_factory=Defects)
    causes: list[str] = field(default_factory=list)
    """True causes by definition, in the order of precedence; where retraining has verified them for a world
    (`controller/prove/verified.json`), its result is used instead."""
    has_pool: bool = True
    """Whether there is a pool of further data."""
    is_settled_by_data: bool = False
    """Whether a repaired corpus cures it: then an oracle is trained for comparison."""

    def __post_init__(self) -> None:
        for cause in self.causes:
            one_of("prove.scenario.causes", cause, tuple(Cause))
        if (both := (self.target.pool_share or 0) + (self.second.pool_share or 0)) >= 1:
            raise ValueError(
                f"prove.scenario.target.pool_share and .second.pool_share must leave some of the pool to others, got "
                f"{both:g} together"
            )
