"""Settings of `evals.*`: which tasks are measured, and how."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evals.leaks.templates import make_templates
from evals.validation import FREE, one_of

_KINDS: Mapping[str, tuple[type, ...]] = {
    "limit": (int,),
    "num_fewshot": (int,),
    "apply_chat_template": (bool, str),
    "system_instruction": (str,),
    "fewshot_as_multiturn": (bool,),
    "gen_kwargs": (dict,),
    "max_gen_toks": (int,),
    "metric": (str,),
    "filter": (str,),
}
"""Types of the settings that single tasks may have otherwise."""
PER_TASK = tuple(_KINDS)
_AUTO = re.compile(r"auto(:[1-9]\d*)?")
BACKENDS = ("hf", "vllm", "openai")
_SAID_ELSEWHERE = {
    "pretrained": "model.name",
    "peft": "model.name",
    "lora_local_path": "model.name",
    "revision": "model.revision",
    "dtype": "model.dtype",
    "batch_size": "evals.batch_size",
}
"""Arguments of lm-eval's models, and the settings that say them."""


@dataclass
class EvalSuite:
    """Settings of the measurement; every field is a key `evals.<field>`."""

    tasks: list[str] = field(default_factory=list)
    """Names of lm-eval tasks or groups."""
    include_path: str | None = field(default=None, metadata=FREE)
    """Folder of lm-eval YAML task files, searched before the built-in ones."""
    guards: list[str] = field(default_factory=list)
    """Further tasks or groups that must not get worse; measured like `tasks`, never fixed."""
    guard_rest: bool = True
    """Whether all other items of the tasks, beside those that a fix is for, must not get worse either."""
    limit: int | None = None
    """Items per task (the first ones); unset means all."""
    num_fewshot: int | None = None
    """Solved examples in front of an item; unset leaves their number to each task."""
    apply_chat_template: bool | str = False
    """Whether items are asked as conversations in the model's chat template; a name chooses among several."""
    system_instruction: str | None = None
    """System turn in front of every item; without a chat template a text in front of its prompt."""
    fewshot_as_multiturn: bool | None = None
    """Whether examples are turns of their own; unset means where a chat template is applied."""
    gen_kwargs: dict[str, Any] = field(default_factory=dict)
    """Generation settings that replace those of the tasks, as `{temperature: 0.7, do_sample: true}`."""
    per_task: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other values of limit, num_fewshot, apply_chat_template, system_instruction, fewshot_as_multiturn, gen_kwargs,
    max_gen_toks, metric and filter for single tasks or groups, as `{gsm8k: {num_fewshot: 2}}`."""
    slices: list[str] = field(default_factory=list)
    """Fields of the item's document by which failures are reported."""
    metric: str | None = None
    """Judge items by this metric of each task that has it; unset means the task's first. `exact_match/FILTER` is
    `exact_match` with `evals.filter=FILTER`."""
    templates: dict[str, list[str]] = field(default_factory=dict)
    """Rules for near copies: patterns with named groups; texts that match patterns of one rule with the same groups
    ask the same (`evals.leaks.templates`)."""
    samples: Any = field(default_factory=list, metadata=FREE)
    """Folder of results that were made elsewhere, or several, of one model each: logs of lm-eval, Inspect or Every Eval
    Ever (`evals.samples`). They are diagnosed in the place of a measurement."""
    filter: str | None = None
    """Judge items by the answers that this filter of each task that has it leaves; unset means the task's first, and in
    `samples` the only one."""
    backend: str = "hf"
    """What answers when a model is measured: `hf`, transformers in this process; `vllm`; or `openai`, a server that
    speaks OpenAI's completions. Diagnosis asks the local weights whatever this is."""
    model_args: dict[str, Any] = field(default_factory=dict)
    """Further arguments of lm-eval's model of this backend (`hf`, `vllm`, `local-completions`), as
    `{base_url: "http://localhost:8000/v1/completions", num_concurrent: 8}`."""
    cache: str | None = field(default=None, metadata=FREE)
    """Folder in which generated answers are kept, so that a model is not asked the same again; unset for none."""
    batch_size: int | str = 64
    """Most requests of a batch; `auto` for as many as memory allows, `auto:N` for a size for each of N parts."""
    max_gen_toks: int | None = None
    """Longest answer, in tokens; unset leaves it to the task."""

    def __post_init__(self) -> None:
        self.samples = [self.samples] if isinstance(self.samples, str) else list(self.samples or ())
        if isinstance(self.batch_size, str) and not _AUTO.fullmatch(self.batch_size):
            raise ValueError(f"evals.batch_size must be a number, auto or auto:N, got {self.batch_size!r}")
        if isinstance(self.batch_size, int) and self.batch_size < 1:
            raise ValueError(f"evals.batch_size must be at least 1, got {self.batch_size}; auto finds a size")
        for key in ("limit", "max_gen_toks"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"evals.{key} must be at least 1, got {value}; leave it unset for no limit")
        one_of("evals.backend", self.backend, BACKENDS)
        for name in self.model_args:
            if name in _SAID_ELSEWHERE:
                raise ValueError(
                    f"evals.model_args.{name} is what {_SAID_ELSEWHERE[name]} says, to diagnosis too; set that instead"
                )
        if self.asks_server and self.cache is not None:
            raise ValueError(
                "evals.cache finds answers by the content of the model, which a server (evals.backend=openai) does not "
                "tell; leave one of them out"
            )
        make_templates(self.templates)
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise ValueError(f"evals.num_fewshot must not be negative, got {self.num_fewshot}")
        if self.fewshot_as_multiturn and not self.apply_chat_template:
            raise ValueError(
                "evals.fewshot_as_multiturn=true needs turns: set evals.apply_chat_template=true, or leave it unset"
            )
        for name, values in self.per_task.items():
            for key in values:
                one_of(f"evals.per_task.{name}", key, PER_TASK)
            self.of_task(name)

    @property
    def num_parts(self) -> int | None:
        """Parts of the requests for which a size of batch is found; None where it is a number."""
        if isinstance(self.batch_size, int):
            return None
        return int(self.batch_size.partition(":")[2] or 1)

    @property
    def asks_server(self) -> bool:
        """Whether a server answers, which has the models that it was started with and no other."""
        return self.backend == "openai"

    def of_task(self, *names: str | None) -> "EvalSuite":
        """The settings of a task, known by these names: the groups that it was asked for by and its own, which wins.

        Raises:
            ValueError: a value of `per_task` is none that the suite could have.
        """
        own = {key: value for name in names if name is not None for key, value in self.per_task.get(name, {}).items()}
        for key, value in own.items():
            kinds = _KINDS[key]
            if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
                words = " or ".join(kind.__name__ for kind in kinds)
                raise ValueError(f"evals.per_task: {key} of {names[-1]} must be of type {words}, got {value!r}")
        return replace(self, per_task={}, **own)
