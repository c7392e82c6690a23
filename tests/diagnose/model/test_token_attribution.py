"""Which words a failing item leaned on: conservation, a twin by hand, and an answer that hangs on one word."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, WhitespaceSplit
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from diagnose.model import integrated_gradients
from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.leaned_words import (
    GRADIENTS,
    OCCLUSION,
    WordAttribution,
    leaned_on,
    word_attributions,
    word_shares,
)
from diagnose.model.occlusion import leave_out_pieces
from diagnose.rows.tokens import encode
from evals.items import Item, ItemResult, OutputType
from evals.model_ref import ModelRef

FILLERS = ("the", "lamp", "beside", "every", "door", "shows", "now", "late")
WORDS = (*FILLERS, "red", "green", "stop", "go")
MAX_LENGTH = 32


def word_tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({word: k for k, word in enumerate(("[UNK]", "</s>", *WORDS))}, unk_token="[UNK]"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", eos_token="</s>")


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token."""
    alphabet = ["</s>", *sorted(ByteLevel.alphabet())]
    inner = Tokenizer(BPE({letter: k for k, letter in enumerate(alphabet)}, []))
    inner.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")


def llama(num_words: int) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=num_words,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).double()


def failed(prompt: str, target: str, answer: str, kind: OutputType = OutputType.GENERATE_UNTIL) -> ItemResult:
    return ItemResult(Item("t", "1-0", "1", {}, prompt, target, " ", kind), answer, {"acc": 0.0}, "acc", 0.0, True)


def attributed(
    result: ItemResult,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int = MAX_LENGTH,
    num_steps: int = 16,
) -> WordAttribution:
    (found,) = word_attributions([result], model, tokenizer, max_length, num_steps)
    return found


def log_probability(model: PreTrainedModel, embeddings: torch.Tensor, ids: torch.Tensor, start: int) -> torch.Tensor:
    """Of the tokens from `start` on, where the inputs are `embeddings`."""
    each = model(inputs_embeds=embeddings[None]).logits[0].log_softmax(-1)
    return each[start - 1 : -1].gather(1, ids[start:, None]).sum()


def by_hand(
    model: PreTrainedModel, ids: list[int], num_prompt: int, num_steps: int
) -> tuple[NDArray[np.float64], float]:
    """Gradients at the middle of each of many steps, and what they have to sum to."""
    tokens = torch.tensor(ids)
    last = model.get_input_embeddings()(tokens).detach()
    first = last.clone()
    first[:num_prompt] = last[:num_prompt].mean(0)
    total = torch.zeros_like(last)
    for step in range(num_steps):
        point = (first + (step + 0.5) / num_steps * (last - first)).requires_grad_()
        total += torch.autograd.grad(log_probability(model, point, tokens, num_prompt), point)[0] / num_steps
    with torch.no_grad():
        change = log_probability(model, last, tokens, num_prompt) - log_probability(model, first, tokens, num_prompt)
    return (total * (last - first)).sum(1)[:num_prompt].numpy(), float(change)


def test_the_words_sum_to_what_the_prompt_changes() -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    prompt = "the red lamp beside every door"
    gold, rival = (by_hand(model, tokenizer(f"{prompt} {a} </s>")["input_ids"], 6, 1)[1] for a in ("stop", "go"))
    assert abs(gold) > 0.1
    alone = attributed(failed(prompt, "stop", "go"), model, tokenizer, num_steps=64)
    assert alone.nats.sum() == pytest.approx(gold, rel=1e-4)
    both = attributed(failed(prompt, "stop", "go", OutputType.MULTIPLE_CHOICE), model, tokenizer, num_steps=64)
    assert both.nats.sum() == pytest.approx(rival - gold, rel=1e-4)
    assert (alone.num_tokens, both.num_tokens) == (64 * 8, 2 * 64 * 8)


def test_a_word_of_many_tokens_has_their_sum_and_blank_tokens_count_for_the_next_word() -> None:
    tokenizer = byte_tokenizer()
    model = llama(len(tokenizer))
    prompt = "Is it réd?\n\nSay:"
    found = attributed(failed(prompt, "no", ""), model, tokenizer, num_steps=64)
    by_token, _ = by_hand(model, tokenizer(prompt + " no</s>")["input_ids"], 17, 200)
    parts = np.split(by_token, [2, 5, 11])  # é is two bytes
    assert found.words == ("Is", "it", "réd?", "Say:")
    assert found.nats == pytest.approx([part.sum() for part in parts], rel=1e-3, abs=1e-4)


