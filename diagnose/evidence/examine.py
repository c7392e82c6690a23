"""Run the tests of one failing slice, cheap ones first, and record what each cost.

A test is an object with a name, what it needs, what its values mean, and a function; `TESTS` lists those that a
diagnosis makes, and `Diagnoser.tests` may hold further ones. An expensive test is left out where it can no longer
change the answer: when a cause that comes before those it could show is settled. Model time is bounded: each test uses
a few hundred rows or items at most.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from diagnose.case import Case
from diagnose.evidence.from_asking.cues import edit_cues
from diagnose.evidence.from_asking.mappings import map_answers
from diagnose.evidence.from_asking.prompts import change_prompts
from diagnose.evidence.from_model.batches import check_batches
from diagnose.evidence.from_model.golds import doubt_golds
from diagnose.evidence.from_model.learning import check_learning
from diagnose.evidence.from_rows.amounts import count_rows, find_copies, find_near_rows
from diagnose.evidence.from_rows.ceiling import check_ceiling
from diagnose.evidence.from_rows.labels import check_effects, check_labels
from diagnose.evidence.from_rows.source_labels import check_sources
from diagnose.evidence.from_rows.wrapping import check_wrapping
from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import SETTLED, Evidence, LeftOut
from diagnose.model.asked_model import Asker, Trained
from evals.items import ItemKey


class Needs(StrEnum):
    """Resources that a test uses, which determine its cost."""

    ROWS = "rows"
    """Uses rows and items in memory: milliseconds."""
    EFFECTS = "effects"
    """Uses the attribution of the rows, too."""
    MODEL = "model"
    """Uses forward passes over a few hundred rows."""
    ASKING = "asking"
    """Asks the failed items again under other prompts; impossible where the model cannot be asked."""


_NOT_ITS_CORPUS = (
    "the model is not known to have been trained on corpus.train; set model.trained_on_corpus=true if it was, or train "
    "it on that corpus first with train.initial=true"
)


@dataclass(frozen=True, slots=True)
class Means:
    """Model and attributions that a test may use beside its subject."""

    trained: Trained | None
    """The measured model; None where answers are recorded ones."""
    asker: Asker | None
    """Asks the model again; None where it cannot be asked."""
    leaned: Mapping[ItemKey, Sequence[tuple[str, float]]]
    """Words of failed items with their shares of the prompt's effect on the answer."""


@dataclass(frozen=True, slots=True)
class CauseTest:
    """A test of what may be the cause."""

    name: str
    needs: Needs
    values: Mapping[str, str]
    """Meaning of each value. Those that `diagnose.finding.causes` knows count in the probabilities of causes, the
    others are shown as evidence."""
    run: Callable[[Subject, Means], Evidence]
    """Runs the test; leaves out values that do not apply."""
    unless: Sequence[str] = field(default=())
    """Values of earlier tests; with one of them at `SETTLED` or above the test is not made."""
    of_training: bool = False
    """Whether it takes the corpus for what the model was trained on."""

    def applies(self, case: Case, means: Means, values: Mapping[str, float]) -> bool:
        """Whether what the test needs is there, and no value of an earlier test makes it idle."""
        if self.of_training and not case.is_training_data:
            return False
        needed = means.asker if self.needs is Needs.ASKING else means.trained
        if needed is None and self.needs is not Needs.ROWS:
            return False
        return all(values.get(name, 0.0) < SETTLED for name in self.unless)


def _trained(means: Means) -> Trained:
    assert means.trained is not None, "a test that needs the model is made where there is one"
    return means.trained


def _asker(means: Means) -> Asker:
    assert means.asker is not None, "a test that needs asking is made where the model can be asked"
    return means.asker


