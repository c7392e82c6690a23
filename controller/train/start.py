"""Build from nothing, or load, the model that training starts from.

A scratch model is a transformers config of any kind with random weights, and a tokenizer made from the
corpus and saved beside it, so that everything later only ever loads a folder.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from controller.train.before.given import check_arch, without_memory
from controller.train.settings import Lora, ScratchModel
from diagnose.rows.pool import TrainPool
from evals.model_ref import CausalModel, ModelRef
from evals.weights import own_model, shared_model

log = logging.getLogger(__name__)

UNKNOWN, PAD, END = "[UNK]", "[PAD]", "[EOS]"


def build_scratch(settings: ScratchModel, corpus: TrainPool, max_length: int, folder: Path, seed: int) -> None:
    """Write an untrained model and its tokenizer to `folder`.

    Raises:
        ValueError: `model.arch` names an unknown model type or field, or a context shorter than `max_length`.
    """
    tokenizer = make_tokenizer(settings, corpus)
    config = make_config(settings, tokenizer, max_length)
    transformers.set_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    log.info("built %s: %d parameters, %d tokens", config.model_type, model.num_parameters(), len(tokenizer))


def make_config(settings: ScratchModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Any:
    check_arch(settings.arch)
    fields: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    } | {name: value for name, value in settings.arch.items() if name != "model_type"}
    if fields["vocab_size"] < len(tokenizer):
        raise ValueError(
            f"model.arch.vocab_size {fields['vocab_size']} is smaller than the tokenizer's {len(tokenizer)}; "
            "leave it unset"
        )
    config = AutoConfig.for_model(settings.arch.get("model_type", "llama"), **fields)
    context = getattr(config, "max_position_embeddings", None)
    if context is not None and context < max_length:
        raise ValueError(
            f"train.max_length {max_length} exceeds the model's context of {context} "
            "(model.arch.max_position_embeddings); lower the one or raise the other"
        )
    return config


def make_tokenizer(settings: ScratchModel, corpus: TrainPool) -> PreTrainedTokenizerBase:
    """Make a tokenizer from the corpus; word: runs between white space, char: single characters, bpe: byte-level pairs.

    Words that stand in prompts once and in no completion are left out, so that training meets the token for unknown
    words. With all words known that token is never trained, and the first rows that are added with new words make it a
    cue for their answer.
    """
    special = [PAD, END, UNKNOWN]
    trainer: Any
    if settings.tokenizer == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.vocab_size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        if settings.tokenizer == "word":
            tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
            tokenizer.decoder = decoders.Fuse()
        trainer = trainers.WordLevelTrainer(vocab_size=settings.vocab_size, special_tokens=special, show_progress=False)
    texts = _without_rare_words(corpus) if settings.tokenizer == "word" else _texts(corpus)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def _texts(corpus: TrainPool) -> Iterator[list[str]]:
    delimiter = corpus.rendering.delimiter
    for batch in corpus.rows.select_columns(["prompt", "completion"]).iter(batch_size=4096):
        yield [p + delimiter + c if p else c for p, c in zip(batch["prompt"], batch["completion"], strict=True)]


def _without_rare_words(corpus: TrainPool) -> Iterator[list[str]]:
    """Texts without the words that stand in prompts once and in no completion; plain texts without words that stand
    there once."""
    prompt_words: Counter[str] = Counter()
    answered: set[str] = set()
    for batch in corpus.rows.select_columns(["prompt", "completion"]).iter(batch_size=4096):
        for prompt, completion in zip(batch["prompt"], batch["completion"], strict=True):
            prompt_words.update((prompt or completion).split())
            answered.update(completion.split() if prompt else ())
    rare = {word for word, number in prompt_words.items() if number == 1} - answered
    for texts in _texts(corpus):
        yield [" ".join(word for word in text.split() if word not in rare) for text in texts] if rare else texts


def load_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(ref.adapter or ref.path, revision=None if ref.adapter else ref.revision)


def trained_ref(start: ModelRef, folder: Path) -> ModelRef:
    """Reference to the model that a training of `start` left in `folder`; an adapter stays on its base."""
    if (folder / "adapter_config.json").is_file():
        return replace(start, adapter=str(folder))
    return ModelRef(str(folder), None, start.dtype)


def load_for_training(ref: ModelRef, lora: Lora | None, seed: int) -> CausalModel:
    """Load the model with the weights to train; with LoRA only the adapter's are, and the base is shared."""
    transformers.set_seed(seed)
    if ref.adapter is not None:
        return shared_model(ref)
    if lora is None or lora.r is None:
        return own_model(ref)
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415  # two seconds, for processes that train

    return get_peft_model(
        shared_model(ref, is_base=True),
        LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=lora.target_modules,
            task_type="CAUSAL_LM",
        ),
    )


def num_parameters(model: ModelRef) -> int:
    """Count the parameters without loading weights."""
    return int(without_memory(AutoConfig.from_pretrained(model.path, revision=model.revision)).num_parameters())
