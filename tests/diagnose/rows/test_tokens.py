"""Token rows against lm-eval's own encoding and plain-Python twins."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from diagnose.rows.tokens import NO_LOSS, collate, encode, encode_texts, token_rows

TEXTS = ["walk twice and jump", "I_WALK I_WALK I_JUMP", "turn left thrice after run", "I_RUN I_TURN_LEFT"]


def bpe_tokenizer(with_bos: bool = False) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXTS, trainer)
    if with_bos:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("prompt", ["walk twice", "walk twice  ", "Q: run\nA:"])
@pytest.mark.parametrize("delimiter", [" ", "", "\n"])
def test_a_row_splits_where_lm_eval_splits_it(prompt: str, delimiter: str) -> None:
    tokenizer = bpe_tokenizer()
    completion = "I_RUN I_WALK"
    rows = encode([prompt], [completion], tokenizer, delimiter, 100)

    # The rule of lm-eval's LM._encode_pair, one row at a time.
    whole = tokenizer.encode(prompt + delimiter + completion)
    num_context = len(tokenizer.encode(prompt.rstrip()))
    assert rows.ids.tolist() == [*whole, tokenizer.eos_token_id]
    assert rows.ids[rows.has_loss].tolist() == [*whole[num_context:], tokenizer.eos_token_id]


@pytest.mark.parametrize("has_bos", [True, False])
def test_plain_text_has_loss_on_every_token_after_the_one_that_lm_eval_reads_it_after(has_bos: bool) -> None:
    tokenizer = bpe_tokenizer()
    if not has_bos:
        tokenizer.bos_token = None
    rows = encode(["", "walk"], ["walk", "run"], tokenizer, " ", 100)
    # The first window of lm-eval's `get_rolling_token_windows` begins with HFLM's `prefix_token_id`.
    begin = tokenizer.bos_token_id if has_bos else tokenizer.eos_token_id
    text = rows.select([0])
    assert text.ids.tolist() == [begin, *tokenizer.encode("walk"), tokenizer.eos_token_id]
    assert text.has_loss.tolist() == [False, *[True] * (len(text.ids) - 1)]
    assert rows.select([1]).ids[0] == tokenizer.encode("walk")[0]


def test_a_text_that_is_only_read_has_nothing_in_front_that_the_tokenizer_does_not_put_there() -> None:
    for tokenizer in (bpe_tokenizer(), bpe_tokenizer(with_bos=True)):
        rows = encode_texts(["walk", "jump twice"], tokenizer, 3)
        assert rows.select([0]).ids.tolist() == [*tokenizer("walk")["input_ids"], tokenizer.eos_token_id][:3]
        assert rows.select([1]).ids.tolist() == tokenizer("jump twice")["input_ids"][:3]


def test_a_begin_token_that_the_tokenizer_adds_stands_in_front_without_loss() -> None:
    tokenizer = bpe_tokenizer(with_bos=True)
    rows = encode(["walk", ""], ["run", "jump"], tokenizer, " ", 100)
    batch = collate(rows, [0, 1], pad_id=0)
    assert batch["input_ids"][:, 0].tolist() == [0, 0]
    assert batch["labels"][:, 0].tolist() == [NO_LOSS, NO_LOSS]
    assert rows.ids[: rows.lengths[0] - 1].tolist() == tokenizer.encode("walk run")


def test_truncation_keeps_the_answer_of_a_prompt_and_the_head_of_a_text_and_is_counted() -> None:
    tokenizer = bpe_tokenizer()
    full = encode(["walk twice and run", "", "a"], ["I_RUN", "turn left thrice", "b"], tokenizer, " ", 100)
    cut = encode(["walk twice and run", "", "a"], ["I_RUN", "turn left thrice", "b"], tokenizer, " ", 4)
    assert full.num_truncated == 0
    assert cut.is_truncated.tolist() == [True, True, False]
    assert cut.lengths.tolist() == [4, 4, int(full.lengths[2])]
    assert cut.select([0]).ids.tolist() == full.select([0]).ids[-4:].tolist()
    assert cut.select([1]).ids.tolist() == full.select([1]).ids[:4].tolist()


def test_many_rows_equal_rows_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagnose.rows.tokens._CHUNK_ROWS", 3)  # so that chunks have to be joined
    tokenizer = bpe_tokenizer()
    prompts = ["walk", "", "run twice ", "jump", "", "a b c", "x"]
    completions = ["I_WALK", "turn left", "I_RUN I_RUN", "", "é", "d", "y" * 30]
    rows = encode(prompts, completions, tokenizer, " ", 20)
    assert len(rows) == len(prompts)
    for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        one = encode([prompt], [completion], tokenizer, " ", 20)
        row = rows.select([i])
        assert row.ids.tolist() == one.ids.tolist()
        assert row.has_loss.tolist() == one.has_loss.tolist()


def test_collate_gives_back_every_token_and_label_in_the_order_asked_for() -> None:
    rows = token_rows([[1, 2, 3], [4, 5], [6]], [[NO_LOSS, 2, 3], [NO_LOSS, 5], [NO_LOSS]])
    batch = collate(rows, [2, 0, 0], pad_id=9)
    assert batch["input_ids"].tolist() == [[6, 9, 9], [1, 2, 3], [1, 2, 3]]
    assert batch["labels"].tolist() == [[NO_LOSS] * 3, [NO_LOSS, 2, 3], [NO_LOSS, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert batch["input_ids"].dtype == torch.int64


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    tokenizer = bpe_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        encode(["a"], ["b"], tokenizer, " ", 10)


def test_no_rows_encode_to_no_rows() -> None:
    assert len(encode([], [], bpe_tokenizer(), " ", 10)) == 0
    assert np.array_equal(token_rows([], []).offsets, [0])
