"""Measured through lm-eval, checked against plain loops over transformers and against `simple_evaluate`."""

import json
from collections.abc import Callable
from pathlib import Path

import lm_eval
import pytest
import torch
from builders.four_tasks import DOCUMENTS, SETTINGS, WORDS, write_four_tasks
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoModelForCausalLM, AutoTokenizer

from evals.harness import LoadedSuite, evaluate, load_suite
from evals.items import ItemKey, ItemResult, OutputType, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite


@pytest.fixture
def four_tasks(task_dir: Callable[..., Path]) -> str:
    return write_four_tasks(task_dir)


@pytest.fixture
def model(tiny_model_dir: Callable[..., Path]) -> ModelRef:
    return ModelRef(str(tiny_model_dir(WORDS)))


def all_results(model: ModelRef, loaded: LoadedSuite) -> dict[ItemKey, ItemResult]:
    reports = [evaluate(model, loaded, split) for split in Split]
    return {r.item.key: r for report in reports for r in report.results}


class SlowScorer:
    """One text at a time, no batches, no padding."""

    def __init__(self, path: str) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(path).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)

    @torch.no_grad()
    def log_likelihood(self, context: str, text: str) -> tuple[float, bool]:
        before = self.tokenizer(context)["input_ids"] or [self.tokenizer.eos_token_id]
        tokens = self.tokenizer(text)["input_ids"]
        logits = self.model(torch.tensor([before + tokens])).logits[0].log_softmax(-1)
        places = range(len(before) - 1, len(before) + len(tokens) - 1)
        total = sum(float(logits[place, token]) for place, token in zip(places, tokens, strict=True))
        greedy = [int(logits[place].argmax()) for place in places]
        return total, greedy == tokens

    @torch.no_grad()
    def generate(self, prompt: str, num_tokens: int) -> str:
        tokens = self.tokenizer(prompt)["input_ids"]
        answer: list[int] = []
        for _ in range(num_tokens):
            answer.append(int(self.model(torch.tensor([tokens + answer])).logits[0, -1].argmax()))
            if answer[-1] == self.tokenizer.eos_token_id:
                break
        return str(self.tokenizer.decode(answer, skip_special_tokens=True))


def test_a_choice_is_the_argmax_of_a_slow_loop_over_the_choices(four_tasks: str, model: ModelRef) -> None:
    report = evaluate(model, load_suite(EvalSuite(tasks=["choose"], include_path=four_tasks)), Split.PROBE)
    slow = SlowScorer(model.path)
    for result in report.results:
        choices = result.item.document["choices"]
        scores = [slow.log_likelihood(result.item.prompt, choice)[0] for choice in choices]
        best = choices[scores.index(max(scores))]
        assert result.answer == best
        assert result.score == float(best == result.item.target)
        assert result.is_failed == (best != result.item.target)
        assert result.item.target == choices[result.item.document["gold"]]
    assert {result.score for result in report.results} == {0.0, 1.0}


def test_a_generation_equals_greedy_decoding_token_by_token(four_tasks: str, model: ModelRef) -> None:
    report = evaluate(model, load_suite(EvalSuite(tasks=["write"], include_path=four_tasks)), Split.PROBE)
    slow = SlowScorer(model.path)
    for result in report.results:
        words = slow.generate(result.item.prompt, 4).split() or ["[invalid]"]
        assert result.answer == words[0].rstrip(":")
        assert result.score == float(words[0] == result.item.target)
        assert result.metrics["exact_match/all"] == float(" ".join(words) == result.item.target)


def test_a_loglikelihood_equals_the_sum_over_tokens(four_tasks: str, model: ModelRef) -> None:
    report = evaluate(model, load_suite(EvalSuite(tasks=["complete"], include_path=four_tasks)), Split.PROBE)
    slow = SlowScorer(model.path)
    for result in report.results:
        total, is_greedy = slow.log_likelihood(result.item.prompt, result.item.target)
        assert result.score == pytest.approx(total, abs=1e-3)
        assert result.metrics["acc"] == float(is_greedy)
        assert (result.item.delimiter, result.item.target[0]) == (" ", result.item.document["answer"][0])
    assert sum(result.is_failed for result in report.results) == len(report.results) // 2


def test_a_rolling_loglikelihood_is_the_plain_sum_for_each_word(four_tasks: str, model: ModelRef) -> None:
    report = evaluate(model, load_suite(EvalSuite(tasks=["read"], include_path=four_tasks)), Split.PROBE)
    slow = SlowScorer(model.path)
    for result in report.results:
        total, _ = slow.log_likelihood("", result.item.target)
        assert result.score == pytest.approx(total / len(result.item.target.split()), abs=1e-4)
        assert result.metrics["bits_per_byte"] == pytest.approx(total / len(result.item.target), abs=1e-4)
        assert result.item.prompt == ""


