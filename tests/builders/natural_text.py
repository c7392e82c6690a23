"""Texts of many words of which none names the skill: kinds have wide vocabularies, two texts of one share little."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from builders.items import answered, item, probe_key, probe_report
from builders.pools import train_pool
from diagnose.attribution.shards import ScoredRows
from diagnose.case import Case, Scope, draw_scope
from diagnose.evidence.nearest import NearestRows
from diagnose.rows.pool import TrainPool
from diagnose.slices.data.find import DataJoin
from diagnose.slices.data.parts import scored_parts
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import Slice
from evals.items import ProbeReport
from evals.leaks.item_index import index_items
from evals.statistics.intervals import Interval

KINDS = ("films", "law", "plants", "ships")
VOCABULARY = 1_000
"""Words of a kind, the first ones far more frequent than the last."""
_FREQUENT = ("of", "the", "and", "in", "that", "was", "for", "it")
_LETTERS = "bdfgklmnprstv"


def word(kind: str, number: int) -> str:
    """A made-up word, always the same for its kind and number."""
    letters = hashlib.sha256(f"{kind}{number}".encode()).digest()
    return "".join(_LETTERS[letter % 13] + "aeiou"[letter % 5] for letter in letters[:4])


def text(kind: str, rng: np.random.Generator, number: int = 25) -> str:
    """Half of its words are of the kind."""
    shares = 1 / np.arange(10, VOCABULARY + 10)
    own = [word(kind, k) for k in rng.choice(VOCABULARY, number, p=shares / shares.sum()).tolist()]
    others = rng.choice(_FREQUENT, number).tolist()
    return " ".join(rng.permutation([*own, *others]).tolist())


def rows_of(counts: dict[str, int], source: str, seed: int = 0) -> TrainPool:
    """So many of each kind, mixed; the metadata field `kind` is known to tests alone."""
    rng = np.random.default_rng([seed, len(source)])
    kinds = rng.permutation([kind for kind, count in counts.items() for _ in range(count)]).tolist()
    prompts = [text(kind, rng) for kind in kinds]
    answers = [("yes", "no")[int(answer)] for answer in rng.integers(2, size=len(kinds))]
    return train_pool(zip(prompts, answers, strict=True), source, kind=kinds)


def probe(prompts: Sequence[str], template: str = "{}") -> ProbeReport:
    """Items of the task `films` that all fail, in this template."""
    items = [
        item(template.format(prompt), "yes", "films", id=f"{number}-0", split_key=probe_key(f"{number}"))
        for number, prompt in enumerate(prompts)
    ]
    return probe_report(answered(one, "no") for one in items)


def films(number: int, seed: int = 1) -> list[str]:
    """Texts of this kind."""
    rng = np.random.default_rng(seed)
    return [text("films", rng) for _ in range(number)]


def case_of(report: ProbeReport, corpus: TrainPool, pool: TrainPool | None) -> Case:
    """A case with no fields, no guards and no known items."""
    return Case(report, corpus, pool, [], [], [], index_items([]), 0)


def scope_of(case: Case) -> Scope:
    """The task fails as a whole."""
    number = len(case.probe.results)
    found = FailingSlice(Slice((("task", "films"),)), number, number, Interval(0.9, 1.0), 0.001)
    return draw_scope(case, (found,), 256, case.num_rows)


def joined(case: Case, join: DataJoin | None = None, cosine: NDArray[np.float64] | None = None) -> DataJoin:
    """By words, and where cosines of rows are given by attribution too; they are the effects as well."""
    scope = scope_of(case)
    scores = np.zeros(case.num_rows) if cosine is None else cosine

    def shards() -> Iterator[ScoredRows]:
        column = scores[:, None].astype(np.float32)
        ones, zeros = np.ones(len(scores), np.int64), np.zeros((1, len(scores)), np.float32)
        yield ScoredRows(0, column, column, column, zeros, ones, np.full(len(scores), cosine is None), 0, 0)

    rows = scored_parts(case.corpus, case.pool, case.row_fields, scope.scored, shards)
    (found,) = NearestRows(None, None, 3).join(case, scope, [join or DataJoin((), None, None)], rows)
    return found
