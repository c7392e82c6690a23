"""The model that turns evidence into probabilities of causes, fitted on the proving ground: python
scripts/fit_causes.py

    evalmend prove --multirun 'scenario=glob(*)' world=skills,commands 'seed=range(10,15)' prove.stop=diagnosis \
        prove.vary=true diagnose.pilots=always
    python scripts/fit_causes.py [FOLDER ...] [--write]
    python scripts/fit_causes.py --ablation

The runs in the folders are first added to `docs/proof/causes/runs.jsonl`; the model is fitted on all that stands there
and with `--write` written to `diagnose/finding/cause_model.json`. What the fit is worth is told by leaving out one
world at a time: each world's findings are told as the product tells them, by a model that has seen the others alone,
without small trainings and with them. Where small trainings are not made, no probability is larger than the share of
causes that is right, among worlds that were left out in their turn, of those named with .9 or more. Some minutes.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cause_examples import Example, examples_of, with_counterparts
from cause_regression import Regression, Said, each_world, first, left_out
from cause_worth import SURE, print_worlds, print_worth, worth
from grid_runs import add_runs, read_runs
from numpy.typing import NDArray

from diagnose.finding.after_trials import FEATURES, KEY, after_trials
from diagnose.finding.cause_model import read_model
from diagnose.finding.causes import MODEL_FILE, READINGS, cause_probabilities, read_cause_model
from diagnose.finding.finding import Cause
from diagnose.finding.open_causes import is_settled
from diagnose.finding.outcome import settled
from diagnose.modes.mode import Mode

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Inverse of the regularisation; the one that tells a world it has not seen best is taken."""
LEAST_SURE = 15
"""Fewest findings of a cause named with `SURE` or more that tell how often it is right."""
MODES = tuple(f"mode {mode}" for mode in Mode)
"""Shares of failed items in each failure mode, as further readings."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--ablation", action="store_true", help="what each reading is worth; nothing is written")
    parser.add_argument("--write", action="store_true", help="write the model")
    options = parser.parse_args()
    results = add_runs(options.folders) if options.folders else read_runs()
    found = examples_of(results)
    if not found:
        raise SystemExit("no finding with something to gain: name folders of runs, clean ones of each world among them")
    num_runs = len({example.run for example in found})
    print(f"{len(found)} findings with something to gain, of {num_runs} of {len(results)} runs")
    examples = with_counterparts(found)
    tried = [example for example in found if example.tried]
    strength, of_trials = best_strength(examples), best_strength(tried, FEATURES)
    if options.ablation:
        print_ablation(examples, strength)
        print_trials_ablation(tried, of_trials)
        return
    told = as_the_product(examples, strength)
    print_worth("without small trainings", told)
    if tried:
        print_worth("those that were tried, without small trainings", [one for one in told if one[0].tried])
        by_rule = [by_definition(one) for one in told if one[0].tried]
        print_worth("with small trainings, by the definitions alone", by_rule)
        with_trainings = with_small_trainings(by_rule, of_trials)
        print_worth("with small trainings", with_trainings)
        print_worlds(with_trainings)
        right = sure(left_out(examples, strength))
        by_evidence = {id(example): (example, shares) for example, shares in told}
        in_a_loop = [
            by_evidence[id(one[0])] if is_settled(by_evidence[id(one[0])][1], right) else one for one in with_trainings
        ]
        print_worth("with small trainings where evidence alone settles nothing, as in a loop", in_a_loop)
    if options.write:
        stored = fitted(examples, strength) | {KEY: fitted(tried, of_trials, FEATURES)}
        MODEL_FILE.write_text(json.dumps(stored, indent=1) + "\n")


def best_strength(examples: Sequence[Example], names: Sequence[str] = READINGS) -> float:
    """Inverse of the regularisation with the least loss on worlds that were left out."""
    losses = {}
    for strength in STRENGTHS:
        told = left_out(examples, strength, names)
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


def with_small_trainings(by_rule: Sequence[Said], strength: float) -> list[Said]:
    """What the product says of each world's findings after small trainings, with a regression on all others."""
    rule = {id(example): shares for example, shares in by_rule}
    tried = [example for example, _ in by_rule]
    worlds = each_world(tried, lambda others: read_model(fitted(others, strength, FEATURES), FEATURES))
    return [
        (example, after_trials(example.values, rule[id(example)], example.tried, model))
        for model, own in worlds
        for example in own
    ]


def fitted(examples: Sequence[Example], strength: float, names: Sequence[str] = READINGS) -> dict[str, object]:
    """A regression as it stands in the model's file."""
    regression = Regression(examples, strength, names)
    told = left_out(examples, strength, names)
    right = [first(shares) in example.true for example, shares in told if max(shares.values()) >= SURE]
    return {
        "causes": [cause.value for cause in regression.causes],
        "readings": list(names),
        "coefficients": [_named(row, names) for row in regression.coefficients],
        "intercepts": np.round(regression.intercepts, 4).tolist(),
        "typical": _named(regression.typical, names),
        "num_findings": len(examples),
        "worlds": sorted({example.world for example in examples}),
        "most": round(float(np.mean(right)), 2) if right else 1.0,
        "sure": {cause.value: share for cause, share in sure(told).items()},
        **_seen(examples, regression),
    }


def _named(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, np.round(values, 4).tolist(), strict=True))


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


def print_trials_ablation(tried: Sequence[Example], strength: float) -> None:
    """Print how findings of worlds that were left out are told after small trainings without each reading, without
    what each repair did, and without the trainings."""
    print("| after small trainings | right | calibration error |")
    print("|---|---|---|")
    sets = {"all": FEATURES, "no small training": READINGS}
    sets |= {f"without {name}": tuple(n for n in FEATURES if n != name) for name in READINGS}
    repairs = dict.fromkeys(name.split()[0] for name in FEATURES if name not in READINGS)
    sets |= {f"without the repair of {cause}": tuple(n for n in FEATURES if n.split()[0] != cause) for cause in repairs}
    for what, names in sets.items():
        cells = [f"{cell:.3f}" for cell in worth(left_out(tried, strength, names))]
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
