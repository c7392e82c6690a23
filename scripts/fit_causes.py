"""The model that turns evidence into probabilities of causes, fitted on the proving ground: python
scripts/fit_causes.py

    evalmend prove --multirun 'scenario=glob(*)' world=skills,commands 'seed=range(100,104)' prove.stop=diagnosis
    python scripts/fit_causes.py [FOLDER ...]
    python scripts/fit_causes.py --ablation

The evidence of every finding in the folders' `prove.json` files is first added to `docs/proof/causes/evidence.jsonl`,
beside the causes that were planted and what small trainings did; the model is fitted on all that stands there and
written to `diagnose/cause_model.json`. Runs of the worlds that are kept for judging are refused. What the fit is worth
is told by leaving out one world at a time, without small trainings and with them: accuracy, macro-F1, calibration error
of the named cause and a table of reliability. Where small trainings are not made, no probability is larger than the
share of causes that is right there among those named with .9 or more. Seconds.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted_truth import LEAST_GAP, clean_scores, gap_of, skill_named, true_of
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from controller.prove.result import PROVE_FILE, ProveResult, read_prove
from controller.prove.truth import VERIFIED
from diagnose.finding.causes import MODEL_FILE, READINGS, read_cause_model, readings_of
from diagnose.finding.finding import Cause, Experiment
from diagnose.finding.open_causes import is_settled
from diagnose.finding.outcome import settled
from evals.fixtures.worlds import FIT_WORLDS
from evals.statistics.intervals import Estimate

EVIDENCE = Path(__file__).parents[1] / "docs" / "proof" / "causes" / "evidence.jsonl"
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Inverse of the regularisation; the one that tells a world it has not seen best is taken."""
AT_REST_OF = (Cause.FORMAT, Cause.WRONG_GOLD, Cause.SHORTCUT)
"""Causes of slices whose rows are there and learnt."""
DECIDING = ("mapped", "reprompted", "doubted", "cue_flips", "against")
"""What tells them."""
TOO_FEW = 24
"""Rows of `starved_skill`, which do not close when they are raised (`verified.json`)."""
SURE, LEAST_SURE = 0.9, 15
"""Probability from which a cause counts as sure, and fewest such findings that tell how often it is right."""
SMOOTHING = 0.02
"""Of a label's weight that goes to the other causes: no run is proof beyond doubt."""


@dataclass(frozen=True, slots=True)
class Example:
    """A finding on the proving ground, and the cause that was planted."""

    world: str
    scenario: str
    seed: int
    slice: str
    cause: str
    """First true cause, `unknown` where nothing can be done or found."""
    values: Mapping[str, float]
    intensity: float = 1.0
    also: Sequence[str] = ()
    """Further causes that are true."""
    tried: Sequence[Mapping[str, Any]] = ()
    """Repairs that were tried: cause, `works`, `is_first` and effect."""
    changes: Sequence[str] = ()
    """Kinds of the actions that were proposed in the run."""

    @property
    def true(self) -> frozenset[str]:
        return frozenset({self.cause, *self.also})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--ablation", action="store_true", help="what each reading is worth; nothing is written")
    options = parser.parse_args()
    known = {key(example): example for example in read_examples()}
    results = [read_prove(path) for folder in options.folders for path in sorted(folder.rglob(PROVE_FILE))]
    known |= {key(example): example for example in from_runs(results)}
    if options.folders:
        write_examples([known[name] for name in sorted(known)])
    found = read_examples()
    examples = with_counterparts(found)
    held_out = {strength: held_out_shares(examples, strength) for strength in STRENGTHS}
    losses = {k: float(np.mean([-np.log(shares[e.cause]) for e, shares in found])) for k, found in held_out.items()}
    best = min(losses, key=lambda strength: losses[strength])
    if options.ablation:
        print_ablation(examples, best)
        return
    print("loss on worlds not seen, by strength:", {k: round(loss, 3) for k, loss in losses.items()})
    alone = [(e, shares) for e, shares in held_out[best] if e in found]
    print_worth("without small trainings", alone)
    tried = [(e, shares) for e, shares in alone if e.tried]
    if tried:
        print_worth("the same findings as below, without small trainings", tried)
        print_worth("with small trainings", [(e, with_trainings(e, shares)) for e, shares in tried])
        right = {Cause(name): share for name, share in sure(alone).items()}
        open_only = [
            (e, shares if is_settled(_by_cause(shares), right) else with_trainings(e, shares)) for e, shares in tried
        ]
        print_worth("with small trainings where evidence alone settles nothing, as in a loop", open_only)
    stored = fitted(examples, best) | {"most": round(most_believed(alone), 2), "sure": sure(alone)} | seen(examples)
    MODEL_FILE.write_text(json.dumps(stored, indent=1) + "\n")