def stop_after(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> float:
    """Log-probability of the answer "stop" and the end token."""
    ids = torch.tensor(tokenizer(" ".join([*words, "stop", "</s>"]))["input_ids"])
    with torch.no_grad():
        return float(log_probability(model, model.get_input_embeddings()(ids), ids, len(words)))


def test_a_word_left_out_has_what_the_answer_loses_without_it() -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    words = ["the", "red", "lamp", "beside", "every", "door"]
    row = encode([" ".join(words)], ["stop"], tokenizer, " ", MAX_LENGTH)
    found = leave_out_pieces(model, row, np.array([*range(6), -1, -1]), 6)
    whole = stop_after(model, tokenizer, words)
    loses = [whole - stop_after(model, tokenizer, words[:k] + words[k + 1 :]) for k in range(6)]
    assert found.nats == pytest.approx(loses, rel=1e-4, abs=1e-5)
    assert found.num_tokens == 8 + 6 * 7


def test_where_gradients_do_not_add_up_neighbouring_words_are_left_out_and_share_alike() -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    words = ["the", "red", "lamp", "beside", "every", "door"]
    found = attributed(failed(" ".join(words), "stop", ""), model, tokenizer, num_steps=1)
    enough = attributed(failed(" ".join(words), "stop", ""), model, tokenizer, num_steps=64)
    assert (enough.method, found.method) == (GRADIENTS, OCCLUSION)
    whole = stop_after(model, tokenizer, words)
    halves = [(whole - stop_after(model, tokenizer, kept)) / 3 for kept in (words[3:], words[:3])]
    assert found.nats == pytest.approx(np.repeat(halves, 3), rel=1e-4)
    assert (found.num_tokens, found.num_forward) == (8, 2 * 8 + 8 + 5 + 5)  # gradients were tried


def test_steps_do_not_depend_on_how_many_go_through_together(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    result = failed("the red lamp", "stop", "go")
    together = attributed(result, model, tokenizer)
    with monkeypatch.context() as fewer:
        fewer.setattr(integrated_gradients, "_BATCH_TOKENS", 12)
        assert attributed(result, model, tokenizer).nats == pytest.approx(together.nats, rel=1e-6)
    # Twelve tokens' worth of what they leave for backward is as much as twelve tokens.
    of_token = 24 * model.config.num_hidden_layers * model.config.hidden_size * 4
    monkeypatch.setattr(integrated_gradients, "_ACTIVATION_BYTES", 12 * of_token)
    sizes: list[int] = []
    model.register_forward_pre_hook(
        lambda _model, _args, given: (
            sizes.append(given["inputs_embeds"].shape[:2].numel()) if "inputs_embeds" in given else None
        ),
        with_kwargs=True,
    )
    assert attributed(result, model, tokenizer).nats == pytest.approx(together.nats, rel=1e-6)
    assert 0 < max(sizes) <= 12


def test_of_a_long_prompt_the_words_that_are_cut_off_have_no_share() -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    long = attributed(failed("now late red lamp beside every door", "stop", ""), model, tokenizer, max_length=6)
    short = attributed(failed("lamp beside every door", "stop", ""), model, tokenizer, max_length=6)
    assert long.nats == pytest.approx([0, 0, 0, *short.nats])
    assert np.abs([share for _, share in word_shares(long)]).sum() == pytest.approx(1)


def test_a_prompt_of_which_nothing_is_left_has_no_shares() -> None:
    tokenizer = word_tokenizer()
    found = attributed(failed("red lamp", "stop go stop", ""), llama(len(tokenizer)), tokenizer, max_length=3)
    assert word_shares(found) == ()


def test_an_adapter_counts_as_if_it_were_merged() -> None:
    tokenizer = word_tokenizer()
    config = LoraConfig(r=4, target_modules=["q_proj", "embed_tokens"], task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(llama(len(tokenizer)), config).double()
    result = failed("the red lamp", "stop", "")
    with_adapter = attributed(result, model, tokenizer)
    merged = attributed(result, model.merge_and_unload(), tokenizer)
    assert with_adapter.nats == pytest.approx(merged.nats, rel=1e-6)


def test_a_model_without_finite_gradients_gives_no_shares() -> None:
    tokenizer = word_tokenizer()
    model = llama(len(tokenizer))
    torch.nn.init.constant_(model.get_output_embeddings().weight, float("nan"))
    assert word_shares(attributed(failed("the red lamp", "stop", ""), model, tokenizer)) == ()


def asked_model(ref: ModelRef, tokenizer: PreTrainedTokenizerBase) -> AskedModel:
    return AskedModel(tokenizer, [Checkpoint(ref, 1.0)], MAX_LENGTH)


def test_without_a_prompt_or_without_steps_no_model_is_loaded(tmp_path: Path) -> None:
    nowhere = ModelRef(str(tmp_path / "no model is loaded"))
    for prompt, num_steps in (("", 16), (" \n", 16), ("the red lamp", 0)):
        found = leaned_on([failed(prompt, "stop", "")], asked_model(nowhere, word_tokenizer()), num_steps)
        assert (found.words, found.num_tokens) == ({}, 0)


def lights(rng: np.random.Generator, colour: str) -> str:
    """Seven words, one of them the colour, anywhere."""
    words = list(rng.choice(FILLERS, 6))
    words.insert(rng.integers(7), colour)
    return " ".join(words)


def train_on_lights(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """The answer is "stop" where "red" stands in the prompt, "go" where "green" does."""
    model = llama(len(tokenizer)).float()
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        rows = [lights(rng, c) + a for c, a in (("red", " stop </s>"), ("green", " go </s>")) for _ in range(16)]
        ids = torch.tensor(tokenizer(rows)["input_ids"])
        labels = ids.clone()
        labels[:, :7] = -100
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


def test_the_word_that_the_answer_hangs_on_has_the_largest_share(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    train_on_lights(tmp_path, tokenizer)
    rng = np.random.default_rng(1)
    prompts = [lights(rng, colour) for colour in ("red", "green") * 5]
    asked = []
    for k, prompt in enumerate(prompts):
        says, other = ("stop", "go") if "red" in prompt else ("go", "stop")
        # With a choice the gold answer is wrong and loses; without one it is what the model says.
        for kind, gold in ((OutputType.MULTIPLE_CHOICE, other), (OutputType.GENERATE_UNTIL, says)):
            item = Item(kind, str(k), str(k), {}, prompt, gold, " ", kind)
            asked.append(ItemResult(item, says, {"acc": 0.0}, "acc", 0.0, True))
    found = leaned_on(asked, asked_model(ModelRef(str(tmp_path)), tokenizer), 16)
    assert len(found.words) == 20
    for (_, k), shares in found.words.items():
        assert [word for word, _ in shares] == prompts[int(k)].split()
        assert sum(abs(share) for _, share in shares) == pytest.approx(1)
        word, share = max(shares, key=lambda entry: abs(entry[1]))
        assert word in ("red", "green")
        assert share > 0
