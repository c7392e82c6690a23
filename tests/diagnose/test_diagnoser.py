"""A diagnosis from a probe report to findings, on a SCAN-like grammar with a starved `jump`."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.items import answered, item, probe_report
from builders.models import asked_model
from builders.pools import train_pool
from transformers import AutoModelForCausalLM, PreTrainedModel

from diagnose.attribution.influence import Influence
from diagnose.case import Case
from diagnose.diagnoser import Diagnoser
from diagnose.finding.finding import Cause, Diagnosis
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from evals.items import ProbeReport
from evals.leaks.item_index import index_items
from evals.splits import Split

PRIMITIVES = ("walk", "run", "look", "jump")
MODIFIERS = ("left", "right", "twice", "thrice")


def command(rng: np.random.Generator, primitives: tuple[str, ...]) -> str:
    def phrase() -> str:
        return " ".join([primitives[rng.integers(len(primitives))], *rng.permutation(MODIFIERS)[: rng.integers(0, 3)]])

    return f"{phrase()} and {phrase()}"


def actions(prompt: str) -> str:
    return " ".join(f"I_{word.upper()}" for word in prompt.split() if word != "and")


def pool_of(prompts: list[str], source: str) -> TrainPool:
    return train_pool([(prompt, actions(prompt)) for prompt in prompts], source)


def probe_of(prompts: list[str], failure_rate: Callable[[str], float], seed: int = 0) -> ProbeReport:
    rng = np.random.default_rng(seed)
    results = []
    for number, prompt in enumerate(prompts):
        key = hashlib.sha256(f"{number} {prompt}".encode()).hexdigest()
        task = "scan_jump" if "jump" in prompt else "scan_others"
        asked = item(prompt, actions(prompt), task, id=f"{key[:16]}-0", split_key=key, document={"command": prompt})
        is_failed = bool(rng.random() < failure_rate(prompt))
        if asked.split is Split.PROBE:
            results.append(answered(asked, "" if is_failed else asked.target))
    return probe_report(results)


def diagnose(
    model: Path, probe: ProbeReport, corpus: TrainPool, pool: TrainPool | None, seed: int, rerank: float = 0.0
) -> Diagnosis:
    diagnoser = Diagnoser(influence=Influence(fisher_examples=128, rerank=rerank))
    return diagnoser.diagnose(case(probe, corpus, pool, seed), asked_model(model))


def case(probe: ProbeReport, corpus: TrainPool, pool: TrainPool | None, seed: int) -> Case:
    return Case(probe, corpus, pool, [], [], ["scan_others"], index_items([]), seed)


@pytest.fixture
def model(tiny_model_dir: Callable[..., Path]) -> Path:
    words = [*PRIMITIVES, *MODIFIERS, "and"]
    return tiny_model_dir([*words, *(f"I_{word.upper()}" for word in words)])


def starved(seed: int) -> tuple[ProbeReport, TrainPool, TrainPool]:
    """Probe, corpus with 20 rows of `jump` in 500, pool with its true share."""
    rng = np.random.default_rng(seed)
    probe = probe_of([command(rng, PRIMITIVES) for _ in range(800)], lambda p: 0.6 if "jump" in p else 0.03)
    plain = [command(rng, PRIMITIVES[:3]) for _ in range(480)]
    corpus = plain + ["jump " + command(rng, PRIMITIVES[:3]) for _ in range(20)]
    return probe, pool_of(corpus, "train"), pool_of([command(rng, PRIMITIVES) for _ in range(400)], "pool")


def test_a_starved_skill_is_traced_to_its_rows_and_random_weights_to_capacity(model: Path) -> None:
    probe, corpus, pool = starved(0)
    plain = diagnose(model, probe, corpus, pool, seed=0)
    again = diagnose(model, probe, corpus, pool, seed=0, rerank=0.02)
    (before,), (after,) = plain.findings, again.findings
    assert before.data_slices == after.data_slices
    assert all("jump" in example.prompt for example in after.examples.helpful)
    scores = [example.score for example in after.examples.helpful]
    assert scores == sorted(scores, reverse=True)
    assert set(scores).isdisjoint(example.score for example in before.examples.helpful)
    assert again.num_tokens > plain.num_tokens


def test_the_weights_of_the_diagnosed_model_are_read_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from_pretrained = AutoModelForCausalLM.from_pretrained

    def counting(path: str, *args: object, **kwargs: object) -> PreTrainedModel:
        read.append(path)
        return from_pretrained(path, *args, **kwargs)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", counting)
    diagnose(model, *starved(0), seed=0, rerank=0.02)
    assert read == [str(model)]


def test_by_words_the_same_failures_are_joined_to_data_without_any_model(model: Path) -> None:
    probe, corpus, pool = starved(0)
    found = diagnose(model, probe, corpus, pool, seed=0)
    (finding,) = found.findings
    by_words = Diagnoser().diagnose_by_words(case(probe, corpus, pool, 0), found)
    (other,) = by_words.findings
    assert by_words.num_tokens == 0
    assert (other.slice, other.queries) == (finding.slice, finding.queries)
    assert other.data_slice == Slice(((PROMPT_CONTAINS, "jump"),))


def test_beside_a_corpus_that_is_not_the_model_s_no_row_explains_a_failure(model: Path) -> None:
    probe, corpus, pool = starved(0)
    given = case(probe, corpus, pool, 0)
    diagnoser = Diagnoser(influence=Influence(fisher_examples=128))
    own = diagnoser.diagnose(given, asked_model(model))
    foreign = diagnoser.diagnose(replace(given, is_training_data=False), asked_model(model))
    (finding,) = foreign.findings
    assert (finding.slice, finding.data_slices) == (own.findings[0].slice, own.findings[0].data_slices)
    assert set(finding.causes) == {Cause.FORMAT, Cause.WRONG_GOLD, Cause.UNKNOWN}
    assert sum(finding.causes.values()) == pytest.approx(1)
    assert {Cause.CAPACITY, Cause.TRAINING_SETUP} <= set(own.findings[0].causes)  # it has hardly begun to learn
    made, own_made = ({test.test for test in found.findings[0].tests} for found in (foreign, own))
    assert own_made - made == {"batches", "learning"}
    assert own.left_out == ()
    assert [one.test for one in foreign.left_out] == ["batches", "learning", "cues", "causes in the data"]
    says = " ".join(test.says for test in finding.tests)
    assert "training" not in says


def test_queries_are_question_and_target_of_two_thirds_of_the_failed_items_and_the_others_are_held_out(
    model: Path,
) -> None:
    probe, corpus, pool = starved(0)
    (finding,) = diagnose(model, probe, corpus, pool, seed=0).findings
    jumps = [r.item for r in probe.results if r.is_failed and "jump" in r.item.prompt]
    failed = {item.key: f"{item.prompt} {item.target}" for item in jumps}
    held_out = Counter(failed[key] for key in finding.held_out)
    assert len(finding.held_out) == len(failed) // 3
    assert Counter(finding.queries) + held_out == Counter(failed.values())


def test_of_failed_items_that_are_shown_the_words_leaned_on_are_told(model: Path) -> None:
    probe, corpus, pool = starved(0)
    told = diagnose(model, probe, corpus, pool, seed=0)
    without = Diagnoser(influence=Influence(fisher_examples=128), token_steps=0)
    untold = without.diagnose(case(probe, corpus, pool, 0), asked_model(model))
    (shown,), (plain,) = (diagnosis.findings for diagnosis in (told, untold))
    for failed in shown.failed_items:
        assert [word for word, _ in failed.leaned_on] == failed.prompt.split()
        assert sum(abs(share) for _, share in failed.leaned_on) == pytest.approx(1)
    assert [failed.leaned_on for failed in plain.failed_items] == [()] * 5
    # Of this model gradients do not add up, as the first item shows; forward passes count a third.
    assert {failed.leaned_by for failed in shown.failed_items} == {"occlusion"}
    lengths = [len(f"{failed.prompt} {failed.target}".split()) + 1 for failed in shown.failed_items]
    forward = 2 * lengths[0] + sum(
        length + len(failed.prompt.split()) * (length - 1)
        for failed, length in zip(shown.failed_items, lengths, strict=True)
    )
    assert told.num_tokens - untold.num_tokens == pytest.approx(16 * lengths[0] + forward / 3, abs=1)


def test_a_healthy_model_is_not_attributed(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    probe = probe_of([command(rng, PRIMITIVES) for _ in range(800)], lambda _: 0.02)
    corpus = pool_of([command(rng, PRIMITIVES) for _ in range(50)], "train")
    asked = asked_model(model, tmp_path / "no model is loaded")
    diagnosis = Diagnoser().diagnose(case(probe, corpus, None, 0), asked)
    assert diagnosis.findings == ()
    assert diagnosis.num_tokens == 0
    assert diagnosis.num_failed == sum(r.is_failed for r in probe.results)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"diagnose.alpha must be between 0 and 1, got 5"):
        Diagnoser(alpha=5)
    with pytest.raises(ValueError, match=r"diagnose.max_findings must be at least 1, got 0"):
        Diagnoser(max_findings=0)
    with pytest.raises(ValueError, match=r"diagnose.token_steps must not be negative, got -1"):
        Diagnoser(token_steps=-1)
