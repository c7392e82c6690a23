"""Items asked again under other prompts are asked, and scored, as the harness would."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evals.harness import LoadedSuite, evaluate, load_suite
from evals.harness.asking import Asker
from evals.items import Answered, Edited, OutputType
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite

ANIMALS = ["cat", "dog", "cow", "hen", "pig", "fox", "owl", "bee"]
DOCUMENTS = [
    {"question": f"{a} sees {b} {c}", "other": f"{c} sees {a}", "choices": [a, b, c], "gold": 1, "answer": b}
    for a in ANIMALS
    for b in ANIMALS
    for c in ANIMALS
    if a < b < c
]
WRITE = {
    "output_type": "generate_until",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
CHOOSE = {
    "output_type": "multiple_choice",
    "doc_to_choice": "choices",
    "doc_to_target": "gold",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


@pytest.fixture
def model(tiny_model_dir: Callable[..., Path]) -> ModelRef:
    return ModelRef(str(tiny_model_dir(["Q: A: sees", *ANIMALS])), None, "float32")


def loaded(task_dir: Callable[..., Path], text: str) -> LoadedSuite:
    for name, settings in (("write", WRITE), ("choose", CHOOSE)):
        folder = task_dir(name, DOCUMENTS, {**settings, "doc_to_text": text})
    return load_suite(EvalSuite(["write", "choose"], str(folder), batch_size=16))


def test_an_edited_prompt_gets_the_answer_that_a_task_with_that_prompt_gets(
    task_dir: Callable[..., Path], model: ModelRef
) -> None:
    suite = loaded(task_dir, "Q: {{question}} A:")
    probe = evaluate(model, suite, Split.PROBE)
    asker = Asker(model, suite)
    edits = [Edited(r.item, f"Q: {r.item.document['other']} A:") for r in probe.results]
    found = asker.ask(edits)
    other = evaluate(model, loaded(task_dir, "Q: {{other}} A:"), Split.PROBE)
    answers = {(r.item.task, r.item.document["question"]): (r.answer, r.score) for r in other.results}
    assert len(found) == len(probe.results)
    for edit, result in zip(edits, found, strict=True):
        assert result is not None
        assert (result.item.id, result.item.prompt) == (edit.item.id, edit.prompt)
        if (edit.item.task, edit.item.document["question"]) in answers:  # other prompts may fall to another split
            assert (result.answer, result.score) == answers[edit.item.task, edit.item.document["question"]]
    assert asker.num_tokens > 0


def test_one_item_asked_under_two_prompts_has_two_answers_in_the_order_asked(
    task_dir: Callable[..., Path], model: ModelRef
) -> None:
    suite = loaded(task_dir, "Q: {{question}} A:")
    first = evaluate(model, suite, Split.PROBE).results[0]
    twice = Asker(model, suite).ask([Edited(first.item, "Q: bee sees owl A:"), Edited(first.item, first.item.prompt)])
    assert twice[1] is not None
    assert twice[1].answer == first.answer
    assert twice[0] is not None
    assert twice[0].item.prompt == "Q: bee sees owl A:"


def test_given_answers_are_scored_as_the_tasks_filters_leave_them_by_its_own_metrics_without_a_model(
    task_dir: Callable[..., Path],
) -> None:
    says = {"function": "regex", "regex_pattern": "says (\\w+)"}
    lenient = {
        **WRITE,
        "doc_to_text": "Q: {{question}} A:",
        "metric_list": [{**WRITE["metric_list"][0], "ignore_case": True}],  # type: ignore[index]
        "filter_list": [{"name": "said", "filter": [says, {"function": "take_first"}]}],
    }
    suite = load_suite(EvalSuite(["lenient"], str(task_dir("lenient", DOCUMENTS, lenient))))
    asker = Asker(ModelRef("there is no such model", None, "float32"), suite)
    items = [item for item in suite.items if item.split is Split.PROBE]
    given = [
        Answered(item, answer)
        for item in items
        for answer in (item.target, item.target.upper(), f"says {item.target}", "none")
    ]
    found = asker.score(given)
    assert [result.score for result in found if result is not None] == [1.0, 1.0, 0.0, 0.0] * len(items)
    assert [result.item for result in found if result is not None] == [answered.item for answered in given]
    assert (asker.score([]), asker.num_tokens) == ([], 0)


def test_only_written_answers_of_probe_items_are_scored(task_dir: Callable[..., Path], model: ModelRef) -> None:
    suite = loaded(task_dir, "Q: {{question}} A:")
    sealed = next(item for item in suite.items if item.split is Split.SEALED)
    with pytest.raises(PermissionError, match="only probe items may be asked again"):
        Asker(model, suite).score([Answered(sealed, "cat")])
    chosen = next(
        item for item in suite.items if item.split is Split.PROBE and item.output_type is not OutputType.GENERATE_UNTIL
    )
    with pytest.raises(ValueError, match="has no written answer"):
        Asker(model, suite).score([Answered(chosen, "cat")])


def test_no_item_of_another_split_is_asked(task_dir: Callable[..., Path], model: ModelRef) -> None:
    suite = loaded(task_dir, "Q: {{question}} A:")
    sealed = next(item for item in suite.items if item.split is Split.SEALED)
    with pytest.raises(PermissionError, match="only probe items may be asked again"):
        Asker(model, suite).ask([Edited(sealed, "Q: bee A:")])


def test_a_prompt_that_leaves_no_room_for_the_answer_has_none(task_dir: Callable[..., Path], model: ModelRef) -> None:
    suite = loaded(task_dir, "Q: {{question}} A:")
    item = next(item for item in suite.items if item.task == "write")
    asker = Asker(model, suite)
    assert asker.has_room(Edited(item, " ".join(["cat"] * 60)))
    assert not asker.has_room(Edited(item, " ".join(["cat"] * 61)))
