"""Batches are as large as fits, and what is answered does not depend on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance

from evals.harness.answers import answer
from evals.harness.backends.local import LocalModel, load_local
from evals.model_ref import ModelRef
from evals.suite import EvalSuite

WORDS = ("cat", "dog", "cow", "hen", "pig", "fox", "owl", "bee")
TEXTS = [" ".join(WORDS[k % 8] for k in range(start, start + 2 + start % 9)) for start in range(60)]


def instances() -> list[Instance]:
    """Sixty texts of two to ten words for each way of asking."""
    arguments: dict[str, list[tuple[Any, ...]]] = {
        "loglikelihood": [(text, " cat dog") for text in TEXTS],
        "loglikelihood_rolling": [(text,) for text in TEXTS],
        "generate_until": [(text, {"until": ["\n"], "max_gen_toks": 3, "do_sample": False}) for text in TEXTS],
    }
    return [
        Instance(request_type=kind, doc={}, arguments=one, idx=0, metadata=("task", number, 1))  # type: ignore[arg-type]
        for kind, given in arguments.items()
        for number, one in enumerate(given)
    ]


@pytest.fixture
def loaded(tiny_model_dir: Callable[..., Path]) -> Callable[..., tuple[LocalModel, list[int]]]:
    """Makes a model and a list to which it adds the size of each batch; more rows than `memory` do not fit."""
    folder = tiny_model_dir(WORDS)

    def load(batch_size: int | str, memory: int, **arguments: Any) -> tuple[LocalModel, list[int]]:
        lm = load_local(ModelRef(str(folder)), EvalSuite(batch_size=batch_size, model_args=arguments))
        sizes: list[int] = []

        def pass_or_run_out(module: torch.nn.Module, args: Any, given: dict[str, Any]) -> None:
            ids = given.get("input_ids", args[0] if args else None)
            if len(ids) > memory:
                raise RuntimeError("CUDA out of memory. Tried to allocate more than there is.")
            sizes.append(len(ids))

        lm.model.register_forward_pre_hook(pass_or_run_out, with_kwargs=True)
        return lm, sizes

    return load


def answers(lm: LocalModel) -> list[Any]:
    asked = instances()
    answer(lm, asked)
    return [instance.resps[0] for instance in asked]


@pytest.mark.parametrize(
    ("batch_size", "memory", "arguments", "largest"),
    [("auto", 1000, {}, 60), ("auto", 20, {}, 16), ("auto:4", 20, {}, 16), ("auto", 1000, {"max_batch_size": 8}, 8)],
)
def test_an_automatic_batch_is_as_large_as_fits_and_answers_as_one_request_a_batch(
    loaded: Callable[..., tuple[LocalModel, list[int]]],
    batch_size: str,
    memory: int,
    arguments: dict[str, Any],
    largest: int,
) -> None:
    single, _ = loaded(1, 1)
    expected = answers(single)
    lm, sizes = loaded(batch_size, memory, **arguments)
    found = answers(lm)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4) if not isinstance(one, str) else one == other
    assert max(sizes) == largest
    assert lm.num_tokens == single.num_tokens


def test_a_fixed_batch_that_does_not_fit_is_not_made_smaller_in_silence(
    loaded: Callable[..., tuple[LocalModel, list[int]]],
) -> None:
    lm, _ = loaded(32, 20)
    with pytest.raises(RuntimeError, match="out of memory"):
        answers(lm)


def test_a_single_request_that_does_not_fit_says_so(loaded: Callable[..., tuple[LocalModel, list[int]]]) -> None:
    lm, _ = loaded("auto", 0)
    with pytest.raises(RuntimeError, match="out of memory"):
        answers(lm)


def test_a_batch_holds_as_many_requests_as_their_logits_leave_room_for(tiny_model_dir: Callable[..., Path]) -> None:
    lm = load_local(ModelRef(str(tiny_model_dir(["a b c"]))), EvalSuite(batch_size=64))
    size = len(lm.tokenizer)
    assert lm._fitting(10) == 64
    assert lm._fitting(2**27 // size // 20) == 20
    assert lm._fitting(2**30) == 1


def test_no_batch_has_more_logits_than_there_is_room_for(
    loaded: Callable[..., tuple[LocalModel, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of likelihoods, rolling ones too; the room is that of three of the longest texts, of twelve tokens."""
    lm, sizes = loaded(32, 1000)
    monkeypatch.setattr("evals.harness.backends.fitted._LOGIT_BYTES", 3 * 4 * 12 * len(lm.tokenizer))
    answer(lm, [instance for instance in instances() if instance.request_type == "loglikelihood"])
    assert max(sizes) == 3
    answer(lm, [instance for instance in instances() if instance.request_type == "loglikelihood_rolling"])
    assert max(sizes) == 3


def test_on_a_cpu_prompts_of_like_length_are_written_together_and_their_cache_fits(
    loaded: Callable[..., tuple[LocalModel, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is that of the cache of 26 tokens: two of the longest texts with their answers, five of the shortest."""
    writes = [one for one in instances() if one.request_type == "generate_until"]
    whole, _ = loaded(32, 1000)
    answer(whole, writes)
    expected = [one.resps[-1] for one in writes]
    lm, sizes = loaded(32, 1000)
    config = lm.config
    of_token = 2 * config.num_hidden_layers * config.hidden_size * 4
    monkeypatch.setattr("evals.harness.backends.fitted._CACHE_BYTES", 26 * of_token)
    answer(lm, writes)
    assert [one.resps[-1] for one in writes] == expected
    assert sizes[0] == 26 // (10 + 3)
    assert max(sizes) == 26 // (2 + 3)


@pytest.mark.parametrize("batch_size", ["many", "auto:0", "auto:", 0, -1])
def test_a_size_that_is_none_is_refused(batch_size: int | str) -> None:
    with pytest.raises(ValueError, match=r"evals.batch_size must be"):
        EvalSuite(batch_size=batch_size)


def test_an_answer_that_adds_no_token_to_its_prompt_is_refused_with_the_way_out(
    loaded: Callable[..., tuple[LocalModel, list[int]]],
) -> None:
    lm, _ = loaded(4, memory=100)
    one = Instance(request_type="loglikelihood", doc={}, arguments=("cat", "dog"), idx=0, metadata=("task", 0, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"answer 'dog' adds no token to its prompt, which ends with 'cat'.*a space"):
        answer(lm, [one])
