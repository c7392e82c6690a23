"""Which answers a filter could not read, against answers written out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval.filters import build_filter_ensemble

from evals.harness import load_suite
from evals.harness.asking import Asker
from evals.harness.scoring.extraction import tell_unparsed
from evals.items import Answered, OutputType
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite

NUMBER = {"regex_pattern": "(\\d+)", "fallback": "NOTHING"}
WORDS = {"mapping_dict": {"1": "one"}, "default_value": "?"}


@pytest.mark.parametrize(
    ("steps", "answers", "unparsed"),
    [
        ([["regex", NUMBER], ["take_first", None]], ["12", "NOTHING", "nothing", " "], [False, True, False, True]),
        ([["regex", NUMBER], ["lowercase", None], ["take_first", None]], ["12", "nothing"], [False, True]),
        ([["regex", NUMBER], ["map", WORDS], ["take_first", None]], ["one", "?"], [False, True]),
        ([["remove_whitespace", None], ["take_first", None]], ["12", "[invalid]", ""], [None, None, None]),
    ],
)  # fmt: skip
def test_an_answer_is_unparsed_where_a_fallback_is_left_of_it_or_nothing(
    steps: list[Any], answers: list[Any], unparsed: list[bool | None]
) -> None:
    pipeline = build_filter_ensemble("number", steps)
    assert tell_unparsed(pipeline, answers, [{}] * len(answers), repeats=1) == unparsed


def test_what_lm_evals_own_filter_makes_of_an_unreadable_text_is_unparsed() -> None:
    """By majority of three answers too, where two of them cannot be read."""
    texts = [["is 12", "is 12", "no"], ["no", "is 12", "none"]]
    pipeline = build_filter_ensemble("number", [["regex", NUMBER], ["majority_vote", None], ["take_first", None]])
    left = texts
    for make in pipeline.filters:
        left = list(make().apply(left, [{}, {}]))
    assert left == ["12", "NOTHING"]
    assert tell_unparsed(pipeline, left, [{}, {}], repeats=3) == [False, True]


def test_items_of_a_task_are_told_apart_by_the_filter_that_judges(task_dir: Callable[..., Path]) -> None:
    documents = [{"question": f"{a} and {b}", "answer": str(a + b)} for a in range(6) for b in range(6)]
    take = {"function": "take_first"}
    settings = {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match"}],
        "filter_list": [
            {"name": "number", "filter": [{"function": "regex", "regex_pattern": "(\\d+)"}, take]},
            {"name": "all", "filter": [take]},
        ],
    }
    folder = str(task_dir("add", documents, settings))
    for chosen, expected in (("number", [False, True, True]), ("all", [None, None, None])):
        suite = load_suite(EvalSuite(["add"], folder, filter=chosen))
        item = next(i for i in suite.items if i.split is Split.PROBE and i.output_type is OutputType.GENERATE_UNTIL)
        found = Asker(ModelRef("nowhere"), suite).score([Answered(item, text) for text in ("3", "[invalid]", "")])
        assert [result.is_unparsed for result in found if result is not None] == expected
