"""From what can be done about each finding to one plan and its training mix.

The corpus's own rows keep the part of the draws that the actions leave (replay); at least half, unless a
larger share is asked for. Several actions divide the share by the number of rows that they add.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from datasets import Dataset, Value, concatenate_datasets
from numpy.typing import NDArray

from diagnose.finding import Cause, Diagnosis, Finding
from diagnose.pool import COLUMNS, TrainPool
from diagnose.slices import Slice
from interventions.draw import draw_broadly
from interventions.mix import TrainingMix
from interventions.plan import Action, Plan
from interventions.quality import EvaluationIndex, Stock, contents, take_stock

ADVICE = {
    Cause.TRAINING_SETUP: "a setting of the training is wrong; correct it, more data would not help",
    Cause.CONTAMINATION: "evaluation items stood in the corpus; without them, measure again",
    Cause.FORMAT: "the answers are right in another form; change the prompt or the extractor",
    Cause.WRONG_GOLD: "the evaluation's gold answers disagree with the data; have the items reviewed",
    Cause.WRONG_LABELS: "training rows disagree with each other; relabel or remove them",
    Cause.SHORTCUT: "the model follows a cue; add counter-examples",
    Cause.DUPLICATES: "repeated rows drown the others; deduplicate the corpus",
    Cause.CAPACITY: "the model is too small for more; try a wider one",
}
"""What to do about causes that no fix here acts on."""


_NEARLY = 0.98
"""Of the rows wanted: a difference by rounding is not worth a word."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Rows of the pool that a retrieval may draw from."""

    finding: Finding
    rows: NDArray[np.int64]
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Raise:
    """Rows of the corpus that get more weight."""

    finding: Finding
    rows: NDArray[np.int64]
    share: float
    why: str


@dataclass(frozen=True, slots=True)
class Declined:
    """Why a fix is not for this finding."""

    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with at least one action, and what it trains on."""

    plan: Plan
    mix: TrainingMix


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """A plan without actions; its reason says why."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows with a share of the draws."""

    kind: str
    is_added: bool
    """Rows of the pool (of the corpus, where there is none) that stand beside the corpus; otherwise rows of
    the corpus itself."""
    rows: NDArray[np.int64]
    share: float
    reason: str


class Intervention(Protocol):
    """One way to act on a diagnosis."""

    def propose(
        self,
        diagnosis: Diagnosis,
        corpus: TrainPool,
        pool: TrainPool | None,
        index: EvaluationIndex,
        judged: Collection[str],
        seed: int,
    ) -> Proposal | NothingToDo:
        """What to change.

        Args:
            diagnosis: Findings, most failed items first.
            corpus: What the model was trained on.
            pool: Further rows that may be added.
            index: Of the evaluation items of all splits.
            judged: `Plan.keys` that this model was already tried with.
            seed: Of the draws.
        """
        ...


def unfit(finding: Finding) -> str:
    """Why no change of data is for this finding; empty if one may be."""
    if finding.cause in ADVICE:
        return ADVICE[finding.cause]
    return "" if finding.data_slices else "no training data could be told to belong to it"


def action_key(kind: str, where: Slice) -> str:
    """As in `Plan.keys`."""
    return f"{kind}: {where}"


def propose_steps(
    step: Callable[[Finding, Stock], Supply | Raise | Declined],
    stock: Stock,
    diagnosis: Diagnosis,
    *,
    num_examples: int | None,
    share: float,
    seed: int,
) -> Proposal | NothingToDo:
    """One plan out of a step for each finding.

    Args:
        step: What to do about a finding.
        stock: What mixes are made from.
        diagnosis: Findings.
        num_examples: Rows added in all, divided among findings by their failed items; None means all.
        share: Of the draws, for all actions together.
        seed: Of the draws of rows.
    """
    steps: dict[Slice, Supply | Raise] = {}
    reasons: list[str] = []
    for finding in diagnosis.findings:
        done = step(finding, stock)
        if isinstance(done, Declined):
            reasons.append(f"{finding.slice}: {done.reason}")
        else:
            steps.setdefault(finding.data_slice, done)
    blocked = tuple(
        dict.fromkeys([*stock.removed, *(key for s in steps.values() if isinstance(s, Supply) for key in s.blocked)])
    )
    if not steps:
        reason = "; ".join(reasons) or "nothing fails more than it should"
        return NothingToDo(Plan(actions=(), reason=_with_removed(reason, stock), blocked=blocked))
    rng = np.random.default_rng(seed)
    done_steps = list(steps.values())
    actions, draws = _drawn(done_steps, stock, num_examples=num_examples, share=share, rng=rng)
    reason = "; ".join([*(action.why for action in actions), *(f"no action on {reason}" for reason in reasons)])
    plan = Plan(actions=tuple(actions), reason=_with_removed(reason, stock), blocked=blocked)
    return Proposal(plan=plan, mix=compose(draws, stock))


def start(
    corpus: TrainPool, pool: TrainPool | None, index: EvaluationIndex, diagnosis: Diagnosis
) -> Stock | NothingToDo:
    """The stock, unless nothing was found: then no row needs to be looked at."""
    if not diagnosis.findings:
        return NothingToDo(Plan(actions=(), reason="no slice fails more than it should", blocked=()))
    return take_stock(corpus, pool, index)


