"""The model that turns evidence into probabilities of causes, fitted on the proving ground: python
scripts/fit_causes.py

    evalmend prove --multirun 'scenario=glob(*)' world=skills,commands 'seed=range(10,15)' prove.stop=diagnosis \
        prove.vary=true diagnose.pilots=always
    evalmend prove --multirun scenario=small_model prove.scenario.steps_share=2 world=skills,commands \
        'seed=range(10,15)' prove.stop=diagnosis prove.vary=true diagnose.pilots=never
    python scripts/fit_causes.py [FOLDER ...] [--longer FOLDER ...] [--write evidence trials]
    python scripts/fit_causes.py --ablation

The runs in the folders are first added to `docs/proof/causes/runs.jsonl`; the models are fitted on all that stands
there and with `--write` written to `diagnose/finding/fitted`: a regression on the evidence (`evidence.json`), and what
a forest grows from on evidence and small trainings (`trials.json`). What the fit is worth is told by leaving out one
world at a time: each world's findings are told as the product tells them, by models that have seen the others alone,
without small trainings and with them. Whether a model that is too small was trained too little as well is told by those
that were trained twice as long, in `longer.jsonl` beside the runs. Where small trainings are not made, no probability
is larger than the share of causes that is right, among worlds that were left out in their turn, of those named with .9
or more. Some minutes.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from cause_examples import Example, examples_of, with_counterparts
from cause_forests import forest_from, forest_of, told_left_out
from cause_regression import Regression, Said, each_world, first, left_out
from cause_worth import SURE, print_worlds, print_worth, worth
from grid_runs import add_longer, add_runs, read_longer, read_runs
from numpy.typing import NDArray

from diagnose.finding.after_trials import ALIKE, FEATURES, TRIED, after_trials
from diagnose.finding.causes import READINGS, cause_probabilities, read_cause_model
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import TRIALS_FILE, CauseForest
from diagnose.finding.fitted.regression import EVIDENCE_FILE
from diagnose.finding.open_causes import is_settled
from diagnose.finding.outcome import settled
from diagnose.modes.mode import Mode

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Inverse of the regularisation; the one that tells a world it has not seen best is taken."""
LEAST_SURE = 15
"""Fewest findings of a cause named with `SURE` or more that tell how often it is right."""
NO_POOL = (Cause.MISSING_DATA,)
NO_OTHER = tuple(cause for cause in TRIED if cause not in (Cause.TRAINING_SETUP, Cause.WRONG_LABELS))
"""Repairs that cannot be tried: without a pool; where there are neither cues nor copies nor rows drawn too seldom."""
MODES = tuple(f"mode {mode}" for mode in Mode)
"""Shares of failed items in each failure mode, as further readings."""


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
    examples = with_counterparts(found)
    strength = best_strength(examples)
    if options.ablation:
        print_ablation(examples, strength)
        told = as_the_product(examples, strength)
        print_trials_ablation([by_definition(one) for one in told if one[0].tried])
        return
    told = as_the_product(examples, strength)
    print_worth("without small trainings", told)
    by_rule = [by_definition(one) for one in told if one[0].tried]
    if by_rule:
        print_worth("those that were tried, without small trainings", [one for one in told if one[0].tried])
        print_worth("with small trainings, by the definitions alone", by_rule)
        forests = forests_of_others(by_rule)
        with_trainings = with_small_trainings(by_rule, forests)
        print_worth("with small trainings", with_trainings)
        print_worlds(with_trainings)
        for what, without in (("no rows to add", NO_POOL), ("nothing but doubted rows to leave out", NO_OTHER)):
            left = [by_definition(one) for one in told_without(told, without)]
            print_worth(f"with small trainings, {what}, by the definitions alone", left)
            print_worth(f"with small trainings, {what}", with_small_trainings(left, forests))
        right = sure(left_out(examples, strength))
        by_evidence = {id(example): (example, shares) for example, shares in told}
        in_a_loop = [
            by_evidence[id(one[0])] if is_settled(by_evidence[id(one[0])][1], right) else one for one in with_trainings
        ]
        print_worth("with small trainings where evidence alone settles nothing, as in a loop", in_a_loop)
    if "evidence" in options.write:
        EVIDENCE_FILE.write_text(json.dumps(fitted(examples, strength), indent=1) + "\n")
    if "trials" in options.write:
        TRIALS_FILE.write_text(_by_row(forest_of(by_rule)))


def best_strength(examples: Sequence[Example]) -> float:
    """Inverse of the regularisation with the least loss on worlds that were left out."""
    losses = {}
    for strength in STRENGTHS:
        told = left_out(examples, strength)
        losses[strength] = float(np.mean([-np.log(shares[Cause(example.cause)]) for example, shares in told]))
    print("loss on worlds that were left out, by strength:", {k: round(loss, 3) for k, loss in losses.items()})
    return min(losses, key=lambda strength: losses[strength])


def as_the_product(examples: Sequence[Example], strength: float) -> list[Said]:
    """What the product says of each world's findings with a model of all others, with its caps and limits."""
    worlds = each_world(examples, lambda others: read_cause_model(fitted(others, strength)))
    return [(example, cause_probabilities(example.values, model=model)) for model, own in worlds for example in own]


