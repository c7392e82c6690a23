"""Conversations as token rows: the tokens and the loss that TRL's trainer would make of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import trl
from builders.chats import CHATML, CONVERSATIONS, chat_tokenizer
from builders.models import llama
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

from diagnose.rows.messages import Message, exchange, parse_messages, question_and_answer, to_json
from diagnose.rows.pool import Rendering, TrainPool
from diagnose.rows.rendering import encode_pool
from diagnose.rows.tokens import TokenRows

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
CHAT = Rendering("", is_chat=True)
ASKED = {"role": "user", "content": "a"}


def pool(conversations: list[list[dict[str, str]]], rendering: Rendering = CHAT) -> TrainPool:
    parsed = [parse_messages(turns) for turns in conversations]
    texts = [question_and_answer(turns) for turns in parsed]
    columns = {
        "id": [str(k) for k in range(len(parsed))],
        "source": ["chats"] * len(parsed),
        "prompt": [prompt for prompt, _ in texts],
        "completion": [completion for _, completion in texts],
        "messages": [to_json(turns) for turns in parsed],
    }
    return TrainPool(Dataset.from_dict(columns), rendering)


def of_trl(
    rows: Dataset, tokenizer: PreTrainedTokenizerFast, folder: Path, **settings: object
) -> list[dict[str, list]]:
    """Rows as TRL's trainer prepares them: `input_ids`, and `labels` where some tokens carry no loss."""
    arguments = trl.SFTConfig(
        output_dir=str(folder), max_length=None, use_cpu=True, report_to="none", bf16=False, **settings
    )
    trainer = trl.SFTTrainer(llama(len(tokenizer)), arguments, processing_class=tokenizer, train_dataset=rows)
    return list(trainer.train_dataset)


def masks(rows: TokenRows) -> list[tuple[list[int], list[bool]]]:
    return [
        (rows.ids[start:end].tolist(), rows.has_loss[start:end].tolist())
        for start, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True)
    ]


def learnt(prepared: dict[str, list[int]]) -> list[bool]:
    mask = prepared.get("assistant_masks", prepared.get("completion_mask"))
    return [bool(k) for k in mask] if mask is not None else [label != -100 for label in prepared["labels"]]


@pytest.mark.parametrize("name", ["llama3_training", "qwen2_5_training"])
def test_a_template_s_own_marks_give_the_tokens_and_the_loss_of_trl(name: str, tmp_path: Path) -> None:
    end = "<|eot_id|>" if name.startswith("llama") else "<|im_end|>"
    tokenizer = chat_tokenizer((TEMPLATES / f"{name}.jinja").read_text(), end)
    theirs = of_trl(Dataset.from_dict({"messages": CONVERSATIONS}), tokenizer, tmp_path, assistant_only_loss=True)
    ours = masks(encode_pool(pool(CONVERSATIONS), tokenizer, 512))
    assert [(row["input_ids"], learnt(row)) for row in theirs] == ours
    assert all(0 < sum(has_loss) < len(ids) for ids, has_loss in ours)


@pytest.mark.parametrize("name", ["chatml", "llama3", "qwen2_5"])
def test_without_marks_each_answer_has_the_loss_that_trl_gives_it_as_a_completion(name: str, tmp_path: Path) -> None:
    end = "<|eot_id|>" if name == "llama3" else "<|im_end|>"
    template = CHATML if name == "chatml" else (TEMPLATES / f"{name}.jinja").read_text()
    tokenizer = chat_tokenizer(template, end)
    turns = [
        (number, place)
        for number, turns in enumerate(CONVERSATIONS)
        for place, turn in enumerate(turns)
        if turn["role"] == "assistant"
    ]
    rows = Dataset.from_dict(
        {
            "prompt": [CONVERSATIONS[number][:place] for number, place in turns],
            "completion": [[CONVERSATIONS[number][place]] for number, place in turns],
        }
    )
    expected = [np.zeros(0, bool) for _ in CONVERSATIONS]
    ids: list[list[int]] = [[] for _ in CONVERSATIONS]
    for (number, _), row in zip(turns, of_trl(rows, tokenizer, tmp_path), strict=True):
        ids[number], longer = row["input_ids"], np.array(learnt(row))
        longer[: len(expected[number])] |= expected[number]
        expected[number] = longer
    ours = masks(encode_pool(pool(CONVERSATIONS), tokenizer, 512))
    assert ours == [(one, mask.tolist()) for one, mask in zip(ids, expected, strict=True)]


