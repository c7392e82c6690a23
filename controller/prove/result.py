"""`prove.json`: what the loop did on a planted defect, beside the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from controller.engine.whole_file import write_whole
from controller.results.verdict_json import Gain
from diagnose.finding.finding import Experiment

SCHEMA_VERSION = 1
PROVE_FILE = "prove.json"


@dataclass(frozen=True, slots=True)
class Named:
    """A finding of the loop."""

    slice: Mapping[str, str]
    data_slice: Mapping[str, str]
    cause: str
    probability: float
    causes: Mapping[str, float]
    evidence: Mapping[str, float | str] = field(default_factory=dict)
    experiments: tuple[Experiment, ...] = ()
    """Repairs that were tried in small trainings."""
    failure_rate: float = 0.0
    shown_causes: tuple[str, ...] = ()
    """All causes, where more than one is true at once, in the order of what their repairs did; else empty."""
    modes: Mapping[str, float] = field(default_factory=dict)
    """Share of failed items in each failure mode."""


@dataclass(frozen=True, slots=True)
class Share:
    """Share of the gap to the oracle that the model which the loop delivers closes; 0 where it accepted nothing."""

    mean: float
    ci: tuple[float, float] | None
    """Fieller's interval; None where the gap is not distinguished from zero, or nothing was accepted."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows of the corpus that the plan removes, compared with those whose answer is wrong."""

    num_removed: int
    num_wrong: int
    """Number of rows with a wrong answer that were planted."""
    num_both: int


@dataclass(frozen=True, slots=True)
class ProveResult:
    schema_version: int
    scenario: str
    world: str
    seed: int
    true_causes: tuple[str, ...]
    """True causes by definition, in the order of precedence; empty where nothing is wrong."""
    true_slices: tuple[str, ...]
    """Skills that suffer from what was planted."""
    named: tuple[Named, ...]
    """Findings of round 0, as they stand in `loop.json`."""
    slice: Mapping[str, str] | None
    """Slice of the first finding."""
    actions: tuple[str, ...]
    """Kinds of the actions of round 0's plan."""
    decision: str | None
    """Decision of the first round that judged arms, else of the last; None when stopped before arms were trained."""
    gain: Gain | None
    """Gain on the promised endpoint over the strongest control."""
    scores: Mapping[str, float]
    """Scores on these skills' `select` items: before, continue, random, challenger, oracle, as far as trained. Of plain
    text they are nats of a whole item, at most 0, elsewhere shares of right answers."""
    gap_share: Share | None
    """Share of the gap that is closed; None where the gap is under .1, or there is no oracle."""
    tokens: int | None
    """Training tokens of one challenger."""
    oracle_tokens: int | None
    guards_broken: tuple[str, ...]
    """Guards on which the accepted model lost more than the margin."""
    contaminated_rows: int
    """Number of rows in the mixes of all arms that repeat evaluation items, counted by the builder."""
    seconds: float
    """Wall time in seconds of the process that finished it."""
    stopped_at: str | None
    code_version: str
    config_hash: str
    reason: str = ""
    """Reason of round 0's plan: why these actions, or why none; what is advised where the cause is not the data."""
    removal: Removal | None = None
    """Removals of that plan; None where no answer is wrong."""
    seed_scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Scores as in `scores`, of each training seed."""
    intensity: float = 1.0
    """How much of the defects was planted."""
    probe_scores: Mapping[str, float] = field(default_factory=dict)
    """Score, as in `scores`, of the starting model on each skill's `probe` items; empty where the loop was not stopped
    at its plan."""
    pilot_share: float = 0.0
    """Tokens of round 0's small trainings that settled causes, as a share of those of its trainings at the first look;
    0 where none was made."""


def write_prove(result: ProveResult, folder: Path) -> None:
    write_whole(folder / PROVE_FILE, TypeAdapter(ProveResult).dump_json(result, indent=1))


def read_prove(path: Path) -> ProveResult:
    """Read a `prove.json`."""
    return TypeAdapter(ProveResult).validate_json(path.read_bytes())
