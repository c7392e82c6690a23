"""Find evaluation items that stand in the training data, whose successes are not to be believed.

No item or near copy may enter training through a fix; those that the corpus has already are reported here. The opaque
index tells which rows repeat an item of any split; these are compared with probe items alone. One pass over the corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diagnose.case import Case
from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Cause, Examples, FailedItem, Finding
from diagnose.modes.classifier import ModeClassifier
from diagnose.modes.name import mode_shares
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import text_pairs
from diagnose.slices.predicate import Slice
from evals.items import ItemResult
from evals.leaks.item_index import repeated_items
from evals.statistics.intervals import wilson

REPEATED, OTHERS = "score_of_repeated", "score_of_others"
"""Keys of the mean scores of a task's probe items that stand in the corpus, and of those that do not."""
ITEMS = "items_of_task"
MUCH = 0.02
"""Share of a task's probe items that must be shown to stand in the corpus (95 %) for its scores not to be believed."""


def find_contamination(case: Case, num_examples: int, classifier: ModeClassifier | None = None) -> tuple[Finding, ...]:
    """Make a finding for each task whose probe items stand in the corpus, most of them first.

    Args:
        case: Probe items and corpus, with the index of the items of all splits.
        num_examples: Number of rows and of failed items shown with a finding.
        classifier: Classifier of failure modes; None leaves them to rules alone.
    """
    texts = list(text_pairs(case.corpus))
    matched = np.flatnonzero(case.index.matches(texts))
    if not len(matched):
        return ()
    items = [result.item for result in case.probe.results]
    is_repeated = repeated_items(items, [texts[k] for k in matched.tolist()], case.index)
    shown = tuple(case.row(k, 0.0) for k in matched[:num_examples].tolist())
    findings = []
    for task in dict.fromkeys(item.task for item in items):
        own = [(r, bool(hit)) for r, hit in zip(case.probe.results, is_repeated, strict=True) if r.item.task == task]
        hits = [result for result, hit in own if hit]
        if not hits:
            continue
        others = [result for result, hit in own if not hit]
        failed = [result for result in hits if result.is_failed]
        rate = wilson(len(failed), len(hits))
        evidence = {
            "contaminated_rows": float(len(matched)),
            ITEMS: float(len(own)),
            REPEATED: float(np.mean([result.score for result in hits])),
        }
        if others:
            evidence[OTHERS] = float(np.mean([result.score for result in others]))
        findings.append(
            Finding(
                slice=Slice((("task", task),)),
                data_slice=Slice(()),
                num_items=len(hits),
                num_failed=len(failed),
                failure_rate=rate.mean,
                ci=rate.interval,
                p_adjusted=0.0,  # seen, not inferred
                modes=mode_shares(failed, classifier) if failed else {},
                causes={Cause.CONTAMINATION: 1.0},
                data_slices=(),
                named_by={},
                evidence=evidence,
                tests=(_listed(case.corpus, matched, hits, evidence),),
                examples=Examples(helpful=shown, harmful=()),
                failed_items=tuple(
                    FailedItem(r.item.id, r.item.task, r.item.shown, r.item.target, r.answer)
                    for r in failed[:num_examples]
                ),
                queries=(),
            )
        )
    return tuple(sorted(findings, key=lambda finding: -finding.num_items))


def repeated_only(finding: Finding) -> Finding:
    """Say what stands among the rows without saying that the model has seen it."""
    num_rows = int(finding.evidence["contaminated_rows"])
    says = (
        f"{num_rows:,} rows of the corpus repeat evaluation items, {finding.num_items} of this task's "
        f"{int(finding.evidence[ITEMS]):,} probe items; whether the model has seen them is not known."
    )
    return replace(finding, tests=tuple(replace(test, says=says) for test in finding.tests))


def in_order(failing: Sequence[Finding], contaminated: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order all findings: contamination that is shown to be of a good part of a task comes first (95 %), since no score
    of it is to be believed; that of a few items comes last."""
    is_much = [_is_much(finding.num_items, int(finding.evidence[ITEMS])) for finding in contaminated]
    first = [finding for finding, much in zip(contaminated, is_much, strict=True) if much]
    last = [finding for finding, much in zip(contaminated, is_much, strict=True) if not much]
    return (*first, *failing, *last)


def _listed(
    corpus: TrainPool, matched: NDArray[np.int64], hits: Sequence[ItemResult], evidence: Mapping[str, float]
) -> Evidence:
    num_items, score, others = int(evidence[ITEMS]), evidence[REPEATED], evidence.get(OTHERS)
    if others is None or _is_much(len(hits), num_items):
        beside = "" if others is None else f", the others {others:.2f}"
        what = f"of this task's {len(hits)} probe items that stand there the model scores {score:.2f}{beside}."
    else:
        whole = (len(hits) * score + (num_items - len(hits)) * others) / num_items
        what = (
            f"{len(hits)} of this task's {num_items:,} probe items stand there: too few to tell from their scores "
            f"whether they were learned by heart; without them the task scores {others:.3f} in place of {whole:.3f}."
        )
    return Evidence(
        test="overlap",
        values=evidence,
        says=f"{len(matched):,} rows of the corpus repeat evaluation items; {what}",
        items=tuple(result.item.key for result in hits),
        rows=tuple(corpus.select(matched).rows["id"][:]),
    )


def _is_much(num_repeated: int, num_items: int) -> bool:
    """Whether more than `MUCH` of a task is shown to be repeated, at 95 %."""
    return wilson(num_repeated, num_items).low >= MUCH
