"""Loops on the kinds of models that people have: each on the toy, whose skills are taught by one slice each."""

import json
from pathlib import Path

import pytest
from builders.toy import write_toy
from pydantic import TypeAdapter
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.main import run
from controller.results.loop_json import LoopResult
from diagnose.finding.finding import Diagnosis

pytestmark = [pytest.mark.slow, pytest.mark.long]

LLAMA = "model.arch={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}"
WIDE = LLAMA.replace("hidden_size: 32", "hidden_size: 64")
"""Rows of four-bit weights come in blocks of 64."""
GPT2 = "model.arch={model_type: gpt2, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 64, tie_word_embeddings: TIED}"


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def loop_on(folder: Path, *words: str) -> LoopResult:
    """The toy; `words` hold the model."""
    plain = [word for word in write_toy(made(folder)) if not word.startswith("model.arch")]
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


def test_an_adapter_is_trained_on_a_quantised_base_which_stays_as_it_is(tmp_path: Path) -> None:
    loop_on(tmp_path / "toy", WIDE, "train.learning_rate=5e-3")
    (left,) = (tmp_path / "toy" / "run" / "stages").glob("train-initial-*/model")
    base = tmp_path / "base"
    four_bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    AutoModelForCausalLM.from_pretrained(left, quantization_config=four_bits).save_pretrained(base)
    AutoTokenizer.from_pretrained(left).save_pretrained(base)
    before = (base / "model.safetensors").read_bytes()
    words = [word for word in write_toy(made(tmp_path / "given")) if not word.startswith("model.")]
    given = [*words, "model=pretrained", f"model.name={base}", "model.trained_on_corpus=true", "budget.rounds=1"]
    with pytest.raises(ValueError, match=r"quantised weights cannot be trained; set model\.lora\.r=8"):
        run_loop(composed(given), None)
    tuned = ["train.initial=true", "model.lora.r=4", "train.learning_rate=1e-2"]
    result = run_loop(composed([*given, *tuned]), None)
    assert explained(result).items() <= {"toy_jump": "jump", "toy_run": "run"}.items()
    (first,) = (tmp_path / "given" / "run" / "stages").glob("train-initial-*/done.json")
    losses = json.loads(first.read_text())["value"]["losses"]
    assert losses[-1] < losses[0]
    assert (base / "model.safetensors").read_bytes() == before
    stages = tmp_path / "given" / "run" / "stages"
    assert {path.name for path in stages.glob("train-*/model/*.safetensors")} == {"adapter_model.safetensors"}


def test_a_model_of_which_one_checkpoint_is_left_is_explained_by_its_data_and_said_to_be_less_sure(
    tmp_path: Path,
) -> None:
    trained = loop_on(tmp_path / "toy", LLAMA, "train.learning_rate=5e-3")
    (left,) = (tmp_path / "toy" / "run" / "stages").glob("train-initial-*/model")
    words = [word for word in write_toy(made(tmp_path / "given")) if not word.startswith("model.")]
    given = [*words, "model=pretrained", f"model.name={left}", "model.trained_on_corpus=true", "train.initial=false"]
    assert run(["diagnose", *given]) == 0
    page = (tmp_path / "given" / "run" / "diagnosis.html").read_text()
    assert "at one checkpoint, where little is left to learn" in page
    (file,) = (tmp_path / "given" / "run" / "stages").glob("diagnose-*/diagnosis.json")
    found = TypeAdapter(Diagnosis).validate_json(file.read_bytes())
    assert found.attributed is not None
    assert found.attributed.num_checkpoints == 1
    in_loop = trained.rounds[0].diagnosis
    assert in_loop.attributed is not None
    assert in_loop.attributed.num_checkpoints == 2
    assert [one.slice.as_dict() for one in found.findings] == [one.slice for one in in_loop.findings]
    # With a third of the items held out and one checkpoint, the right rows come first and may not be confirmed.
    slices = {
        one.slice.as_dict()["task"]: one.data_slices[0].slice if one.data_slices else one.unconfirmed
        for one in found.findings
    }
    named = {task: where.as_dict()["skill"] for task, where in slices.items() if where is not None}
    assert named
    assert named.items() <= {"toy_jump": "jump", "toy_run": "run"}.items()
