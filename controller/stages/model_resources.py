"""Ask the model for a fix: effects of rows, hidden states of rows and failed items, and which rows it gives right."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.data.row_effects import load_effects
from controller.engine.budget import FORWARD_BACKWARD, Spent
from controller.stages.model import Model
from controller.train.start import load_tokenizer
from diagnose.attribution.influence import Influence
from diagnose.attribution.stream import attribute
from diagnose.attribution.train_rows import TrainRows
from diagnose.diagnoser import FORWARD_SHARE
from diagnose.finding.finding import Diagnosis, Finding
from diagnose.model.asked_model import AskedModel
from diagnose.model.hidden_states import mean_hidden_states
from diagnose.model.likelihoods import row_likelihoods
from diagnose.model.queries import Queries
from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_pool
from diagnose.rows.tokens import TokenRows
from interventions.admission.gate import Stock
from interventions.plan.attempts import Attempts
from interventions.plan.step import Resources, States


class ModelResources:
    """Gives the parts of `interventions.plan.step.Resources` that need the diagnosed model; counts their tokens.

    Args:
        diagnosis: Diagnosis whose findings the fix acts on.
        folder: Folder of its `effects.npz`.
        model: The diagnosed model.
        corpus: Corpus that the model was trained on.
        influence: Settings of attribution, as in the diagnosis.
        max_length: Most tokens of a row.
        seed: Seed of the projections, of the rows that are sampled, and of those added for curvature.
        max_rows: Most rows of a slice whose effects are computed; None means all.
    """

    def __init__(
        self,
        diagnosis: Diagnosis,
        folder: Path,
        model: Model,
        corpus: TrainPool,
        influence: Influence,
        max_length: int,
        seed: int,
        max_rows: int | None = None,
    ) -> None:
        self._findings = diagnosis.attributed_findings
        self._folder = folder
        self._model = AskedModel(load_tokenizer(model.ref), model.checkpoints, max_length)
        self._num_parameters = model.num_parameters
        self._corpus = corpus
        self._influence = influence
        self._seed = seed
        self._max_rows = max_rows
        self.num_tokens = 0
        """Tokens through a forward and backward pass; three forward alone count as one."""

    @property
    def spent(self) -> Spent:
        """Cost of what was asked of the model so far."""
        return Spent(tokens=self.num_tokens, flops=FORWARD_BACKWARD * self._num_parameters * self.num_tokens)

    def resources(self, stock: Stock, attempts: Attempts, seed: int) -> Resources:
        """Make all resources of a fix, the model among them; arguments as for `Resources`."""
        pool = stock.pool
        return Resources(
            stock=stock,
            judged=attempts.keys,
            left_out=attempts.left_out,
            seed=seed,
            scale=attempts.scale,
            row_effects=self.row_effects,
            pool_effects=partial(self.pool_effects, num_rows=len(pool)) if pool is not None else None,
            states=self.states,
            solves=self.solves,
        )

    def row_effects(self, finding: Finding, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Effects of ascending rows of the corpus, [num_rows]: those that the diagnosis found, and the others computed;
        nan at random where they exceed `max_rows`."""
        if self._max_rows is not None and len(rows) > self._max_rows:
            found = np.full(len(rows), np.nan, np.float32)
            some = np.random.default_rng(self._seed).choice(len(rows), self._max_rows, replace=False)
            found[np.sort(some)] = self.row_effects(finding, rows[np.sort(some)])
            return found
        known, number = load_effects(self._folder), self._number(finding)
        is_known = np.isin(rows, known.scored)
        found = np.full(len(rows), np.nan, np.float32)
        found[is_known] = known.effect[np.searchsorted(known.scored, rows[is_known]), number]
        if not is_known.all():
            # An effect is that of one row among those attributed with it, whose losses are summed.
            effect, num_attributed = self._attributed(known.queries.only(number), rows[~is_known])
            found[~is_known] = effect * (num_attributed / len(known.scored))
        return found

    def _attributed(self, queries: Queries, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], int]:
        """Attribute rows; returns their effects, [num_rows], and the number of rows that were attributed with them."""
        # Curvature is that of the corpus, not of one slice: rows drawn at random are added to those given.
        rng = np.random.default_rng(self._seed)
        beside = rng.choice(len(self._corpus), min(len(self._corpus), self._influence.fisher_examples), replace=False)
        with_beside = np.union1d(rows, beside)
        tokenizer = self._model.tokenizer
        train = TrainRows(self._corpus, None, with_beside, tokenizer, self._model.most_tokens)
        attribution = attribute(
            self._influence, self._model.checkpoints, queries, train, self._seed, load=self._model.load
        )
        self.num_tokens += attribution.num_tokens
        return np.asarray(attribution.whole().effect[np.searchsorted(with_beside, rows), 0]), len(with_beside)

    def pool_effects(self, finding: Finding, num_rows: int) -> NDArray[np.float32]:
        """Effects of `num_rows` rows of the pool, as the diagnosis found them, [num_rows]; nan where it has none."""
        known = load_effects(self._folder)
        found = np.full(num_rows, np.nan, np.float32)
        is_pool = known.scored >= len(self._corpus)
        places = known.scored[is_pool] - len(self._corpus)
        found[places] = known.effect[is_pool, self._number(finding)]
        return found

    def states(self, finding: Finding, rows: TrainPool) -> States:
        """Compute mean hidden states of rows, and of the failed items of a finding."""
        queries, encoded = load_effects(self._folder).queries, self._encoded(rows)
        first = sum(len(other.queries) for other in self._findings[: self._number(finding)])
        is_own = (queries.item >= first) & (queries.item < first + len(finding.queries))
        items = queries.rows.select(np.flatnonzero(is_own & queries.is_gold))
        model, batch_tokens = self._model.load(), self._influence.batch_tokens
        self.num_tokens += (encoded.num_tokens + items.num_tokens) // FORWARD_SHARE
        return States(
            rows=mean_hidden_states(model, encoded, batch_tokens), items=mean_hidden_states(model, items, batch_tokens)
        )

    def _number(self, finding: Finding) -> int:
        """Place of the finding among the attributed ones."""
        return [other.slice for other in self._findings].index(finding.slice)

    def _encoded(self, rows: TrainPool) -> TokenRows:
        return encode_pool(rows, self._model.tokenizer, self._model.most_tokens)

    def solves(self, rows: TrainPool) -> NDArray[np.bool_]:
        """Whether greedy decoding gives the completion, [num_rows]."""
        found = row_likelihoods(self._model.load(), self._encoded(rows), self._influence.batch_tokens)
        self.num_tokens += found.num_tokens // FORWARD_SHARE
        return found.is_greedy