TESTS = (
    CauseTest(
        "source_labels",
        Needs.EFFECTS,
        {
            "source_wrong": "share of the labels of one source that are wrong where others are right, at least",
            "source_denied": "share of that source's labels that a classifier denies",
            "source_denied_elsewhere": "share of the labels of other sources that it denies",
            "source_share": "share of the draws of the slice's rows that are of that source",
            "source_z": "z of the effects of that source's rows less those of others on the failed items",
        },
        lambda subject, _: check_sources(subject),
    ),
    CauseTest(
        "rows",
        Needs.ROWS,
        {
            "corpus_rows": "rows of the slice in the corpus",
            "pool_rows": "rows of the slice in the pool",
            "distinct_rows": "rows of the slice in the corpus, each content once",
            "corpus_share": "share of the corpus that the slice's rows are",
            "distinct_share": "that share, each content counted once",
            "fair_share": "share of the corpus that such a slice may ask for",
            "scarcity": "how far the share lies below the fair one, in [0, 1]",
            "distinct_scarcity": "how far the share without copies lies below the fair one, in [0, 1]",
            "own_copies": "share of the slice's rows that are copies",
        },
        lambda subject, _: count_rows(subject),
    ),
    CauseTest(
        "copies",
        Needs.ROWS,
        {"copies": "share of the corpus that would go if each content stood once"},
        lambda subject, _: find_copies(subject),
    ),
    CauseTest(
        "nearness",
        Needs.ROWS,
        {"nearness": "similarity of failed items to their nearest rows, against that of passing ones"},
        lambda subject, _: find_near_rows(subject),
    ),
    CauseTest(
        "mappings",
        Needs.ROWS,
        {"mapped": "share of the failed answers that one fixed mapping makes right"},
        lambda subject, means: map_answers(subject, means.asker),
    ),
    CauseTest(
        "wrapping",
        Needs.ROWS,
        {"wrapped": "share of the items whose nearest rows give their gold answer after other words, beyond others"},
        lambda subject, _: check_wrapping(subject),
    ),
    CauseTest(
        "effects",
        Needs.EFFECTS,
        {"against": "share of the effect of the slice's rows that works against the failed items"},
        lambda subject, _: check_effects(subject),
    ),
    CauseTest(
        "labels",
        Needs.ROWS,
        {
            "conflicts": "share of the slice's prompts that stand in the corpus with another answer",
            "denied": "share of the slice's labels that a classifier denies",
            "denied_items": "share of the golds of its items that the classifier denies",
            "denied_failed": "share of the golds of its failed items that the classifier denies",
            "denied_elsewhere": "share of other rows' labels that it denies",
            "wrong": "share of the slice's labels that are wrong, at least",
        },
        lambda subject, _: check_labels(subject),
    ),
    CauseTest(
        "ceiling",
        Needs.ROWS,
        {
            "agreement": "how far the labels of the rows nearest to items agree with golds beyond chance, up to 1",
            "agreement_z": "z of that",
        },
        lambda subject, _: check_ceiling(subject),
    ),
    CauseTest(
        "batches",
        Needs.MODEL,
        {
            "end_masked": "share of rows whose end token is not in the loss",
            "truncated": "share of rows that lose tokens",
            "without_loss": "share of rows with no token in the loss",
            "ends": "mean probability of the end token after a right answer",
            "runs_on": "share of failed answers that begin with the gold answer and go on",
        },
        lambda subject, means: check_batches(subject, _trained(means)),
        of_training=True,
    ),
    CauseTest(
        "learning",
        Needs.MODEL,
        {
            "learnt": "share of the slice's training rows that the model gives right",
            "learnt_elsewhere": "share of other training rows that the model gives right",
            "falling": "share by which the corpus's loss fell between the last two checkpoints",
            "beyond": "share by which own rows are foretold better than by how often each token stands there",
            "passes": "how often training drew a row, on average",
        },
        lambda subject, means: check_learning(subject, _trained(means)),
        of_training=True,
    ),
    CauseTest(
        "golds",
        Needs.MODEL,
        {
            "doubted": "share of the failed items whose gold answer is doubted",
            "sure": "share of the failed items whose answer is as likely as 19 of 20 right ones",
            "among_passing": "mean share of passing items among the nearest of a failed one",
            "gold_against": "share of the effect that works against the gold answers",
        },
        lambda subject, means: doubt_golds(subject, _trained(means)),
    ),
    CauseTest(
        "prompts",
        Needs.ASKING,
        {"reprompted": "share of the failed items that come right under another prompt"},
        lambda subject, means: change_prompts(subject, _asker(means)),
        unless=("end_masked", "mapped", "wrapped"),
    ),
    CauseTest(
        "cues",
        Needs.ASKING,
        {"cue_flips": "share of the failed items that turn right when a cue is edited"},
        lambda subject, means: edit_cues(subject, _asker(means), means.leaned),
        unless=("end_masked", "mapped", "wrapped", "reprompted"),
        of_training=True,
    ),
)


def examine(subject: Subject, means: Means, tests: Sequence[CauseTest]) -> tuple[Evidence, ...]:
    """Run the tests that apply, in order; those after one that blames other rows look at these."""
    found: list[Evidence] = []
    for test in tests:
        if test.applies(subject.case, means, values_of(found)):
            start = time.perf_counter()
            evidence = test.run(subject, means)
            unknown = set(evidence.values) - set(test.values)
            assert not unknown, f"test {test.name} does not say what {', '.join(sorted(unknown))} means"
            found.append(replace(evidence, seconds=time.perf_counter() - start))
            subject = subject if evidence.blames is None else subject.about(evidence.blames)
    return tuple(found)


def left_out_beside(case: Case, tests: Sequence[CauseTest]) -> tuple[LeftOut, ...]:
    """List the tests that are not made beside a corpus that the model is not known to have been trained on."""
    if case.is_training_data:
        return ()
    names = [test.name for test in tests if test.of_training]
    return (*(LeftOut(name, _NOT_ITS_CORPUS) for name in names), LeftOut("causes in the data", _NOT_ITS_CORPUS))


def values_of(found: Sequence[Evidence]) -> dict[str, float]:
    """Join the values of all tests by name."""
    return {name: value for evidence in found for name, value in evidence.values.items()}
