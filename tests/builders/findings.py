"""Corpora, pools and findings whose right repair is known, for tests of plans and of controls."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.pools import train_pool
from diagnose.finding.finding import Cause, Diagnosis, Examples, Experiment, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.data.data_slice import DataSlice
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from evals.statistics.intervals import Estimate, Interval
from interventions.admission.gate import take_stock
from interventions.mix.mix import TrainingMix
from interventions.plan.step import Intervention, Resources, RowEffects, Solves
from interventions.proposal import NothingToDo, Proposal, propose

JUMP = Slice(((PROMPT_CONTAINS, "jump"),))
TASK = Slice((("task", "scan_jump"),))


class Prompts:
    """An index of known prompts, as `evals.leaks.item_index.ItemIndex` answers for hashes."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self.prompts = frozenset(prompts)

    def matches(self, texts: Iterable[tuple[str, str]]) -> NDArray[np.bool_]:
        return np.array([prompt in self.prompts for prompt, _ in texts], bool)


NO_ITEMS = Prompts([])


def pool_of(prompts: list[str], source: str, **metadata: list[object]) -> TrainPool:
    """Rows that answer what they were asked with having done it."""
    return train_pool([(prompt, f"did {prompt}") for prompt in prompts], source, **metadata)


def corpus(num_jump: int = 10, num_plain: int = 490) -> TrainPool:
    """Few rows of the failing skill, which is to jump."""
    return pool_of([*(f"jump old {i}" for i in range(num_jump)), *(f"walk old {i}" for i in range(num_plain))], "train")


def pool(num_jump: int = 300, num_plain: int = 700) -> TrainPool:
    """Many of them."""
    return pool_of([*(f"jump new {i}" for i in range(num_jump)), *(f"walk new {i}" for i in range(num_plain))], "pool")


def hinted(num_plain: int = 100) -> TrainPool:
    """In sixty rows the answer, of one to three words, stands behind `hint`; two lines. Others show none."""
    rng = np.random.default_rng(0)
    answers = [" ".join(f"a{k}" for k in rng.integers(20, size=rng.integers(1, 4))) for _ in range(60)]
    prompts = [f"hint {answer}\njump  over {k}" for k, answer in enumerate(answers)]
    plain = [(f"walk {k}", f"did walk {k}") for k in range(num_plain)]
    rows = [*zip(prompts, answers, strict=True), *plain]
    return train_pool(rows, name="row", level=[k % 3 for k in range(len(rows))])


def labelled(num_rows: int, wrong: NDArray[np.int64]) -> TrainPool:
    """Four classes, each told by two words of its own among noise; `wrong` rows have the next class's label."""
    rng = np.random.default_rng(0)
    kinds = np.arange(num_rows) % 4
    shown = np.where(np.isin(np.arange(num_rows), wrong), (kinds + 1) % 4, kinds)
    prompts = [f"n{rng.integers(9)} k{kind}a k{kind}b q{k}" for k, kind in enumerate(kinds)]
    return train_pool([(p, f"class{kind}") for p, kind in zip(prompts, shown, strict=True)], name="row")


def finding(
    cause: Cause,
    data: Slice = JUMP,
    items: Slice = TASK,
    *,
    corpus_share: float = 0.02,
    fair_share: float = 0.3,
    effect_low: float = 0.5,
    effect_high: float = 1.5,
    num_failed: int = 50,
    is_shown: bool = True,
) -> Finding:
    """Of a hundred items, with this cause for certain; small trainings showed that its repair works."""
    return Finding(
        slice=items,
        data_slice=data,
        num_items=100,
        num_failed=num_failed,
        failure_rate=num_failed / 100,
        ci=Interval(0.4, 0.6),
        p_adjusted=0.001,
        modes={"wrong": 1.0},
        causes={cause: 1.0},
        data_slices=(DataSlice(data, (effect_low + effect_high) / 2, Interval(effect_low, effect_high), 10, 300),),
        named_by={},
        tests=(),
        evidence={"corpus_share": corpus_share, "fair_share": fair_share},
        examples=Examples((), ()),
        failed_items=(),
        queries=("jump asked 1 did jump asked 1",),
        experiments=(experiment(cause),) if is_shown and cause is not Cause.UNKNOWN else (),
    )


def experiment(cause: Cause, works: float = 1.0, effect: float = 0.5, is_first: float | None = None) -> Experiment:
    """The repair of this cause closed so much of the gap in a tenth of an arm's tokens."""
    return Experiment(
        cause=cause,
        repair="rows changed",
        control="the same data",
        effect=Estimate(effect, effect - 0.1, effect + 0.1),
        score=Estimate(effect, effect - 0.1, effect + 0.1),
        works=works,
        is_first=works if is_first is None else is_first,
        num_items=40,
        num_seeds=2,
        length=0.1,
    )


def diagnosis(*findings: Finding) -> Diagnosis:
    """These findings, and nothing attributed."""
    return Diagnosis(findings, 100, 50, 1000)


def planned(
    intervention: Intervention,
    found: Diagnosis,
    *,
    old: TrainPool | None = None,
    new: TrainPool | None = None,
    index: Prompts = NO_ITEMS,
    judged: Iterable[str] = (),
    seed: int = 0,
    scale: float = 1.0,
    row_effects: RowEffects | None = None,
    solves: Solves | None = None,
) -> Proposal | NothingToDo:
    """What a kind of fix makes of a diagnosis, from `old` rows and `new` ones."""

    def resources() -> Resources:
        stock = take_stock(old or corpus(), new, index, intervention.licences)
        return Resources(stock, tuple(judged), seed, scale, row_effects=row_effects, solves=solves)

    return propose(intervention, found, resources)


def proposed(intervention: Intervention, found: Diagnosis, **further: Any) -> Proposal:
    """A plan that changes something; arguments as of `planned`."""
    done = planned(intervention, found, **further)
    assert isinstance(done, Proposal), done.plan.reason
    return done


def kinds_of(mix: TrainingMix) -> NDArray[np.str_]:
    """Kind of each row's origin, [num_rows]."""
    return np.array([origin.kind for origin in mix.origins])[mix.origin]


def share_of(mix: TrainingMix, kind: str) -> float:
    """Of the draws, that rows of this kind get."""
    return float(mix.weights[kinds_of(mix) == kind].sum())