def key(example: Example) -> tuple[str, str, float, int, str]:
    return example.world, example.scenario, example.intensity, example.seed, example.slice


def read_examples() -> list[Example]:
    if not EVIDENCE.is_file():
        return []
    return [Example(**json.loads(line)) for line in EVIDENCE.read_text().splitlines()]


def write_examples(examples: Sequence[Example]) -> None:
    EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
    EVIDENCE.write_text("".join(json.dumps(asdict(example), sort_keys=True) + "\n" for example in examples))


def from_runs(results: Sequence[ProveResult]) -> Iterator[Example]:
    """Findings with a gap that could be closed; where a world has no clean run beside it every gap counts."""
    clean = clean_scores(results)
    for result in results:
        if result.world not in FIT_WORLDS:
            raise SystemExit(f"the world {result.world} is kept for judging; fit on {', '.join(FIT_WORLDS)}")
        for named in result.named:
            causes = true_of(result, named)
            gap = gap_of(result, clean.get(result.world, {}), skill_named(result, named))
            if causes and (gap is None or gap >= LEAST_GAP):
                yield Example(
                    world=result.world,
                    scenario=result.scenario,
                    seed=result.seed,
                    slice=str(dict(named.slice)),
                    cause=causes[0],
                    values={name: value for name, value in named.evidence.items() if isinstance(value, float)},
                    intensity=result.intensity,
                    also=list(causes[1:]),
                    tried=[
                        {"cause": one.cause.value, "works": one.works, "is_first": one.is_first}
                        | {"effect": one.effect.mean, "length": one.length}
                        for one in named.experiments
                    ],
                    changes=list(result.actions),
                )


def with_trainings(example: Example, shares: Mapping[str, float]) -> dict[str, float]:
    """Combine the probabilities of a world's findings, by a model that has not seen it, with what trainings did."""
    known = Estimate(0.0, 0.0, 0.0)
    made = [
        Experiment(Cause(one["cause"]), "", "", known, known, one["works"], one["is_first"], 0, 0, one["length"])
        for one in example.tried
    ]
    found = settled(_by_cause(shares), made)
    return {cause.value: share for cause, share in found.items()}


def _by_cause(shares: Mapping[str, float]) -> dict[Cause, float]:
    return {Cause(cause): share for cause, share in shares.items()}


def seen(examples: Sequence[Example]) -> dict[str, object]:
    """Readings that were fitted on, and how far those of a world lie from those of others at most."""
    stored = fitted(examples, STRENGTHS[0])
    typical: Mapping[str, float] = stored["typical"]  # type: ignore[assignment]
    places = np.array([[readings_of(e.values).get(name, typical[name]) for name in READINGS] for e in examples])
    worlds = np.array([e.world for e in examples])
    nearest = [
        np.linalg.norm(places[worlds != world] - place, axis=1).min()
        for place, world in zip(places, worlds.tolist(), strict=True)
    ]
    apart = np.unique(np.round(places, 1), axis=0)
    return {"seen": apart.tolist(), "reach": round(float(max(nearest)), 3)}


