"""Keep the attribution of a diagnosis, for fixes and for tests by retraining.

Effects of single rows are too many for `diagnosis.json`: 4 bytes for each attributed row and finding.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.stream import Attribution
from diagnose.case import Scope
from diagnose.model.queries import Queries
from diagnose.rows.tokens import TokenRows

EFFECTS_FILE = "effects.npz"


@dataclass(frozen=True, slots=True)
class Effects:
    scored: NDArray[np.int64]
    """Numbers of the rows that were attributed, [num_scored], ascending, corpus first and then pool."""
    effect: NDArray[np.float32]
    """Effects, [num_scored, num_findings], nats per unit of example weight; columns in the order of the findings."""
    queries: Queries
    """Queries that were attributed; items that attribution left out have no weight."""

    def of_corpus(self, num_corpus: int) -> "Effects":
        """Select the rows of the corpus."""
        count = int(np.searchsorted(self.scored, num_corpus))
        return Effects(self.scored[:count], self.effect[:count], self.queries)


def effects_of(scope: Scope, queries: Queries, attribution: Attribution) -> Effects:
    effect = np.concatenate([part.effect for part in attribution.parts()])
    return Effects(scope.scored, effect, queries.without(attribution.left_out_queries))


def save_effects(effects: Effects, folder: Path) -> None:
    queries, rows = effects.queries, effects.queries.rows
    np.savez(
        folder / EFFECTS_FILE,
        scored=effects.scored,
        effect=effects.effect,
        ids=rows.ids,
        has_loss=rows.has_loss,
        offsets=rows.offsets,
        is_truncated=rows.is_truncated,
        item=queries.item,
        is_gold=queries.is_gold,
        weights=queries.weights,
    )


def load_effects(folder: Path) -> Effects:
    with np.load(folder / EFFECTS_FILE) as file:
        rows = TokenRows(file["ids"], file["has_loss"], file["offsets"], file["is_truncated"])
        queries = Queries(rows, file["item"], file["is_gold"], file["weights"])
        return Effects(file["scored"], file["effect"], queries)
