"""Retrain without some rows and measure what changed, to test what attribution predicted.

These are stages, functions of a folder. A training leaves two small files, never its model: a diagnosis needs dozens.
Costs as many trainings as there are parts and seeds, each with a forward pass over the failed items and the probe items
of the failing slices.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.data.mixes import load_corpus
from controller.data.row_effects import Effects, load_effects
from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD, Spent
from controller.engine.hashes import hash_of
from controller.engine.workers.progress import Progress
from controller.stages.measure import PinnedSuite
from controller.stages.model import Model
from controller.train.recipe import Recipe
from controller.train.sampling import expected_tokens
from controller.train.start import load_tokenizer, trained_ref
from controller.train.training import MODEL_FOLDER
from diagnose.model.losses import item_values
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import Slice, item_members, row_members, row_table
from evals.harness import evaluate
from evals.splits import Split

DROPPED_SHARE, LEAST_DROPPED = 0.05, 5
"""Share of the corpus's attributed rows that are dropped because they help most, and the fewest."""
MOST_SLICES = 12
"""Most data slices that are left out: those of the findings, and others to calibrate on."""
LEAST_ROWS = 5
"""Fewest rows of a slice that is only calibrated on."""
VALUES_FILE, SCORES_FILE = "values.npy", "scores.npy"


class PartKind(StrEnum):
    FULL = "full"
    HALF = "half"
    """Leave out a random half of the attributed rows."""
    HELPFUL = "helpful"
    """Leave out the rows that help a finding most."""
    RANDOM = "random"
    """Leave out as many rows at random."""
    SLICE = "slice"
    """Leave out a data slice, attributed or not."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the corpus, given by the rows left out."""

    kind: PartKind
    number: int
    """Number of the part in its kind; that of the finding for `helpful`."""
    num_left_out: int
    digest: str
    """Hash of the rows left out."""
    slice: Slice
    """Data slice that is left out; without a condition in other kinds."""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}" if self.kind is not PartKind.FULL else self.kind

    @property
    def file(self) -> str:
        """File with the places in the corpus of the rows left out."""
        return f"{self.name}.npy"


@dataclass(frozen=True, slots=True)
class Parts:
    parts: tuple[Part, ...]
    """Parts, the full corpus first."""
    mean_tokens: float
    """Mean tokens of a draw from the corpus."""


@dataclass(frozen=True, slots=True)
class RetrainTargets:
    """Queries and items on which every retrained model is measured."""

    diagnosis: Artifact
    """Folder of `effects.npz`."""
    failing: tuple[Slice, ...]
    """Failing slices of the findings, in the order of the effects."""
    suite: PinnedSuite
    batch_tokens: int


def choose_parts(
    folder: Path,
    corpus: Data,
    diagnosis: Artifact,
    data_slices: Sequence[Slice],
    row_fields: Sequence[str],
    num_halves: int,
    model: Model,
    max_length: int,
    seed: int,
) -> Parts:
    """Choose the rows that each training leaves out, and write a file of places for each.

    Args:
        corpus: Rows that the diagnosed model was trained on.
        diagnosis: Folder of `effects.npz`.
        data_slices: Data slices of all findings, the most important first.
        row_fields: Fields by which data is reported; slices by these are left out where the findings name few.
        num_halves: Number of random halves; more of them leave the first ones as they are.
        model: Model with the tokenizer.
        max_length: Most tokens of a row.
        seed: Seed of the draws.
    """
    mix = load_corpus(corpus.folder)
    row_effects = load_effects(diagnosis.folder).of_corpus(len(mix.examples))
    parts = []
    drawn = _drawn(row_effects, num_halves, seed)
    for kind, number, rows, where in chain(drawn, _slices(mix.examples, data_slices, row_fields)):
        part = Part(kind, number, len(rows), hash_of(rows.tolist()), where)
        np.save(folder / part.file, rows)
        parts.append(part)
    return Parts(tuple(parts), expected_tokens(load_tokenizer(model.ref), mix, max_length))


