"""Measured through a real server of completions, a model has the scores that it has in this process."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from builders.completions import completions_server
from builders.four_tasks import SETTINGS, WORDS, write_four_tasks

from evals.harness import evaluate, load_suite
from evals.harness.backends.reachable import check_backend
from evals.items import OutputType
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite


@pytest.fixture
def tasks(task_dir: Callable[..., Path]) -> str:
    return write_four_tasks(task_dir)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_server_gives_the_scores_that_the_model_has_in_this_process(
    tasks: str, tiny_model_dir: Callable[..., Path], batch_size: int
) -> None:
    """All ways of asking; the server knows the model by another name than its folder."""
    pytest.importorskip("tenacity")
    model = ModelRef(str(tiny_model_dir(WORDS)))
    here = EvalSuite(list(SETTINGS), tasks, batch_size=batch_size)
    with completions_server(Path(model.path), "small") as (address, served):
        arguments = {"base_url": address, "model": "small"}
        suite = EvalSuite(list(SETTINGS), tasks, batch_size=batch_size, backend="openai", model_args=arguments)
        check_backend(suite, model, needs_likelihoods=True)
        elsewhere = evaluate(model, load_suite(suite), Split.PROBE)
    expected = evaluate(model, load_suite(here), Split.PROBE)
    assert {result.item.output_type for result in elsewhere.results} == set(OutputType)
    assert len(elsewhere.results) == len(expected.results)
    for result, other in zip(elsewhere.results, expected.results, strict=True):
        assert (result.item, result.answer, result.is_failed) == (other.item, other.answer, other.is_failed)
        assert result.metrics == pytest.approx(other.metrics, abs=1e-4)
    assert elsewhere.num_tokens == expected.num_tokens
    assert max(len(asked["prompt"]) for asked in served.asked if asked["prompt"] != "a") == batch_size


@pytest.mark.parametrize(
    ("model", "needs_likelihoods", "path", "message"),
    [
        ("other", True, "", r"refuses the model 'other': 404 .*model other does not exist.*; name the model"),
        ("small", True, "/nowhere", r"refuses the model 'small': 404"),
        ("small", True, "", r"tells no likelihoods of a prompt"),
    ],
)
def test_a_server_that_cannot_be_asked_is_refused_after_one_token(
    tiny_model_dir: Callable[..., Path], model: str, needs_likelihoods: bool, path: str, message: str
) -> None:
    pytest.importorskip("tenacity")
    folder = tiny_model_dir(WORDS)
    with completions_server(folder, "small", tells_likelihoods=False) as (address, served):
        suite = EvalSuite(backend="openai", model_args={"base_url": address + path, "model": model})
        with pytest.raises(ValueError, match=message):
            check_backend(suite, ModelRef(str(folder)), needs_likelihoods=needs_likelihoods)
        assert sum(asked["max_tokens"] for asked in served.asked) <= 1
        if message.startswith("tells"):
            check_backend(suite, ModelRef(str(folder)), needs_likelihoods=False)


def test_what_is_missing_is_one_error_with_the_way_out() -> None:
    here = ModelRef("folder")
    if find_spec("vllm") is None:
        with pytest.raises(ValueError, match=r"evals.backend=vllm needs vllm, which is not installed; pip install"):
            check_backend(EvalSuite(backend="vllm"), here, needs_likelihoods=True)
    with pytest.raises(ValueError, match=r"evals.backend must be one of hf, vllm, openai, got 'vlm'; did you mean"):
        EvalSuite(backend="vlm")
    with pytest.raises(ValueError, match=r"evals.model_args.dtype is what model.dtype says"):
        EvalSuite(model_args={"dtype": "float16"})
    with pytest.raises(ValueError, match=r"evals.model_args must be one of .*, got 'max_lenght'; did you mean 'max_l"):
        check_backend(EvalSuite(model_args={"max_lenght": 8}), here, needs_likelihoods=True)
    with pytest.raises(ValueError, match=r"evals.cache finds answers by the content of the model"):
        EvalSuite(backend="openai", cache="folder")


def test_a_server_that_is_not_there_or_not_named_is_one_error() -> None:
    pytest.importorskip("tenacity")
    here, nowhere = ModelRef("folder"), "http://127.0.0.1:9/v1/completions"
    with pytest.raises(ValueError, match=r"evals.backend=openai needs evals.model_args.base_url"):
        check_backend(EvalSuite(backend="openai"), here, needs_likelihoods=True)
    suite = EvalSuite(backend="openai", model_args={"base_url": nowhere})
    with pytest.raises(
        ValueError, match=rf"gets no completion from evals.model_args.base_url='{nowhere}'.*; start the"
    ):
        check_backend(suite, here, needs_likelihoods=True)
    with pytest.raises(ValueError, match=r"cannot have a model that is made here"):
        check_backend(suite, None, needs_likelihoods=True)
