"""Scenarios: which defects are planted where. The fields are the keys `prove.scenario.<field>`, the files are
`conf/scenario/*.yaml`; a user's own scenario is one more such file."""

from dataclasses import dataclass, field, replace

from diagnose.finding.finding import Cause
from evals.validation import not_negative, one_of

MOST_STEPS = 10
"""Largest multiple of a world's steps that a model is trained for."""


@dataclass
class Defects:
    """Defects in the data of one skill; the defaults are none. Several together are several defects."""

    train_rows: int | None = None
    """Number of rows in the corpus; unset means as many as teach the skill."""
    kept_share: float = 1.0
    """Share of these rows that is in the corpus."""
    pool_rows: int = 400
    """Number of its rows in the pool."""
    pool_share: float | None = None
    """Largest share of the pool that its rows may make up; `pool_rows` are cut to it."""
    misread_share: float = 0.0
    """Share of its rows in the corpus that have the answer of a misreading."""
    is_misread_in_one_kind: bool = False
    """Whether only rows of one kind are misread, the first by name, in which the misreading share is meant."""
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
    cued_share: float = 1.0
    """Share of its rows in the corpus that show their answer, where `is_cued`."""
    chance_share: float = 0.0
    """Share of its rows and items whose answer is that of another one of the skill: nothing tells it."""

    def __post_init__(self) -> None:
        for key in ("misread_share", "flood_share", "wrong_gold_share", "trap_share"):
            share = getattr(self, key)
            if not 0 <= share < 1:
                raise ValueError(f"prove.scenario.*.{key} must be in [0, 1), got {share}")
        if not 0 < self.kept_share <= 1:
            raise ValueError(f"prove.scenario.*.kept_share must be above 0 and at most 1, got {self.kept_share}")
        for key in ("cued_share", "chance_share"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"prove.scenario.*.{key} must be between 0 and 1, got {getattr(self, key)}")
        if self.pool_share is not None and not 0 <= self.pool_share < 1:
            raise ValueError(f"prove.scenario.*.pool_share must be in [0, 1), got {self.pool_share}")
        for key in ("pool_rows", "leaked_items", "flood_rows"):
            not_negative(f"prove.scenario.*.{key}", getattr(self, key))
        if self.train_rows is not None:
            not_negative("prove.scenario.*.train_rows", self.train_rows)

    @property
    def is_planted(self) -> bool:
        """Whether anything is wrong, whatever the size of the pool, or of a flood that is not there."""
        return replace(self, pool_rows=Defects.pool_rows, pool_share=None, flood_rows=Defects.flood_rows) != Defects()

    def at(self, intensity: float, num_rows: int) -> "Defects":
        """Scale the defects, from nothing at 0 to all at 1: shares in proportion, the number of rows and the other side
        of a flood by ratios.

        Args:
            intensity: Between 0 and 1.
            num_rows: Rows that teach the skill, as many as there are where nothing is wrong.
        """
        shares = {
            name: intensity * getattr(self, name)
            for name in ("misread_share", "wrong_gold_share", "trap_share", "chance_share")
        }
        train_rows = self.train_rows
        if train_rows is not None:
            # None at all is a row less than one.
            train_rows = round(num_rows ** (1 - intensity) * (train_rows + 1) ** intensity) - (intensity == 1)
        return replace(
            self,
            **shares,
            train_rows=train_rows,
            kept_share=self.kept_share**intensity,
            is_cued=self.is_cued and intensity > 0,
            cued_share=intensity * self.cued_share,
            flood_share=1 - (1 - self.flood_share) ** intensity,
            leaked_items=round(intensity * self.leaked_items),
        )


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
    intensity: float = 1.0
    """How much of the defects is planted, from 0, nothing, to 1, all."""
    train_share: float = 1.0
    """Share of every skill's rows that is in the corpus, at full intensity."""
    steps_share: float = 1.0
    """Share of the world's optimiser steps that the model is trained for, at full intensity."""

    def scaled(self, share: float) -> float:
        """A share of what is there where nothing is wrong, at the scenario's intensity."""
        return 1 - self.intensity * (1 - share)

    def __post_init__(self) -> None:
        for key, most in (("train_share", 1), ("steps_share", MOST_STEPS)):
            if not 0 < getattr(self, key) <= most:
                raise ValueError(f"prove.scenario.{key} must be above 0 and at most {most}, got {getattr(self, key)}")
        if not 0 <= self.intensity <= 1:
            raise ValueError(f"prove.scenario.intensity must be between 0 and 1, got {self.intensity}")
        for cause in self.causes:
            one_of("prove.scenario.causes", cause, tuple(Cause))
        if (both := (self.target.pool_share or 0) + (self.second.pool_share or 0)) >= 1:
            raise ValueError(
                f"prove.scenario.target.pool_share and .second.pool_share must leave some of the pool to others, got "
                f"{both:g} together"
            )