def test_a_prompt_and_its_completion_are_the_exchange_that_the_template_makes_of_them() -> None:
    tokenizer = chat_tokenizer(CHATML)
    rows = {"id": ["0"], "source": ["a"], "prompt": ["Two and two?"], "completion": ["Four."]}
    plain = TrainPool(Dataset.from_dict(rows), Rendering("", is_chat=True, system="Be short."))
    turns = [turn._asdict() for turn in exchange("Be short.", "Two and two?", "Four.")]
    assert masks(encode_pool(plain, tokenizer, 512)) == masks(encode_pool(pool([turns]), tokenizer, 512))
    text = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nTwo and two?<|im_end|>\n<|im_start|>assistant\n"
    ids, has_loss = masks(encode_pool(plain, tokenizer, 512))[0]
    assert tokenizer.decode(ids) == text + "Four.<|im_end|>\n"
    assert tokenizer.decode([k for k, own in zip(ids, has_loss, strict=True) if own]) == "Four.<|im_end|>\n"


def test_without_the_end_in_the_loss_only_the_words_of_an_answer_are_learnt() -> None:
    tokenizer = chat_tokenizer(CHATML)
    for ids, has_loss in masks(encode_pool(pool(CONVERSATIONS), tokenizer, 512, end_in_loss=False)):
        assert "<|im_end|>" not in tokenizer.decode([k for k, own in zip(ids, has_loss, strict=True) if own])
        assert any(has_loss)


def test_a_long_conversation_loses_its_beginning_and_keeps_its_answer() -> None:
    tokenizer = chat_tokenizer(CHATML)
    whole, cut = (masks(encode_pool(pool(CONVERSATIONS[1:2]), tokenizer, most))[0] for most in (512, 12))
    assert cut == (whole[0][-12:], whole[1][-12:])
    assert encode_pool(pool(CONVERSATIONS[1:2]), tokenizer, 12).num_truncated == 1


def test_one_of_several_templates_is_chosen_by_its_name() -> None:
    tokenizer = chat_tokenizer({"default": CHATML, "short": CHATML.replace("im_start", "eot_id")})
    by_name = encode_pool(pool(CONVERSATIONS, Rendering("", True, "short")), tokenizer, 512)
    assert tokenizer.convert_tokens_to_ids("<|eot_id|>") in by_name.ids
    with pytest.raises(ValueError, match=r"has no chat template 'long'; it has default, short"):
        encode_pool(pool(CONVERSATIONS, Rendering("", True, "long")), tokenizer, 512)


def test_turns_of_tools_and_parts_of_text_become_text() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": None}}}
    turns = parse_messages(
        [
            {"from": "human", "value": "Add one"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": [{"type": "text", "text": "2"}]},
            {"from": "gpt", "value": "Two"},
        ]
    )
    assert turns[1] == Message(
        "assistant", json.dumps({"function": {"arguments": {"a": 1}, "name": "add"}, "type": "function"})
    )
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert turns[2].content == "2"


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ("Hello", r"is no list of turns but 'Hello'"),
        ([], r"is no list of turns but \[\]"),
        ([ASKED, "b"], r"has a turn 2 that is no object but 'b'"),
        ([{"role": "narrator", "content": "a"}], r"has a turn 1 of the unknown role 'narrator'; known are assistant"),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}],
            r"has an empty turn 2 \(assistant\)",
        ),
        ([{"role": "user", "content": [{"type": "image"}]}], r"has a part of type 'image' in turn 1; only text"),
        ([ASKED], r"ends with a turn of the user, so nothing is learnt"),
        ([{"role": "assistant", "content": "a"}], r"it begins with a turn of the assistant"),
        ([ASKED] * 2, r"turns 1 and 2 are both of the user"),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "system", "content": "b"},
                {"role": "assistant", "content": "c"},
            ],
            r"turn 2 is of the system; only the first may be",
        ),
    ],
)
def test_what_is_no_conversation_is_told_by_its_turn(turns: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_messages(turns)


def test_plain_text_among_conversations_stays_text_and_every_row_keeps_its_place() -> None:
    tokenizer = chat_tokenizer(CHATML)
    talks = pool(CONVERSATIONS).rows.to_dict()
    columns = {"id": ["a", "b"], "source": ["text"] * 2, "prompt": [""] * 2, "completion": ["Oslo", "Hello and Salve"]}
    order = [0, 3, 1, 4, 2]
    mixed = {name: [*values, *columns.get(name, [None] * 2)] for name, values in talks.items()}
    rows = TrainPool(Dataset.from_dict(mixed), CHAT).select(order)
    text = masks(encode_pool(TrainPool(Dataset.from_dict(columns), Rendering("")), tokenizer, 512))
    chats = masks(encode_pool(pool(CONVERSATIONS), tokenizer, 512))
    assert masks(encode_pool(rows, tokenizer, 512)) == [[*chats, *text][k] for k in order]
