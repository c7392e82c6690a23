"""The models that turn evidence into probabilities of causes, fitted on the proving ground: python
scripts/fit_causes.py

    python scripts/play_grid.py [--data FOLDER]
    python scripts/fit_causes.py [FOLDER ...] [--longer FOLDER ...] [--write evidence trials]
    python scripts/fit_causes.py --ablation

The runs in the folders, if any, are first added to `docs/proof/causes/runs.jsonl`; the models are fitted on all that
stands there and with `--write` written to `diagnose/finding/fitted`: what one forest grows from on the evidence
(`evidence.json`), and another on evidence and small trainings (`trials.json`). What the fit is worth is told by leaving
out one world at a time: each world's findings are told as the product tells them, by models that have seen the others
alone, without small trainings and with them. Whether a model that is too small was trained too little as well is told
by those that were trained twice as long, in `longer.jsonl` beside the runs. Where no check shows the cause, no
probability is larger than the share that is right, among worlds that were left out in their turn, of the findings of
that cause that were named with .9 or more. Some minutes.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cause_examples import Example, examples_of, with_counterparts
from cause_forests import EVIDENCE, TRIALS, Known, forest_of, forests_of_others, sure, tell_left_out
from cause_worth import Said, first, print_worlds, print_worth, worth
from grid_runs import add_longer, add_runs, read_longer, read_runs

from diagnose.finding.after_trials import ALIKE, FEATURES, FEATURES_OF_MODES, TRIED, after_trials, also_true
from diagnose.finding.causes import cause_probabilities
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import EVIDENCE_FILE, TRIALS_FILE, CauseForest
from diagnose.finding.open_causes import is_settled
from diagnose.finding.outcome import settled
from diagnose.finding.readings import EVIDENCE_FEATURES, shown_by_check

NO_POOL = (Cause.MISSING_DATA,)
NO_OTHER = tuple(cause for cause in TRIED if cause not in (Cause.TRAINING_SETUP, Cause.WRONG_LABELS))
"""Repairs that cannot be tried: without a pool; where there are neither cues nor copies nor rows drawn too seldom."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--longer", nargs="+", type=Path, help="small models that were trained twice as long")
    parser.add_argument("--ablation", action="store_true", help="what each reading is worth; nothing is written")
    parser.add_argument("--write", nargs="+", choices=("evidence", "trials"), default=(), help="models to write")
    options = parser.parse_args()
    results = add_runs(options.folders) if options.folders else read_runs()
    found = examples_of(results, add_longer(options.longer) if options.longer else read_longer())
    if not found:
        raise SystemExit("no finding with something to gain: name folders of runs, clean ones of each world among them")
    num_runs = len({example.run for example in found})
    print(f"{len(found)} findings with something to gain, of {num_runs} of {len(results)} runs")
    checked = by_check(with_counterparts(found))
    told = by_evidence(checked, forests_of_others(checked, EVIDENCE))
    by_rule = [by_definition(one) for one in told if one[0].tried]
    if options.ablation:
        print_ablation(checked)
        print_trials_ablation(by_rule)
        return
    print_worth("without small trainings", told)
    if by_rule:
        print_tried(told, by_rule, sure(tell_left_out(checked, EVIDENCE).told))
    if "evidence" in options.write:
        EVIDENCE_FILE.write_text(_by_row(forest_of(checked, EVIDENCE)))
    if "trials" in options.write:
        TRIALS_FILE.write_text(_by_row(forest_of(by_rule, TRIALS)))


def print_tried(told: Sequence[Said], by_rule: Sequence[Said], right: Mapping[Cause, float]) -> None:
    """Print what findings are worth whose repairs were tried, with them and without some of them or all.

    Args:
        told: What the evidence says of all findings.
        by_rule: What follows by the definitions of those that were tried.
        right: How often each cause that evidence alone names with .9 or more is right.
    """
    print_worth("those that were tried, without small trainings", [one for one in told if one[0].tried])
    print_worth("with small trainings, by the definitions alone", by_rule)
    forests = forests_of_others(by_rule, TRIALS)
    with_trainings = with_small_trainings(by_rule, forests)
    print_worth("with small trainings", with_trainings)
    print_worlds(with_trainings)
    print_doubles(with_trainings, forests)
    for what, without in (("no rows to add", NO_POOL), ("nothing but doubted rows to leave out", NO_OTHER)):
        left = [by_definition(one) for one in told_without(told, without)]
        print_worth(f"with small trainings, {what}, by the definitions alone", left)
        print_worth(f"with small trainings, {what}", with_small_trainings(left, forests))
    by_example = {id(example): (example, shares) for example, shares in told}
    in_a_loop = [
        by_example[id(one[0])] if is_settled(by_example[id(one[0])][1], right) else one for one in with_trainings
    ]
    print_worth("with small trainings where evidence alone settles nothing, as in a loop", in_a_loop)


