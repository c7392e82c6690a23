"""Repairs of rival causes, each as a mix that a small training tries, beside a mix that differs in one thing.

A cause is defined by the repair that works. So where evidence leaves several causes open, the repair of each is made as
the fix of that kind would make it, for every finding that it may mend: one mix for each kind of repair, read on each
finding's own items.

clean      rows whose labels seem wrong leave, or have another label, against as many others of the same slices
dedup      copies leave, against the corpus as it stands
twins      twins of rows with a cue, against the corpus as it stands
raise      rows of the slices are drawn more often, against the corpus as it stands
add        rows of the pool are added, against the corpus as it stands, as many draws of the rows that the slices have
           already, and as many rows of the pool at random

The corpus's rows are drawn in the same order from all mixes: one that leaves keeps its place, with weight 0.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.slices.predicate import Slice, row_members
from interventions.admission.gate import Stock
from interventions.arms.doubted import Doubted, like_it_at_random
from interventions.controls.contest import Change, Side
from interventions.fixes.clean import RELABEL, Clean
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.mix.compose import Draw, compose
from interventions.mix.mix import MixPart, Origin, TrainingMix, joined
from interventions.plan.limits import Amounts
from interventions.plan.plan import Action
from interventions.plan.step import Intervention, Made, Remove, Resources
from interventions.proposal import NothingToDo, Proposal, carry_out, plan_fix

SAME, OWN, RANDOM, RANDOM_REMOVAL = "same", "own", "random", "random-removal"
"""Names of mixes that repair nothing: the corpus as it stands, the slices' own rows drawn as often as rows are added to
them, random rows added, and random rows left out."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The repair of one cause."""

    name: str
    """Name of its mix."""
    cause: Cause
    kind: Callable[..., Intervention]
    """Fix that makes it."""
    controls: tuple[str, ...]
    """Names of the mixes that it is compared with, of which the hardest counts; not all need be made."""
    says: str
    """What it does to so many rows, in words."""
    counted: str = "num_added"
    """Which number of an action that is."""
    at_random: str = ""
    """Name of the mix that does as much at random, to be reported beside it; empty where none does."""
    is_everywhere: bool = False
    """Whether it acts on the whole corpus, whatever finding asked for it."""


REPAIRS = (
    Repair(
        "clean", Cause.WRONG_LABELS, Doubted, (RANDOM_REMOVAL,), "{} rows with doubtful labels left out", "num_removed"
    ),
    Repair("twins", Cause.SHORTCUT, CounterExamples, (SAME,), "{} twins without the cue added"),
    Repair("dedup", Cause.DUPLICATES, Clean, (SAME,), "{} copies left out", "num_removed", is_everywhere=True),
    Repair("raise", Cause.UNDERWEIGHTED, Reweight, (SAME,), "{} rows of the slice drawn more often", "num_reweighted"),
    Repair("add", Cause.MISSING_DATA, Retrieve, (SAME, OWN), "{} rows of the slice added", at_random=RANDOM),
)
"""Repairs that a training can try, in the order of `Cause`."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A mix to be trained on for a moment."""

    name: str
    mix: TrainingMix
    """Mix, or the first of `draws`."""
    items: tuple[Slice, ...]
    """Failing slices that it is a repair for; empty where it repairs nothing."""
    says: str
    """What was changed, with numbers."""
    share: float = 0.0
    """Share of the draws that added rows have; they stand after those of the corpus."""
    parts: tuple[float, ...] = ()
    """Part that each of `items` has of the draws that the repair moves, 1 where it moves none: a repair of several
    slices at once is a smaller dose for each."""
    draws: tuple[TrainingMix, ...] = ()
    """Mixes for the training seeds in turn, where its rows are drawn by chance; empty where every seed has `mix`."""


