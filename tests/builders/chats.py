"""A tokenizer that knows the markup of conversations, and conversations."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

MARKS = ["<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]

CHATML = (
    "{%- for m in messages -%}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
"""Turns between marks, as Qwen and SmolLM2 have them; which of them are the assistant's is not marked."""

CONVERSATIONS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "Where is Oslo?"}, {"role": "assistant", "content": "In Norway."}],
    [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Two and two?"},
        {"role": "assistant", "content": "Four.\nI counted."},
        {"role": "user", "content": "And  three?"},
        {"role": "assistant", "content": " Seven"},
    ],
    [
        {"role": "system", "content": "Speak Latin."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Salve"},
    ],
]


def chat_tokenizer(template: str | dict[str, str], end: str = "<|im_end|>") -> PreTrainedTokenizerFast:
    """Byte-level pairs of the conversations' own text, with this template."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    inner.train_from_iterator([turn["content"] for turns in CONVERSATIONS for turn in turns], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=MARKS[2],
        eos_token=end,
        pad_token="[PAD]",
        additional_special_tokens=[mark for mark in MARKS if mark != end],
    )
    tokenizer.chat_template = template
    return tokenizer
