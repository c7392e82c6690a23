"""Test whether the gold answers are wrong: items that fail with an answer as likely as those that the model gets right.

An item's gold is doubted where the model's own answer is as likely as most right answers of the slice are, the gold
answer is far less likely, and the nearest items pass: then training covers this kind of item and agrees with the model.
Where answers are labels, most of the nearest training rows must have the model's label too; where they are not, part of
the slice's rows must work against the gold answers by attribution (`labels.check_effects`). On items that fail because
they are hard or not covered, the model is unsure, or the neighbours fail too. Costs a forward pass over two answers of
each item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.subject import Subject, share_against
from diagnose.finding.answer_labels import MOST_LABELS, as_label
from diagnose.finding.evidence import Evidence
from diagnose.model.asked_model import Trained
from diagnose.modes.mode import Likelihood
from diagnose.modes.name import has_answer
from diagnose.rows.similarity import word_similarity
from evals.items import ItemKey, ItemResult

_MOST = 400
"""Most failed items, and most passing ones, that are used."""
_SURE_AS = 0.05
"""Quantile of the right answers' likelihood that a doubted item's answer must reach."""
_MARGIN = np.log(20.0)
"""Smallest log-likelihood of the answer over the gold one for doubt, nats."""
_AGAINST = 0.25
"""Smallest share of effect against gold answers for doubt: 0 to .05 where training supports them, else .48 to .8."""
_NEAREST = 10
_MOSTLY = 0.6
"""Smallest share of the nearest items that must pass for doubt."""


def doubt_golds(subject: Subject, trained: Trained) -> Evidence:
    """Give `doubted` (share of the failed items), `sure` (share whose answer is as likely as 19 of 20 right ones),
    `among_passing` (mean share of passing items among the nearest) and `gold_against`; point at doubted items."""
    answered = _answered(subject.failed)
    passed = list(subject.passed[:_MOST])
    if not answered or len(passed) < 5:
        return Evidence("golds", {"doubted": 0.0}, "Too few items of this kind pass for any gold answer to be doubted.")
    failed = answered[:_MOST]
    results = [*failed, *passed]
    answers = trained.read_answers([r.item for r in results], [r.answer for r in results])
    golds = trained.read_answers([r.item for r in failed], [r.item.target for r in failed])
    own = answers.log_likelihood[: len(failed)]
    bar = np.quantile(answers.log_likelihood[len(failed) :], _SURE_AS)
    is_sure = (own >= bar) & (own - golds.log_likelihood >= _MARGIN)
    passing = _passing_neighbours(subject, [r.item.text for r in failed])
    against = _against(subject)
    taught = _labels_taught(subject, failed)
    is_denied = np.full(len(failed), against >= _AGAINST) if taught is None else taught >= 0.5
    is_doubted = is_sure & (passing >= _MOSTLY) & is_denied
    values = {
        "doubted": float(is_doubted.mean()),
        "sure": float(is_sure.mean()),
        "among_passing": float(passing.mean()),
        "gold_against": against,
    }
    says = (
        f"Of {len(failed)} failed items the model is as sure of {is_sure.mean():.0%} as of most that it gets right; "
        f"{passing.mean():.0%} of their nearest items pass; {against:.0%} of the training rows' effect is against "
        f"their gold answers. The gold answers of {int(is_doubted.sum())} are doubtful."
    )
    items = tuple(r.item.key for r, doubted in zip(failed, is_doubted.tolist(), strict=True) if doubted)
    return Evidence("golds", values, says, answers.num_tokens + golds.num_tokens, items=items)


@dataclass(frozen=True, slots=True)
class ItemLikelihoods:
    of: Mapping[ItemKey, Likelihood]
    num_tokens: int
    """Tokens through the forward pass."""


def item_likelihoods(results: Sequence[ItemResult], trained: Trained) -> ItemLikelihoods:
    """Compute mean log-likelihoods per token of the model's own answer to each failed item, and of the gold one."""
    answered = _answered(results)
    items = [r.item for r in answered]
    likelihoods = [
        trained.read_answers(items, texts) for texts in ([r.answer for r in answered], [item.target for item in items])
    ]
    answer, gold = ((r.log_likelihood / np.maximum(r.num_loss_tokens, 1)).tolist() for r in likelihoods)
    of = {i.key: Likelihood(min(a, 0.0), min(g, 0.0)) for i, a, g in zip(items, answer, gold, strict=True)}
    return ItemLikelihoods(of, sum(each.num_tokens for each in likelihoods))


def _answered(results: Sequence[ItemResult]) -> list[ItemResult]:
    """Choose results with an answer and a gold one to compare it with."""
    return [r for r in results if has_answer(r) and r.item.target]


def _against(subject: Subject) -> float:
    """Share of the absolute effect of the slice's rows, or of all where none are known, that raises the loss of the
    gold answers."""
    inside = subject.inside if subject.inside.any() else ~subject.rows.in_pool
    return share_against(subject.rows.effect[inside, subject.number])


def _labels_taught(subject: Subject, failed: Sequence[ItemResult]) -> NDArray[np.float64] | None:
    """Share of the nearest training rows with the model's answer or the gold one that have the model's, [num_failed];
    None where completions are no labels."""
    corpus = np.flatnonzero(~subject.rows.in_pool)
    labels = np.array([as_label(subject.rows.completions[k]) for k in corpus.tolist()], object)
    if len(set(labels.tolist())) > MOST_LABELS or len(corpus) < _NEAREST:
        return None
    similar = word_similarity([r.item.text for r in failed], [subject.rows.prompts[k] for k in corpus.tolist()])
    shares = []
    for result, row in zip(failed, similar, strict=True):
        answer, gold = as_label(result.answer), as_label(result.item.target)
        is_either = np.flatnonzero((labels == answer) | (labels == gold))
        nearest = is_either[np.argsort(-row[is_either], kind="stable")[:_NEAREST]]
        shares.append(float((labels[nearest] == answer).mean()) if len(nearest) else 0.0)
    return np.array(shares)


def _passing_neighbours(subject: Subject, texts: list[str]) -> NDArray[np.float64]:
    """Share of the nearest other probe items that pass, [num_texts]."""
    items = [*subject.failed, *subject.passed, *subject.others]
    is_passed = np.array([not r.is_failed for r in items])
    similar = word_similarity(texts, [r.item.text for r in items])
    own = {text: k for k, text in enumerate(r.item.text for r in items)}
    similar[np.arange(len(texts)), [own[text] for text in texts]] = -1
    nearest = np.argpartition(-similar, min(_NEAREST, len(items) - 1), axis=1)[:, :_NEAREST]
    return np.asarray(is_passed[nearest].mean(axis=1))
