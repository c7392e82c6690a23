"""What the classifier of failure modes has learnt, how it is stored, and where it abstains."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from builders.checkout import SHARED, script
from builders.items import item, scored
from sklearn.linear_model import LogisticRegression

from diagnose.modes.classifier import SHIPPED, ModeClassifier, load_classifier
from diagnose.modes.examples import SHIPPED as EXAMPLES
from diagnose.modes.examples import LabelledFailure, shipped_examples
from diagnose.modes.features import Answered, raw_vectors
from diagnose.modes.fit import HeldOut, fit_classifier, held_out
from diagnose.modes.mode import Mode
from diagnose.modes.name import modes_of

DATA = SHARED / "data"
has_data = pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason="needs GSM8K and TREC in ../shared/data")


@pytest.fixture(scope="module")
def classifier() -> ModeClassifier:
    return load_classifier()


@pytest.fixture(scope="module")
def examples() -> list[LabelledFailure]:
    return shipped_examples()


@pytest.fixture(scope="module")
def outside(examples: list[LabelledFailure]) -> HeldOut:
    return held_out(examples, raw_vectors([e.item for e in examples]), np.ones(len(examples)))


def test_the_shipped_examples_are_those_that_the_script_makes() -> None:
    made = script("make_mode_examples").examples_text()
    assert EXAMPLES.read_text(encoding="utf-8") == made, "run python scripts/make_mode_examples.py"


def test_the_stored_coefficients_are_those_that_the_script_fits(
    examples: list[LabelledFailure], classifier: ModeClassifier
) -> None:
    fitted = fit_classifier(examples)
    assert fitted.modes == classifier.modes
    assert fitted.temperature == pytest.approx(classifier.temperature, rel=0.02)
    np.testing.assert_allclose(fitted.mean, classifier.mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fitted.coef, classifier.coef, rtol=0.02, atol=0.005)
    np.testing.assert_allclose(fitted.intercept, classifier.intercept, rtol=0.02, atol=0.005)


def test_what_is_stored_is_what_was_fitted_to_the_last_digit(tmp_path: Path, classifier: ModeClassifier) -> None:
    (tmp_path / "model.json").write_text(classifier.as_json())
    again = load_classifier(tmp_path / "model.json")
    assert np.array_equal(again.coef, classifier.coef)
    assert np.array_equal(again.idf, classifier.idf)
    assert again.as_json() + "\n" == SHIPPED.read_text()


def test_probabilities_are_those_of_sklearn_with_the_temperature(
    examples: list[LabelledFailure], classifier: ModeClassifier
) -> None:
    features = classifier.features([example.item for example in examples])
    theirs = LogisticRegression()
    theirs.classes_ = np.array([mode.value for mode in classifier.modes])
    theirs.coef_ = classifier.coef / classifier.temperature
    theirs.intercept_ = classifier.intercept / classifier.temperature
    ours = classifier.probabilities(features)
    np.testing.assert_allclose(ours, theirs.predict_proba(features), atol=1e-12)
    np.testing.assert_allclose(ours.sum(axis=1), 1)


def test_an_item_is_judged_alike_alone_and_among_others(
    examples: list[LabelledFailure], classifier: ModeClassifier
) -> None:
    items = [example.item for example in examples[::40]]
    alone = np.concatenate([classifier.features([item]) for item in items])
    np.testing.assert_allclose(classifier.features(items), alone)


def test_templates_that_were_not_fitted_are_told_with_honest_probabilities(
    outside: HeldOut, classifier: ModeClassifier
) -> None:
    probabilities = outside.probabilities(classifier.temperature)
    is_right = probabilities.argmax(axis=1) == outside.truth
    confidence = probabilities.max(axis=1)
    assert is_right.mean() > 0.8
    assert is_right[confidence >= 0.7].mean() > 0.9
    assert (confidence >= 0.7).mean() > 0.75
    assert script("fit_modes").calibration_error(confidence, is_right) < 0.05


def test_the_temperature_is_the_one_that_makes_held_out_templates_likeliest(
    outside: HeldOut, classifier: ModeClassifier
) -> None:
    best = outside.loss(classifier.temperature)
    assert best <= min(outside.loss(0.9 * classifier.temperature), outside.loss(1.1 * classifier.temperature))


@pytest.mark.parametrize("mode", [Mode.KNOWLEDGE, Mode.REASONING])
def test_choices_are_told_by_their_questions(mode: Mode, classifier: ModeClassifier) -> None:
    question, gold, answer = {
        Mode.KNOWLEDGE: ("Who painted the ceiling of the chapel in Rome?", "Michelangelo", "Leonardo"),
        Mode.REASONING: (
            "Kim buys 4 boxes of 12 crayons and gives away 15 crayons. How many crayons are left?", "33", "48",
        ),
    }[mode]  # fmt: skip
    assert classifier.modes_of([Answered(question, gold, answer, is_generated=False)]) == [mode]


def test_a_choice_is_never_told_to_be_ill_formed(classifier: ModeClassifier) -> None:
    declined = "That is beyond what I may answer, please ask somebody else about this."
    items = [Answered("Who wrote it?", "Jane", declined, is_generated) for is_generated in (True, False)]
    assert classifier.modes_of(items) == [Mode.REFUSAL, Mode.WRONG]


def far(rng: Random) -> Answered:
    """Rows of letters of other alphabets, and of tokens that are no words."""
    signs = rng.choice(["αβγδεζηθικλμ", "абвгдежзиклмн", "日月火水木金土山川田", "qxzwvkj"])
    question, gold, answer = (
        " ".join("".join(rng.choices(signs, k=rng.randint(1, 6))) for _ in range(rng.randint(2, 8))) for _ in range(3)
    )
    return Answered(question, gold, answer)


def test_abstains_on_text_far_from_every_example(classifier: ModeClassifier) -> None:
    rng = Random(0)
    told = classifier.modes_of([far(rng) for _ in range(200)])
    assert told.count(Mode.WRONG) >= 190


def test_abstains_on_rules_over_symbols(classifier: ModeClassifier) -> None:
    rng = Random(1)
    letters = "abcdefghij"
    items = []
    for _ in range(200):
        shown = rng.sample(letters, rng.randint(3, 6))
        answer = rng.sample(shown, len(shown))
        items.append(Answered(f"descend {' '.join(shown)}", " ".join(sorted(shown, reverse=True)), " ".join(answer)))
    assert classifier.modes_of(items).count(Mode.WRONG) >= 190


def real(name: str) -> float:
    """Share of failures made from questions that others wrote which are told right."""
    for check, mode, failures in script("fit_modes").checks(DATA):
        if check == name:
            results = [
                scored(item(failure.prompt, failure.target, id=str(number)), 0.0, failure.answer)
                for number, failure in enumerate(failures[:400])
            ]
            return float(np.mean([found == mode for found in modes_of(results, load_classifier())]))
    raise AssertionError(name)


@has_data
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("GSM8K, slipped derivation", 0.9),
        ("GSM8K, wrong number, gold a number", 0.95),
        ("GSM8K, derivation cut off", 0.65),
        ("GSM8K, refused", 0.9),
        ("TREC, another fact", 0.75),
    ],
)
def test_questions_that_others_wrote_are_told_right(name: str, least: float) -> None:
    assert real(name) >= least


def test_the_examples_are_small_enough_to_ship() -> None:
    assert EXAMPLES.stat().st_size < 300_000
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    assert {row["mode"] for row in rows} <= {mode.value for mode in Mode}