def test_choices_that_are_contexts_are_compared_by_what_follows_them(
    task_dir: Callable[..., Path], model: ModelRef
) -> None:
    settings = SETTINGS["choose"] | {
        "doc_to_text": "{{gold}}",
        "doc_to_choice": "{{[choices[0] + ' sees', choices[1] + ' sees', choices[2] + ' sees']}}",
        "doc_to_target": "{{answer}} and",
    }
    folder = task_dir("fill", DOCUMENTS, settings)
    report = evaluate(model, load_suite(EvalSuite(tasks=["fill"], include_path=str(folder))), Split.PROBE)
    slow = SlowScorer(model.path)
    for result in report.results:
        contexts = [f"{choice} sees" for choice in result.item.document["choices"]]
        scores = [slow.log_likelihood(context, result.item.target)[0] for context in contexts]
        assert result.answer == contexts[scores.index(max(scores))]
        assert result.item.prompt == contexts[result.item.document["gold"]]
        assert result.score == float(result.answer == result.item.prompt)


TURNS = (
    "{% for m in messages %}{{ m.role ~ ' = ' ~ m.content ~ ' ; ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant = ' }}{% endif %}"
)


@pytest.mark.parametrize(
    "chat",
    [
        {},
        {"system_instruction": "cat and dog"},
        {"apply_chat_template": True},
        {"apply_chat_template": True, "system_instruction": "cat and dog", "fewshot_as_multiturn": False},
    ],
)
def test_every_score_is_that_of_the_harness_itself(
    four_tasks: str, model: ModelRef, chat: dict[str, bool | str]
) -> None:
    """With two examples before each prompt, drawn by lm-eval's own seed from documents of another split."""
    Path(model.path, "chat_template.jinja").write_text(TURNS)
    for path in Path(four_tasks).glob("*.yaml"):
        shots = path.with_suffix(".shots")
        shots.write_text("".join(json.dumps(d | {"id": -d["id"]}) + "\n" for d in DOCUMENTS[::5]))
        text = path.read_text().replace("data_files:", f"data_files:\n    train: {shots}")
        path.write_text(text + "training_split: train\nfewshot_split: train\n")
    tasks = list(SETTINGS)
    theirs = lm_eval.simple_evaluate(
        model=HFLM(pretrained=model.path, device="cpu", batch_size=64),
        tasks=tasks,
        num_fewshot=2,
        task_manager=TaskManager(include_path=four_tasks, include_defaults=False),
        bootstrap_iters=0,
        **({"fewshot_as_multiturn": "apply_chat_template" in chat} | chat),
    )
    loaded = load_suite(EvalSuite(tasks=tasks, include_path=four_tasks, num_fewshot=2, **chat), model)
    ours = all_results(model, loaded)
    for task, metric in [("choose", "acc"), ("write", "exact_match"), ("complete", "acc")]:
        samples = [s for s in theirs["samples"][task] if s["filter"] in ("none", "first")]
        items = [item for item in loaded.items if item.task == task]
        for sample, item in zip(samples, items, strict=True):
            assert sample["arguments"][0][0] == item.prompt
            assert item.prompt.count("Q:") == 3
            assert item.text.count("Q:") == 1
            assert item.prompt_with(item.text) == item.prompt
            assert item.is_chat == ("apply_chat_template" in chat)
            assert ours[task, item.id].metrics[metric] == sample[metric]
    for sample, item in zip(theirs["samples"]["read"], loaded.items[-len(DOCUMENTS) :], strict=True):
        total, num_words = sample["word_perplexity"]
        assert ours["read", item.id].score == pytest.approx(total / num_words, abs=1e-4)


def test_evaluating_a_part_equals_that_part_of_evaluating_all(four_tasks: str, model: ModelRef) -> None:
    loaded = load_suite(EvalSuite(tasks=list(SETTINGS), include_path=four_tasks, num_fewshot=2, batch_size=7))
    whole = evaluate(model, loaded, Split.SELECT)
    part = evaluate(model, loaded, [r.item for r in whole.results][::3][::-1])
    assert [r.item for r in part.results] == [r.item for r in whole.results][::3]
    for one, other in zip(part.results, whole.results[::3], strict=True):
        assert one.answer == other.answer
        assert one.score == pytest.approx(other.score, abs=1e-4)
    again = evaluate(model, loaded, Split.SELECT)
    assert again == whole


def test_few_shot_examples_from_the_items_themselves_are_probe_items(four_tasks: str) -> None:
    loaded = load_suite(EvalSuite(tasks=["write"], include_path=four_tasks, num_fewshot=3))
    by_question = {item.document["question"]: item for item in loaded.items}
    for item in loaded.items:
        shots = [part.split(" A: ")[0].removeprefix("Q: ") for part in item.prompt.split("\n\n")[:-1]]
        assert len(shots) == 3
        assert item.document["question"] not in shots
        assert {by_question[shot].split for shot in shots} == {Split.PROBE}


