"""The model that is measured: a folder or hub id that `transformers` loads, and nothing more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelRef:
    path: str
    """Folder with `config.json`, weights and tokenizer files, or a hub id."""
    revision: str | None = None
    dtype: str = "auto"
    """Value for `torch_dtype` of `from_pretrained`: auto, float32, bfloat16, float16."""
    adapter: str | None = None
    """Folder of a peft adapter on top of `path`."""
