"""Divide rows and draws among the steps of a plan.

The corpus's own rows keep the part of the draws that the steps leave (replay); at least half, unless a larger share is
asked for, and more where answers are labels (`interventions.plan.fair`). Reweightings come first, are never lowered,
and leave at least half of the steps' share to additions. Findings share added rows by expected gain, what one cannot
use going to the others, and additions share draws by their rows. Rows that are made in the place of others count for
none of the added ones; those that only have another label are drawn as often as any row of the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.answer_labels import labels_of
from diagnose.finding.finding import Finding
from diagnose.rows.pool import TrainPool
from interventions.admission.gate import Stock, contents
from interventions.mix.compose import Draw
from interventions.mix.mix import ORIGINAL, Origin
from interventions.plan.fair import MOSTLY, commonest, fair_shares
from interventions.plan.plan import Action
from interventions.plan.step import COUNTER_EXAMPLES, RETRIEVE, REWEIGHT, Limits, Made, Raise, Remove, Step, Supply

_AS_AMONG_ITEMS = "its answers come as often as among the items"
_NEARLY = 0.98
"""Share of the wanted rows from which a shortage is not mentioned, since rounding may cause it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows of the corpus that leave it."""

    rows: NDArray[np.int64]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Allocation:
    actions: tuple[Action, ...]
    draws: tuple[Draw, ...]
    removed: tuple[Removed, ...]
    kept: NDArray[np.int64]
    """Rows of the corpus that stay."""
    num_added: int
    """Added rows that stand in the place of no others."""
    taken: float
    """Share of the draws that the corpus's other rows lose."""
    is_share_told: bool
    """Whether a user or the answers determine the share of the draws of added rows."""
    left_out: tuple[str, ...]
    """Findings whose steps did not fit, each with the reason."""


@dataclass(frozen=True, slots=True)
class _Picked:
    """Rows that a step adds."""

    step: Supply | Made
    source: TrainPool
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Lots:
    shares: list[float]
    """Share of the draws of each lot of added rows."""
    lowered: list[Draw]
    """Rows of the corpus that give up draws for the lots."""
    is_known: bool
    """Whether the answers determine the share of each lot."""
    alike: tuple[int, ...] = ()
    """Places of the lots whose rows are drawn as often as the corpus's, where their answers would have less."""


def allocate(steps: Sequence[Step], stock: Stock, limits: Limits) -> Allocation:
    """Allocate rows and draws to actions, removals first; each row is acted on once."""
    actions: list[Action] = []
    removed: list[Removed] = []
    kept = stock.kept
    for removal in (step for step in steps if isinstance(step, Remove)):
        rows = np.intersect1d(removal.rows, kept)
        least = (1 - limits.synthetic_share) * len(stock.kept) if removal.kind == COUNTER_EXAMPLES else 1
        # A cleaning of the whole corpus that an earlier finding asked for too; or twins would be nearly all there is.
        if not len(rows) or len(kept) - len(rows) < least:
            continue
        kept = np.setdiff1d(kept, rows)
        removed.append(Removed(rows, Origin(removal.kind, removal.why, str(removal.finding.data_slice))))
        actions.append(_action(removal.finding, removal.kind, removal.why, num_removed=len(rows)))
    draws = []
    added = _picked([step for step in steps if isinstance(step, Supply | Made)], stock, limits)
    alike = [picked for picked in added if not _is_raised(picked.step)]
    new = [picked for picked in added if _is_raised(picked.step)]
    most = limits.share * (0.5 if new else 1.0)
    raises = _raised(steps, kept, most)
    for step in raises:
        share = step.present + limits.scale * (step.share - step.present)
        draws.append(Draw(Origin(REWEIGHT, step.why, str(step.finding.data_slice)), None, step.rows, share))
        actions.append(_action(step.finding, REWEIGHT, step.why, num_reweighted=len(step.rows), share=share))
    left = (limits.share - sum(step.share for step in raises)) * limits.scale
    total = sum(len(picked.rows) for picked in new)
    wanted = round(limits.dose * (limits.num_examples or 0))
    num_added = sum(len(picked.rows) for picked in new if not _is_in_place(picked.step))
    is_short = num_added < wanted * _NEARLY
    lots = _Lots([left * len(picked.rows) / total for picked in new], [], True)
    if limits.is_fair:
        lots = _fair(new, lots.shares, stock.corpus.select(kept), kept, _all_rows(raises), limits.scale)
    shares = lots.shares
    draws += lots.lowered
    made = sum(share for picked, share in zip(new, shares, strict=True) if isinstance(picked.step, Made))
    fit = min(1.0, limits.synthetic_share / made) if made else 1.0
    for k, (picked, share) in enumerate(zip(new, shares, strict=True)):
        why = _why(picked) + (f"; {wanted} were wanted in all" if is_short and not _is_in_place(picked.step) else "")
        if share < left * len(picked.rows) / total:
            as_often = "its rows come as often as the corpus's" if k in lots.alike else _AS_AMONG_ITEMS
            why += f"; {share:.1%} of the draws, with which {as_often}"
        _add(picked, share * (fit if isinstance(picked.step, Made) else 1.0), why, draws, actions)
    given = sum(draw.share for draw in draws)
    left_rows, lowered = stock.corpus.select(kept), _all_rows(lots.lowered)
    taken = given - sum(step.present for step in raises)
    taken -= float(left_rows.draws()[np.isin(kept, lowered)].sum())
    alike_weights = [float(one.source.select(one.rows).weights().sum()) for one in alike]
    is_rest = ~np.isin(kept, np.union1d(_all_rows(raises), lowered))
    rest = float(left_rows.weights()[is_rest].sum()) + sum(alike_weights)
    for picked, weight in zip(alike, alike_weights, strict=True):
        _add(picked, (1 - given) * weight / rest if rest > 0 else 0.0, _why(picked), draws, actions)
    left_out = [
        f"{step.finding.slice}: rows with {step.finding.data_slice} have {step.present:.1%} of the draws, and what is "
        f"raised may have {most:.1%} in all"
        for step in steps
        if isinstance(step, Raise) and not any(step.finding is raised.finding for raised in raises)
    ]
    left_out += [
        f"{step.finding.slice}: none of {limits.num_examples} rows falls to it"
        for step in steps
        if isinstance(step, Supply | Made) and not any(step is picked.step for picked in added)
    ]
    return Allocation(
        actions=tuple(actions),
        draws=tuple(draws),
        removed=tuple(removed),
        kept=kept,
        num_added=num_added,
        taken=taken,
        is_share_told=lots.is_known,
        left_out=tuple(left_out),
    )


