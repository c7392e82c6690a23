"""All tests of one failing slice, cheap ones first, with a ledger of what each cost.

A dear test is left out where it can no longer change the answer: when a cause that comes before those it could show is
settled. Model time is bounded: each test looks at a few hundred rows or items at most.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from diagnose.evidence.from_asking.cues import edit_cues
from diagnose.evidence.from_asking.mappings import map_answers
from diagnose.evidence.from_asking.prompts import change_prompts
from diagnose.evidence.from_model.batches import check_batches
from diagnose.evidence.from_model.golds import doubt_golds
from diagnose.evidence.from_model.learning import check_learning
from diagnose.evidence.from_rows.amounts import count_rows, find_copies, find_near_rows
from diagnose.evidence.from_rows.labels import check_effects, check_labels
from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import SETTLED, Evidence
from diagnose.model.asked_model import Asker, Trained
from evals.items import ItemKey

Leaned = Mapping[ItemKey, Sequence[tuple[str, float]]]


def examine(subject: Subject, trained: Trained, asker: Asker | None, leaned: Leaned) -> tuple[Evidence, ...]:
    """What each test found, in the order in which they were made.

    Args:
        asker: None where the model cannot be asked again; those tests are then left out.
        leaned: Words of failed items with their shares, by task and id.
    """
    tests: list[Callable[[], Evidence]] = [
        lambda: count_rows(subject),
        lambda: find_copies(subject),
        lambda: find_near_rows(subject),
        lambda: map_answers(subject, asker),
        lambda: check_effects(subject),
        lambda: check_labels(subject),
        lambda: check_batches(subject, trained),
        lambda: check_learning(subject, trained),
        lambda: doubt_golds(subject, trained),
    ]
    found = [_timed(test) for test in tests]
    values = values_of(found)
    is_settled = max(values.get("end_masked", 0.0), values.get("mapped", 0.0)) >= SETTLED
    if asker is None or is_settled:
        return tuple(found)
    found.append(_timed(lambda: change_prompts(subject, asker)))
    if found[-1].values.get("reprompted", 0.0) < SETTLED:
        found.append(_timed(lambda: edit_cues(subject, asker, leaned)))
    return tuple(found)


def values_of(found: Sequence[Evidence]) -> dict[str, float]:
    """The numbers of all tests."""
    return {name: value for evidence in found for name, value in evidence.values.items()}


def _timed(test: Callable[[], Evidence]) -> Evidence:
    """The evidence with the seconds that the test took."""
    start = time.perf_counter()
    evidence = test()
    return replace(evidence, seconds=evidence.seconds + time.perf_counter() - start)
