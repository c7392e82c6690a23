"""What the loop knows after each round: the champion, what was tried on it, and the result so far."""

import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from controller.engine.budget import Cost
from controller.engine.runner import covered_seconds
from controller.engine.versions import code_version
from controller.loop.run import Run, config_hash, data_hash
from controller.loop.studies.study import JudgedFix
from controller.results.arm_names import CHALLENGER, RANDOM
from controller.results.loop_json import SCHEMA_VERSION, Champion, LoopResult, Round, Sealed, Status
from controller.stages.model import Model
from controller.train.before.mixture import SourceCounts
from controller.verdict.promise import Promise
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.statistics.run_variance import RunVariance
from interventions.plan.attempts import Attempts

LIBRARIES = ("torch", "transformers", "accelerate", "datasets", "lm-eval", "mlflow", "hydra-core", "peft")


@dataclass
class LoopState:
    """State of the loop, which alone changes from round to round."""

    champion: Model
    started: float
    """Start of the loop on the monotonic clock, in seconds."""
    corpus: tuple[SourceCounts, ...] = ()
    """Sources of `corpus.train` as it stands."""
    champion_round: int | None = None
    champions: tuple[Model, ...] = ()
    """Models of the arm that was taken last, one for each training seed; none as long as the first model stays."""
    start: EvalReport | None = None
    """Report on `select` of the model that the loop started with."""
    promises: list[Promise] = field(default_factory=list)
    """Promises of accepted rounds."""
    attempts: Attempts = field(default_factory=Attempts)
    """Attempts with the present champion."""
    variances: dict[tuple[bool, float, tuple[Slice, ...]], list[RunVariance]] = field(default_factory=dict)
    """Run variances of earlier rounds, by whether they retrained from the given model, by how far from the champion
    they went, and by endpoint: seeds differ more where the first weights do, farther on, and on a hard slice more than
    on one that is nearly solved."""
    rounds: list[Round] = field(default_factory=list)
    fixes: list[JudgedFix] = field(default_factory=list)
    """Fixes that were judged whole, for studies."""
    challengers: list[Model] = field(default_factory=list)
    """Challenger of the first training seed of each round that had one."""
    num_settled: int = 0
    """Number of stages that were asked for until the last round was over (`Runner.folders`)."""

    @property
    def first_round(self) -> int:
        """Number of the first round that the champion opened."""
        return 0 if self.champion_round is None else self.champion_round + 1


def result_of(
    run: Run, state: LoopState, status: Status, stopped: str = "", sealed: Sealed | None = None
) -> LoopResult:
    """Result of the rounds so far."""
    return LoopResult(
        schema_version=SCHEMA_VERSION,
        name=run.settings.name,
        seed=run.settings.seed,
        rounds=tuple(state.rounds),
        sealed=sealed,
        champion=_champion(run, state),
        stopped_because=stopped,
        costs=run.books.costs() | {"overhead": _overhead(run, state.started)},
        versions={name: version(name) for name in LIBRARIES} | {"evalmend": code_version()} | dict(run.loaded.versions),
        config_hash=config_hash(run.settings),
        data_hash=data_hash(run),
        corpus=state.corpus,
        status=status,
        budget=run.books.use(len(state.rounds)),
    )


def model_folder(model: Model) -> Path:
    """Folder of a model's own weights: those of its adapter where it has one."""
    return Path(model.ref.adapter or model.ref.path)


def _champion(run: Run, state: LoopState) -> Champion:
    path = model_folder(state.champion)
    name = str(path.relative_to(run.run_dir)) if path.is_relative_to(run.run_dir) else str(path)
    if state.champion_round is None:
        return Champion(name, None, "the model of round 0")
    opened = state.rounds[state.champion_round]
    if opened.verdict.champion_arm != CHALLENGER:
        return Champion(name, state.champion_round, opened.plan.controls[RANDOM])
    return Champion(name, state.champion_round, "; ".join(action.why for action in opened.plan.actions))


def _overhead(run: Run, started: float) -> Cost:
    """Wall time of this process in which no stage was running."""
    return Cost(max(0.0, time.monotonic() - started - covered_seconds(run.runner.busy)), 0, 0.0)