def compose(draws: Sequence[Draw], stock: Stock) -> TrainingMix:
    """The corpus's rows, then the added ones, each draw with its share and the other rows with the rest."""
    kept = stock.kept
    position = np.full(len(stock.corpus), -1, np.int64)
    position[kept] = np.arange(len(kept))
    weights = np.zeros(len(kept))
    kinds = ["original"] * len(kept)
    reasons = ["stood in the corpus"] * len(kept)
    rows = stock.corpus.select(kept)
    for draw in (d for d in draws if not d.is_added):
        for place in position[draw.rows].tolist():
            kinds[place], reasons[place] = draw.kind, draw.reason
        weights[position[draw.rows]] = draw.share / len(draw.rows)
    rest = np.array([kind == "original" for kind in kinds])
    weights[rest] = (1 - sum(d.share for d in draws)) / max(int(rest.sum()), 1)
    parts = [rows.rows]
    all_weights = [weights]
    added_from = stock.pool if stock.pool is not None else stock.corpus
    for draw in (d for d in draws if d.is_added):
        parts.append(_like(added_from, draw.rows, stock.corpus.delimiter))
        all_weights.append(np.full(len(draw.rows), draw.share / len(draw.rows)))
        kinds += [draw.kind] * len(draw.rows)
        reasons += [draw.reason] * len(draw.rows)
    joined_weights = np.concatenate(all_weights)
    return TrainingMix(
        examples=TrainPool(rows=_concatenated(parts), delimiter=stock.corpus.delimiter),
        weights=joined_weights / joined_weights.sum(),
        kinds=tuple(kinds),
        reasons=tuple(reasons),
    )


def _drawn(
    steps: Sequence[Supply | Raise],
    stock: Stock,
    *,
    num_examples: int | None,
    share: float,
    rng: np.random.Generator,
) -> tuple[list[Action], list[Draw]]:
    """Actions and their rows. Shares of reweightings come first, retrievals divide what they leave."""
    supplies = [step for step in steps if isinstance(step, Supply)]
    raises = _disjoint([step for step in steps if isinstance(step, Raise)])
    asked = sum(step.share for step in raises)
    scale = min(1.0, share / asked * (0.5 if supplies else 1.0)) if asked else 1.0
    left = share - asked * scale
    actions, draws = [], []
    for step in raises:
        draws.append(Draw("reweight", False, step.rows, step.share * scale, step.why))
        actions.append(_action(step.finding, draws[-1], 0, len(step.rows)))
    num_failed = sum(step.finding.num_failed for step in supplies)
    taken: set[str] = set()
    picked: list[tuple[Supply, NDArray[np.int64]]] = []
    for supply in supplies:
        names = contents(_pool(stock), supply.rows)
        free = np.array([k for k, name in enumerate(names) if name not in taken], np.int64)
        if not len(free):
            continue
        most = len(free)
        if num_examples is not None:
            most = max(1, round(num_examples * supply.finding.num_failed / num_failed))
        chosen = free[draw_broadly([names[k].replace("\x00", " ") for k in free.tolist()], most, rng)]
        taken |= {names[k] for k in chosen.tolist()}
        picked.append((supply, supply.rows[chosen]))
    total = sum(len(rows) for _, rows in picked)
    is_short = num_examples is not None and total < num_examples * _NEARLY
    for supply, rows in picked:
        wanted = f"; {num_examples} were wanted in all" if is_short else ""
        why = (
            f"{supply.finding.slice} fails {supply.finding.num_failed} of {supply.finding.num_items}: "
            f"{len(rows)} of {len(supply.rows)} new rows of the pool with "
            f"{supply.finding.data_slice}, drawn broadly{wanted}"
        )
        draws.append(Draw("retrieve", True, rows, left * len(rows) / total, why))
        actions.append(_action(supply.finding, draws[-1], len(rows), 0))
    return actions, draws


def _disjoint(raises: Sequence[Raise]) -> list[Raise]:
    """Each row in the first slice that has it; a slice left with less keeps that part of its share."""
    taken = np.empty(0, np.int64)
    kept = []
    for step in raises:
        rows = np.setdiff1d(step.rows, taken)
        taken = np.union1d(taken, rows)
        if len(rows):
            kept.append(replace(step, rows=rows, share=step.share * len(rows) / len(step.rows)))
    return kept


def _action(finding: Finding, draw: Draw, num_added: int, num_reweighted: int) -> Action:
    return Action(
        kind=draw.kind,
        slice=finding.data_slice,
        items=finding.slice,
        num_added=num_added,
        num_removed=0,
        num_reweighted=num_reweighted,
        share=draw.share,
        why=draw.reason,
    )


def _pool(stock: Stock) -> TrainPool:
    assert stock.pool is not None, "only rows of a pool can be supplied"
    return stock.pool


def _with_removed(reason: str, stock: Stock) -> str:
    if not stock.removed:
        return reason
    return f"{reason}; {len(stock.removed)} rows of the corpus repeat evaluation items and leave every arm"


def _like(source: TrainPool, rows: NDArray[np.int64], delimiter: str) -> Dataset:
    """Rows of the source, to be joined to prompts by this delimiter."""
    part = source.rows.select(rows)
    if source.delimiter == delimiter:
        return part
    raise ValueError(
        f"corpus.pool joins prompt and completion by {source.delimiter!r} and corpus.train by {delimiter!r}; "
        "rows of one training need the same corpus.delimiter"
    )


def _concatenated(parts: Sequence[Dataset]) -> Dataset:
    """One table; metadata of different types in different parts becomes text, nested ones are left out."""
    types: dict[str, set[str]] = {}
    for part in parts:
        for name, feature in part.features.items():
            types.setdefault(name, set()).add(str(feature))
    mixed = [name for name, found in types.items() if len(found) > 1]
    aligned = []
    for part in parts:
        table = part
        for name in mixed:
            if name in table.column_names:
                is_plain = isinstance(table.features[name], Value)
                assert is_plain or name not in COLUMNS, "prompts and completions are text"
                table = table.cast_column(name, Value("string")) if is_plain else table.remove_columns(name)
        aligned.append(table)
    return concatenate_datasets(aligned) if len(aligned) > 1 else aligned[0]
