"""The model that is measured: a folder or hub id that `transformers` loads, and the type of what it loads."""

from dataclasses import dataclass
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