def rivals(
    fix: Intervention,
    diagnosis: Diagnosis,
    open_causes: Mapping[Slice, Collection[Cause]],
    resources: Resources,
    num_draws: int = 1,
) -> tuple[Rival, ...]:
    """Make the mixes of all repairs that are possible, and of their controls; empty where no repair is.

    Args:
        fix: The fix that the user chose, whose limits hold for the repairs.
        diagnosis: Diagnosis with its findings.
        open_causes: Causes that the evidence leaves open, by failing slice.
        resources: What repairs are made from.
        num_draws: Number of draws of what is done at random, one for each training seed.
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
        done = plan_fix(_as(repair.kind, fix), replace(diagnosis, findings=findings), resources)
        if isinstance(done, NothingToDo):
            continue
        acted_on = {action.slice for action in done.plan.actions}
        mended = tuple(one for one in findings if repair.is_everywhere or one.acted_on in acted_on)
        made.append(_rival(repair, done, mended, resources.stock))
        if repair.cause is Cause.WRONG_LABELS:
            made.append(_by_chance([_at_random(done, resources, draw) for draw in range(num_draws)]))
        if repair.cause is Cause.MISSING_DATA:
            made += _own_rows(done, resources.stock)
            drawn = [_random_rows(done, resources, draw) for draw in range(num_draws)]
            if known := [one for one in drawn if one is not None]:
                made.append(_by_chance(known))
    if not made:
        return ()
    return (Rival(SAME, compose((), resources.stock), (), "the same data"), *made)


def _as(kind: Callable[..., Intervention], fix: Intervention) -> Intervention:
    """Make a fix of this kind with the limits of another."""
    return kind(**{one.name: getattr(fix, one.name) for one in fields(Amounts) if hasattr(fix, one.name)})


def _rival(repair: Repair, done: Proposal, mended: Sequence[Finding], stock: Stock) -> Rival:
    actions = done.plan.actions
    says = repair.says.format(sum(getattr(action, repair.counted) for action in actions))
    num_removed = sum(action.num_removed for action in actions)
    if num_removed and repair.counted != "num_removed":
        says += f", {num_removed} rows left out"
    if num_relabelled := sum(action.num_added for action in actions if action.kind == RELABEL):
        left_out = f", {num_removed - num_relabelled} left out" if num_removed > num_relabelled else ""
        says = f"{num_relabelled} rows with doubtful labels relabelled{left_out}"
    share = sum(action.share for action in actions if action.num_added)
    items = tuple(finding.slice for finding in mended)
    parts = tuple(_part(actions, finding) for finding in mended)
    return Rival(repair.name, _in_place(done.mix, stock), items, says, share, parts)


def _part(actions: Sequence[Action], finding: Finding) -> float:
    """Part of the draws that actions move which go to the rows of a finding."""
    moved = sum(action.share for action in actions)
    own = sum(action.share for action in actions if action.slice == finding.acted_on)
    return own / moved if own else 1.0


def _by_chance(draws: Sequence[Rival]) -> Rival:
    return replace(draws[0], draws=tuple(one.mix for one in draws))


def _at_random(done: Proposal, resources: Resources, draw: int) -> Rival:
    """Do the same as the cleaning to as many other rows."""
    steps = like_it_at_random(done.steps, resources, draw)
    number = sum(len(step.rows) for step in steps if isinstance(step, Remove) and step.kind != RELABEL)
    relabelled = sum(len(step.rows) for step in steps if isinstance(step, Made))
    what = ", ".join(
        f"{count} rows {how}" for count, how in ((number, "left out"), (relabelled, "relabelled")) if count
    )
    like = carry_out(steps, resources, done.limits)
    mix = compose((), resources.stock) if isinstance(like, NothingToDo) else like.mix
    return Rival(RANDOM_REMOVAL, _in_place(mix, resources.stock), (), f"{what} at random")


def _own_rows(done: Proposal, stock: Stock) -> list[Rival]:
    """The slices' own rows, with the draws that rows added to them have beside what they have there; none where no
    slice has rows. More of a kind is what a model comes to expect, whatever the rows teach."""
    adding = [action for action in done.plan.actions if action.num_added]
    stays, free = 1 - sum(action.share for action in adding), np.ones(len(stock.kept), bool)
    draws, number = [], 0
    for action in adding:
        inside = free & row_members(action.slice, stock.corpus.select(stock.kept))
        free &= ~inside
        if inside.any():
            share = action.share + stays * float(stock.draws[inside].sum())
            draws.append(Draw(Origin(OWN, action.why, str(action.slice)), None, stock.kept[inside], share))
            number += int(inside.sum())
    mix = compose(draws, stock)
    if np.allclose(mix.weights, stock.draws):
        return []
    return [Rival(OWN, mix, (), f"as many draws of the {number} rows of the slice that are there")]


def _random_rows(done: Proposal, resources: Resources, draw: int) -> Rival | None:
    """As many rows of the pool at random, with the share of the draws of those that the repair adds."""
    stock, rng = resources.stock, np.random.default_rng([resources.seed, draw])
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
