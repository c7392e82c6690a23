"""Check before anything is spent that what is to answer is there: a library, a server, its model."""

import json
import os
import urllib.error
import urllib.request
from importlib.util import find_spec
from inspect import Parameter, signature
from typing import Any

from lm_eval.api.registry import get_model

from evals.model_ref import ModelRef
from evals.suite import EvalSuite
from evals.validation import first_line, one_of

_LIBRARIES = {"hf": (), "vllm": ("vllm",), "openai": ("aiohttp", "requests", "tenacity")}
_EXTRAS = {"vllm": "vllm", "openai": "api"}
"""Extras of lm-eval that bring them."""
_SECONDS = 60.0


def check_backend(suite: EvalSuite, model: ModelRef | None, *, needs_likelihoods: bool) -> None:
    """Check that `evals.backend` can be asked.

    Args:
        model: The given model; None where it is made from nothing.
        needs_likelihoods: Whether a task is answered otherwise than by writing.

    Raises:
        ValueError: a library is missing, `evals.model_args` has an unknown name, the server cannot be reached, does not
            know the model, or tells no likelihoods though they are needed.
    """
    if missing := [name for name in _LIBRARIES[suite.backend] if find_spec(name) is None]:
        raise ValueError(
            f"evals.backend={suite.backend} needs {', '.join(missing)}, which is not installed; pip install "
            f"'lm-eval[{_EXTRAS[suite.backend]}]', or leave it at hf"
        )
    if suite.model_args and (known := _arguments(suite.backend)):
        for name in suite.model_args:
            one_of("evals.model_args", name, known)
    if suite.asks_server:
        if model is None:
            raise ValueError(
                "evals.backend=openai asks a server, which cannot have a model that is made here; set model=pretrained "
                "model.name=FOLDER, or evals.backend=hf"
            )
        _check_server(suite.model_args, model, needs_likelihoods)


def _arguments(backend: str) -> tuple[str, ...]:
    """Names that `evals.model_args` may have; none where any may be meant for the engine."""
    if backend == "vllm":
        return ()
    kind = get_model({"hf": "hf", "openai": "local-completions"}[backend])
    makers = [vars(one)["__init__"] for one in kind.__mro__ if "__init__" in vars(one) and one is not object]
    named = [one for maker in makers for one in signature(maker).parameters.values()]
    return tuple(dict.fromkeys(one.name for one in named if one.kind is Parameter.POSITIONAL_OR_KEYWORD))


def _check_server(arguments: dict[str, Any], model: ModelRef, needs_likelihoods: bool) -> None:
    """Ask the server for one token with likelihoods: it must answer, know the model, and tell them where needed."""
    address = arguments.get("base_url")
    if not address:
        raise ValueError(
            "evals.backend=openai needs evals.model_args.base_url, the address of completions, for example "
            "evals.model_args.base_url=http://localhost:8000/v1/completions"
        )
    asked = {"model": arguments.get("model", model.adapter or model.path), "prompt": "a", "max_tokens": 1}
    likelihoods = {"logprobs": 1, "echo": True} if needs_likelihoods else {}
    headers = {"Content-Type": "application/json", **(arguments.get("header") or {})}
    headers.setdefault("Authorization", f"Bearer {os.environ.get('OPENAI_API_KEY', '')}")
    request = urllib.request.Request(
        address, json.dumps({**asked, "temperature": 0, **likelihoods}).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            choice = json.load(response)["choices"][0]
    except urllib.error.HTTPError as error:
        told = error.read(500).decode(errors="replace").strip()
        raise ValueError(
            f"the server at evals.model_args.base_url={address!r} refuses the model {asked['model']!r}: {error.code} "
            f"{told}; name the model as the server does in evals.model_args.model, and end the address in "
            "/v1/completions"
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"evals.backend=openai gets no completion from evals.model_args.base_url={address!r}: "
            f"{first_line(error)}; start the server, for example with `vllm serve FOLDER`, and name its address with "
            "/v1/completions"
        ) from error
    if needs_likelihoods and not (choice.get("logprobs") or {}).get("token_logprobs"):
        raise ValueError(
            f"the server at evals.model_args.base_url={address!r} tells no likelihoods of a prompt (echo and "
            "logprobs), which tasks with choices or texts to be scored need; name only tasks that are answered by "
            "writing, or take evals.backend=hf"
        )
