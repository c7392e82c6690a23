"""Which arms a run has, and how long each trains."""

import pytest
import yaml
from builders.checkout import ROOT

from controller.results.arm_names import file_name
from controller.verdict.arms import ControlArm, arm_tokens, check_arm_sources, control_arms
from controller.verdict.settings import Verify
from interventions.controls import CONTROLS

CONF = ROOT / "conf" / "verify"


def preset(name: str) -> list[str]:
    arms: list[str] = yaml.safe_load((CONF / f"{name}.yaml").read_text())["arms"]
    return arms


def tokens_of(arm: ControlArm, choosing_flops: float = 0.0) -> int:
    return arm_tokens(arm, 1000, finding_flops=6e5, choosing_flops=choosing_flops, token_flops=60.0)


@pytest.mark.parametrize("name", [path.stem for path in CONF.glob("*.yaml")])
def test_every_preset_is_a_set_of_arms_that_the_gate_takes(name: str) -> None:
    assert "continue" in {arm.control for arm in Verify(arms=preset(name)).controls}


def test_every_control_is_a_file_and_in_the_full_comparison() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == {*CONTROLS, "loop", "everyday", "full"}
    assert {arm.control for arm in Verify(arms=preset("full")).controls} == set(CONTROLS)
    assert Verify().arms == preset("everyday")


def test_a_control_at_equal_compute_gets_the_flops_of_the_diagnosis_as_further_tokens() -> None:
    tokens = [tokens_of(arm) for arm in control_arms(["continue", "random", "random@compute"], "tokens")]
    assert tokens == [1000, 1000, 1000 + 10_000]


def test_what_a_control_spent_on_choosing_its_rows_is_not_trained_with() -> None:
    (_, loss) = control_arms(["continue", "loss@compute"], "tokens")
    assert tokens_of(loss, choosing_flops=1.2e5) == 1000 + 8_000
    assert tokens_of(loss, choosing_flops=9e9) == 1000


def test_verify_match_gives_every_control_the_compute_of_the_fix_and_says_so_in_its_name() -> None:
    arms = Verify(arms=["continue", "bm25"], match="compute").controls
    assert [arm.name for arm in arms] == ["continue@compute", "bm25@compute"]
    assert [arm.control for arm in arms] == ["continue", "bm25"]
    assert {tokens_of(arm) for arm in arms} == {11_000}


def test_the_loop_itself_may_be_named_and_is_no_control() -> None:
    assert [arm.name for arm in control_arms(["loop", "continue"], "tokens")] == ["continue"]


def test_an_arm_may_be_named_after_a_source_from_which_rows_come() -> None:
    arms = control_arms(["continue", "from:web/part 1.jsonl", "from:web/part 1.jsonl@compute"], "tokens")
    assert [arm.control for arm in arms[1:]] == ["from:web/part 1.jsonl"] * 2
    assert arms[2].is_compute
    check_arm_sources(arms, {"web/part 1.jsonl", "books"})
    with pytest.raises(
        ValueError, match=r"no row comes from the source 'web/part 1\.jsonl'; did you mean 'from:web/part 1\.json'"
    ):
        check_arm_sources(arms, {"web/part 1.json", "books"})
    names = {file_name(name) for name in ("random@compute", "from:a/b", "from:a_b", "from:a b")}
    assert len(names) == 4
    assert "random@compute" in names
    assert not any(set(name) & set("/: ") for name in names)


@pytest.mark.parametrize(
    ("arms", "match", "message"),
    [
        (["continue", "radnom"], "tokens", "unknown arm 'radnom' in verify.arms; did you mean 'random'"),
        (["continue", "xyz@compute"], "tokens", "unknown arm 'xyz@compute' in verify.arms; known are continue, random"),
        (["random"], "tokens", r"verify.arms must hold 'continue', got \[random\]"),
        ([], "tokens", "verify.arms must hold 'continue'"),
        (["continue@compute"], "tokens", "verify.arms must hold 'continue'"),
        (["continue", "loss", "loss"], "tokens", "names 'loss' twice"),
        (["continue", "loss@compute"], "compute", "matches every arm's compute already"),
    ],
)
def test_arms_that_make_no_sense_are_refused(arms: list[str], match: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Verify(arms=arms, match=match)
