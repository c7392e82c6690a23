"""A construction that the corpus starves, through the whole loop: where the pool has few of it the fix is accepted and
opens the sealed items, where it has hardly anything else random rows are enough.

Sentences go to logical forms, in the manner of COGS (Kim and Linzen 2020): actives and passives of the same nouns and
verbs. The corpus has next to no passives, and the pool a share of them.
"""

import json
from pathlib import Path
from random import Random

import pytest
import yaml

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.results.arm_names import CHALLENGER
from controller.results.loop_json import LoopResult
from controller.results.verdict_json import Decision

pytestmark = [pytest.mark.slow, pytest.mark.long]

NOUNS = (
    *("cat", "dog", "bird", "frog", "horse", "mouse", "sheep", "goat"),
    *("crab", "swan", "wolf", "bear", "deer", "hare", "toad", "crow"),
)
VERBS = {
    "saw": ("seen", "see"),
    "ate": ("eaten", "eat"),
    "drew": ("drawn", "draw"),
    "hid": ("hidden", "hide"),
    "took": ("taken", "take"),
    "knew": ("known", "know"),
}
NUM_STARVED = 6


def write_cogs(folder: Path, passives_in_pool: float) -> list[str]:
    """Task, corpus and pool in `folder`; the words of a command line that name them and a model that learns them in
    seconds.

    Args:
        passives_in_pool: Share of the pool's rows.
    """
    rng = Random(0)
    pairs = [(agent, theme) for agent in NOUNS for theme in NOUNS if agent != theme]
    actives = [_active(agent, past, theme) for agent, theme in pairs for past in VERBS]
    passives = [_passive(agent, past, theme) for agent, theme in pairs for past in VERBS]
    for rows in (actives, passives):
        rng.shuffle(rows)
    items, actives, passives = [*actives[:500], *passives[:250]], actives[500:], passives[250:]
    num_pool = 450
    num_passive = round(passives_in_pool * num_pool)
    train = [*actives[num_pool:], *passives[:NUM_STARVED]]
    pool = [*actives[: num_pool - num_passive], *passives[NUM_STARVED : NUM_STARVED + num_passive]]
    for name, rows in {"items": items, "train": train, "pool": pool}.items():
        rng.shuffle(rows)
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "forms",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{completion}}",
        "target_delimiter": " ",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (folder / "forms.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
    model = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    return [
        "corpus=files",
        f"corpus.train={folder / 'train.jsonl'}",
        f"corpus.pool={folder / 'pool.jsonl'}",
        "evals.tasks=[forms]",
        f"evals.include_path={folder}",
        "evals.batch_size=256",
        "model=scratch",
        "model.tokenizer=word",
        *(f"++model.arch.{name}={value}" for name, value in model.items()),
        "++model.arch.max_position_embeddings=32",
        "++model.arch.initializer_range=0.08",
        "train.max_steps=400",
        "train.per_device_train_batch_size=32",
        "train.learning_rate=3e-3",
        "train.warmup_steps=0.1",
        "train.max_length=32",
        "train.update.max_steps=100",
        "train.update.learning_rate=1e-3",
        "diagnose.max_rows=700",
        "interventions.num_examples=80",
        "pilots.scales=[]",
        "budget.rounds=1",
    ]


def _active(agent: str, past: str, theme: str) -> dict[str, str]:
    return _row(f"the {agent} {past} the {theme} .", agent, past, theme)


def _passive(agent: str, past: str, theme: str) -> dict[str, str]:
    return _row(f"the {theme} was {VERBS[past][0]} by the {agent} .", agent, past, theme)


def _row(prompt: str, agent: str, past: str, theme: str) -> dict[str, str]:
    return {"prompt": prompt, "completion": f"{VERBS[past][1]} ( agent = {agent} , theme = {theme} )"}


def played(folder: Path, passives_in_pool: float) -> LoopResult:
    words = write_cogs(folder, passives_in_pool)
    return run_loop(composed([*words, f"run_dir={folder / 'run'}"]), None)


def test_a_starved_construction_that_is_rare_in_the_pool_is_mended_and_the_gain_confirmed(tmp_path: Path) -> None:
    result = played(tmp_path, 0.2)
    (round_,) = result.rounds
    finding, verdict = round_.diagnosis.findings[0], round_.verdict
    assert finding.slice in ({"prompt contains": "by"}, {"prompt contains": "was"})
    assert finding.cause == "missing_data"
    assert verdict.decision is Decision.ACCEPTED
    assert verdict.gain is not None
    assert verdict.gain.mean >= 0.2
    assert all(guard.ok for guard in verdict.guards)
    assert result.champion.round == 0
    assert result.sealed is not None
    assert result.sealed.claim == "confirmed"
    assert result.sealed.gain >= 0.2
    assert (tmp_path / "run" / "items-sealed.parquet").is_file()


def test_where_nearly_all_of_the_pool_is_the_construction_random_rows_are_enough_and_go_on(tmp_path: Path) -> None:
    result = played(tmp_path, 0.95)
    verdict = result.rounds[0].verdict
    assert verdict.decision is Decision.RANDOM_IS_ENOUGH
    assert verdict.champion_arm != CHALLENGER
    assert result.champion.round == 0
    assert verdict.arms["random"].score >= verdict.arms["continue"].score + 0.1
    assert result.sealed is not None
    assert result.sealed.claim == "confirmed"
