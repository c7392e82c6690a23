"""Failing slices: planted ones are named, and chance names none."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.items import item, probe_report, scored
from scipy.stats import fisher_exact

from diagnose.slices.failing.counts import Counts, Thresholds, fisher
from diagnose.slices.failing.find import FailingSlice, find_failing_slices
from diagnose.slices.predicate import PROMPT_CONTAINS, PROMPT_WORDS, Slice, item_table
from diagnose.slices.tags import ANSWER_FORM, PROMPT_BACKGROUND, PROMPT_OPERATION
from evals.items import ItemResult, ProbeReport
from evals.splits import Split

PRIMITIVES = ("walk", "run", "look", "jump")
MODIFIERS = ("left", "right", "twice", "thrice", "around", "opposite")


def result(task: str, prompt: str, document: dict[str, str], is_failed: bool) -> ItemResult:
    key = hashlib.sha256(f"{task}\x00{prompt}".encode()).hexdigest()
    asked = item(prompt, task=task, id=f"{key[:16]}-0", split_key=key, document=document)
    return scored(asked, float(not is_failed), "answer")


def command(rng: np.random.Generator) -> str:
    """Like SCAN's, with a number that makes it one of its kind."""

    def phrase() -> str:
        modifiers = rng.permutation(MODIFIERS)[: rng.integers(0, 3)].tolist()
        return " ".join([PRIMITIVES[rng.integers(4)], *modifiers])

    return f"{phrase()} and {phrase()} {rng.integers(10**6)}"


def probe(num_items: int, seed: int, task: Callable[[str], str], failure_rate: Callable[[str], float]) -> ProbeReport:
    rng = np.random.default_rng(seed)
    results = []
    while len(results) < num_items:
        prompt = command(rng)
        made = result(task(prompt), prompt, {"first": prompt.split()[0]}, bool(rng.random() < failure_rate(prompt)))
        if made.item.split is Split.PROBE:
            results.append(made)
    return probe_report(results)


def names(found: tuple[FailingSlice, ...]) -> list[str]:
    return [str(failing.slice) for failing in found]


def is_jump(prompt: str) -> bool:
    return "jump" in prompt.split()


def digit_task(prompt: str) -> str:
    return f"task_{int(prompt[-1]) % 5}"


def find(report: ProbeReport, guards: tuple[str, ...] = ()) -> tuple[FailingSlice, ...]:
    return find_failing_slices(report, ["first"], guards, Thresholds())


def test_a_starved_task_beside_a_guard_is_the_only_finding_and_is_named_whole() -> None:
    report = probe(1200, 0, lambda p: "jump" if is_jump(p) else "others", lambda p: 0.35 if is_jump(p) else 0.04)
    found = find(report, guards=("others",))
    assert names(found) == ["task = jump"]
    in_task = [r for r in report.results if r.item.task == "jump"]
    assert found[0].num_items == len(in_task)
    assert found[0].num_failed == sum(r.is_failed for r in in_task)
    assert found[0].p_adjusted < 1e-6


def test_a_word_that_fails_is_found_in_a_single_task() -> None:
    report = probe(1200, 1, lambda _: "scan", lambda p: 0.5 if is_jump(p) else 0.04)
    assert names(find(report)) == ["prompt contains 'jump'"]


def test_a_field_is_preferred_to_a_word_that_says_the_same() -> None:
    report = probe(1200, 2, lambda _: "scan", lambda p: 0.5 if p.startswith("jump") else 0.04)
    assert names(find(report)) == ["first = jump"]


def test_a_weakness_inside_one_task_is_named_with_the_task() -> None:
    report = probe(2000, 3, digit_task, lambda p: 0.8 if is_jump(p) and digit_task(p) == "task_0" else 0.03)
    assert names(find(report)) == ["task = task_0 and prompt contains 'jump'"]


def test_long_prompts_that_fail_are_described_by_their_length() -> None:
    report = probe(1500, 4, lambda _: "scan", lambda p: 0.8 if len(p.split()) >= 7 else 0.03)
    (found,) = find(report)
    ((key, value),) = found.slice.conditions
    assert key == PROMPT_WORDS
    assert value.partition(" ")[0] == "7"


def test_a_single_task_that_fails_alike_everywhere_is_a_finding_itself() -> None:
    report = probe(600, 5, lambda _: "scan", lambda _: 0.6)
    assert names(find(report)) == ["task = scan"]


def test_tasks_that_all_fail_alike_are_all_named() -> None:
    report = probe(1500, 6, digit_task, lambda _: 0.6)
    assert set(names(find(report))) == {f"task = task_{i}" for i in range(5)}


