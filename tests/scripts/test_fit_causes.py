"""What probabilities of causes are fitted on, and that a world is told by a model of the others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from controller.prove.result import Named, ProveResult, write_prove
from diagnose.finding.finding import Cause, Experiment
from evals.statistics.intervals import Estimate

WORLDS = ("skills", "commands", "shop")


def result(world: str, scenario: str, seed: int, cause: str, score: float = 0.5, **evidence: float) -> ProveResult:
    named = Named({"task": f"{world}_all", "skill": "sorts"}, {}, "unknown", 0.5, {"unknown": 0.5}, evidence)
    return ProveResult(
        schema_version=1,
        scenario=scenario,
        world=world,
        seed=seed,
        true_causes=(cause,) if cause else (),
        true_slices=("sorts",) if cause else (),
        named=(named,) if cause else (),
        slice=None,
        actions=(),
        decision=None,
        gain=None,
        scores={},
        gap_share=None,
        tokens=None,
        oracle_tokens=None,
        guards_broken=(),
        contaminated_rows=0,
        seconds=1.0,
        stopped_at="diagnosis",
        code_version="1",
        config_hash="0",
        probe_scores={"sorts": score},
    )


def kept(module: ModuleType, folder: Path, *results: ProveResult) -> list[ProveResult]:
    for number, one in enumerate(results):
        (folder / str(number)).mkdir(parents=True)
        write_prove(one, folder / str(number))
    found: list[ProveResult] = module.add_runs([folder], folder.parent / "runs.jsonl")
    return found


def test_a_run_replaces_the_one_of_the_same_world_scenario_intensity_and_seed(
    module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    runs = module("grid_runs")
    first = result("skills", "wrong_labels", 0, "wrong_labels", wrong=0.123456789)
    kept(runs, tmp_path / "a", first, result("skills", "wrong_labels", 1, "wrong_labels"))
    found = kept(runs, tmp_path / "b", replace(first, seconds=2.0))
    assert [(one.seed, one.seconds) for one in found] == [(0, 2.0), (1, 1.0)]
    again = runs.read_runs(tmp_path / "runs.jsonl")
    assert again[0].named[0].evidence == {"wrong": 0.12346}
    assert replace(again[1], named=()) == replace(found[1], named=())


def test_runs_of_other_code_and_of_worlds_that_are_kept_for_judging_are_refused(
    module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    runs = module("grid_runs")
    one = result("skills", "wrong_labels", 0, "wrong_labels")
    with pytest.raises(SystemExit, match="versions 1 and 2"):
        kept(runs, tmp_path / "a", one, replace(one, seed=1, code_version="2"))
    with pytest.raises(SystemExit, match="grammar is kept for judging"):
        kept(runs, tmp_path / "b", replace(one, world="grammar"))
    assert not (tmp_path / "runs.jsonl").exists()


def test_findings_with_less_than_a_tenth_to_gain_are_no_examples(module: Callable[[str], ModuleType]) -> None:
    examples = module("cause_examples")
    clean = result("skills", "clean", 0, "", score=0.95)
    low = result("skills", "wrong_labels", 0, "wrong_labels", score=0.8)
    high = result("skills", "wrong_labels", 1, "wrong_labels", score=0.9)
    assert [one.seed for one in examples.examples_of([clean, low, high])] == [0]


def test_a_world_is_told_by_a_model_of_the_others(module: Callable[[str], ModuleType]) -> None:
    """In the third world the evidence means the contrary: a model that had seen it would not be wrong there alone."""
    examples, fit, forests = module("cause_examples"), module("fit_causes"), module("cause_forests")
    results = [result(world, "clean", 0, "", score=0.99) for world in WORLDS]
    for world in WORLDS:
        means = (1.0, 0.0) if world != "shop" else (0.0, 1.0)
        for seed in range(10):
            for cause, lacking in zip(("missing_data", "wrong_labels"), means, strict=True):
                results.append(result(world, cause, seed, cause, distinct_scarcity=lacking, wrong=0.2 * (1 - lacking)))

    def told_of(results: Sequence[ProveResult]) -> list[Any]:
        told: list[Any] = forests.tell_left_out(fit.by_check(examples.examples_of(results)), forests.EVIDENCE).told
        return told

    told = told_of(results)
    right = {world: [forests.first(s) in e.true for e, s in told if e.world == world] for world in WORLDS}
    assert len(told) == 60
    assert not any(right["shop"])
    only = [one for one in results if one.world != "shop"]
    assert all(forests.first(s) in e.true for e, s in told_of(only))


def test_counterparts_are_fitted_on_and_not_told(module: Callable[[str], ModuleType]) -> None:
    examples, fit, forests = module("cause_examples"), module("fit_causes"), module("cause_forests")
    results = [result(world, "clean", 0, "", score=0.99) for world in WORLDS]
    for world in WORLDS:
        results.append(result(world, "shortcut", 0, "shortcut", cue_flips=0.9))
        results.append(result(world, "missing_skill", 0, "missing_data", distinct_scarcity=1.0))
    found = examples.with_counterparts(examples.examples_of(results))
    assert [one.cause for one in found if one.is_made] == [Cause.UNKNOWN] * 3
    checked = fit.by_check(found)
    assert "unknown" in forests.forest_of(checked, forests.EVIDENCE)["causes"]
    assert len(forests.tell_left_out(checked, forests.EVIDENCE).told) == 6
    assert len(fit.by_evidence(checked, forests.forests_of_others(checked, forests.EVIDENCE))) == 6


def test_what_repairs_did_is_read_with_the_evidence_of_a_world_that_was_left_out(
    module: Callable[[str], ModuleType],
) -> None:
    """More rows help against wrong labels as well as against missing rows: by the definitions both are `missing_data`;
    a forest that has seen both in other worlds tells them apart by what is known of the rows."""
    examples, fit, forests = module("cause_examples"), module("fit_causes"), module("cause_forests")
    helps = Estimate(0.4, 0.3, 0.5)
    did = tuple(
        Experiment(cause, "r", "c", effect, None, works, works, 50, 2, 0.1)
        for cause, effect, works in (
            (Cause.WRONG_LABELS, Estimate(0.01, -0.1, 0.1), 0.05),
            (Cause.MISSING_DATA, helps, 0.99),
        )
    )
    results = [result(world, "clean", 0, "", score=0.99) for world in WORLDS]
    for world in WORLDS:
        for seed in range(10):
            for cause, lacking in (("missing_data", 1.0), ("wrong_labels", 0.0)):
                one = result(
                    world, cause, seed, cause, distinct_scarcity=lacking, distinct_rows=10 + 90 * (1 - lacking)
                )
                (named,) = one.named
                results.append(replace(one, named=(replace(named, experiments=did),)))
    found = examples.examples_of(results)
    by_rule = [fit.by_definition((one, {Cause.UNKNOWN: 1.0})) for one in found]
    told = fit.with_small_trainings(by_rule, fit.forests_of_others(by_rule, fit.TRIALS))
    assert sum(forests.first(shares) in example.true for example, shares in by_rule) == 30
    assert all(forests.first(shares) in example.true for example, shares in told)
    stored = fit.forest_of(by_rule, fit.TRIALS)
    assert set(stored["causes"]) == {"missing_data", "wrong_labels"}
    assert (stored["names"], len(stored["rows"])) == (list(fit.FEATURES), len(found))
    assert stored["most"] == 1.0


def test_findings_of_two_causes_at_once_are_told_from_those_of_one_by_the_best_share_of_votes(
    module: Callable[[str], ModuleType],
) -> None:
    """Of .5, .4, .1 for two causes two thirds are .4 or more, all .1; of .3, .05, 0, 0 for one none and a quarter."""
    examples, forests = module("cause_examples"), module("cause_forests")
    (one,) = examples.examples_of(
        [result("skills", "clean", 0, "", score=0.99), result("skills", "wrong_labels", 0, "wrong_labels")]
    )

    def voted(share: float, *, is_double: bool) -> tuple[Any, dict[Cause, float], dict[Cause, float]]:
        also = ["missing_data"] if is_double else []
        votes = {Cause.WRONG_LABELS: 1 - share, Cause.MISSING_DATA: share}
        return replace(one, is_double=is_double, also=also), votes, {}

    def least(two: Sequence[float], single: Sequence[float]) -> float:
        found = [voted(share, is_double=True) for share in two] + [voted(share, is_double=False) for share in single]
        return float(forests.least_at_once(found, [(example, votes) for example, votes, _ in found]))

    assert least([0.5, 0.4, 0.1], [0.3, 0.05, 0.0, 0.0]) == 0.1
    assert least([0.5, 0.4, 0.1], [0.3, 0.2, 0.05, 0.0]) == 0.4
    assert least([], [0.3]) == least([0.3], []) == 1.0


def test_a_finding_of_two_causes_at_once_is_half_an_example_of_each_and_one_of_either_is_none(
    module: Callable[[str], ModuleType],
) -> None:
    examples, forests = module("cause_examples"), module("cause_forests")
    results = [result("skills", "clean", 0, "", score=0.99)]
    for seed in range(4):
        results += [result("skills", "wrong_labels", seed, "wrong_labels", distinct_scarcity=0.0)]
        results += [result("skills", "starved_skill", seed, "missing_data", distinct_scarcity=1.0)]
        both = result("skills", "two_in_one", seed, "wrong_labels", distinct_scarcity=0.5)
        either = result("skills", "duplicate_flood", seed, "duplicates", distinct_scarcity=0.9)
        results += [
            replace(both, true_causes=("wrong_labels", "missing_data")),
            replace(either, true_causes=("duplicates", "underweighted")),
        ]
    found = [(one, {Cause.UNKNOWN: 1.0}) for one in examples.examples_of(results)]
    for known, number in ((forests.TRIALS, 16), (forests.EVIDENCE, 8)):
        stored = forests.forest_of([*found, *((replace(one, world="shop"), rule) for one, rule in found)], known)
        assert (len(stored["rows"]), stored["causes"]) == (2 * number, ["wrong_labels", "missing_data"])


def test_how_sure_a_cause_is_is_told_by_several_worlds_and_many_findings_or_not_at_all(
    module: Callable[[str], ModuleType],
) -> None:
    examples, forests = module("cause_examples"), module("cause_forests")
    (one,) = examples.examples_of(
        [result("skills", "clean", 0, "", score=0.99), result("skills", "wrong_labels", 0, "wrong_labels")]
    )

    def said(number: int, worlds: int, named: Cause, right: int) -> list[Any]:
        true = [named.value if k < right else "capacity" for k in range(number)]
        found = [replace(one, world=f"world {k % worlds}", cause=cause) for k, cause in enumerate(true)]
        return [(example, {named: 0.95, Cause.UNKNOWN: 0.05}) for example in found]

    told = [
        *said(20, 3, Cause.WRONG_LABELS, 19),
        *said(40, 2, Cause.SHORTCUT, 40),
        *said(14, 4, Cause.FORMAT, 14),
        *((example, {Cause.WRONG_LABELS: 0.85, Cause.UNKNOWN: 0.15}) for example, _ in said(9, 3, Cause.FORMAT, 9)),
    ]
    assert forests.sure(told) == {Cause.WRONG_LABELS: 0.95}


def test_causes_count_alike_and_so_do_the_runs_of_one(module: Callable[[str], ModuleType]) -> None:
    examples = module("cause_examples")
    (one,) = examples.examples_of(
        [result("skills", "clean", 0, "", score=0.99), result("skills", "wrong_labels", 0, "wrong_labels")]
    )
    # Two findings in the first run of cause 0, one in each of two others, and one run of cause 1.
    runs, causes = [1, 1, 2, 3, 4], np.array([0, 0, 0, 0, 1])
    made = [replace(one, seed=seed) for seed in runs]
    assert examples.run_weights(made, causes, 1.0).tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2])
    assert examples.run_weights(made, causes, 0.0).tolist() == pytest.approx([0.5, 0.5, 1, 1, 1])