def test_ids_do_not_change_when_documents_are_reordered(task_dir: Callable[..., Path]) -> None:
    ids = []
    for documents in (DOCUMENTS, DOCUMENTS[::-1]):
        folder = task_dir("choose", documents, SETTINGS["choose"])
        items = load_suite(EvalSuite(tasks=["choose"], include_path=str(folder))).items
        ids.append({item.document["id"]: (item.id, item.split) for item in items})
        assert [item.document["id"] for item in items] == [document["id"] for document in documents]
    assert ids[0] == ids[1]
    assert len({item_id for item_id, _ in ids[0].values()}) == len(DOCUMENTS)


def test_two_equal_documents_are_occurrence_0_and_1_of_one_split(task_dir: Callable[..., Path]) -> None:
    folder = task_dir("choose", [*DOCUMENTS[:5], DOCUMENTS[2]], SETTINGS["choose"])
    items = load_suite(EvalSuite(tasks=["choose"], include_path=str(folder))).items
    assert [item.id.rpartition("-")[2] for item in items] == ["0", "0", "0", "0", "0", "1"]
    assert items[2].id[:-1] == items[5].id[:-1]
    assert items[2].split_key == items[5].split_key


def test_a_limit_takes_the_first_documents_of_each_task(four_tasks: str) -> None:
    whole = load_suite(EvalSuite(tasks=["choose"], guards=["read"], include_path=four_tasks))
    some = load_suite(EvalSuite(tasks=["choose"], guards=["read"], include_path=four_tasks, limit=5))
    assert some.items == (*whole.items[:5], *whole.items[len(DOCUMENTS) :][:5])
    assert (some.tasks, some.guards) == (("choose",), ("read",))


def test_groups_and_tags_become_their_leaf_tasks(four_tasks: str) -> None:
    group = {"group": "asking", "task": ["choose", {"task": "write", "num_fewshot": 1}]}
    Path(four_tasks, "asking.yaml").write_text(json.dumps(group))
    loaded = load_suite(EvalSuite(tasks=["asking"], guards=["read"], include_path=four_tasks))
    assert (loaded.tasks, loaded.guards) == (("choose", "write"), ("read",))
    assert next(item for item in loaded.items if item.task == "write").prompt.count("Q:") == 2


def test_a_probe_report_is_made_and_refuses_select_items(four_tasks: str, model: ModelRef) -> None:
    loaded = load_suite(EvalSuite(tasks=["choose"], include_path=four_tasks))
    probe, select = (evaluate(model, loaded, split) for split in (Split.PROBE, Split.SELECT))
    assert isinstance(probe, ProbeReport)
    assert not isinstance(select, ProbeReport)
    with pytest.raises(PermissionError, match="1 of"):
        ProbeReport(model, Split.PROBE, (*probe.results, select.results[0]), 0, 0)
    with pytest.raises(ValueError, match="of one split"):
        evaluate(model, loaded, [probe.results[0].item, select.results[0].item])


def test_tokens_are_those_of_every_request(four_tasks: str, model: ModelRef) -> None:
    loaded = load_suite(EvalSuite(tasks=["choose"], guards=["write"], include_path=four_tasks))
    report = evaluate(model, loaded, Split.PROBE)
    choose = [r for r in report.results if r.item.output_type is OutputType.MULTIPLE_CHOICE]
    write = [r for r in report.results if r.item.output_type is OutputType.GENERATE_UNTIL]
    slow = SlowScorer(model.path)
    generated = sum(len(slow.generate(r.item.prompt, 4).split()) for r in write)
    # Prompts have 6 words; each of 3 choices is sent with the prompt.
    assert report.num_tokens == 3 * (6 + 1) * len(choose) + 6 * len(write) + generated