def num_dropped(num_scored: int) -> int:
    """Number of rows that are dropped because they help most, or at random."""
    return max(LEAST_DROPPED, round(DROPPED_SHARE * num_scored))


def retrain(
    folder: Path,
    start: Model,
    corpus: Data,
    left_out: Artifact,
    file: str,
    recipe: Recipe,
    seed: int,
    targets: RetrainTargets,
) -> Spent:
    """Write `values.npy`, the attributed items' values, [num_items], nats, and `scores.npy`, mean scores of the failing
    slices, [num_findings]; not finite where there is none.

    Args:
        start: Model that is trained.
        corpus: Rows, of which some are left out.
        left_out: Folder of `file`; its digest is that of the rows left out.
        file: Places of these rows in the corpus.
        recipe: Recipe of the training.
        seed: Seed of the training.
        targets: What the trained model is measured on.
    """
    from controller.train.trainer import train_on

    mix = load_corpus(corpus.folder).without(np.load(left_out.folder / file))
    training = train_on(start.ref, mix, recipe, seed, folder, keeps_middle=False, progress=Progress(folder))
    ref = trained_ref(start.ref, folder / MODEL_FOLDER)
    queries = load_effects(targets.diagnosis.folder).queries
    np.save(folder / VALUES_FILE, item_values(ref, queries, targets.batch_tokens))
    suite = targets.suite.load()
    probe = [item for item in suite.items if item.split is Split.PROBE]
    members = [item_members(where, probe) for where in targets.failing]
    report = evaluate(ref, suite, [probe[place] for place in np.flatnonzero(np.logical_or.reduce(members)).tolist()])
    score = {result.item.key: result.score for result in report.results}
    scores = np.array([score.get(item.key, np.nan) for item in probe])
    np.save(folder / SCORES_FILE, np.array([_mean(scores[is_in]) for is_in in members]))
    shutil.rmtree(folder / MODEL_FOLDER)
    answered = queries.rows.num_tokens + report.num_tokens
    flops = training.flops + FORWARD * start.num_parameters * answered
    return Spent(tokens=training.num_tokens + answered, flops=flops, train_tokens=training.num_tokens)


_LeftOut = tuple[PartKind, int, NDArray[np.int64], Slice]


def _drawn(row_effects: Effects, num_halves: int, seed: int) -> Iterator[_LeftOut]:
    scored, nowhere = row_effects.scored, Slice(())
    few = num_dropped(len(scored))
    yield PartKind.FULL, 0, np.zeros(0, np.int64), nowhere
    for number in range(num_halves):
        yield PartKind.HALF, number, _draw(scored, len(scored) // 2, [seed, 0, number]), nowhere
    for number, effect in enumerate(row_effects.effect.T):
        yield PartKind.HELPFUL, number, np.sort(scored[np.argsort(-effect, kind="stable")[:few]]), nowhere
        yield PartKind.RANDOM, number, _draw(scored, few, [seed, 1, number]), nowhere


def _slices(corpus: TrainPool, named: Sequence[Slice], row_fields: Sequence[str]) -> Iterator[_LeftOut]:
    """Yield the named slices, then the largest of the fields; each set of rows once, none that is the whole corpus."""
    table = row_table(corpus, row_fields)
    counts = Counter((key, value) for key, column in table.fields.items() for value in column if value is not None)
    others = [Slice((pair,)) for pair, count in counts.most_common(10 * MOST_SLICES) if count >= LEAST_ROWS]
    seen: set[str] = set()
    for where in dict.fromkeys([*named, *others]):
        rows = np.flatnonzero(row_members(where, corpus))
        digest = hash_of(rows.tolist())
        if 0 < len(rows) < len(corpus) and digest not in seen and len(seen) < MOST_SLICES:
            yield PartKind.SLICE, len(seen), rows, where
            seen.add(digest)


def _draw(rows: NDArray[np.int64], count: int, seed: Sequence[int]) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def _mean(scores: NDArray[np.float64]) -> float:
    """Mean of the scores that are finite; nan if none is."""
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if len(known) else np.nan
