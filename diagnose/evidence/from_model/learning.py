"""Test whether the model has learnt its own training rows, those of the slice and the others.

The share of them that it gives right separates causes. Few rows, all known: raising them does nothing, more are
missing. Many rows with a fair share, not known, while the other rows are: their labels are doubtful. No row known
anywhere: the model is too small, or not trained to the end; then losses still fall. Costs a forward pass over `2 *
_MOST` rows.

Plain text has no answer that greedy decoding could give: a model that has learnt it still cannot know which of many
sentences comes. Such a row counts as known where the model predicts it better than the word pairs of other rows do
(`diagnose.evidence.from_rows.word_pairs`). A model that cannot has learnt nothing of the text beyond who follows whom.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.from_rows.word_pairs import WordPairs, count_pairs
from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import Evidence
from diagnose.model.asked_model import Trained
from diagnose.model.likelihoods import row_likelihoods
from diagnose.rows.selection import evenly_spaced
from diagnose.rows.tokens import TokenRows

_MOST = 192
_MOST_COUNTED = 2_000
"""Most rows whose words or word pairs are counted, for either half of the rows."""


def check_learning(subject: Subject, trained: Trained) -> Evidence:
    """Give `learnt` and `learnt_elsewhere`, without the end token; `falling` of the corpus, since whether training had
    ended is a matter of all rows, and a model that is too small for the others may learn one slice late; `beyond` of
    the slice or of the others, whichever is more: whether the model has begun to learn; and `passes` where known."""
    inside, outside = np.flatnonzero(subject.inside), np.flatnonzero(subject.outside)
    values: dict[str, float] = {}
    num_tokens, parts = 0, []
    of_corpus = np.flatnonzero(~subject.rows.in_pool)
    texts = np.array([k for k in of_corpus.tolist() if not subject.rows.prompts[k]], np.int64)
    of_rows, of_texts = (_count_halves(subject, trained, counted) for counted in (of_corpus, texts))
    for name, places in (("learnt", inside), ("learnt_elsewhere", outside)):
        if not len(places):
            continue
        chosen = places[evenly_spaced(len(places), _MOST)]
        likelihoods = row_likelihoods(trained.model, rows := _encoded(subject, trained, chosen), trained.batch_tokens)
        is_text = np.array([not subject.rows.prompts[k] for k in chosen.tolist()])
        is_known = likelihoods.is_greedy.copy()
        if (by_frequency := _by_other_half(of_rows, chosen, rows, WordPairs.log_likelihood_of_singles).sum()) < 0:
            beyond = 1 - likelihoods.log_likelihood.sum() / by_frequency
            values["beyond"] = float(np.clip(beyond, values.get("beyond", 0), 1))
        if is_text.any():
            found = likelihoods.log_likelihood[is_text]
            own = rows.select(np.flatnonzero(is_text))
            by_pairs = _by_other_half(of_texts, chosen[is_text], own, WordPairs.log_likelihood)
            is_known[is_text] |= (found > by_pairs) & (found < 0)  # 0 where it is not finite
        num_tokens += likelihoods.num_tokens
        values[name] = float(is_known.mean())
        kind = "of the slice" if name == "learnt" else "of other slices"
        how = " (plain text: better than its word pairs foretell it)" if is_text.any() else ""
        parts.append(f"{values[name]:.0%} of {len(chosen)} training rows {kind}{how}")
    if "beyond" in values:
        parts.append(
            f"it foretells tokens of these or those {values['beyond']:.0%} better than by how often each occurs"
        )
    losses = subject.rows.losses[~subject.rows.in_pool]
    if losses.shape[1] > 1 and len(losses):
        before, last = losses[:, -2].mean(), losses[:, -1].mean()
        values["falling"] = float(np.clip(1 - last / before, 0, 1)) if before > 0 else 0.0
        parts.append(f"the corpus's loss fell from {before:.3f} to {last:.3f} nats a token between two checkpoints")
    if trained.passes is not None and parts:
        values["passes"] = trained.passes
        if trained.passes < 1:
            parts.append(f"training drew {trained.passes:.0%} of as many rows as the corpus has")
    if not parts:
        return Evidence("learning", values, "The corpus has no row to try.")
    return Evidence("learning", values, f"The model gives right {'; '.join(parts)}.", num_tokens)


def _count_halves(subject: Subject, trained: Trained, places: NDArray[np.int64]) -> tuple[WordPairs, WordPairs]:
    """Count words and word pairs for rows at even and at odd places, each in those of the other half of `places`: a row
    predicts itself too well."""

    def counts(others: NDArray[np.int64]) -> WordPairs:
        chosen = others[evenly_spaced(len(others), _MOST_COUNTED)]
        return count_pairs(_encoded(subject, trained, chosen), len(trained.tokenizer))

    return counts(places[places % 2 == 1]), counts(places[places % 2 == 0])


def _by_other_half(
    halves: tuple[WordPairs, WordPairs],
    places: NDArray[np.int64],
    rows: TokenRows,
    log_likelihood: Callable[[WordPairs, TokenRows], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Compute log-likelihoods of rows, [num_rows], nats.

    Args:
        halves: What `_count_halves` gives.
        places: Places of the rows in the sample.
        rows: The same rows, encoded.
        log_likelihood: Gives that of rows by counts.
    """
    found = np.zeros(len(places))
    for half, pairs in enumerate(halves):
        own = np.flatnonzero(places % 2 == half)
        found[own] = log_likelihood(pairs, rows.select(own))
    return found


def _encoded(subject: Subject, trained: Trained, places: NDArray[np.int64]) -> TokenRows:
    """Encode rows without the end token in the loss: a model that never learnt to stop may still know every answer."""
    return subject.encoded(trained, places.tolist(), end_in_loss=False)