def test_a_model_that_gives_no_numbers_scores_nothing(
    four_tasks: str, tiny_model_dir: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = tiny_model_dir(WORDS)
    broken = AutoModelForCausalLM.from_pretrained(path)
    broken.model.norm.weight.data.fill_(float("nan"))
    broken.save_pretrained(path)
    tasks = ["choose", "complete", "read"]
    report = evaluate(ModelRef(str(path)), load_suite(EvalSuite(tasks=tasks, include_path=four_tasks)), Split.PROBE)
    assert report.results == ()
    assert report.num_unscored > 30
    assert all(f"task {task}: none of" in caplog.text for task in tasks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": ["minerva_math500"]}, "'minerva_math500' needs antlr4 4.11"),
        pytest.param(
            {"tasks": ["leaderboard"]}, "'leaderboard_math.*' needs antlr4 4.11", marks=pytest.mark.slow
        ),
        ({"tasks": ["choose"], "guards": ["choose"]}, "evals.guards repeats tasks of evals.tasks: choose"),
        ({"tasks": ["choose"], "include_path": "nowhere"}, "must be a folder .* 'nowhere'"),
        ({"tasks": ["choose"], "metric": "ac_norm"}, "metric of no task .*choose.*; did you mean 'acc_norm'?"),
        ({"tasks": ["write"], "filter": "frst"}, "filter of no task .*write.*'first'? they have first, all"),
        ({"tasks": ["write"], "guards": ["choose"], "per_task": {"choose": {"filter": "all"}}}, "(choose).*have none"),
        ({"tasks": ["write"], "filter": "first", "metric": "exact_match/all"}, "choose two filters for task 'write'"),
        ({"tasks": ["choose"], "apply_chat_template": True}, "one made from nothing has none"),
        ({"tasks": ["choose"], "fewshot_as_multiturn": True}, "set evals.apply_chat_template=true"),
        ({"tasks": ["choose"], "per_task": {"chose": {}}}, "evals.per_task must be one of choose, got 'chose'; did"),
        ({"tasks": ["choose"], "per_task": {"choose": {"limits": 3}}}, "per_task.choose must be one of .*'limits'"),
        ({"tasks": ["choose"], "per_task": {"choose": {"limit": 0}}}, "evals.limit must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_a_wrong_setting_names_the_way_out(four_tasks: str, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        load_suite(EvalSuite(**({"include_path": four_tasks} | settings)))


def test_a_model_without_the_template_that_is_asked_for_is_refused(four_tasks: str, model: ModelRef) -> None:
    chat = EvalSuite(["choose"], four_tasks, apply_chat_template=True)
    with pytest.raises(ValueError, match=r"has no chat template; take the model's chat version"):
        load_suite(chat, model)
    Path(model.path, "chat_template.jinja").write_text(TURNS)
    with pytest.raises(ValueError, match=r"'tools' names one of several templates, but .* has a single one"):
        load_suite(EvalSuite(["choose"], four_tasks, apply_chat_template="tools"), model)


def test_a_task_has_the_settings_of_its_own(four_tasks: str, model: ModelRef) -> None:
    Path(model.path, "chat_template.jinja").write_text(TURNS)
    own = {"limit": 3, "apply_chat_template": True, "metric": "acc_norm"}
    loaded = load_suite(EvalSuite(["choose", "write"], four_tasks, limit=5, per_task={"choose": own}), model)
    of_task = {task: [item for item in loaded.items if item.task == task] for task in ("choose", "write")}
    assert [len(items) for items in of_task.values()] == [3, 5]
    assert [{item.is_chat for item in items} for items in of_task.values()] == [{True}, {False}]
    assert {r.metric for r in all_results(model, loaded).values() if r.item.task == "choose"} == {"acc_norm"}


def test_a_task_without_its_data_names_the_task_and_the_file(four_tasks: str) -> None:
    Path(four_tasks, "choose.jsonl").unlink()
    with pytest.raises(ValueError, match=r"task 'choose' could not be loaded: .*choose\.jsonl"):
        load_suite(EvalSuite(tasks=["choose"], include_path=four_tasks))


def test_a_prompt_of_a_missing_field_names_the_task(four_tasks: str) -> None:
    path = Path(four_tasks, "choose.yaml")
    path.write_text(path.read_text().replace("doc_to_choice: choices", "doc_to_choice: options"))
    with pytest.raises(ValueError, match="task 'choose' could not be loaded"):
        load_suite(EvalSuite(tasks=["choose"], include_path=four_tasks))


def test_a_misspelt_task_gets_the_nearest_name_and_unreadable_files_are_told(four_tasks: str) -> None:
    Path(four_tasks, "broken.yaml").write_text("task: [broken")
    message = r"unknown task 'gsm8kk'; did you mean 'gsm8k'\?; .*broken\.yaml could not be read"
    with pytest.raises(ValueError, match=message):
        load_suite(EvalSuite(tasks=["gsm8kk"], include_path=four_tasks))


def test_a_model_that_cannot_hold_the_answer_is_refused(four_tasks: str, tiny_model_dir: Callable[..., Path]) -> None:
    model = ModelRef(str(tiny_model_dir(WORDS, max_length=16)))
    suite = EvalSuite(tasks=["write"], include_path=four_tasks, max_gen_toks=16)
    with pytest.raises(ValueError, match="answers of 16 tokens, but the model reads 16"):
        evaluate(model, load_suite(suite), Split.PROBE)


def test_a_folder_without_a_model_is_refused(four_tasks: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot load the model"):
        evaluate(ModelRef(str(tmp_path)), load_suite(EvalSuite(tasks=["choose"], include_path=four_tasks)), Split.PROBE)
