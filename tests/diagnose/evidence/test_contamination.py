"""Evaluation items in the training data are named, in whatever words, and nothing else is."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from builders.items import item, probe_report, scored
from builders.pools import train_pool

from diagnose.case import Case
from diagnose.evidence.contamination import ITEMS as ITEMS_OF_TASK
from diagnose.evidence.contamination import MUCH, OTHERS, REPEATED, find_contamination, in_order
from diagnose.finding.finding import Cause, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import Slice
from evals.items import Item, ProbeReport
from evals.leaks.item_index import ItemIndex, index_items, load_index
from evals.leaks.templates import make_templates
from evals.splits import Split
from evals.statistics.intervals import wilson

RULES = make_templates({"sort": ["sort (?P<letters>.+)", "put (?P<letters>.+) in order"]})


def sorting(prompt: str, target: str, task: str = "sorting") -> Item:
    key = hashlib.sha256(prompt.encode()).hexdigest()
    return item(prompt, target, task, id=f"{key[:8]}-0", split_key=key)


ITEMS = [sorting(f"sort {a} {b} z", f"{a} {b} z") for a in "abcdefgh" for b in "ijklmnop"]
HIDDEN = [i for i in ITEMS if i.split is not Split.PROBE]
SHOWN = [i for i in ITEMS if i.split is Split.PROBE]


def probe_of(failed: set[str]) -> ProbeReport:
    return probe_report(scored(i, 0.0 if i.prompt in failed else 1.0) for i in SHOWN)


def case_of(report: ProbeReport, corpus: TrainPool, index: ItemIndex) -> Case:
    return Case(report, corpus, None, [], [], [], index, 0)


def test_repeated_probe_items_are_counted_and_rows_of_hidden_ones_too() -> None:
    repeated = [(i.prompt, i.target) for i in SHOWN[:4]] + [(f"Put {SHOWN[4].prompt[5:]} in order.", "x")]
    rows = [("sort q r s", "q r s"), *repeated, *((i.prompt, i.target) for i in HIDDEN[:3])]
    failed = {SHOWN[0].prompt, SHOWN[-1].prompt}
    (finding,) = find_contamination(case_of(probe_of(failed), train_pool(rows), index_items(ITEMS, RULES)), 2)
    assert finding.cause is Cause.CONTAMINATION
    assert finding.slice == Slice((("task", "sorting"),))
    assert (finding.num_items, finding.num_failed) == (5, 1)
    assert finding.evidence["contaminated_rows"] == 8
    assert finding.evidence[REPEATED] == pytest.approx(4 / 5)
    assert finding.evidence[OTHERS] == pytest.approx(1 - 1 / (len(SHOWN) - 5))
    assert [example.id for example in finding.examples.helpful] == ["train-1", "train-2"]
    (overlap,) = finding.tests
    assert overlap.rows == tuple(f"train-{k}" for k in range(1, 9))
    assert set(overlap.items) == {i.key for i in SHOWN[:5]}


def test_much_contamination_comes_before_what_fails_and_of_an_item_behind_it_in_other_words() -> None:
    def found(num_repeated: int) -> Finding:
        repeated = [(i.prompt, i.target) for i in SHOWN[:num_repeated]]
        failed = {SHOWN[0].prompt}
        (finding,) = find_contamination(case_of(probe_of(failed), train_pool(repeated), index_items(ITEMS, RULES)), 2)
        return finding

    much, little = found(6), found(1)
    failing = replace(much, causes={Cause.CAPACITY: 1.0})
    assert wilson(6, len(SHOWN)).low >= MUCH > wilson(1, len(SHOWN)).low
    assert in_order([failing], [much]) == (much, failing)
    assert in_order([failing], [little]) == (failing, little)
    assert "the model scores 0.83, the others 1.00" in much.tests[0].says
    rate = 1 - 1 / len(SHOWN)
    assert f"1 of this task's {len(SHOWN)} probe items stand there: too few" in little.tests[0].says
    assert f"without them the task scores 1.000 in place of {rate:.3f}" in little.tests[0].says
    more = replace(much, evidence={**much.evidence, ITEMS_OF_TASK: 1000.0})
    assert in_order([failing], [more]) == (failing, more)


def test_a_corpus_without_items_is_clean() -> None:
    case = case_of(probe_of(set()), train_pool([("sort q r s", "q r s")]), index_items(ITEMS))
    assert find_contamination(case, 2) == ()


def test_a_question_that_many_items_share_is_repeated_only_with_its_answer() -> None:
    many = [sorting("which sentence is right", f"sentence {k}") for k in range(30)]
    index = index_items(many)
    report = probe_report([])
    rows = train_pool([("which sentence is right", "another"), ("which sentence is right", "sentence 7")])
    assert index.matches(zip(rows.rows["prompt"][:], rows.rows["completion"][:], strict=True)).tolist() == [False, True]
    assert find_contamination(case_of(report, rows, index), 2) == ()


def test_an_index_read_from_disk_answers_as_the_one_that_was_written(tmp_path: Path) -> None:
    index_items(ITEMS, RULES).save(tmp_path / "index.npz")
    read = load_index(tmp_path / "index.npz")
    rows = [(f"put {ITEMS[0].prompt[5:]} in order", ""), ("put x y in order", ""), (ITEMS[3].prompt, "")]
    assert read.matches(rows).tolist() == [True, False, True]
    assert read.num_items == len(ITEMS)