def test_one_task_at_65_percent_amid_others_at_96_is_named() -> None:
    report = probe(1500, 7, digit_task, lambda p: 0.35 if digit_task(p) == "task_3" else 0.04)
    assert names(find(report)) == ["task = task_3"]


def test_two_independent_weaknesses_are_both_named() -> None:
    report = probe(2500, 8, lambda _: "scan", lambda p: 0.9 if is_jump(p) else 0.6 if "thrice" in p.split() else 0.02)
    assert set(names(find(report))) == {"prompt contains 'jump'", "prompt contains 'thrice'"}


def test_a_healthy_model_has_no_findings() -> None:
    assert find(probe(2000, 9, digit_task, lambda _: 0.03)) == ()


def test_a_failing_guard_is_never_a_finding() -> None:
    report = probe(1200, 10, lambda p: "jump" if is_jump(p) else "others", lambda p: 0.02 if is_jump(p) else 0.5)
    assert find(report, guards=("others",)) == ()


def test_random_labels_give_a_slice_in_at_most_5_percent_of_runs() -> None:
    # Of 40 runs more than 5 would have probability .014 at a true rate of 5 %.
    num_false = num_false_below = 0
    for seed in range(40):
        found = find(probe(600, 100 + seed, digit_task, lambda _: 0.3))
        num_false += any(len(f.slice.conditions) > 1 or f.slice.conditions[0][0] != "task" for f in found)
        num_false_below += bool(find(probe(600, 500 + seed, digit_task, lambda _: 0.07)))
    assert num_false <= 5
    assert num_false_below <= 5


def test_slices_do_not_depend_on_the_order_of_items() -> None:
    report = probe(1000, 11, digit_task, lambda p: 0.7 if is_jump(p) else 0.03)
    shuffled = np.random.default_rng(0).permutation(len(report.results))
    other = probe_report(report.results[i] for i in shuffled)
    assert find(report) == find(other)


def test_fewer_than_the_least_number_of_items_are_no_slice() -> None:
    results = probe(400, 12, lambda _: "scan", lambda _: 0.02).results
    rng = np.random.default_rng(0)
    made = (result("rare", command(rng), {}, True) for _ in range(200))
    rare = [r for r in made if r.item.split is Split.PROBE]
    too_few = probe_report([*results, *rare[:19]])
    assert find(too_few) == ()
    enough = probe_report([*results, *rare[:30]])
    assert names(find(enough)) == ["task = rare"]


def test_the_adjusted_p_of_a_lone_candidate_is_fishers_on_the_second_half() -> None:
    counts = Counts(*(np.array([number]) for number in (12, 40, 21, 200)))
    table = [[12, 28], [9, 151]]
    assert fisher(counts) == pytest.approx(fisher_exact(table, alternative="greater").pvalue, rel=1e-9)


def test_a_field_that_no_document_has_offers_the_nearest() -> None:
    report = probe(100, 13, lambda _: "scan", lambda _: 0.5)
    with pytest.raises(ValueError, match="did you mean 'first'"):
        find_failing_slices(report, ["frist"], (), Thresholds())


def test_many_at_once_is_the_same_as_one_after_the_other() -> None:
    report = probe(300, 14, digit_task, lambda _: 0.1)
    items = [
        replace(r.item, document={**r.item.document, "number": int(r.item.prompt.split()[-1])}) for r in report.results
    ]
    table = item_table(items, ["first", "absent", "number"])
    slices = [
        Slice(()),
        Slice(((PROMPT_CONTAINS, "jump"),)),
        Slice(((PROMPT_CONTAINS, "jump twice"), ("first", "jump"))),
        Slice(((PROMPT_CONTAINS, "jum"),)),
        Slice(((PROMPT_WORDS, "4 to 5"),)),
        Slice(((PROMPT_WORDS, "7 or more"), ("task", "task_1"))),
        Slice(((PROMPT_WORDS, "6"),)),
        Slice((("absent", "None"),)),
        Slice(((PROMPT_WORDS, "4 or less"), ("number", "250000 to 750000.5"))),
        Slice((("number", "-1 or less"),)),
        Slice((("first", "3 or more"),)),
        Slice(((PROMPT_BACKGROUND, "digits"), (ANSWER_FORM, "one word"))),
        Slice(((PROMPT_OPERATION, "negation"),)),
    ]
    for where in slices:
        expected = [where.holds(item.text, {**item.document, "task": item.task}, item.target) for item in items]
        assert table.members(where).tolist() == expected
