"""Settings: every key that a user can set, as the dataclasses that Hydra checks and OmegaConf builds.

A field is a key: `train.learning_rate` is `Train.learning_rate`. `__post_init__` checks and never loads. Settings stand
with the component that reads them; here they are put together, beside those of the loop as a whole.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omegaconf import MISSING

from controller.engine.budget import Budget
from controller.results.objective import OBJECTIVES
from controller.results.tracking.settings import Tracking
from controller.train.settings import Train
from controller.verdict.settings import Verify
from diagnose.diagnoser import Diagnoser
from evals.suite import EvalSuite
from evals.validation import one_of

SEEDS = 1_000_000
"""Number of seeds: those of trainings are a thousand times as large, and generators take 32 bits."""


@dataclass
class Pilots:
    """`pilots.*`: small trainings that determine the share of the draws of added rows, where neither a user nor answers
    that are labels do (`controller.loop.pilots.share`)."""

    scales: list[float] = field(default_factory=lambda: [1.0, 0.5, 0.25])
    """Factors, the largest 1, on the draws that the fix would take from the corpus's other rows, each tried in a small
    training; empty tries none and keeps all."""
    length: float = 0.3
    """Share of an arm's tokens that a small training has."""

    def __post_init__(self) -> None:
        if any(not 0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"pilots.scales must be above 0 and at most 1, got {list(self.scales)}; [] tries none")
        if self.scales and (len(set(self.scales)) < 2 or max(self.scales) < 1):
            raise ValueError(
                f"pilots.scales must be at least two, 1 among them, got {list(self.scales)}; [] tries none, and "
                "interventions.share says what share a fix has"
            )
        if not 0 < self.length <= 1:
            raise ValueError(f"pilots.length must be above 0 and at most 1, got {self.length}")


@dataclass
class Sweep:
    """`sweep.*`: what a job of a sweep returns, for sweepers that optimise, and what is claimed of the best."""

    objective: str = "gain"
    """Number to be made large: `gain` over the strongest control, `gain_low`, the lower end of its interval, `score` of
    the champion on all items of the tasks, or `score_per_token`, that over the tokens which the loop took."""
    sealed: str = "best"
    """Trial whose sealed items are opened: `best`, the one with the largest objective, when all are done; `each`, or
    `none`."""

    def __post_init__(self) -> None:
        one_of("sweep.objective", self.objective, OBJECTIVES)
        one_of("sweep.sealed", self.sealed, ("best", "each", "none"))


@dataclass
class Controller:
    """`controller.*`: what a person has a say in."""

    approval: str = "never"
    """Whether a person approves each plan before anything of it is trained: `ask` ends a round that proposes one with
    exit code 3, until `evalmend approve` or `evalmend reject` has decided and the same command goes on; or `never`."""

    def __post_init__(self) -> None:
        one_of("controller.approval", self.approval, ("never", "ask"))

    @property
    def asks(self) -> bool:
        return self.approval == "ask"


@dataclass
class Nightly:
    """`nightly.*`: what a night of `evalmend nightly` does."""

    plays: str = "loop"
    """`loop` plays the loop each night; `watch` measures, compares with the night before, and diagnoses what got worse;
    nothing is trained."""
    opens: str = "champion"
    """Model that a night opens with: `champion`, that of the night before, or `given`, the one of `model.*` as it
    stands tonight, which others may have replaced."""
    name: str | None = None
    """Beginning of the names of the nights' folders, where they share `run_dir` with others; unset means the date
    alone."""
    date: str | None = None
    """Date of the night, as 2030-01-31; unset means today."""
    alpha: float = 0.01
    """Probability that a night is said to be worse where nothing is, of all its tasks together."""
    keep: int | None = None
    """Number of last nights of which everything is kept; of older ones the stages, and with them the weights, go as
    long as no champion needs them, and all results stay. Unset keeps everything."""

    def __post_init__(self) -> None:
        one_of("nightly.plays", self.plays, ("loop", "watch"))
        one_of("nightly.opens", self.opens, ("champion", "given"))
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                f"nightly.name must be letters, digits, '_', '.' and '-', and begin with one of the first two, got "
                f"{self.name!r}"
            )
        if self.date is not None:
            try:
                datetime.strptime(self.date, "%Y-%m-%d")
            except ValueError as error:
                raise ValueError(f"nightly.date must be a date as 2030-01-31, got {self.date!r}") from error
        if not 0 < self.alpha < 1:
            raise ValueError(f"nightly.alpha must be above 0 and below 1, got {self.alpha}")
        if self.keep is not None and self.keep < 1:
            raise ValueError(f"nightly.keep must be at least 1, got {self.keep}; leave it unset to keep everything")


@dataclass
class Propose:
    """`propose.*`: options of the verb `propose`."""

    export: str | None = None
    """File to write the mix to as JSONL (prompt, completion, weight, ...), for any trainer; unset writes none."""


@dataclass
class LoopSettings:
    """Settings of a loop; components read theirs under a name of their own."""

    name: str = "loop"
    """Name of the experiment, in the folder of the run and in MLflow."""
    corpus: Any = MISSING
    """What the model was or will be trained on: `corpus=files` and keys of its own, or a corpus with a name."""
    evals: EvalSuite = field(default_factory=EvalSuite)
    model: Any = MISSING
    """`model=scratch`, `model=pretrained` or `model=recorded`, with keys of its own."""
    diagnose: Diagnoser = field(default_factory=Diagnoser)
    interventions: Any = MISSING
    """The fix: `interventions=auto` chooses by the cause, another name is always that fix; each with keys of its
    own."""
    train: Train = field(default_factory=Train)
    budget: Budget = field(default_factory=Budget)
    pilots: Pilots = field(default_factory=Pilots)
    verify: Verify = field(default_factory=Verify)
    controller: Controller = field(default_factory=Controller)
    tracking: Tracking = field(default_factory=Tracking)
    sweep: Sweep = field(default_factory=Sweep)
    nightly: Nightly = field(default_factory=Nightly)
    propose: Propose = field(default_factory=Propose)
    seed: int = 0
    """Seed of all that chance decides, below a million: seeds of trainings are made from it."""
    run_dir: str | None = None
    """Folder of the run; unset means runs/<name>-<hash of the settings>."""
    workers: int | None = None
    """Number of trainings and evaluations side by side; unset means one for each GPU, else one for each two cores, but
    at least four or, on fewer cores, one for each."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must be at least 0 and below {SEEDS}, got {self.seed}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}; leave it unset for as many as fit")

    @property
    def trains_initially(self) -> bool:
        """Whether the model of round 0 is trained on the corpus first."""
        return self.train.initial if self.train.initial is not None else not self.model.is_trained