def most_believed(found: Sequence[tuple[Example, Mapping[str, float]]]) -> float:
    """Share of the causes named with .9 or more, in worlds that were not seen, that is right."""
    right = [max(shares, key=lambda c: shares[c]) in e.true for e, shares in found if max(shares.values()) >= SURE]
    return float(np.mean(right)) if right else 1.0


def sure(found: Sequence[tuple[Example, Mapping[str, float]]]) -> dict[str, float]:
    """Share that is right of each cause named with .9 or more in worlds that were not seen, where that is enough to
    tell."""
    right: dict[str, list[bool]] = defaultdict(list)
    for example, shares in found:
        name = max(shares, key=lambda cause: shares[cause])
        if shares[name] >= SURE:
            right[name].append(name in example.true)
    return {name: round(float(np.mean(own)), 3) for name, own in sorted(right.items()) if len(own) >= LEAST_SURE}


def with_counterparts(examples: Sequence[Example]) -> list[Example]:
    """Two causes of which the worlds have no scenario.

    Rows that copies crowd out are learnt when they are raised (`verified.json`), so they would be if the crowd were
    distinct rows: the same evidence without copies is an example of `underweighted`. And a slice that fails though its
    rows are there and learnt, while no test finds anything, is one of `unknown`: the evidence of such a slice without
    what decides it.
    """
    made = []
    for example in examples:
        crowded = example.cause == Cause.DUPLICATES and example.values.get("scarcity", 0.0) > 0.5
        crowded &= example.values.get("distinct_rows", 0.0) > TOO_FEW
        if crowded and Cause.UNDERWEIGHTED in verified(example):
            values = {**example.values, "copies": 0.0, "distinct_scarcity": example.values["scarcity"]}
            made.append(replace(example, cause=Cause.UNDERWEIGHTED.value, values=values))
        if example.cause in AT_REST_OF:
            values = {**example.values, **{name: 0.0 for name in DECIDING if name in example.values}}
            made.append(replace(example, cause=Cause.UNKNOWN.value, values=values))
    return [*examples, *made]


def verified(example: Example) -> Sequence[str]:
    """Causes that retraining has shown; none where nothing was retrained."""
    found: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]] = json.loads(VERIFIED.read_text())
    return found.get(example.world, {}).get(example.scenario, {}).get("causes", ())


def print_ablation(examples: Sequence[Example], strength: float) -> None:
    """Print how much worse findings of worlds that were not seen are told without each reading, and with all."""
    print("| without | right | calibration error | with small trainings: right | calibration error |")
    print("|---|---|---|---|---|")
    for name in (None, *READINGS):
        found = held_out_shares(examples, strength, name)
        tried = [(e, with_trainings(e, shares)) for e, shares in found if e.tried]
        cells = [cell for part in (found, tried) for cell in (*map("{:.3f}".format, worth(part)),)]
        print(f"| {name or 'nothing'} | {' | '.join(cells)} |")


def worth(found: Sequence[tuple[Example, Mapping[str, float]]]) -> tuple[float, float]:
    """Share of findings whose first cause is a true one, and calibration error."""
    if not found:
        return float("nan"), float("nan")
    right = np.array([max(shares, key=lambda c: shares[c]) in e.true for e, shares in found])
    return float(right.mean()), calibration_error(np.array([max(shares.values()) for _, shares in found]), right)


def known_readings(example: Example, left_out: str | None) -> dict[str, float]:
    return {name: value for name, value in readings_of(example.values).items() if name != left_out}


def fitted(examples: Sequence[Example], strength: float, left_out: str | None = None) -> dict[str, object]:
    """What stands in the model's file; a reading that is left out is nowhere known."""
    readings = [known_readings(example, left_out) for example in examples]
    typical = {name: float(np.median([r[name] for r in readings if name in r] or [0.0])) for name in READINGS}
    x = np.array([[r.get(name, typical[name]) for name in READINGS] for r in readings])
    classes = [cause.value for cause in Cause if any(e.cause == cause.value for e in examples)]
    y = np.array([classes.index(example.cause) for example in examples])
    model = _regression(x, y, _run_weights(examples, y), len(classes), strength)
    return {
        "causes": classes,
        "readings": list(READINGS),
        "coefficients": [dict(zip(READINGS, np.round(row, 4).tolist(), strict=True)) for row in model.coef_],
        "intercepts": np.round(model.intercept_, 4).tolist(),
        "typical": typical,
        "num_findings": len(examples),
        "worlds": sorted({example.world for example in examples}),
    }


