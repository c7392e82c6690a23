"""Measure the data for the failing items: rows of their slice, copies that crowd them out, rows near them.

Uses no model; costs a pass over the corpus for its copies (`diagnose.rows.copies`).
"""

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.subject import Copies, Subject
from diagnose.finding.evidence import Evidence
from diagnose.rows.copies import content_hashes, near_groups
from diagnose.rows.pool import TrainPool
from diagnose.rows.similarity import word_similarity
from diagnose.slices.data.data_slice import ScoredExample

_NEAREST = 5
_MOST_ITEMS = 200
_LISTED = 2000
"""Most ids of copies that are listed."""
_SHOWN = 120
"""Most characters of a copy that are shown."""


def count_copies(corpus: TrainPool, rows: NDArray[np.int64]) -> Copies:
    """Count how often the content of rows stands in the corpus.

    Args:
        rows: Numbers of rows of the corpus. Near copies of long ones are counted among these alone.
    """
    hashes = content_hashes(corpus)
    contents, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    group = near_groups(corpus.select(rows))
    near = np.bincount(group)[group]
    most = np.flatnonzero(hashes == contents[np.argmax(counts)])
    example = corpus[int(most[0])]
    return Copies(
        counts=np.maximum(counts[inverse[rows]], near),
        text=f"{example.prompt} {example.completion}".strip(),
        ids=tuple(corpus.select(most[:_LISTED]).rows["id"][:]),
        number=len(most),
    )


def count_rows(subject: Subject) -> Evidence:
    """Give how many rows the slice has in corpus and pool, and how far its share of the corpus, with and without
    copies, lies below a fair one; nothing where no predicate names its rows."""
    if subject.where is None:
        return Evidence("rows", {}, "No predicate names the rows that teach what these items ask.")
    share, fair, distinct = subject.corpus_share, subject.fair_share, _distinct_share(subject)
    weights = 1 / subject.rows.copies.counts[subject.inside[~subject.rows.in_pool]]
    own_copies = float(1 - weights.mean()) if len(weights) else 0.0
    values = {
        "corpus_rows": float(subject.num_rows),
        "distinct_rows": subject.num_rows * (1 - own_copies),
        "corpus_share": share,
        "distinct_share": distinct,
        "fair_share": fair,
        "pool_rows": float(subject.num_pool),
        "scarcity": 1 - min(1.0, share / fair),
        "distinct_scarcity": 1 - min(1.0, distinct / fair),
        "own_copies": own_copies,
    }
    in_pool = f", {subject.num_pool:,} of the pool" if subject.case.pool is not None else ""
    of_draws = " of the draws" if subject.corpus.source_weights else ""
    says = (
        f"{subject.num_rows:,} of {len(subject.corpus):,} rows of the corpus ({share:.1%}{of_draws}){in_pool} have "
        f"{subject.where}; a fair share would be {fair:.1%}."
    )
    return Evidence("rows", values, says)


def find_copies(subject: Subject) -> Evidence:
    """Give `copies`, the share of the corpus that would go if each content stood once; point at the rows of the most
    frequent content."""
    copies = subject.rows.copies.counts
    share = float(1 - (1 / copies).mean()) if len(copies) else 0.0
    if share < 0.005:
        return Evidence("copies", {"copies": share}, "Next to no row of the corpus stands there twice.")
    most = subject.rows.copies
    text = most.text[:_SHOWN]
    says = f"{share:.0%} of the corpus are copies of other rows; “{text}” stands there {most.number:,} times."
    if subject.where is not None:
        now = subject.corpus_share
        says += f" Without copies the slice would be {_distinct_share(subject):.1%} of the corpus instead of {now:.1%}."
    return Evidence("copies", {"copies": share}, says, rows=most.ids if most.number > 1 else ())


def find_near_rows(subject: Subject) -> Evidence:
    """Give `nearness`, the similarity of failed items to their nearest rows of the corpus over that of items that pass;
    below 1 where training covers the failed ones worse."""
    corpus = np.flatnonzero(~subject.rows.in_pool)
    passed = [*subject.passed, *(r for r in subject.others if not r.is_failed)][:_MOST_ITEMS]
    failed = list(subject.failed[:_MOST_ITEMS])
    if not passed or len(corpus) < _NEAREST:
        return Evidence("nearness", {}, "Nothing passes that coverage could be compared with.")
    rows = [subject.rows.prompts[k] or subject.rows.completions[k] for k in corpus.tolist()]
    similar = np.sort(word_similarity([r.item.text for r in (*failed, *passed)], rows), axis=1)[:, -_NEAREST:]
    near_failed, near_passed = float(similar[: len(failed)].mean()), float(similar[len(failed) :].mean())
    ratio = min(near_failed / near_passed, 2.0) if near_passed > 0 else 1.0
    says = (
        f"The {_NEAREST} nearest rows of the corpus have a word similarity of {near_failed:.2f} to failed items, of "
        f"{near_passed:.2f} to items that pass."
    )
    return Evidence("nearness", {"nearness": ratio}, says)


def nearest_rows(subject: Subject, number: int) -> tuple[ScoredExample, ...]:
    """Find the rows of the corpus, each content once, that are nearest to one of the failed items by its words."""
    corpus = np.flatnonzero(~subject.rows.in_pool)
    if not len(corpus) or not subject.failed:
        return ()
    texts = [subject.rows.prompts[k] or subject.rows.completions[k] for k in corpus.tolist()]
    similar = word_similarity([r.item.text for r in subject.failed[:_MOST_ITEMS]], texts).max(axis=0)
    shown: dict[str, ScoredExample] = {}
    for place in np.argsort(-similar, kind="stable").tolist():
        if len(shown) >= number or similar[place] <= 0:
            break
        row = int(subject.rows.numbers[corpus[place]])
        shown.setdefault(texts[place], subject.case.row(row, float(similar[place])))
    return tuple(shown.values())


def _distinct_share(subject: Subject) -> float:
    corpus = ~subject.rows.in_pool
    weights = subject.sampled_corpus.weights() / subject.rows.copies.counts
    return float(weights[subject.inside[corpus]].sum() / weights.sum()) if weights.any() else 0.0
