"""What a fix may ask of the model: the effect of rows that the diagnosis did not ask, and which rows it gives right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.effects import load_effects
from controller.train.model import load_tokenizer
from diagnose.attribution.checkpoint import Checkpoint, load_model
from diagnose.attribution.influence import Influence
from diagnose.attribution.stream import attribute
from diagnose.attribution.train_rows import TrainRows
from diagnose.diagnoser import FORWARD_SHARE
from diagnose.finding import Diagnosis, Finding
from diagnose.pool import TrainPool
from diagnose.readings import read_rows
from diagnose.tokens import encode


class ModelResources:
    """`RowEffects` and `Solves` of `interventions.step`, of a diagnosis on disk; counts the tokens that they spend.

    Args:
        diagnosis: Whose findings are asked about.
        folder: Of its `effects.npz`.
        checkpoints: Of the diagnosed model.
        corpus: Whose rows are asked about.
        influence: As in the diagnosis.
        max_length: Tokens of a row.
        seed: Of the projections and of the rows beside those asked.
    """

    def __init__(
        self,
        diagnosis: Diagnosis,
        folder: Path,
        checkpoints: Sequence[Checkpoint],
        corpus: TrainPool,
        influence: Influence,
        max_length: int,
        seed: int,
    ) -> None:
        self._slices = [finding.slice for finding in diagnosis.attributed_findings]
        self._folder = folder
        self._checkpoints = checkpoints
        self._corpus = corpus
        self._influence = influence
        self._max_length = max_length
        self._seed = seed
        self.num_tokens = 0
        """Through a forward and backward pass; three forward alone count as one."""

    def row_effects(self, finding: Finding, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of each of the ascending rows of the corpus, [num_rows]."""
        queries = load_effects(self._folder).queries.only(self._slices.index(finding.slice))
        # Curvature is that of the corpus, not of one slice: as many rows at random stand beside those asked.
        rng = np.random.default_rng(self._seed)
        beside = rng.choice(len(self._corpus), min(len(self._corpus), self._influence.fisher_examples), replace=False)
        asked = np.union1d(rows, beside)
        tokenizer = load_tokenizer(self._checkpoints[-1].model)
        train = TrainRows(self._corpus, None, asked, tokenizer, self._max_length)
        attribution = attribute(self._influence, self._checkpoints, queries, train, self._seed)
        self.num_tokens += attribution.num_tokens
        return np.asarray(attribution.whole().effect[np.searchsorted(asked, rows), 0])

    def solves(self, rows: TrainPool) -> NDArray[np.bool_]:
        """Whether greedy decoding gives the completion, [num_rows]."""
        model = self._checkpoints[-1].model
        tokenizer = load_tokenizer(model)
        prompts, completions = rows.rows["prompt"][:], rows.rows["completion"][:]
        encoded = encode(prompts, completions, tokenizer, rows.delimiter, self._max_length)
        found = read_rows(load_model(model), encoded, self._influence.batch_tokens)
        self.num_tokens += found.num_tokens // FORWARD_SHARE
        return found.is_greedy