def print_doubles(found: Sequence[Said], forests: Mapping[str, CauseForest]) -> None:
    """Print in how many runs with two causes in one slice both are named, and in how many findings of one cause two."""
    runs: dict[str, bool] = {}
    singles = []
    for example, shares in found:
        also = also_true(example.values, shares, example.tried, forests[example.world], example.modes)
        if example.is_double:
            is_told = {first(shares), *also} == example.true
            runs[example.run] = runs.get(example.run, False) or is_told
        elif len(example.true) == 1:
            singles.append(bool(also))
    print(
        f"two causes at once: both named in {sum(runs.values())} of {len(runs)} runs; two named in {sum(singles)} of "
        f"{len(singles)} findings of one cause"
    )


def by_check(examples: Sequence[Example]) -> list[Said]:
    """Findings with the cause that a check shows by itself, if one does."""
    return [(example, shown_by_check(example.values)) for example in examples]


def by_evidence(checked: Sequence[Said], forests: Mapping[str, CauseForest]) -> list[Said]:
    """What the product says of findings by their evidence, each by the forest of all other worlds, with its caps and
    limits; counterparts are left out."""
    found = [example for example, _ in checked if not example.is_made]
    return [(example, cause_probabilities(example.values, model=forests[example.world])) for example in found]


def by_definition(told: Said) -> Said:
    """The same after what follows from small trainings by the definitions."""
    example, shares = told
    return example, settled(shares, example.tried)


def with_small_trainings(by_rule: Sequence[Said], forests: Mapping[str, CauseForest]) -> list[Said]:
    """What the product says of findings after small trainings, each by the forest of all other worlds."""
    return [
        (example, after_trials(example.values, shares, example.tried, forests[example.world], example.modes))
        for example, shares in by_rule
    ]


def told_without(told: Sequence[Said], without: Sequence[Cause]) -> list[Said]:
    """Findings that were tried, as if some repairs had not been; the others are first as their own odds say."""
    found: list[Said] = []
    for example, shares in told:
        made, open_ = [], 1.0
        for one in sorted(example.tried, key=lambda one: list(Cause).index(one.cause)):
            if one.cause not in without:
                made.append(replace(one, is_first=open_ * one.works))
                open_ *= 1 - one.works
        if made:
            found.append((replace(example, tried=made), shares))
    return found


def _by_row(stored: dict[str, object]) -> str:
    """JSON with a line for each finding."""
    rows = stored["rows"]
    assert isinstance(rows, list), "`forest_of` writes a list"
    lines = ",\n".join(json.dumps(row) for row in rows)
    return json.dumps(stored | {"rows": None}, indent=None).replace('"rows": null', f'"rows": [\n{lines}\n]') + "\n"


def print_ablation(checked: Sequence[Said]) -> None:
    """Print how findings of worlds that were left out are told by their evidence: by all of it, without each reading or
    value, and without what checks show."""
    print("| evidence | right | calibration error | of those that were tried | calibration error |")
    print("|---|---|---|---|---|")
    sets = {"all": EVIDENCE_FEATURES, **_without_each(EVIDENCE_FEATURES)}
    for what, names in sets.items():
        _print_evidence(what, checked, EVIDENCE.told_by(names))
    _print_evidence("without checks", [(example, {}) for example, _ in checked], EVIDENCE)


def _print_evidence(what: str, checked: Sequence[Said], known: Known) -> None:
    told = tell_left_out(checked, known).told
    cells = [f"{cell:.3f}" for part in (told, [one for one in told if one[0].tried]) for cell in worth(part)]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


def print_trials_ablation(by_rule: Sequence[Said]) -> None:
    """Print how findings of worlds that were left out are told after small trainings: by all that is known, without the
    trainings, what each repair did, the failure modes, each reading or value, and without the definitions."""
    print("| after small trainings | right | calibration error |")
    print("|---|---|---|")
    sets = {
        "all": FEATURES,
        "no small training": tuple(n for n in FEATURES if n not in ALIKE or n in EVIDENCE_FEATURES),
        "without failure modes": tuple(n for n in FEATURES if n not in FEATURES_OF_MODES),
    }
    sets |= {
        f"without the repair of {cause.value}": tuple(n for n in FEATURES if not n.startswith(f"{cause.value} "))
        for cause in TRIED
    }
    left = {
        what: tuple(n for n in FEATURES if n not in EVIDENCE_FEATURES or n in names)
        for what, names in _without_each(EVIDENCE_FEATURES).items()
    }
    for what, names in (sets | left).items():
        _print_trials(what, by_rule, TRIALS.told_by(names))
    _print_trials("without the definitions", [(example, {}) for example, _ in by_rule], TRIALS)


def _print_trials(what: str, by_rule: Sequence[Said], known: Known) -> None:
    cells = [f"{cell:.3f}" for cell in worth(tell_left_out(by_rule, known).told)]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


def _without_each(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {f"without {one}": tuple(name for name in names if name != one) for one in names}


if __name__ == "__main__":
    main()
