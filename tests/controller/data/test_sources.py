"""Corpora of several sources, preference pairs and shards: what is read, how often it is drawn, what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.corpora import PAIRS, QUESTIONS, TALKS, TEXTS, read_train, write_lines
from builders.pools import train_pool

from controller.cli.compose import composed
from controller.data.corpus import Corpus
from controller.data.mixes import load_mix, load_pool, save_mix, save_pool
from controller.data.sources import check_sources, read_pool, reading
from controller.train.sampling import draw_order
from interventions.mix.mix import MixPart, joined, original_mix


def two(folder: Path, **settings: Any) -> Corpus:
    """Two rows of `web`, one of `math` under other field names."""
    web, math = write_lines(folder / "web.jsonl", PAIRS), write_lines(folder / "math.jsonl", QUESTIONS)
    named = {"web": web, "math": {"path": math, "prompt": "question", "completion": "answer"}}
    return Corpus(train=named, **settings)


def test_each_source_is_read_by_its_own_fields_and_its_rows_carry_its_name(tmp_path: Path) -> None:
    pool = read_train(two(tmp_path))
    assert [(row.source, row.prompt, row.completion) for row in pool] == [
        ("web", "say a", "a"),
        ("web", "say b", "b"),
        ("math", "one and one", "two"),
    ]
    assert pool.rows["kind"][:] == ["1", "2", "sum"]  # text, since one source has text there
    assert len(set(pool.rows["id"][:])) == 3


def test_text_pairs_and_conversations_of_one_corpus_are_read_side_by_side(tmp_path: Path) -> None:
    corpus = Corpus(
        train={
            "books": {"path": write_lines(tmp_path / "books.jsonl", TEXTS), "text": "text"},
            "web": write_lines(tmp_path / "web.jsonl", PAIRS),
            "talks": {"path": write_lines(tmp_path / "talks.jsonl", TALKS), "messages": "messages"},
        }
    )
    pool = read_train(corpus)
    assert [row.prompt for row in pool] == ["", "", "say a", "say b", "Hello"]
    assert [turns is None for turns in pool.rows["messages"][:]] == [True, True, True, True, False]
    assert pool.rendering.is_chat


def test_ids_of_ones_own_stay_apart_where_two_sources_count_alike(tmp_path: Path) -> None:
    rows = [{"key": k, "prompt": "a", "completion": "b"} for k in range(2)]
    paths = {name: write_lines(tmp_path / f"{name}.jsonl", rows) for name in ("web", "math")}
    assert read_train(Corpus(train=paths, id="key")).rows["id"][:] == ["web/0", "web/1", "math/0", "math/1"]


def test_sources_are_drawn_by_their_weights_and_rows_of_one_source_alike(tmp_path: Path) -> None:
    mix = original_mix(read_train(two(tmp_path, weights={"web": 1, "math": 3})))
    assert mix.weights.tolist() == pytest.approx([1 / 8, 1 / 8, 3 / 4])
    drawn = Counter(mix.examples.rows["source"][int(row)] for row in draw_order(mix.weights, 800, 0))
    assert drawn["math"] == pytest.approx(600, abs=2)  # each row within one of what is expected


def test_weights_in_the_proportion_of_the_rows_are_no_weights(tmp_path: Path) -> None:
    weighted, plain = read_train(two(tmp_path, weights={"web": 2, "math": 1})), read_train(two(tmp_path))
    np.testing.assert_allclose(weighted.draws(), plain.draws())


def test_weights_outlive_the_disk_and_a_mix_with_further_rows(tmp_path: Path) -> None:
    save_pool(read_train(two(tmp_path, weights={"web": 1, "math": 3})), tmp_path / "stored")
    corpus = load_pool(tmp_path / "stored")
    assert corpus.draws().tolist() == pytest.approx([1 / 8, 1 / 8, 3 / 4])
    mix = original_mix(corpus)
    (tmp_path / "mix").mkdir()
    save_mix(mix, tmp_path / "mix")
    assert load_mix(tmp_path / "mix").examples.draws().tolist() == pytest.approx(corpus.draws().tolist())
    more = MixPart(train_pool([("c", "d")], "more"), np.arange(1))
    assert joined([*mix.parts, more]).draws().tolist() == pytest.approx([3 / 32, 3 / 32, 9 / 16, 1 / 4])


def test_a_pool_has_sources_too_and_no_weights(tmp_path: Path) -> None:
    corpus = two(tmp_path, weights={"web": 1, "math": 3})
    corpus.pool = {"more": write_lines(tmp_path / "more.jsonl", PAIRS)}
    pool = read_pool(reading(corpus, "pool"))
    assert set(pool.rows["source"][:]) == {"more"}
    assert pool.source_weights == {}


def test_shards_are_read_wherever_they_lie_below_a_folder_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name, row in zip(("a/0.jsonl", "a/1.jsonl", "b/0.jsonl"), (*PAIRS, PAIRS[0]), strict=True):
        write_lines(tmp_path / "set" / name, [row])
    write_lines(tmp_path / "set/.cache/0.jsonl", PAIRS)
    pool = read_train(Corpus(train=str(tmp_path / "set")))
    assert pool.rows["source"][:] == ["a/0.jsonl", "a/1.jsonl", "b/0.jsonl"]
    named = read_train(Corpus(train={"web": str(tmp_path / "set")}))
    assert named.rows["source"][:] == ["web"] * 3


def test_the_command_line_takes_sources_and_weights_as_they_are_written(tmp_path: Path) -> None:
    corpus = composed(
        [
            f"corpus.train={{web: {tmp_path}/web.jsonl, math: {{path: hub:sums:main:train, text: text}}}}",
            "corpus.weights={web: 1, math: 3}",
        ]
    ).corpus
    assert [(source.name, source.path, source.form.text) for source in corpus.sources("train")] == [
        ("web", f"{tmp_path}/web.jsonl", None),
        ("math", "hub:sums:main:train", "text"),
    ]
    assert corpus.weights == {"web": 1.0, "math": 3.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {"web": 1, "maths": 2}}, r"in corpus.weights must be one of web, math, got 'maths'; did you mean"),
        ({"weights": {"web": -1, "math": 2}}, r"corpus.weights.web must be 0 or more and finite, got -1"),
        ({"weights": {"web": 1, "math": float("nan")}}, r"corpus.weights.math must be 0 or more and finite, got nan"),
        ({"weights": {"web": 0, "math": 0}}, r"corpus.weights sum to nothing \(web 0, math 0\)"),
        ({"weights": {"web": 1}}, r"corpus.weights must give every source a weight, got none for math"),
        ({"train": "web.jsonl", "weights": {"web": 1}}, r"corpus.train=web.jsonl is one source without a name"),
        ({"train": ["web.jsonl"]}, r"corpus.train must be a JSONL.* or several of them by name"),
        ({"train": {}}, r"corpus.train must be a JSONL"),
        ({"train": {"web": {"prompt": "question"}}}, r"corpus.train.web must be .* or \{path: ..., prompt: ...\}"),
        ({"train": {"web": {"path": "a.jsonl", "promt": "q"}}}, r"a key of corpus.train.web .* did you mean 'prompt'"),
        ({"pool": {" ": "a.jsonl"}}, r"corpus.pool has a source without a name"),
    ],
)
def test_sources_and_weights_that_do_not_fit_are_told_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Corpus(**{"train": {"web": "web.jsonl", "math": "math.jsonl"}, **settings})


def test_a_source_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"corpus.train.web .*/none.jsonl does not exist"):
        check_sources(Corpus(train={"web": str(tmp_path / "none.jsonl")}), "train")


def test_a_source_without_rows_is_refused_by_its_name(tmp_path: Path) -> None:
    corpus = two(tmp_path)
    write_lines(tmp_path / "math.jsonl", [])
    with pytest.raises(ValueError, match=r"corpus.train.math .* is empty: there is not one row"):
        read_train(corpus)


@pytest.mark.parametrize("words", ["{web: a.jsonl, web: b.jsonl}", "{web: {path: a.jsonl}, 'web': b.jsonl}"])
def test_a_source_that_is_named_twice_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"corpus.train names 'web' twice"):
        composed([f"corpus.train={words}"])


def pair(chosen: object, prompt: object = "Hello") -> dict[str, object]:
    return {"prompt": prompt, "chosen": chosen, "rejected": "No."}


ANSWER = [{"role": "assistant", "content": "Yes?"}]
QUESTION = [{"role": "user", "content": "Hello"}]


def test_the_chosen_side_of_a_preference_pair_is_the_completion(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", [pair("Yes?")])
    pool = read_train(Corpus(train=path, chosen="chosen"))
    assert [(row.prompt, row.completion) for row in pool] == [("Hello", "Yes?")]


@pytest.mark.parametrize(
    "row",
    [pair(ANSWER, QUESTION), pair(ANSWER), pair([*QUESTION, *ANSWER]), {"chosen": [*QUESTION, *ANSWER]}],
    ids=["turns after turns", "turns after text", "a conversation beside its prompt", "a conversation"],
)
def test_every_form_of_a_pair_of_turns_is_the_same_conversation(row: dict[str, object], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", [row])
    pool = read_train(Corpus(train=path, chosen="chosen", apply_chat_template=True))
    talks = read_train(
        Corpus(train=write_lines(tmp_path / "talks.jsonl", TALKS), messages="messages", apply_chat_template=True)
    )
    assert (pool.rows["messages"][:], pool[0].prompt) == (talks.rows["messages"][:], "Hello")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (pair(None), r"row 2 has no chosen side: 'chosen' is empty; leave the pair out"),
        (pair(""), r"row 2 has no chosen side"),
        (pair("Yes?", None), r"row 2 has a chosen text and no prompt text in 'prompt'"),
    ],
)
def test_a_pair_that_lacks_a_side_is_refused_by_its_number(row: object, message: str, tmp_path: Path) -> None:
    assert isinstance(row, dict)
    path = write_lines(tmp_path / "pairs.jsonl", [pair("Yes?"), row])
    with pytest.raises(ValueError, match=message):
        read_train(Corpus(train=path, chosen="chosen"))


def test_pairs_of_turns_need_a_template_and_pairs_read_as_completions_are_told(tmp_path: Path) -> None:
    turns = write_lines(tmp_path / "turns.jsonl", [pair(ANSWER, QUESTION)])
    with pytest.raises(ValueError, match=r"row 1: 'chosen' holds turns, .* set corpus.apply_chat_template=true"):
        read_train(Corpus(train=turns, chosen="chosen"))
    with pytest.raises(ValueError, match=r"no field 'completion' .*; set corpus.chosen=chosen to read preference"):
        read_train(Corpus(train=turns))
