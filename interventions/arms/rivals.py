"""Repairs of rival causes, each as a mix that a small training tries, beside a mix that differs in one thing.

A cause is defined by the repair that works. So where evidence leaves several causes open, the repair of each is made as
the fix of that kind would make it, for every finding that it may mend: one mix for each kind of repair, read on each
finding's own items.

clean      rows whose labels seem wrong leave, against as many rows of the same slices at random
dedup      copies leave, against the corpus as it stands
twins      twins of rows with a cue, against the corpus as it stands
raise      rows of the slices are drawn more often, against the corpus as it stands
add        rows of the pool are added, against the corpus as it stands and as many rows of the pool at random

The corpus's rows are drawn in the same order from all mixes: one that leaves keeps its place, with weight 0.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.answer_labels import as_label
from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.slices.predicate import Slice, row_members
from interventions.admission.gate import Stock
from interventions.controls.contest import Change, Side
from interventions.fixes.clean import RELABEL, Clean, without_harmful
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.mix.compose import Draw, compose
from interventions.mix.mix import MixPart, Origin, TrainingMix, joined
from interventions.plan.limits import Amounts
from interventions.plan.step import CLEAN, Declined, Intervention, Remove, Resources, Steps
from interventions.proposal import NothingToDo, Proposal, plan_fix

SAME, RANDOM, RANDOM_REMOVAL = "same", "random", "random-removal"
"""Names of mixes that repair nothing: the corpus as it stands, random rows added, and random rows left out."""


_UNABLE = 0.5
"""Share of the golds of a slice's items from which a classifier that denies more of them cannot do the task."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The repair of one cause."""

    name: str
    """Name of its mix."""
    cause: Cause
    kind: Callable[..., Intervention]
    """Fix that makes it."""
    control: str
    """Name of the mix that it is compared with."""
    says: str
    """What it does to so many rows, in words."""
    counted: str = "num_added"
    """Which number of an action that is."""
    at_random: str = ""
    """Name of the mix that does as much at random, to be reported beside it; empty where none does."""
    is_everywhere: bool = False
    """Whether it acts on the whole corpus, whatever finding asked for it."""


@dataclass
class DoubtedOut(Clean):
    """The cleaning, and where it cannot be shown of which rows nine in ten are wrong, as many of the most doubtful ones
    as are wrong: enough to see whether wrong labels are the cause, and too few of them wrong for rows to leave. Where a
    classifier cannot do the task, for answers are computed and no labels, rows that work against the failed items."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        cleaned = super().steps(finding, resources)
        if not isinstance(cleaned, Declined):
            return cleaned
        test = next((one for one in finding.tests if "denied" in one.values), None)
        if test is not None and test.values["denied_items"] > _UNABLE:
            return without_harmful(finding, resources)
        if test is None or not test.values["wrong"]:
            return cleaned
        stock = resources.stock
        number = round(test.values["wrong"] * len(test.rows) / max(test.values["denied"], test.values["wrong"]))
        doubted = set(test.rows[:number])
        is_doubted = np.array([name in doubted for name in stock.corpus.select(stock.kept).rows["id"][:]], bool)
        if not is_doubted.any():
            return cleaned
        return (Remove(finding, CLEAN, stock.kept[is_doubted], f"{number} rows with the most doubtful labels leave"),)


REPAIRS = (
    Repair(
        "clean", Cause.WRONG_LABELS, DoubtedOut, RANDOM_REMOVAL, "{} rows with doubtful labels left out", "num_removed"
    ),
    Repair("twins", Cause.SHORTCUT, CounterExamples, SAME, "{} twins without the cue added"),
    Repair("dedup", Cause.DUPLICATES, Clean, SAME, "{} copies left out", "num_removed", is_everywhere=True),
    Repair("raise", Cause.UNDERWEIGHTED, Reweight, SAME, "{} rows of the slice drawn more often", "num_reweighted"),
    Repair("add", Cause.MISSING_DATA, Retrieve, SAME, "{} rows of the slice added", at_random=RANDOM),
)
"""Repairs that a training can try, in the order of `Cause`."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A mix to be trained on for a moment."""

    name: str
    mix: TrainingMix
    items: tuple[Slice, ...]
    """Failing slices that it is a repair for; empty where it repairs nothing."""
    says: str
    """What was changed, with numbers."""
    share: float = 0.0
    """Share of the draws that added rows have; they stand after those of the corpus."""