def by_definition(told: Said) -> Said:
    """The same after what follows from small trainings by the definitions."""
    example, shares = told
    return example, settled(shares, example.tried)


def forests_of_others(by_rule: Sequence[Said]) -> dict[str, CauseForest]:
    """For each world the forest that the product would have of all others."""
    rule = {id(example): shares for example, shares in by_rule}

    def fit(others: Sequence[Example]) -> CauseForest:
        return forest_from(forest_of([(example, rule[id(example)]) for example in others]))

    worlds = each_world([example for example, _ in by_rule], fit)
    return {example.world: forest for forest, own in worlds for example in own[:1]}


def with_small_trainings(by_rule: Sequence[Said], forests: Mapping[str, CauseForest]) -> list[Said]:
    """What the product says of findings after small trainings, each by the forest of all other worlds."""
    return [
        (example, after_trials(example.values, shares, example.tried, forests[example.world]))
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


def fitted(examples: Sequence[Example], strength: float) -> dict[str, object]:
    """A regression as it stands in the model's file."""
    regression = Regression(examples, strength)
    told = left_out(examples, strength)
    right = [first(shares) in example.true for example, shares in told if max(shares.values()) >= SURE]
    return {
        "causes": [cause.value for cause in regression.causes],
        "readings": list(READINGS),
        "coefficients": [_named(row) for row in regression.coefficients],
        "intercepts": np.round(regression.intercepts, 4).tolist(),
        "typical": _named(regression.typical),
        "num_findings": len(examples),
        "worlds": sorted({example.world for example in examples}),
        "most": round(float(np.mean(right)), 2) if right else 1.0,
        "sure": {cause.value: share for cause, share in sure(told).items()},
        **_seen(examples, regression),
    }


def _named(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(READINGS, np.round(values, 4).tolist(), strict=True))


def _by_row(stored: dict[str, object]) -> str:
    """JSON with a line for each finding."""
    rows = stored["rows"]
    assert isinstance(rows, list), "`forest_of` writes a list"
    lines = ",\n".join(json.dumps(row) for row in rows)
    return json.dumps(stored | {"rows": None}, indent=None).replace('"rows": null', f'"rows": [\n{lines}\n]') + "\n"


def _seen(examples: Sequence[Example], regression: Regression) -> dict[str, object]:
    """Readings that were fitted on, and how far those of a world lie from those of others at most; rounded places stand
    in the file, so distances are from these."""
    places, worlds = regression.places(examples), np.array([example.world for example in examples])
    rounded = np.round(places, 1)
    nearest = [
        np.linalg.norm(rounded[worlds != world] - place, axis=1).min()
        for place, world in zip(places, worlds.tolist(), strict=True)
        if (worlds != world).any()
    ]
    apart = np.unique(rounded, axis=0)
    return {"seen": apart.tolist(), "reach": round(float(max(nearest, default=np.inf)), 3)}


def sure(found: Sequence[Said]) -> dict[Cause, float]:
    """Share that is right of each cause named with .9 or more, where there are enough to tell."""
    right: dict[Cause, list[bool]] = defaultdict(list)
    for example, shares in found:
        if shares[first(shares)] >= SURE:
            right[first(shares)].append(first(shares) in example.true)
    return {cause: round(float(np.mean(own)), 3) for cause, own in sorted(right.items()) if len(own) >= LEAST_SURE}


def print_ablation(examples: Sequence[Example], strength: float) -> None:
    """Print how findings of worlds that were left out are told by the regression without each reading, with all, and
    with failure modes or the foreknowledge of its own rows as further ones."""
    print("| readings | right | calibration error | by the definitions, with small trainings | calibration error |")
    print("|---|---|---|---|---|")
    sets = {"all": READINGS} | {f"without {name}": tuple(n for n in READINGS if n != name) for name in READINGS}
    sets |= {"with failure modes": (*READINGS, *MODES), "with `beyond`": (*READINGS, "beyond")}
    for what, names in sets.items():
        told = left_out(examples, strength, names)
        tried = [by_definition(one) for one in told if one[0].tried]
        cells = [f"{cell:.3f}" for part in (told, tried) for cell in worth(part)]
        print(f"| {what} | {' | '.join(cells)} |")


def print_trials_ablation(by_rule: Sequence[Said]) -> None:
    """Print how findings of worlds that were left out are told after small trainings without each reading or value,
    without what each repair did, and without the trainings."""
    print("| after small trainings | right | calibration error |")
    print("|---|---|---|")
    of_trials = {name: cause for cause in TRIED for name in ALIKE if name.startswith(f"{cause.value} ")}
    sets = {"all": FEATURES, "no small training": tuple(n for n in FEATURES if n not in of_trials)}
    sets |= {f"without {name}": tuple(n for n in FEATURES if n != name) for name in FEATURES if name not in of_trials}
    repairs = {cause: tuple(n for n in FEATURES if of_trials.get(n) != cause) for cause in TRIED}
    sets |= {f"without the repair of {cause.value}": names for cause, names in repairs.items()}
    for what, names in sets.items():
        cells = [f"{cell:.3f}" for cell in worth(told_left_out(by_rule, names)[0])]
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
