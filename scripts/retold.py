"""What the product would say of the kept runs of the grid, each world told by what was fitted on all others."""

from collections.abc import Sequence
from dataclasses import replace

from cause_examples import example_of, examples_of, with_counterparts
from cause_forests import EVIDENCE, TRIALS, forests_of_others
from cause_worth import first
from fit_causes import by_check, by_definition, by_evidence, with_small_trainings
from grid_runs import Longer

from controller.prove.result import Named, ProveResult
from diagnose.finding.causes import cause_probabilities
from diagnose.finding.finding import Cause

LEAST_WORLDS = 3
"""A world is told by what two others say, each of which is told by the other."""


def retold(results: Sequence[ProveResult], longer: Longer) -> list[ProveResult]:
    """The runs with their findings' causes as forests of the other worlds have them: after small trainings where some
    were made, else by the evidence. Leaks keep their cause, which is seen in the data."""
    if len({result.world for result in results}) < LEAST_WORLDS:
        raise SystemExit(
            f"runs of {LEAST_WORLDS} worlds are needed, each with something to gain, to tell one by others"
        )
    checked = by_check(with_counterparts(examples_of(results, longer)))
    evidence = forests_of_others(checked, EVIDENCE)
    tried = [by_definition(one) for one in by_evidence(checked, evidence) if one[0].tried]
    trials = forests_of_others(tried, TRIALS)

    def told(result: ProveResult, named: Named) -> Named:
        if named.cause == Cause.CONTAMINATION:
            return named
        example = example_of(result, named, (Cause.UNKNOWN.value,))
        shares = cause_probabilities(example.values, model=evidence[result.world])
        if example.tried:
            [(_, shares)] = with_small_trainings([by_definition((example, shares))], trials)
        cause = first(shares)
        causes = {one.value: share for one, share in shares.items()}
        return replace(named, cause=cause.value, probability=shares[cause], causes=causes)

    return [replace(result, named=tuple(told(result, named) for named in result.named)) for result in results]