def rivals(
    fix: Intervention, diagnosis: Diagnosis, open_causes: Mapping[Slice, Collection[Cause]], resources: Resources
) -> tuple[Rival, ...]:
    """Make the mixes of all repairs that are possible, and of their controls; empty where no repair is.

    Args:
        fix: The fix that the user chose, whose limits hold for the repairs.
        diagnosis: Diagnosis with its findings.
        open_causes: Causes that the evidence leaves open, by failing slice.
        resources: What repairs are made from.
    """
    made: list[Rival] = []
    for repair in REPAIRS:
        findings = tuple(
            finding.with_causes({repair.cause: 1.0})
            for finding in diagnosis.findings
            if repair.cause in open_causes.get(finding.slice, ())
        )
        if not findings:
            continue
        done = plan_fix(_as(repair.kind, fix), replace(diagnosis, findings=findings), resources, resources.seed)
        if isinstance(done, NothingToDo):
            continue
        acted_on = {action.slice for action in done.plan.actions}
        items = tuple(one.slice for one in findings if repair.is_everywhere or one.acted_on in acted_on)
        made.append(_rival(repair, done, items, resources.stock))
        if repair.cause is Cause.WRONG_LABELS:
            made.append(_random_removal(done, resources))
        if repair.cause is Cause.MISSING_DATA and (random := _random_rows(done, resources)) is not None:
            made.append(random)
    if not made:
        return ()
    return (Rival(SAME, compose((), resources.stock), (), "the same data"), *made)


def _as(kind: Callable[..., Intervention], fix: Intervention) -> Intervention:
    """Make a fix of this kind with the limits of another."""
    return kind(**{one.name: getattr(fix, one.name) for one in fields(Amounts) if hasattr(fix, one.name)})


def _rival(repair: Repair, done: Proposal, items: tuple[Slice, ...], stock: Stock) -> Rival:
    actions = done.plan.actions
    says = repair.says.format(sum(getattr(action, repair.counted) for action in actions))
    num_removed = sum(action.num_removed for action in actions)
    if num_removed and repair.counted != "num_removed":
        says += f", {num_removed} rows left out"
    if num_relabelled := sum(action.num_added for action in actions if action.kind == RELABEL):
        says += f", {num_relabelled} of them relabelled"
    share = sum(action.share for action in actions if action.num_added)
    return Rival(repair.name, _in_place(done.mix, stock), items, says, share)


def _random_removal(done: Proposal, resources: Resources) -> Rival:
    """As many rows leave as the repair takes, of the same slices; where it takes rows of others, as those with a wrong
    label are that hides them from their class, of the same answers."""
    stock, rng = resources.stock, np.random.default_rng(resources.seed)
    left = stock.kept
    seen = np.zeros(0, np.int64)  # rows that leave to be relabelled are among those that leave
    for step in (step for step in done.steps if isinstance(step, Remove)):
        rows = np.setdiff1d(step.rows, seen)
        seen = np.union1d(seen, rows)
        inside = left[row_members(step.finding.acted_on, stock.corpus.select(left))]
        is_own = 2 * len(np.intersect1d(rows, inside)) >= len(rows)
        for of, number in [(inside, len(rows))] if is_own else list(_alike(rows, left, stock)):
            left = np.setdiff1d(left, rng.choice(of, min(number, len(of)), replace=False))
    mix = compose((), replace(stock, kept=left))
    number = len(stock.kept) - len(left)
    return Rival(RANDOM_REMOVAL, _in_place(mix, stock), (), f"{number} rows of the slice left out at random")


def _alike(rows: NDArray[np.int64], left: NDArray[np.int64], stock: Stock) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Rows that have the same answer as some of the given ones, with the number of these, answer by answer."""
    answers = np.array([as_label(text) for text in stock.corpus.select(left).rows["completion"][:]], object)
    wanted = Counter(as_label(text) for text in stock.corpus.select(rows).rows["completion"][:])
    for answer, number in wanted.items():
        yield left[answers == answer], number


def _random_rows(done: Proposal, resources: Resources) -> Rival | None:
    """As many rows of the pool at random, with the share of the draws of those that the repair adds."""
    stock, rng = resources.stock, np.random.default_rng(resources.seed)
    pool, number = stock.pool, sum(action.num_added for action in done.plan.actions)
    if pool is None or not number:
        return None
    side = Side(Change.ADD, pool, np.arange(len(pool)), stock.gate)
    rows = side.first(rng.permutation(side.rows), number)
    if not len(rows):
        return None
    says = f"{len(rows)} rows added at random"
    share = sum(action.share for action in done.plan.actions if action.num_added)
    return Rival(RANDOM, compose([Draw(Origin(RANDOM, says), pool, rows, share)], stock), (), says)


def _in_place(mix: TrainingMix, stock: Stock) -> TrainingMix:
    """Put rows of the corpus that left the mix back into their places, with weight 0."""
    own, *added = mix.parts
    assert own.source is stock.corpus, "a mix begins with the rows of the corpus that stay"
    if len(own.rows) == len(stock.kept):
        return mix
    places = np.searchsorted(stock.kept, own.rows)
    weights, origin = np.zeros(len(stock.kept)), np.zeros(len(stock.kept), np.int64)
    weights[places], origin[places] = mix.weights[: len(own.rows)], mix.origin[: len(own.rows)]
    parts = (MixPart(stock.corpus, stock.kept), *added)
    moved = len(stock.kept) - len(own.rows)
    return TrainingMix(
        parts=parts,
        examples=joined(parts),
        weights=np.concatenate([weights, mix.weights[len(own.rows) :]]),
        origins=mix.origins,
        origin=np.concatenate([origin, mix.origin[len(own.rows) :]]),
        parents={place + moved: parent for place, parent in mix.parents.items()},
    )
