"""Findings of the proving ground as examples of their causes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from grid_runs import Longer
from numpy.typing import NDArray
from planted_truth import DOUBLE, LEAST_GAP, clean_scores, gap_of, is_closed_by_longer, skill_named, true_of

from controller.prove.result import Named, ProveResult
from controller.prove.truth import VERIFIED
from diagnose.finding.finding import Cause, Experiment

_AT_REST_OF = (Cause.FORMAT, Cause.WRONG_GOLD, Cause.SHORTCUT)
"""Causes of slices whose rows are there and learnt."""
_DECIDING = ("mapped", "reprompted", "wrapped", "doubted", "cue_flips", "against")
"""What tells them."""
_BEHIND = ("sure", "gold_against", "among_passing", "denied_failed")
"""What that is found from, of which nothing is known without it."""
NO_LONGER: Longer = MappingProxyType({})
_TOO_FEW = 24
"""Rows of `starved_skill`, which do not close when they are raised (`verified.json`)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Example:
    """A finding, and the cause that was planted."""

    world: str
    scenario: str
    intensity: float
    seed: int
    slice: str
    cause: str
    """First true cause, `unknown` where nothing can be done or found."""
    also: Sequence[str]
    """Further causes that are true."""
    values: Mapping[str, float]
    """Numbers of the evidence."""
    modes: Mapping[str, float]
    """Share of failed items in each failure mode."""
    tried: Sequence[Experiment]
    """Repairs that were tried in small trainings."""
    is_double: bool = False
    """Whether all of its causes are true at once; else any one of them explains it."""
    is_made: bool = False
    """Whether it is a counterpart, which no run has shown."""

    @property
    def true(self) -> frozenset[str]:
        return frozenset({self.cause, *self.also})

    @property
    def run(self) -> str:
        return f"{self.world} {self.scenario} {self.intensity:g} {self.seed}"


def examples_of(results: Sequence[ProveResult], longer: Longer = NO_LONGER) -> list[Example]:
    """Findings with a gap that could be closed; where a world has no clean run beside it every gap counts.

    Args:
        results: Runs.
        longer: Scores of small models that were trained twice as long.
    """
    return list(_examples(results, longer))


def _examples(results: Sequence[ProveResult], longer: Longer) -> Iterator[Example]:
    clean = clean_scores(results)
    for result in results:
        for named in result.named:
            causes = true_of(result, named)
            if is_closed_by_longer(result, named, clean.get(result.world, {}), longer):
                causes = (*causes, Cause.TRAINING_SETUP.value)
            gap = gap_of(result, clean.get(result.world, {}), skill_named(result, named))
            if causes and (gap is None or gap >= LEAST_GAP):
                yield example_of(result, named, causes)


def example_of(result: ProveResult, named: Named, causes: Sequence[str]) -> Example:
    """A finding as an example of these causes, the first one first."""
    return Example(
        world=result.world,
        scenario=result.scenario,
        intensity=result.intensity,
        seed=result.seed,
        slice=str(dict(named.slice)),
        cause=causes[0],
        also=list(causes[1:]),
        values={name: value for name, value in named.evidence.items() if isinstance(value, float)},
        modes=named.modes,
        tried=named.experiments,
        is_double=result.scenario in DOUBLE,
    )


def with_counterparts(examples: Sequence[Example]) -> list[Example]:
    """Two causes of which the worlds have no scenario.

    Rows that copies crowd out are learnt when they are raised (`verified.json`), so they would be if the crowd were
    distinct rows: the same evidence without copies is an example of `underweighted`. And a slice that fails though its
    rows are there and learnt, while no test finds anything, is one of `unknown`: the evidence of such a slice without
    what decides it, and what that is found from.
    """
    made = []
    for example in examples:
        crowded = example.cause == Cause.DUPLICATES and example.values.get("scarcity", 0.0) > 0.5
        crowded &= example.values.get("distinct_rows", 0.0) > _TOO_FEW
        if crowded and Cause.UNDERWEIGHTED in _verified(example):
            values = {
                **example.values,
                "copies": 0.0,
                "distinct_scarcity": example.values["scarcity"],
                "distinct_share": example.values["corpus_share"],
            }
            made.append(replace(example, cause=Cause.UNDERWEIGHTED.value, values=values, is_made=True))
        if example.cause in _AT_REST_OF:
            values = {name: value for name, value in example.values.items() if name not in _BEHIND}
            values |= {name: 0.0 for name in _DECIDING if name in values}
            made.append(replace(example, cause=Cause.UNKNOWN.value, values=values, is_made=True))
    return [*examples, *made]


def each_world(examples: Sequence[Example], fit: Callable[[Sequence[Example]], T]) -> Iterator[tuple[T, list[Example]]]:
    """Each world's findings beside what was fitted on all other worlds; counterparts are fitted on, and not told."""
    for world in dict.fromkeys(example.world for example in examples):
        others = [example for example in examples if example.world != world]
        yield fit(others), [example for example in examples if example.world == world and not example.is_made]


def run_weights(examples: Sequence[Example], y: NDArray[np.int64], evens: float) -> NDArray[np.float64]:
    """Weights by which the runs of a cause count alike, [num_examples], mean 1 over the runs.

    Args:
        examples: Findings.
        y: Number of the cause of each, [num_examples].
        evens: Power of its number of runs that a cause's weights are divided by: at 0 its runs count, at 1 all causes
            count alike, however often they were planted.
    """
    runs = [f"{example.run} {label}" for example, label in zip(examples, y.tolist(), strict=True)]
    of_run = {run: runs.count(run) for run in set(runs)}
    weights = np.array([1 / of_run[run] for run in runs])
    weights /= np.bincount(y, weights)[y] ** evens
    return np.asarray(weights / weights.sum() * len(of_run))


def _verified(example: Example) -> Sequence[str]:
    """Causes that retraining has shown; none where nothing was retrained."""
    found: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]] = json.loads(VERIFIED.read_text())
    return found.get(example.world, {}).get(example.scenario, {}).get("causes", ())
