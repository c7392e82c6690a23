"""`prove.json`: what the loop did on a planted defect, beside the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from controller.results.loop_json import Gain

SCHEMA_VERSION = 1
PROVE_FILE = "prove.json"


@dataclass(frozen=True, slots=True)
class Named:
    """A finding."""

    slice: Mapping[str, str]
    data_slice: Mapping[str, str]
    cause: str
    probability: float
    causes: Mapping[str, float]
    evidence: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """Of the gap to the oracle that what the loop delivers closes; 0 where it accepted nothing."""

    mean: float
    ci: tuple[float, float] | None
    """Fieller's; None where the gap is not told from zero, or nothing was accepted."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows of the corpus that the plan takes out, against those whose answer is wrong."""

    num_removed: int
    num_wrong: int
    """That were planted."""
    num_both: int


@dataclass(frozen=True, slots=True)
class ProveResult:
    schema_version: int
    scenario: str
    world: str
    seed: int
    true_causes: tuple[str, ...]
    """By the definitions, the first in their order first; empty where nothing is wrong."""
    true_slices: tuple[str, ...]
    """Skills that suffer from what was planted."""
    named: tuple[Named, ...]
    """Findings of round 0, as they stand in `loop.json`."""
    slice: Mapping[str, str] | None
    """Of the first finding."""
    actions: tuple[str, ...]
    """Kinds, of round 0's plan."""
    decision: str | None
    """Of the first round that judged arms, else of the last one; None when stopped before arms were trained."""
    gain: Gain | None
    """On the promised endpoint, against the strongest control."""
    scores: Mapping[str, float]
    """On the `select` items of these skills: before, continue, random, challenger, oracle, as far as trained."""
    gap_share: Share | None
    """None where the gap is under .1, or there is no oracle."""
    tokens: int | None
    """Training tokens of one challenger."""
    oracle_tokens: int | None
    guards_broken: tuple[str, ...]
    """Guards that the accepted model lost more than the margin on."""
    contaminated_rows: int
    """Rows in the mixes of all arms that repeat evaluation items, counted by the builder."""
    seconds: float
    """Wall time of the process that finished it."""
    stopped_at: str | None
    code_version: str
    config_hash: str
    reason: str = ""
    """Of round 0's plan: why these actions, or why none; what is advised where the cause is not the data."""
    removal: Removal | None = None
    """Of that plan; None where no answer is wrong."""
    seed_scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """As `scores`, of each training seed."""


def write_prove(result: ProveResult, folder: Path) -> None:
    temporary = folder / f"{PROVE_FILE}.tmp"
    temporary.write_bytes(TypeAdapter(ProveResult).dump_json(result, indent=1))
    temporary.replace(folder / PROVE_FILE)


def read_prove(path: Path) -> ProveResult:
    """A `prove.json`."""
    return TypeAdapter(ProveResult).validate_json(path.read_bytes())
