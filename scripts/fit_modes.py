"""Fit the classifier of failure modes and say how far to believe it: python scripts/fit_modes.py [--data FOLDER]

Writes `diagnose/mode_model.json` from `diagnose/mode_examples.jsonl`. Prints what it is worth on templates that were
not fitted, and with --data (`gsm8k/`, `trec_qc/`, `scan/`, `humaneval/` as JSONL) on questions that others wrote.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mode_templates.failure import Failure
from mode_templates.real_text import checks
from numpy.typing import NDArray

from diagnose.modes.classifier import MIN_PROBABILITY, SHIPPED, ModeClassifier
from diagnose.modes.examples import LabelledFailure, shipped_examples
from diagnose.modes.features import raw_vectors
from diagnose.modes.fit import HeldOut, fit_classifier, held_out
from diagnose.modes.mode import Mode
from diagnose.modes.name import modes_of
from diagnose.modes.rules import mode_by_rules
from evals.items import Item, ItemResult, OutputType

_NUM_BINS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    examples = shipped_examples()
    classifier = fit_classifier(examples)
    if not options.dry:
        SHIPPED.write_text(classifier.as_json() + "\n", encoding="utf-8")
    print(f"{len(examples)} examples, temperature {classifier.temperature:.3f}, {SHIPPED.stat().st_size / 1000:.0f} kB")
    print_held_out(examples, classifier.temperature)
    if options.data is not None:
        print_real_text(options.data, classifier)


def print_held_out(examples: Sequence[LabelledFailure], temperature: float) -> None:
    """By folds of whole templates; what is left by rules is what the classifier is asked for."""
    raw = raw_vectors([example.item for example in examples])
    outside = held_out(examples, raw, np.ones(len(examples)))
    probabilities = outside.probabilities(temperature)
    by_rules = [_mode_by_rules(example) for example in examples]
    is_left = np.array([mode is None for mode in by_rules])
    for name, chosen in (("all examples", np.ones(len(examples), bool)), ("left by rules", is_left)):
        own, truth = probabilities[chosen], outside.truth[chosen]
        is_right = own.argmax(axis=1) == truth
        error = calibration_error(own.max(axis=1), is_right)
        print(f"\nheld-out templates, {name}: {len(own)}")
        print(f"  accuracy {is_right.mean():.3f}, calibration error {error:.3f}")
        for least in (0.5, 0.6, 0.7, 0.8, 0.9):
            told = own.max(axis=1) >= least
            print(f"  at {least:.1f}: coverage {told.mean():.3f}, accuracy {is_right[told].mean():.3f}")
    print_confusion(outside, probabilities, by_rules)
    decided = [(mode, example.mode) for mode, example in zip(by_rules, examples, strict=True) if mode is not None]
    agree = sum(mode is label for mode, label in decided)
    print(f"rules decide {len(decided)} of {len(examples)} and agree with {agree} labels")


def calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Expected, over ten bins of equal width."""
    bins = np.minimum((confidence * _NUM_BINS).astype(int), _NUM_BINS - 1)
    return float(sum(abs((confidence - is_right)[bins == k].sum()) for k in range(_NUM_BINS)) / len(confidence))


def print_confusion(outside: HeldOut, probabilities: NDArray[np.float64], by_rules: Sequence[Mode | None]) -> None:
    """Rules, then the classifier with its abstention."""
    columns = list(dict.fromkeys([*outside.modes, Mode.NEAR_MISS, Mode.NO_ANSWER]))
    counts = Counter[tuple[Mode, Mode]]()
    for row, truth, rule in zip(probabilities, outside.truth.tolist(), by_rules, strict=True):
        told = outside.modes[int(row.argmax())] if row.max() >= MIN_PROBABILITY else Mode.WRONG
        counts[outside.modes[truth], rule or told] += 1
    print(f"\nrules, then classifier at {MIN_PROBABILITY}; rows are labels")
    print(f"{'':12}" + "".join(f"{column.value:>11}" for column in columns))
    for label in outside.modes:
        print(f"{label.value:12}" + "".join(f"{counts[label, column]:11}" for column in columns))


def print_real_text(folder: Path, classifier: ModeClassifier) -> None:
    print("\nquestions that others wrote: share by rules and classifier, by rules alone, abstained, else")
    for name, mode, failures in checks(folder):
        results = [as_result(failure, str(k)) for k, failure in enumerate(failures)]
        told, rules = modes_of(results, classifier), modes_of(results)
        share, alone = (np.mean([found == mode for found in modes]) for modes in (told, rules))
        others = Counter(found.value for found in told if found.value not in {mode, "wrong"})
        abstained = np.mean([found is Mode.WRONG for found in told])
        print(f"  {name:44} {mode:10} {share:.3f} {alone:.3f} {abstained:.3f} {dict(others)}")


def as_result(failure: Failure, number: str) -> ItemResult:
    output_type = OutputType(failure.output_type)
    item = Item("task", number, number, {}, failure.prompt, failure.target, " ", output_type)
    return ItemResult(item, failure.answer, {"exact_match": 0.0}, "exact_match", 0.0, True)


def _mode_by_rules(example: LabelledFailure) -> Mode | None:
    item = example.item
    kind = OutputType.GENERATE_UNTIL if item.is_generated else OutputType.MULTIPLE_CHOICE
    result = as_result(Failure(item.question, item.gold, item.answer, kind.value), "0")
    return mode_by_rules(result, item.gold.split())


if __name__ == "__main__":
    main()
