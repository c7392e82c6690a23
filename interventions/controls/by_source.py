"""Control that takes rows of one source: is it more than anything that comes from there?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from diagnose.slices.predicate import SOURCE
from interventions.controls.contest import Chosen, Contest, ControlMix, Side, stand_in
from interventions.plan.step import Declined


@dataclass(frozen=True)
class FromSource:
    """Draw rows of one source at random; declined where what the fix changes has none of them."""

    source: str

    is_by_chance: ClassVar[bool] = True

    def mix(self, contest: Contest) -> ControlMix | Declined:
        def choose(side: Side, number: int, rng: np.random.Generator) -> Chosen | Declined:
            is_own = np.array(side.pool.rows[SOURCE][:], dtype=object) == self.source
            own = side.rows[is_own[side.rows]]
            if not len(own):
                return Declined(f"no row that could be {side.change.value} is of the source {self.source}")
            return Chosen(side.first(rng.permutation(own), number), f"of the source {self.source}, drawn at random")

        return stand_in(contest, "from_source", choose)