def _regression(
    x: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64], num: int, strength: float
) -> LogisticRegression:
    # Each finding counts for its own cause and, a little, for every other one: that bounds the odds.
    rows = np.repeat(np.arange(len(y)), num)
    labels = np.tile(np.arange(num), len(y))
    share = np.where(labels == y[rows], 1 - SMOOTHING, SMOOTHING / (num - 1))
    model = LogisticRegression(C=strength, max_iter=5000)
    model.fit(x[rows], labels, sample_weight=weights[rows] * share)
    return model


def _run_weights(examples: Sequence[Example], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Causes count alike, and so do the runs of a cause, however many findings each has."""
    runs = [f"{e.world} {e.scenario} {e.seed} {label}" for e, label in zip(examples, y.tolist(), strict=True)]
    of_run = {run: runs.count(run) for run in runs}
    weights = np.array([1 / of_run[run] for run in runs])
    totals = np.bincount(y, weights)
    return np.asarray(weights / totals[y] * len(set(runs)) / len(totals))


def held_out_shares(
    examples: Sequence[Example], strength: float, left_out: str | None = None
) -> list[tuple[Example, dict[str, float]]]:
    """Probabilities of each world's findings by a model that has not seen the world."""
    found = []
    for world in dict.fromkeys(example.world for example in examples):
        stored = fitted([e for e in examples if e.world != world], strength, left_out)
        model = read_cause_model(stored)
        for example in (e for e in examples if e.world == world):
            shares = model.probabilities(known_readings(example, left_out)).tolist()
            found.append((example, dict(zip(model.causes, shares, strict=True))))
    return [(e, {cause.value: share for cause, share in shares.items()}) for e, shares in found if e.cause in shares]


def print_worth(what: str, found: Sequence[tuple[Example, Mapping[str, float]]]) -> None:
    """Print how often the named cause is a true one, where it is wrong, and how far probabilities can be believed."""
    named = [max(shares, key=lambda cause: shares[cause]) for _, shares in found]
    right = np.array([name in e.true for name, (e, _) in zip(named, found, strict=True)])
    truth = [name if ok else e.cause for name, ok, (e, _) in zip(named, right.tolist(), found, strict=True)]
    confidence = np.array([max(shares.values()) for _, shares in found])
    is_named = np.array([name != Cause.UNKNOWN for name in named])
    print(
        f"{what}, each world by a model that has not seen it: {right.mean():.3f} of {len(found)} findings right, "
        f"{right[is_named].mean():.3f} of {is_named.sum()} named ones, unknown {1 - is_named.mean():.3f}, macro-F1 "
        f"{f1_score(truth, named, average='macro'):.3f}, calibration error {calibration_error(confidence, right):.3f}"
    )
    for low, high in pairwise((0.0, 0.5, 0.7, 0.9, 1.01)):
        inside = (confidence >= low) & (confidence < high) & is_named
        if inside.any():
            print(f"  named with {low:.1f} to {min(high, 1):.1f}: {right[inside].sum()} of {inside.sum()} right")
    for (e, shares), cause, ok in zip(found, named, right.tolist(), strict=True):
        if not ok:
            print(
                f"  {e.world} {e.scenario} at {e.intensity:g}, seed {e.seed} {e.slice}: "
                f"{e.cause} called {cause} ({shares[cause]:.2f})"
            )


def calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over equal bins of confidence."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            (place == k).mean() * abs(confidence[place == k].mean() - is_right[place == k].mean())
            for k in range(bins)
            if (place == k).any()
        )
    )


if __name__ == "__main__":
    main()
