"""Training and evaluation in different forms, told from texts before anything is trained."""

from dataclasses import replace

import pytest
from builders.chats import CHATML, chat_tokenizer
from builders.items import item
from builders.pools import train_pool

from controller.train.before.drift import find_drift
from diagnose.rows.pool import Rendering, TrainPool
from evals.items import Item

ROWS = [(f"Question {k}", f"Answer {k}") for k in range(30)]
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def corpus(rendering: Rendering) -> TrainPool:
    return TrainPool(train_pool(ROWS).rows, rendering)


def items(form: str, *, is_chat: bool) -> list[Item]:
    return [replace(item(form.format(prompt), target), is_chat=is_chat) for prompt, target in ROWS]


PLAIN, CHAT = Rendering(), Rendering("", is_chat=True)


def test_one_form_on_both_sides_is_told_nothing() -> None:
    tokenizer = chat_tokenizer(CHATML)
    assert find_drift(corpus(CHAT), items(TURN, is_chat=True), tokenizer, 64, None) == ()
    tokenizer.chat_template = None
    assert find_drift(corpus(PLAIN), items("{}", is_chat=False), tokenizer, 64, None) == ()


@pytest.mark.parametrize(
    ("rendering", "form", "is_chat", "system", "message"),
    [
        (CHAT, "{}", False, None, "is asked without it: .*set evals.apply_chat_template=true"),
        (PLAIN, TURN, True, None, "trained on as plain text: .*set corpus.apply_chat_template=true"),
        (PLAIN, "{}", False, None, "has a chat template that neither rows nor items use"),
        (Rendering("", True, None, "Be brief."), TURN, True, None, "30 of 30 rows .* a system turn that items do not"),
        (CHAT, TURN, True, "Be brief.", "30 of 30 rows .* have no system turn, and items have one"),
    ],
)
def test_another_form_is_told_with_the_way_out(
    rendering: Rendering, form: str, is_chat: bool, system: str | None, message: str
) -> None:
    tokenizer = chat_tokenizer(CHATML)
    (told,) = find_drift(corpus(rendering), items(form, is_chat=is_chat), tokenizer, 64, system)
    assert pytest.raises(ValueError, match=message).matches(ValueError(told))


def test_a_begin_token_that_text_and_tokenizer_both_write_is_told() -> None:
    tokenizer = chat_tokenizer("<|begin_of_text|><|begin_of_text|>" + CHATML)
    (told,) = find_drift(corpus(CHAT), items(TURN, is_chat=True), tokenizer, 64, None)
    assert "30 of 30 rows of corpus.train begin with '<|begin_of_text|>' twice" in told


def test_answers_that_do_not_end_with_what_ends_a_generation_are_told() -> None:
    (told,) = find_drift(corpus(CHAT), items(TURN, is_chat=True), chat_tokenizer(CHATML, "<|eot_id|>"), 64, None)
    assert "30 of 30 conversations of corpus.train do not teach '<|eot_id|>'" in told
