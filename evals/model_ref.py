"""The model that is measured: a folder or hub id that `transformers` loads, what it loads, and its chat template."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# transformers' own class takes four seconds to import, as long as torch itself. A process that plans, waits for workers
# and draws a report holds no model and need not pay them; one that does loads the class with its first model.
if TYPE_CHECKING:
    from transformers import PreTrainedModel

    CausalModel = PreTrainedModel
else:
    CausalModel = Any


@dataclass(frozen=True, slots=True)
class ModelRef:
    path: str
    """Folder with `config.json`, weights and tokenizer files, or a hub id."""
    revision: str | None = None
    dtype: str = "auto"
    """Value for `torch_dtype` of `from_pretrained`: auto, float32, bfloat16, float16."""
    adapter: str | None = None
    """Folder of a peft adapter on top of `path`."""


def weight_files(folder: Path) -> list[Path]:
    """Files with weights in a folder, by name; none where it is no folder."""
    return sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]) if folder.is_dir() else []


def chat_template(tokenizer: Any, name: str | None) -> str:
    """Find the tokenizer's template of this name, its only one or its default by None.

    Raises:
        ValueError: it has none, or none of this name.
    """
    known, whose = tokenizer.chat_template, f"the tokenizer of {tokenizer.name_or_path!r}"
    if not known:
        raise ValueError(
            f"{whose} has no chat template; take the model's chat version, write chat_template.jinja beside its "
            "tokenizer, or leave evals.apply_chat_template, corpus.apply_chat_template and corpus.messages unset"
        )
    if not isinstance(known, dict):
        if name is not None:
            raise ValueError(f"{name!r} names one of several templates, but {whose} has a single one; set it to true")
        return str(known)
    if (name or "default") not in known:
        raise ValueError(
            f"{whose} has no chat template {name or 'default'!r}; it has {', '.join(sorted(known))}: name one of them"
        )
    return str(known[name or "default"])