def _picked(steps: Sequence[Supply | Made], stock: Stock, limits: Limits) -> list[_Picked]:
    """Pick the rows of each step, no content twice; rows that stand in the place of others are not limited."""
    limited = [step for step in steps if not _is_in_place(step)]
    gains = [step.finding.expected_gain for step in limited]
    most = divided(limits.num_examples, gains, [len(step.rows) for step in limited])
    dosed = [max(1, round(limits.dose * count)) if count else 0 for count in most]
    number = {id(step): count for step, count in zip(limited, dosed, strict=True)}
    taken: set[str] = set()
    picked = []
    for step in steps:
        source = step.rows if isinstance(step, Made) else stock.pool
        assert source is not None, "only rows of a pool can be supplied"
        rows = np.arange(len(step.rows)) if isinstance(step, Made) else step.rows
        names = contents(source, rows)
        chosen = [k for k, name in enumerate(names) if name not in taken][: number.get(id(step))]
        if chosen:
            taken |= {names[k] for k in chosen}
            picked.append(_Picked(step, source, np.sort(rows[chosen])))
    return picked


def divided(total: int | None, gains: Sequence[float], rooms: Sequence[int]) -> list[int]:
    """Divide rows among steps by expected gain, each at most its room; what one cannot use goes to the others.

    Args:
        total: Rows in all; None means all that there are.
        gains: Expected gain of each step, not negative.
        rooms: Rows that each step has.
    """
    if total is None or total >= sum(rooms):
        return list(rooms)
    room, gain = np.array(rooms, float), np.maximum(gains, np.finfo(float).tiny)
    amounts, is_open = np.zeros(len(room)), np.ones(len(room), bool)
    while is_open.any():
        wanted = (total - amounts.sum()) * gain / gain[is_open].sum()
        is_full = is_open & (wanted >= room)
        if not is_full.any():
            amounts[is_open] = wanted[is_open]
            break
        amounts[is_full] = room[is_full]
        is_open &= ~is_full
    counts = np.floor(amounts + 1e-9).astype(int)
    largest = np.argsort(counts - amounts, kind="stable")
    counts[largest[: total - int(counts.sum())]] += 1
    return [int(count) for count in counts]


