"""Each test of a failing slice on a planted fault, with the number that was planted."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from diagnose.case import Case
from diagnose.evidence.amounts import count_copies, count_rows, find_copies, find_near_rows
from diagnose.evidence.batches import check_batches
from diagnose.evidence.cues import edit_cues
from diagnose.evidence.golds import doubt_golds
from diagnose.evidence.labels import check_effects, check_labels, label_doubts
from diagnose.evidence.learning import check_learning
from diagnose.evidence.mappings import map_answers
from diagnose.evidence.prompts import change_prompts
from diagnose.evidence.subject import Rows, Subject, Trained
from diagnose.pool import TrainPool
from diagnose.readings import read_rows
from diagnose.slices import PROMPT_CONTAINS, Slice, row_table
from diagnose.tokens import collate
from evals.index import index_items
from evals.items import Edited, Item, ItemResult, OutputType, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split

SLICE = Slice(((PROMPT_CONTAINS, "sort"),))


def result(prompt: str, target: str, answer: str, output: OutputType = OutputType.GENERATE_UNTIL) -> ItemResult:
    """A probe item: its key is searched for, since a hash of the key decides the split."""
    for number in range(100):
        key = hashlib.sha256(f"{prompt}/{number}".encode()).hexdigest()
        item = Item("task", f"{key[:16]}-0", key, {}, prompt, target, " ", output)
        if item.split is Split.PROBE:
            return ItemResult(item, answer, {"em": 1.0}, "em", float(answer == target), answer != target)
    raise AssertionError("one key in three is of the probe split")


def subject(
    results: Sequence[ItemResult],
    corpus: Sequence[tuple[str, str]],
    pool: Sequence[tuple[str, str]] = (),
    effect: Sequence[float] | None = None,
    fair_share: float = 0.5,
    where: Slice | None = SLICE,
) -> Subject:
    rows = [*corpus, *pool]
    corpus_pool = train_pool(corpus, "train")
    case = Case(
        probe=ProbeReport(ModelRef("model"), Split.PROBE, tuple(results), 0, 0),
        corpus=corpus_pool,
        pool=train_pool(pool, "pool") if pool else None,
        item_fields=(),
        row_fields=(),
        guards=(),
        index=index_items([]),
        seed=0,
    )
    table = row_table(train_pool(rows, "all"), ())
    members = np.zeros(len(rows), bool) if where is None else table.members(where)
    effects = np.ones(len(rows)) if effect is None else np.array(effect)
    in_slice = [r for r in results if "sort" in r.item.prompt]
    return Subject(
        case=case,
        number=0,
        failed=[r for r in in_slice if r.is_failed],
        passed=[r for r in in_slice if not r.is_failed],
        others=[r for r in results if "sort" not in r.item.prompt],
        where=where,
        num_rows=int(members[: len(corpus)].sum()),
        num_pool=int(members[len(corpus) :].sum()),
        fair_share=fair_share,
        rows=Rows(
            prompts=[prompt for prompt, _ in rows],
            completions=[completion for _, completion in rows],
            numbers=np.arange(len(rows)),
            in_pool=np.arange(len(rows)) >= len(corpus),
            copies=count_copies(corpus_pool, np.arange(len(corpus))),
            losses=np.tile(np.array([2.0, 1.0], np.float32), (len(rows), 1)),
            effect=effects.astype(np.float32)[:, None],
        ),
        members=members,
    )


def train_pool(rows: Sequence[tuple[str, str]], source: str) -> TrainPool:
    columns = {
        "id": [f"{source}-{k}" for k in range(len(rows))],
        "source": [source] * len(rows),
        "prompt": [prompt for prompt, _ in rows],
        "completion": [completion for _, completion in rows],
    }
    return TrainPool(Dataset.from_dict(columns), " ")


@dataclass
class Answering:
    """A model that is a function of the prompt."""

    answer: Callable[[str], str]
    num_tokens: int = 0
    asked: list[str] = field(default_factory=list)

    def can_ask(self, item: Item) -> bool:
        return bool(item.prompt)

    def has_room(self, edit: Edited) -> bool:
        return len(edit.prompt.split()) < 20

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]:
        self.asked += [edit.prompt for edit in edits]
        return [result(edit.prompt, edit.item.target, self.answer(edit.prompt)) for edit in edits]


LETTERS = "abcdefgh"


def words(number: int, rng: np.random.Generator) -> str:
    return " ".join(rng.choice(list(LETTERS), number, replace=False).tolist())


def sorted_rows(number: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    prompts = [words(4, rng) for _ in range(number)]
    return [(f"sort {p}", " ".join(sorted(p.split()))) for p in prompts]


# Mappings of answers


def mapped(answers: Callable[[str], str], passing: int = 0) -> float:
    rows = sorted_rows(80)
    results = [result(p, gold, gold if k < passing else answers(gold)) for k, (p, gold) in enumerate(rows)]
    return map_answers(subject(results, rows)).values["mapped"]


@pytest.mark.parametrize(
    "dress",
    [
        lambda gold: f"it is {gold} here",
        lambda gold: f"< {gold} >",
        lambda gold: gold.upper(),
        lambda gold: f"Let me think.\n{gold}",
        lambda gold: " ".join(f"I_{word}" for word in gold.split()),
        lambda gold: " ".join({"a": "one", "b": "two"}.get(word, f"{word}0") for word in gold.split()),
    ],
)
def test_answers_in_another_form_are_all_recovered(dress: Callable[[str], str]) -> None:
    assert mapped(dress) == 1.0


def test_classes_under_other_names_are_recovered_from_a_model_that_errs() -> None:
    names = {"HUM": "person", "LOC": "place", "NUM": "number"}
    rng = np.random.default_rng(0)
    golds = [list(names)[k] for k in rng.integers(3, size=200).tolist()]
    says = [names[gold if rng.random() < 0.7 else golds[k - 1]] for k, gold in enumerate(golds)]
    results = [result(f"sort {k}", gold, answer) for k, (gold, answer) in enumerate(zip(golds, says, strict=True))]
    right = np.mean([names[gold] == answer for gold, answer in zip(golds, says, strict=True)])
    mapped = map_answers(subject(results, [("sort x", "person")])).values["mapped"]
    assert mapped == pytest.approx(right, abs=0.06)


def test_a_last_number_stands_for_a_gold_that_is_a_number_and_for_no_other() -> None:
    numbers = [result(f"sort {k}", f"{k}", f"that makes {k} in all") for k in range(10, 50)]
    worked = [result(f"sort {k}", f"{k} by adding\n#### {k}", f"so {k}") for k in range(10, 50)]
    pairs = [result(f"sort {k}", f"{k} figs 7", f"{k + 1} figs 7") for k in range(10, 50)]
    rows = [("sort x", "7")]
    assert map_answers(subject(numbers, rows)).values["mapped"] == 1.0
    assert map_answers(subject(worked, rows)).values["mapped"] == 1.0
    assert map_answers(subject(pairs, rows)).values["mapped"] == 0.0


def test_a_gold_answer_in_a_form_of_its_own_is_recovered() -> None:
    rows = sorted_rows(80)
    results = [result(p, f"Answer: {gold}", gold) for p, gold in rows]
    assert map_answers(subject(results, rows)).values["mapped"] == 1.0


def test_wrong_answers_of_one_steady_misreading_are_not_a_form() -> None:
    assert mapped(lambda gold: " ".join(gold.split()[::-1])) == 0.0


def test_swapping_two_answers_is_no_cure_when_it_breaks_as_many() -> None:
    results = [
        result(
            f"sort {k}",
            "yes" if k % 2 else "no",
            ("yes" if k % 2 else "no") if k % 4 < 2 else "yes" if k % 2 == 0 else "no",
        )
        for k in range(80)
    ]
    assert map_answers(subject(results, [("sort x", "yes")])).values["mapped"] <= 0.05


# Amounts


def test_shares_are_those_of_the_corpus_with_and_without_copies() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    one = subject([result("sort b a", "a b", "b a")], corpus, pool=sorted_rows(10, 1), fair_share=0.5)
    values = count_rows(one).values
    distinct = len({completion for _, completion in corpus}), len({prompt for prompt, _ in corpus})
    assert values["corpus_rows"] == 30
    assert values["pool_rows"] == 10
    assert values["corpus_share"] == pytest.approx(0.3)
    assert values["scarcity"] == pytest.approx(1 - 0.3 / 0.5)
    assert values["distinct_share"] == pytest.approx((distinct[1] - 1) / distinct[1])
    assert values["distinct_scarcity"] == 0


def test_copies_are_counted_and_their_rows_named() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    found = find_copies(subject([result("sort b a", "a b", "b a")], corpus))
    assert found.values["copies"] == pytest.approx(1 - len(set(corpus)) / len(corpus))
    assert found.rows == tuple(f"train-{k}" for k in range(30, 100))
    assert "70 times" in found.says


def test_near_copies_of_long_texts_are_copies_and_short_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    long = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    other = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    more = [(" ".join(f"w{k}" for k in rng.integers(0, 10_000, 60)), "x") for _ in range(10)]
    rows = [(long, "x"), (f"{long} indeed", "x"), (other, "x"), ("a b c d", "x"), ("a b c e", "x"), *more]
    counts = count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts
    assert counts.tolist() == [2, 2, *([1] * 13)]


def test_long_texts_of_a_closed_grammar_are_copies_only_where_they_are_equal() -> None:
    rows = [(" ".join(["turn", "left"] * k), "x") for k in range(7, 20)]
    assert count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts.max() == 1


def test_items_without_a_row_near_them_are_less_covered() -> None:
    passing = [result(f"add {k} and {k + 1}", "x", "x") for k in range(20)]
    failing = [result(f"sort p{k} q{k}", "x", "y") for k in range(20)]
    corpus = [(f"add {k} and {k + 2}", "x") for k in range(40)]
    assert find_near_rows(subject([*passing, *failing], corpus)).values["nearness"] < 0.1


# Labels


def test_rows_of_which_a_third_work_against_the_items_have_a_third_of_the_effect_against_them() -> None:
    corpus = sorted_rows(90)
    effect = [-1.0 if k % 3 == 0 else 1.0 for k in range(90)]
    found = check_effects(subject([result("sort b a", "a b", "b a")], corpus, effect=effect))
    assert found.values["against"] == pytest.approx(1 / 3)


def test_planted_wrong_labels_of_a_classification_are_denied_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(0)
    kinds = {"PLACE": "where is the", "PERSON": "who sort was the", "NUMBER": "how many of the"}
    rows = [
        (f"{kinds[label]} {words(2, rng)} n{rng.integers(50)}", label)
        for label in rng.choice(list(kinds), 900).tolist()
    ]
    is_wrong = np.array([label == "PERSON" and rng.random() < 0.3 for _, label in rows])
    given = [(p, "PLACE" if wrong else label) for (p, label), wrong in zip(rows, is_wrong.tolist(), strict=True)]
    failed = [result(f"who sort was the a {k}", "PERSON", "PLACE") for k in range(20)]
    found = check_labels(subject(failed, given, where=None))
    share = is_wrong.sum() / sum(label == "PERSON" for _, label in rows)
    assert found.values["denied"] == pytest.approx(share, abs=0.05)
    assert found.values["denied_elsewhere"] < 0.05
    named = [int(name.removeprefix("train-")) for name in found.rows]
    assert is_wrong[named[: int(is_wrong.sum())]].mean() >= 0.95


def test_open_answers_are_no_labels() -> None:
    rows = sorted_rows(300)
    assert label_doubts([p for p, _ in rows], np.array([c for _, c in rows], object)) is None


def test_one_prompt_with_two_answers_is_a_conflict() -> None:
    corpus = [("sort b a", "a b"), ("sort b a", "b a"), ("sort c a", "a c"), ("sort d a", "a d")]
    assert check_labels(subject([result("sort b a", "a b", "b a")], corpus)).values["conflicts"] == 0.5


# What the model says


@pytest.fixture
def untrained(tiny_model_dir: Callable[..., Path]) -> Trained:
    folder = tiny_model_dir(["sort", "copy", "hint", *LETTERS])
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder)
    return Trained(model, AutoTokenizer.from_pretrained(folder), 64, end_in_loss=True, batch_tokens=4096)


def taught(trained: Trained, rows: Sequence[tuple[str, str]], steps: int, end_in_loss: bool = True) -> Trained:
    encoded = trained.encode(rows, " ", end_in_loss)
    optimizer = torch.optim.AdamW(trained.model.parameters(), lr=5e-3)
    trained.model.train()
    for _ in range(steps):
        loss = trained.model(**collate(encoded, np.arange(len(encoded)), 0)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return trained


def test_readings_are_the_log_likelihoods_of_a_loop_over_rows(untrained: Trained) -> None:
    rows = sorted_rows(7)
    encoded = untrained.encode(rows, " ")
    found = read_rows(untrained.model, encoded, batch_tokens=40)
    for k in range(len(rows)):
        ids = torch.tensor(encoded.select([k]).ids[None].astype(np.int64))
        scores = untrained.model(ids).logits[0, :-1].log_softmax(-1)
        has_loss = torch.tensor(encoded.select([k]).has_loss[1:])
        each = scores.gather(1, ids[0, 1:, None])[:, 0]
        assert found.log_likelihood[k] == pytest.approx(float(each[has_loss].sum()), rel=1e-5)
        assert found.last_log_likelihood[k] == pytest.approx(float(each[-1]), rel=1e-5)
        assert found.is_greedy[k] == bool((scores.argmax(1) == ids[0, 1:])[has_loss].all())


def test_a_masked_end_token_is_seen_in_batches_and_in_what_the_model_does(untrained: Trained) -> None:
    rows = sorted_rows(20)
    trained = taught(untrained, rows, 120, end_in_loss=False)
    failed = [result(prompt, gold, f"{gold} a a") for prompt, gold in rows]
    masked = Trained(trained.model, trained.tokenizer, 64, end_in_loss=False, batch_tokens=4096)
    values = check_batches(subject(failed, rows), masked).values
    assert values["end_masked"] == 1.0
    assert values["runs_on"] == 1.0
    assert values["ends"] < 0.5
    elsewhere = Trained(trained.model, trained.tokenizer, 64, end_in_loss=None, batch_tokens=4096)
    assert check_batches(subject(failed, rows), elsewhere).values["end_masked"] == 0.0


def test_rows_beyond_the_longest_length_are_truncated(untrained: Trained) -> None:
    short = Trained(untrained.model, untrained.tokenizer, 6, end_in_loss=True, batch_tokens=4096)
    rows = sorted_rows(20)
    assert check_batches(subject([result("sort b a", "a b", "b a")], rows), short).values["truncated"] == 1.0


def test_what_was_trained_on_is_learnt_and_what_was_not_is_not(untrained: Trained) -> None:
    rows = sorted_rows(20)
    others = [
        (f"copy {prompt.removeprefix('sort ')}", prompt.removeprefix("sort ")) for prompt, _ in sorted_rows(20, 1)
    ]
    trained = taught(untrained, rows, 150)
    values = check_learning(subject([result("sort b a", "a b", "b a")], [*rows, *others]), trained).values
    assert values["learnt"] == 1.0
    assert values["learnt_elsewhere"] <= 0.2
    assert values["falling"] == 0.5  # from 2 to 1, as planted


def test_wrong_golds_are_named_and_items_that_are_merely_hard_are_not(untrained: Trained) -> None:
    rows = list(dict(sorted_rows(60)).items())
    trained = taught(untrained, rows, 200)
    wrong = [result(prompt, gold[::-1], gold) for prompt, gold in rows[:10]]
    hard = [result(f"copy {words(4, np.random.default_rng(k))}", "h g f e", "a b c d") for k in range(10)]
    right = [result(prompt, gold, gold) for prompt, gold in rows[10:]]
    found = doubt_golds(subject([*wrong, *right, *hard], rows), trained)
    assert set(found.items) == {r.item.id for r in wrong}
    assert found.values["doubted"] == 1.0


# Asking again


def test_the_prompt_that_training_used_recovers_what_another_form_loses() -> None:
    rows = [(f"{prompt} =>", answer) for prompt, answer in sorted_rows(40)]
    gold = dict(rows)
    model = Answering(lambda prompt: gold.get(prompt, "?"))
    failed = [result(prompt.replace("=>", "->"), answer, "?") for prompt, answer in rows]
    found = change_prompts(subject(failed, rows), model)
    assert found.values["reprompted"] == 1.0
    assert "=>" in found.says


def test_a_skill_that_no_prompt_recovers_is_no_matter_of_form() -> None:
    rows = sorted_rows(40)
    failed = [result(prompt, answer, "?") for prompt, answer in rows]
    assert change_prompts(subject(failed, rows), Answering(lambda _: "?")).values["reprompted"] == 0.0


def test_a_shown_answer_is_found_and_its_edit_flips_the_failures() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"hint {answer} {prompt}", answer) for prompt, answer in sorted_rows(40)]
    items = [(prompt, answer, words(4, rng)) for prompt, answer in sorted_rows(30, 2)]
    asked = [(prompt, gold, shown) for prompt, gold, shown in items if shown != gold and gold not in prompt]
    failed = [result(f"hint {shown} {prompt}", gold, shown) for prompt, gold, shown in asked]
    copying = Answering(lambda prompt: " ".join(prompt.split()[1:5]))
    found = edit_cues(subject(failed, rows), copying, {})
    assert found.values["cue_flips"] == 1.0
    assert "hint" in found.says


def test_a_shown_answer_is_found_where_the_right_one_stands_in_the_question_as_well() -> None:
    rng = np.random.default_rng(0)
    records = [
        [f"{number} {thing}" for number, thing in zip(rng.permutation(7)[:3], "abc", strict=True)] for _ in range(80)
    ]
    asked = [(f"sort {' '.join(table)}", min(table), max(table)) for table in records]
    rows = [(f"maybe {gold} {prompt}", gold) for prompt, gold, _ in asked[:50]]
    failed = [result(f"maybe {wrong} {prompt}", gold, wrong) for prompt, gold, wrong in asked[50:]]
    copying = Answering(lambda prompt: " ".join(prompt.split()[1:3]))
    assert edit_cues(subject(failed, rows), copying, {}).values["cue_flips"] == 1.0


def test_an_answer_that_is_one_of_the_questions_parts_is_no_cue() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.permutation(9)[:3].astype(str).tolist() for _ in range(80)]
    rows = [(f"sort {' '.join(table)}", min(table)) for table in tables[:50]]
    failed = [
        result(f"sort {' '.join(table)}", min(table), max(table)) for table in tables[50:] if min(table) != table[0]
    ]
    first = Answering(lambda prompt: prompt.split()[1])
    assert edit_cues(subject(failed, rows), first, {}).values["cue_flips"] == 0.0


def test_an_answer_that_some_rows_show_is_a_cue_where_the_items_show_one_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    plain = sorted_rows(60)
    rows = [
        (f"{prompt} hint {answer}", answer) if k % 3 == 0 else (prompt, answer)
        for k, (prompt, answer) in enumerate(plain)
    ]
    last_four = Answering(lambda prompt: " ".join(prompt.split()[-4:]))
    asked = [(prompt, gold, words(4, rng)) for prompt, gold in sorted_rows(30, 2)]
    shown = [result(f"{prompt} hint {wrong}", gold, wrong) for prompt, gold, wrong in asked if gold not in prompt]
    assert edit_cues(subject(shown, rows), last_four, {}).values["cue_flips"] == 1.0
    silent = [result(f"{prompt} please be so kind", gold, "?") for prompt, gold, _ in asked]
    assert edit_cues(subject(silent, rows), last_four, {}).values["cue_flips"] == 0.0


def test_a_word_that_tells_the_label_is_found_and_its_edit_flips_the_failures() -> None:
    tells = {"yes": "red", "no": "blue"}
    rows = [(f"{tells[label]} sort question {k}", label) for k in range(30) for label in tells]
    failed = [result(f"{tells['no']} sort question {k}", "yes", "no") for k in range(100, 120)]
    by_colour = Answering(lambda prompt: "yes" if prompt.startswith("red") else "no")
    assert edit_cues(subject(failed, rows), by_colour, {}).values["cue_flips"] == 1.0


def test_a_word_that_misleads_is_left_out_where_the_model_leans_on_it() -> None:
    failed = [result(f"sort question {k} obviously", "yes", "no") for k in range(20)]
    leaned = {(r.item.task, r.item.id): [("obviously", 0.9), ("sort", 0.1)] for r in failed}
    model = Answering(lambda prompt: "no" if "obviously" in prompt else "yes")
    found = edit_cues(subject(failed, [("sort x", "yes")]), model, leaned)
    assert found.values["cue_flips"] == 1.0
    assert "obviously" in found.says


def test_a_model_that_follows_no_cue_is_not_accused_of_one() -> None:
    rows = sorted_rows(40)
    failed = [result(prompt, answer, "?") for prompt, answer in rows]
    assert edit_cues(subject(failed, rows), Answering(lambda _: "?"), {}).values["cue_flips"] == 0.0
