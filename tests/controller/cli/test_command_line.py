"""What the command line says to bad input: one line, exit code 2, before anything expensive."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.main import run

Task = Callable[..., Path]


@pytest.fixture
def mine(tmp_path: Path, task_dir: Task, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides of a small corpus and task of one's own, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"say w{i % 7}", "completion": f"w{i % 7}"} for i in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = task_dir(
        "mine",
        rows,
        {
            "output_type": "generate_until",
            "doc_to_text": "{{prompt}}",
            "doc_to_target": "{{completion}}",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 3},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        },
    )
    return [
        "corpus.train=train.jsonl",
        "evals.tasks=[mine]",
        f"evals.include_path={folder}",
        "model.tokenizer=word",
        "train.max_steps=2",
        "run_dir=run",
    ]


def bad(rows: str, path: Path) -> None:
    path.write_text(rows)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.learning_rat=1"], "unknown key 'train.learning_rat'; did you mean 'train.learning_rate'?"),
        (["trian.max_steps=1"], "unknown key 'trian.max_steps'; did you mean 'train.max_steps'?"),
        (["model=pretraind"], "did you mean 'pretrained'?; known are pretrained, recorded, scratch"),
        (["interventions=retrieve", "interventions.programs=a.py"], "is a key of another choice of interventions"),
        (["interventions=retrieve", "interventions.wordings={a: [b]}"], "is a key of another choice of interventions"),
        (["interventions=reformat", "interventions.wordings={a: ['{b} c']}"], "wordings.a needs at least two wordings"),
        (["corpus=starter", "corpus.train=a.jsonl"], "corpus.train must not be given to a corpus with a name"),
        (
            ["model.tokenizer=words"],
            "model.tokenizer must be one of word, char, bpe, got 'words'; did you mean 'word'?",
        ),
        (["train.learning_rate=-1"], "train.learning_rate must be positive, got -1.0"),
        (["train.max_steps=many"], "train.max_steps"),
        (["evals.tasks=[mime]"], "unknown task 'mime'; did you mean 'mine'?"),
        (["evals.tasks=[]"], "evals.tasks must name at least one task"),
        (["evals.include_path=nowhere"], "nowhere"),
        (["evals.filter=strict"], "evals.filter='strict' is a filter of no task that it is for (mine); they have none"),
        (["evals.backend=openai"], "evals.backend=openai asks a server, which does not have the models that a loop"),
        (["evals.model_args.max_lenght=8"], "got 'max_lenght'; did you mean 'max_length'?"),
        (["evals.per_task.mine.filter=strict"], "evals.filter='strict' is a filter of no task that it is for (mine)"),
        (["evals.per_task={mine: {limit: 0}}"], "evals.limit must be at least 1, got 0"),
        (["evals.model_args={dtype: float16}"], "evals.model_args.dtype is what model.dtype says"),
        (["corpus.train=nowhere.jsonl"], "corpus.train nowhere.jsonl does not exist"),
        (["corpus.train=broken.jsonl"], "line 2 is not JSON"),
        (["corpus.train=fieldless.jsonl"], "row 2 has no field 'prompt'; it has completion"),
        (["diagnose.mode_labels=nowhere.jsonl"], "diagnose.mode_labels names a file that does not exist"),
        (["diagnose.mode_labels=train.jsonl"], "line 1 of 'train.jsonl': target must be a text, got no such key"),
        (["corpus.train=empty.jsonl"], "corpus.train empty.jsonl is empty"),
        (["corpus.prompt=question"], "row 1 has no field 'question' (corpus.prompt); it has prompt, completion"),
        (
            ["model.arch.hiden_size=3"],
            "model.arch.hiden_size is not a field of a llama config; did you mean 'hidden_size'",
        ),
        (["model=pretrained", "model.name=no_model", "~model.tokenizer"], "no_model is a folder without config.json"),
        (["model=pretrained", "model.name=./missing", "~model.tokenizer"], "model.name ./missing does not exist"),
        (
            ["corpus.prompt_template='Q: {prompt}\\\\nA:'"],
            "corpus.prompt_template holds a backslash and an n where a line break is meant",
        ),
        (["verify.arms=[continue,bm52]"], "unknown arm 'bm52' in verify.arms; did you mean 'bm25'?"),
        (["verify.arms=[random]"], "verify.arms must hold 'continue', got [random]"),
        (["verify.arms=[continue,random,random]"], "verify.arms names 'random' twice"),
        (
            ["verify.match=compute", "verify.arms=[continue,random@compute]"],
            "verify.match=compute matches every arm's compute already, got 'random@compute'",
        ),
        (["verify=[random,bm25]"], "verify takes one file, got verify=[random,bm25]; a set of arms is verify.arms="),
        (["verify=ful"], "unknown verify 'ful'; did you mean 'full'?"),
        (["diagnose.influence.temperature=0"], "diagnose.influence.temperature must be positive, got 0"),
        (["corpus.train={web: train.jsonl, web: empty.jsonl}"], "corpus.train names 'web' twice"),
        (["corpus.train={web: train.jsonl, math: empty.jsonl}"], "corpus.train.math empty.jsonl is empty"),
        (["corpus.weights={web: 1}"], "corpus.train=train.jsonl is one source without a name"),
        (["--config-dir", "own", "experiment=twice"], "twice.yaml, line 3 cannot be read: found duplicate key web"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(
    mine: list[str], overrides: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bad('{"prompt": "a", "completion": "b"}\nnot json\n', Path("broken.jsonl"))
    bad('{"prompt": "a", "completion": "b"}\n{"completion": "b"}\n', Path("fieldless.jsonl"))
    bad("", Path("empty.jsonl"))
    Path("no_model").mkdir()
    Path("own/experiment").mkdir(parents=True)
    bad("# @package _global_\ncorpus:\n  train: {web: a.jsonl, web: b.jsonl}\n", Path("own/experiment/twice.yaml"))
    kept = [word for word in mine if not (word.startswith("model.tokenizer") and "~model.tokenizer" in overrides)]
    code = run(["loop", *kept, *(word for word in overrides if not word.startswith("~"))])
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("evalmend: ")]
    assert (code, len(lines)) == (2, 1), captured.err
    assert message in lines[0]
    assert "Traceback" not in captured.err
    assert "Error executing job" not in captured.err  # Hydra's own line
    assert "provider=" not in captured.err  # where Hydra looked
    assert not list(Path().glob("run/stages/train-initial-*"))  # nothing expensive was begun


def test_a_misspelt_verb_offers_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lop"]) == 2
    assert "unknown verb 'lop'; did you mean 'loop'?" in capfd.readouterr().err


def test_without_a_verb_the_usage_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "usage: evalmend VERB" in capfd.readouterr().out


def test_the_plan_tells_costs_and_trains_nothing(mine: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *mine]) == 0
    out = capfd.readouterr().out
    assert "corpus     30 rows" in out
    assert "each round 9 trainings" in out
    assert "retrained  a fix that leaves less than 50% of the corpus" in out
    assert not list(Path().glob("run/stages/train*"))


def test_the_plan_counts_every_arm(mine: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *mine, "verify=full"]) == 0
    out = capfd.readouterr().out
    assert "each round 24 trainings (challenger, continue, random, stratified, bm25, loss, shuffled, " in out
    assert "each round 6 trainings (continue@compute, random@compute; 3 seeds)" in out
    assert "tokens for the losses of rows" in out
