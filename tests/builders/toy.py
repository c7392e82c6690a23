"""A corpus whose skills are taught by one slice each, tasks for two of them, and runs on it that have done no stage."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import yaml

from controller.cli.compose import composed
from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import Books, Spent
from controller.engine.runner import Runner
from controller.engine.workers.pool import Workers
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.stages.inputs import DiagnosisInputs, PlanInputs
from controller.stages.model import Model
from controller.stages.propose import Proposed
from diagnose.finding.finding import Diagnosis
from evals.harness import LoadedSuite
from evals.items import EvalReport
from evals.model_ref import ModelRef
from interventions.plan.attempts import Attempts
from interventions.plan.plan import Plan

LETTERS = "abcdefghij"
SKILLS = ("jump", "look", "run", "walk")
"""Each answers with words of its own, so that nothing else in the corpus teaches it."""
TASKS = ("jump", "run")
NUM_ROWS = 160


def write_toy(folder: Path) -> list[str]:
    """Four skills, some letter pairs of each in the corpus and the others of two of them asked; settings."""
    rng = np.random.default_rng(0)
    rows, tasks = [], folder / "tasks"
    tasks.mkdir()
    pairs = list(product(LETTERS, LETTERS))
    for skill in SKILLS:
        examples = [
            {"prompt": f"{skill} {x} {y}", "completion": f"{skill}_{x} {skill}_{y}", "skill": skill}
            for x, y in (pairs[k] for k in rng.permutation(len(pairs)).tolist())
        ]
        rows += examples[: NUM_ROWS // len(SKILLS)]
        if skill in TASKS:
            data = tasks / f"{skill}.jsonl"
            data.write_text("".join(json.dumps(example) + "\n" for example in examples[NUM_ROWS // len(SKILLS) :]))
            task = {
                "task": f"toy_{skill}",
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(data)}},
                "test_split": "test",
                "output_type": "loglikelihood",
                "doc_to_text": "{{prompt}}",
                "doc_to_target": "{{completion}}",
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            }
            (tasks / f"toy_{skill}.yaml").write_text(yaml.safe_dump(task))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        f"corpus.train={folder / 'rows.jsonl'}",
        "corpus.slices=[skill]",
        f"evals.tasks=[{','.join(f'toy_{skill}' for skill in TASKS)}]",
        f"evals.include_path={tasks}",
        "model.tokenizer=word",
        "model.arch={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}",
        "train.max_steps=30",
        "train.max_length=16",
        "diagnose.min_items=10",
        "diagnose.fidelity_parts=4",
        "diagnose.fidelity_seeds=1",
        f"run_dir={folder / 'run'}",
    ]


def unread_run(folder: Path, *words: str) -> Run:
    """A run on the toy with these further words, as it is before its rows are read and its items loaded."""
    settings = composed([*write_toy(folder), *words])
    run_dir = folder / "run"
    corpus = Data(folder, "corpus", NUM_ROWS, "rows.jsonl")
    loaded = LoadedSuite(settings.evals, (), (), (), {}, {}, {}, {})
    runner = Runner(run_dir, Workers(None), Books(settings.budget))
    return Run(settings, run_dir, runner, corpus, None, settings.evals, loaded, ())


def model_of(run: Run, key: str) -> Model:
    """A model that was trained on the run's corpus; its files are nowhere."""
    return Model(ModelRef(key), key, (), 1, run.corpus)


def measured(run: Run, report: EvalReport) -> MeasuredModel:
    """A model's answers to items."""
    return MeasuredModel(report, Artifact(run.run_dir / "measure", "measure"))


def diagnosed(run: Run, model: Model, diagnosis: Diagnosis) -> DiagnosedRound:
    """A model with its diagnosis."""
    inputs = DiagnosisInputs(
        diagnoser=run.settings.diagnose,
        report=Artifact(run.run_dir / "measure", "measure"),
        model=model,
        corpus=model.corpus,
        pool=run.pool,
        item_fields=(),
        row_fields=run.data_slices,
        guards=run.loaded.guards,
        index=Artifact(run.run_dir / "index", "index"),
        suite=run.pinned_suite,
        max_length=run.settings.train.max_length,
        end_in_loss=None,
        seed=run.settings.seed,
    )
    return DiagnosedRound(diagnosis, Artifact(run.run_dir / "diagnose", "diagnose"), inputs, 0.0)


def proposed(run: Run, found: DiagnosedRound, plan: Plan) -> ProposedRound:
    """What is proposed after a diagnosis, where the plan changes nothing."""
    made = Proposed(0, 0, 0, 0.0, (), (), Spent())
    made_from = PlanInputs(run.settings.interventions, found.inputs, None, found.artifact, Attempts(), 0)
    artifact = Artifact(run.run_dir / "propose", "propose")
    return ProposedRound(plan, artifact, made, False, 0.0, made_from)
