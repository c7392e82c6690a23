"""Models that do not answer in this process' own code: vLLM's engine, and servers that speak OpenAI's completions.

Both are lm-eval's models (`vllm`, `local-completions`) and are for measuring alone: diagnosis reads weights, gradients
and states, which only the model in this process has. `evals.harness.backends.reachable` checks that they are there.
"""

from importlib.metadata import version
from typing import Any

import transformers
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.models.utils import resolve_max_length

from evals.harness.backends.counted import CountedModel
from evals.harness.backends.kept import keep_answers
from evals.model_ref import ModelRef
from evals.suite import EvalSuite


class ServedModel(CountedModel, LocalCompletionsAPI):  # type: ignore[misc]
    """A model behind a server. Prompts are sent as tokens, by the tokenizer that lies beside the model."""

    @property
    def max_gen_toks(self) -> int:
        """Longest answer where the task names none, in tokens."""
        return int(self._max_gen_toks)


def load_served(model: ModelRef, suite: EvalSuite) -> ServedModel:
    """Make what asks the server; unless `evals.model_args` says otherwise the server knows the model by its path."""
    of_tokenizer = model.adapter or model.path
    tokenizer = transformers.AutoTokenizer.from_pretrained(of_tokenizer, revision=model.revision)
    config = transformers.AutoConfig.from_pretrained(model.path, revision=model.revision)
    opens_with_bos = tokenizer.bos_token_id is not None and tokenizer("a").input_ids[0] == tokenizer.bos_token_id
    defaults: dict[str, Any] = {
        "model": of_tokenizer,
        "tokenizer": of_tokenizer,
        "tokenizer_backend": "huggingface",
        "max_length": resolve_max_length(config, tokenizer),
        # A chat template writes the begin token itself.
        "add_bos_token": opens_with_bos and not suite.apply_chat_template,
    }
    return ServedModel(revision=model.revision or "main", batch_size=suite.batch_size, **(defaults | suite.model_args))


def load_vllm(model: ModelRef, suite: EvalSuite) -> CountedModel:
    """Load the model into vLLM's engine."""
    from lm_eval.models.vllm_causallms import VLLM  # noqa: PLC0415  # needs the library, which is an extra

    class EngineModel(CountedModel, VLLM):  # type: ignore[misc]
        pass

    lm = EngineModel(
        pretrained=model.path,
        revision=model.revision,
        dtype=model.dtype,
        lora_local_path=model.adapter,
        batch_size="auto",  # the engine makes its own batches
        **suite.model_args,
    )
    keep_answers(lm, model, suite, {"vllm": version("vllm"), "dtype": model.dtype, "args": suite.model_args})
    return lm
