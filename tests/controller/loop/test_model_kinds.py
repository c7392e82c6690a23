"""Loops on the kinds of models that people have: each on the toy, whose skills are taught by one slice each."""

from pathlib import Path

import pytest
from builders.toy import write_toy

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.results.loop_json import LoopResult

pytestmark = pytest.mark.slow

LLAMA = "model.arch={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}"
GPT2 = "model.arch={model_type: gpt2, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 64, tie_word_embeddings: TIED}"


def loop_on(folder: Path, *words: str) -> LoopResult:
    """The toy; `words` hold the model."""
    folder.mkdir(exist_ok=True)
    plain = [word for word in write_toy(folder) if not word.startswith("model.arch")]
    return run_loop(composed([*plain, "budget.rounds=1", *words]), None)


def explained(result: LoopResult) -> dict[str, str]:
    """The skill of the rows that stand behind the failures of each task, where any are named."""
    found = result.rounds[0].diagnosis.findings
    return {one.slice["task"]: one.data_slice["skill"] for one in found if one.data_slice}


@pytest.mark.parametrize(
    "words",
    [[GPT2.replace("TIED", "true")], [GPT2.replace("TIED", "false")], [LLAMA, "train.bf16=true"]],
    ids=["Conv1D with tied weights", "Conv1D", "bf16"],
)
def test_failures_of_any_kind_of_model_are_explained_by_the_rows_that_teach_the_skill(
    words: list[str], tmp_path: Path
) -> None:
    named = explained(loop_on(tmp_path / "toy", *words))
    assert named
    assert named.items() <= {"toy_jump": "jump", "toy_run": "run"}.items()
