"""Ways to narrow an interval, and banks of arms that were trained otherwise, on small cases of known answers."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import transformers
from builders.checkout import SHARED
from numpy.typing import NDArray

from diagnose.rows.tokens import NO_LOSS, collate, token_rows

DATA = SHARED / "data"
NUM_ITEMS, NUM_OTHERS = 200, 150
ARMS = {"continue": (36, 0.0, 0.2), "random": (10, 0.5, 0.5), "fix": (10, 1.0, 0.05), "hot": (10, 0.2, 0.8)}
"""Runs, mean and deviation of each arm in logits."""


@pytest.fixture
def modules(module: Callable[[str], ModuleType]) -> dict[str, ModuleType]:
    names = ("gate_arms", "gate_worlds", "variance_ideas", "real_arms", "bench_arms", "make_real_bank")
    return {name: module(name) for name in names}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    is_target = np.arange(NUM_ITEMS + NUM_OTHERS) < NUM_ITEMS
    ease = 1.5 * rng.normal(size=len(is_target)) + np.where(is_target, 0, 2)
    arm = np.repeat(list(ARMS), [number for number, _, _ in ARMS.values()])
    shift = np.array([mean + sd * rng.normal() for number, mean, sd in ARMS.values() for _ in range(number)])
    scores = (rng.random((len(arm), len(ease))) < 1 / (1 + np.exp(-ease - shift[:, None]))).astype(np.uint8)
    np.savez(
        tmp_path / "world.npz",
        scores=scores,
        averaged=scores,
        arm=arm,
        seed=np.concatenate([np.arange(number) for number, _, _ in ARMS.values()]),
        is_base=arm == "continue",
        task=np.where(is_target, "skill", "others"),
        is_target=is_target,
        is_guard=~is_target,
        champion_gold=ease,
        champion_other=np.zeros(len(ease)),
    )
    return tmp_path


def test_loops_of_arms_trained_alike_are_played_on_the_runs_of_one_arm(
    modules: dict[str, ModuleType], folder: Path
) -> None:
    (bank,) = modules["gate_worlds"].load_banks(folder)
    assert bank.num_runs == 36
    assert bank.slices["target"].shape == (36, NUM_ITEMS)


@pytest.mark.parametrize("kind", ["Runs", "Fitted"])
def test_arms_that_are_brought_to_one_height_have_one_mean_score(
    modules: dict[str, ModuleType], folder: Path, kind: str
) -> None:
    (bank,) = modules["gate_arms"].load_arms(folder)
    roles = modules["bench_arms"].unequal_roles(bank)["unsteady control"]
    assert (roles["challenger"], roles["continue"]) == ("fix", "hot")
    world = getattr(modules["gate_arms"], kind)(bank, roles)
    rng = np.random.default_rng(0)
    drawn = [world.items(rng).arms(rng, 3)["target"] for _ in range(400)]
    means = {role: np.mean([arms[role].mean() for arms in drawn]) for role in roles}
    lowest = world.base_score("target")
    assert lowest == min(world.heights["target"].values())
    # Means of 400 draws of three runs that deviate by .15, and of the items, are unsure by .005.
    for mean in means.values():
        assert mean == pytest.approx(lowest, abs=0.02)
    deviations = {role: np.mean([arms[role].mean(axis=1).std(ddof=1) for arms in drawn]) for role in roles}
    assert deviations["continue"] > 2 * deviations["challenger"]


def test_pairs_whose_differences_are_the_same_in_all_seeds_leave_the_variance_of_items(
    modules: dict[str, ModuleType],
) -> None:
    control = np.array([[0.0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    challenger = control + np.array([1.0, 0, 0, 1])
    paired = modules["variance_ideas"].by_pairs(challenger, control)
    assert paired.mean == 0.5
    assert paired.se == pytest.approx(np.sqrt(1 / 3 / 4))  # differences 1, 0, 0, 1 have the variance 1/3
    assert paired.se < modules["variance_ideas"].by_own_runs(challenger, control).se


def test_covariates_of_the_judged_items_alone_change_nothing(modules: dict[str, ModuleType]) -> None:
    rng = np.random.default_rng(0)
    challenger, control = _scores(rng, 0.6), _scores(rng, 0.5)
    known = rng.normal(size=(60, 2))
    plain = modules["variance_ideas"].by_own_runs(challenger, control)
    adjusted = modules["variance_ideas"].by_covariates(challenger, control, known, known)
    assert (adjusted.mean, adjusted.se) == (pytest.approx(plain.mean), pytest.approx(plain.se))


def test_a_covariate_that_tells_every_difference_moves_the_estimate_to_that_of_all_items(
    modules: dict[str, ModuleType],
) -> None:
    known = np.array([1.0, 1, 1, 0, 0, 0, 0, 0])[:, None]
    control = np.zeros((3, 8))
    challenger = np.repeat(known.T, 3, axis=0)
    of_all = np.concatenate([known, np.zeros((16, 1))])  # three of 24 items instead of three of eight
    adjusted = modules["variance_ideas"].by_covariates(challenger, control, known, of_all)
    assert adjusted.mean == pytest.approx(3 / 24)


def test_what_is_beaten_is_trained_no_more_and_the_rule_without_is_the_gates(modules: dict[str, ModuleType]) -> None:
    ideas, alpha = modules["variance_ideas"], 0.0152
    rng = np.random.default_rng(1)
    arms = {"challenger": _scores(rng, 0.62, 8), "continue": _scores(rng, 0.5, 8), "bm25": _scores(rng, 0.1, 8)}
    whole = ideas.judged_with_drops(arms, alpha, "none")
    fewer = ideas.judged_with_drops(arms, alpha, "beaten")
    assert whole.num_seeds == fewer.num_seeds > 3
    assert whole.num_trainings == 3 * whole.num_seeds
    assert fewer.num_trainings == 2 * whole.num_seeds + 3
    assert fewer.is_accepted == whole.is_accepted


@pytest.mark.skipif(not (DATA / "trec_qc").is_dir(), reason="needs the questions, which are not shipped")
def test_arms_of_one_bank_share_the_corpus_and_differ_in_what_is_added(modules: dict[str, ModuleType]) -> None:
    real = modules["real_arms"]
    ground = real.ground_of("questions", DATA)
    rows = {arm.name: real.rows_of(arm, ground, 0) for arm in real.ARMS}
    corpus = len(ground.corpus)
    for of in rows.values():
        assert of.rows[:corpus] == ground.corpus
        assert of.weights.sum() == pytest.approx(1)
    assert rows["few"].weights[corpus:].sum() == pytest.approx(0.3)
    assert sum(row["completion"] == "HUM" for row in ground.corpus) == 40
    fix, wrong = rows["fix"].rows[corpus:], rows["wrong"].rows[corpus:]
    assert sum(a["completion"] != b["completion"] for a, b in zip(fix, wrong, strict=True)) == 135  # .45 of 300
    by_seed = [real.rows_of(arm, ground, 1).rows == rows[arm.name].rows for arm in real.ARMS]
    assert [arm.name for arm, same in zip(real.ARMS, by_seed, strict=True) if not same] == ["random"]


def test_the_loss_that_a_bank_trains_on_is_the_model_s_own(modules: dict[str, ModuleType]) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
    )
    model = transformers.LlamaForCausalLM(config)
    rows = token_rows([[3, 4, 5, 6], [7, 8, 9]], [[NO_LOSS, NO_LOSS, 5, 6], [NO_LOSS, 8, 9]])
    batch = collate(rows, [0, 1], pad_id=0)
    own = modules["make_real_bank"].mean_loss(model, batch)
    assert own.item() == pytest.approx(model(**batch).loss.item(), rel=1e-5)


def _scores(rng: np.random.Generator, mean: float, num_seeds: int = 3) -> NDArray[np.float64]:
    return (rng.random((num_seeds, 60)) < mean).astype(np.float64)