def _fair(
    added: Sequence[_Picked],
    largest: Sequence[float],
    corpus: TrainPool,
    kept: NDArray[np.int64],
    busy: NDArray[np.int64],
    scale: float,
) -> _Lots:
    """Share of the draws of each lot, at most its largest; findings of the same tasks divide what their answers may
    have. Where a label has its share already, the corpus's rows of that label and the added ones divide it; rows of
    many answers are drawn no less often than the corpus's.

    Args:
        corpus: Rows of the corpus that stay.
        kept: Their row numbers.
        busy: Row numbers of those whose share is settled.
        scale: Part of the share that is given (`Limits.scale`).
    """
    shares, lowered, is_known = list(largest), [], True
    for golds in {tuple(sorted(picked.step.finding.golds)): picked.step.finding.golds for picked in added}.values():
        places = [k for k, picked in enumerate(added) if picked.step.finding.golds.keys() == golds.keys()]
        rows = [added[k].source.select(added[k].rows) for k in places]
        found = fair_shares(golds, corpus, rows, [largest[k] / scale for k in places])
        if found is None:
            is_known = False
            continue
        for k, share in zip(places, found, strict=True):
            shares[k] = share * scale
    short = [k for k, share in enumerate(shares) if share < largest[k]]
    alike: list[int] = []
    mostly = {k: commonest(added[k].source.select(added[k].rows)) for k in short}
    for k in (k for k in short if mostly[k][1] <= MOSTLY):
        # Of many answers new rows are drawn no less often than old ones, or chance among few golds leaves them out.
        num_rows = len(added[k].rows)
        even = (shares[k] + 1 - sum(shares)) * num_rows / (num_rows + len(kept))
        if shares[k] < even:
            shares[k] = min(even, largest[k])
            alike.append(k)
    of_corpus = 1 - sum(shares)
    for k in (k for k in short if mostly[k][1] > MOSTLY):
        (label, part), num_rows = mostly[k], len(added[k].rows)
        own = np.setdiff1d(kept[np.array(labels_of(corpus), object) == label], busy)
        of_label = shares[k] * part + of_corpus * float(corpus.draws()[np.isin(kept, own)].sum())
        even = of_label * num_rows / (part * num_rows + len(own))  # each row of the label alike
        if len(own) and shares[k] < even <= largest[k]:
            shares[k] = even
            lowered.append(Draw(ORIGINAL, None, own, of_label - part * even))
            busy = np.union1d(busy, own)
    return _Lots(shares, lowered, is_known, tuple(alike))


def _all_rows(parts: Sequence[Draw] | Sequence[Raise]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(part.rows for part in parts)])


def _is_in_place(step: Step) -> bool:
    return isinstance(step, Made) and step.is_in_place


def _is_raised(step: Step) -> bool:
    return not isinstance(step, Made) or step.is_raised


def _add(picked: _Picked, share: float, why: str, draws: list[Draw], actions: list[Action]) -> None:
    step, where = picked.step, str(picked.step.finding.acted_on)
    if isinstance(step, Made):
        origin = Origin(step.kind, why, where, step.maker, step.verifier)
        parents = tuple(step.parents[k] for k in picked.rows.tolist()) if step.parents else ()
    else:
        origin, parents = Origin(RETRIEVE, why, where), ()
    draws.append(Draw(origin, picked.source, picked.rows, share, parents))
    actions.append(_action(step.finding, origin.kind, why, num_added=len(picked.rows), share=share))


def _why(picked: _Picked) -> str:
    step = picked.step
    if isinstance(step, Made):
        cut = len(picked.rows) < len(step.rows)
        return f"{step.why}; {len(picked.rows)} of them" if cut else step.why
    return f"{step.finding.fails}: {len(picked.rows)} {step.why}"


def _raised(steps: Sequence[Step], kept: NDArray[np.int64], most: float) -> list[Raise]:
    """Assign each kept row to the first step that raises it, all with at most the share `most` of the draws; the last
    steps are dropped while their rows have that share already."""
    taken = np.empty(0, np.int64)
    found = []
    for step in (step for step in steps if isinstance(step, Raise)):
        rows = np.intersect1d(np.setdiff1d(step.rows, taken), kept)
        taken = np.union1d(taken, rows)
        if len(rows):
            part = len(rows) / len(step.rows)
            found.append(replace(step, rows=rows, share=step.share * part, present=step.present * part))
    while found and sum(step.present for step in found) >= most:
        found.pop()
    present = sum(step.present for step in found)
    more = sum(step.share for step in found) - present
    scale = min(1.0, (most - present) / more) if more > 0 else 0.0
    return [replace(step, share=step.present + scale * (step.share - step.present)) for step in found]


def _action(
    finding: Finding,
    kind: str,
    why: str,
    *,
    num_added: int = 0,
    num_removed: int = 0,
    num_reweighted: int = 0,
    share: float = 0.0,
) -> Action:
    return Action(
        kind=kind,
        slice=finding.acted_on,
        items=finding.slice,
        num_added=num_added,
        num_removed=num_removed,
        num_reweighted=num_reweighted,
        share=share,
        why=why,
    )
