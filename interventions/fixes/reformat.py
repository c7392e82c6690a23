"""`interventions=reformat`: add rows of the data slice in the form in which the evaluation asks and is answered.

For a model that knows the skill and was taught another form of prompt or answer (cause `format`). Forms are those that
the diagnosis found and tested on the items (`Finding.forms`); a user may declare wordings that ask the same
(`interventions.wordings`), and variants of rows are written in those too, first in the ones that the failed items use.
No label changes: an answer's mapping can be undone, or leaves golds alone, and slots keep their values. The rows that
variants are made from stay. Milliseconds for a thousand rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.finding import Cause, Finding
from diagnose.finding.forms import Form, Variant
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import text_pairs
from diagnose.slices.predicate import row_members
from interventions.admission.gate import IN_CORPUS, Stock, admit_edited, made_from
from interventions.makers.wordings import Wordings, make_wordings
from interventions.plan.advice import advice
from interventions.plan.limits import Additions
from interventions.plan.step import REFORMAT, Declined, Made, Resources, Steps, action_key, unfit

_ATTEMPTS = 20
"""Rows considered for each variant that is wanted."""


@dataclass
class Reformat(Additions):
    """Settings of the variants; every field is a key `interventions.<field>`."""

    wordings: dict[str, list[str]] = field(default_factory=dict)
    """Wordings that ask the same: format strings with the same slots, grouped under a name."""

    def __post_init__(self) -> None:
        super().__post_init__()
        make_wordings(self.wordings)

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if not self.synthetic_share:
            return Declined(
                "interventions.max_synthetic_share and interventions.min_human_share allow no synthetic row"
            )
        return reformatted(finding, resources, make_wordings(self.wordings), self.num_examples)


def reformatted(finding: Finding, resources: Resources, wordings: Wordings, num_examples: int | None) -> Steps:
    """Write variants of the slice's rows in each form that was found, and in the declared wordings."""
    stock = resources.stock
    alike = _asking_the_same(wordings, finding, stock)
    # What is advised against a form is another cure of the same fault.
    if finding.cause is not Cause.FORMAT and (reason := advice(finding) if len(alike) else unfit(finding)):
        return Declined(reason)
    if not finding.forms and not wordings.groups:
        return Declined(
            "no form of prompts or answers was found in which its items come right, and no wordings are declared "
            "(interventions.wordings)"
        )
    if action_key(REFORMAT, finding.acted_on) in resources.judged:
        return Declined(f"adding variants of rows with {finding.acted_on} was judged already")
    # Rows of another form do not lower the loss of the items, so that attribution may confirm none of them.
    where = finding.data_slice if finding.data_slices else finding.unconfirmed
    if where is None and not len(alike):
        return Declined("no training data could be told to belong to it")
    own = stock.kept[row_members(where, stock.corpus.select(stock.kept))] if where is not None else alike[:0]
    inside = _some(own, f"rows with {where}", resources, num_examples)
    written = [_in_form(number, form, inside) for number, form in enumerate(finding.forms)]
    if wordings.groups:
        same = _some(alike, "rows that ask the same", resources, num_examples)
        written.append(_in_wordings(wordings, finding, same if len(alike) else inside))
    added = [_added(finding, resources, made, num_examples) for made in written]
    steps = tuple(step for step in added if not isinstance(step, Declined))
    return steps or Declined("; ".join(step.reason for step in added if isinstance(step, Declined)))


def _asking_the_same(wordings: Wordings, finding: Finding, stock: Stock) -> NDArray[np.int64]:
    """Rows of the corpus in a group of wordings that most failed items use, in whatever slice: a slice defined by the
    words of the items contains none of them."""
    groups = wordings.groups_of(finding.queries)
    if not groups.groups:
        return stock.kept[:0]
    asks = [groups.has(prompt) for prompt in stock.corpus.rows.select(stock.kept)["prompt"][:]]
    return np.compress(asks, stock.kept)


@dataclass(frozen=True, slots=True)
class _Parents:
    rows: TrainPool
    says: str
    """Description of the rows, in words."""


def _some(rows: NDArray[np.int64], says: str, resources: Resources, num_examples: int | None) -> _Parents:
    """Choose rows in random order, at most `_ATTEMPTS` for each variant that is wanted."""
    chosen = np.random.default_rng(resources.seed).permutation(rows)
    if num_examples is not None:
        chosen = chosen[: _ATTEMPTS * num_examples]
    return _Parents(resources.stock.corpus.select(chosen), says)


@dataclass(frozen=True, slots=True)
class _Written:
    """Variants of rows, in the order in which they are wanted."""

    parents: _Parents
    variants: Sequence[Variant]
    places: Sequence[int]
    """Place of the row that each variant was made from."""
    tag: str
    """Part of the ids that tells variants of one row apart."""
    maker: str
    verifier: str
    says: str
    """Description of the form or wordings, in words."""


def _in_form(number: int, form: Form, parents: _Parents) -> _Written:
    places, variants = [], []
    for place, (prompt, completion) in enumerate(text_pairs(parents.rows)):
        if (variant := form.applied(prompt, completion)) is not None:
            places.append(place)
            variants.append(variant)
    return _Written(
        parents,
        variants,
        places,
        tag=f"{REFORMAT}{number or ''}",
        maker=f"the evaluation's form: {form}",
        verifier="the failed items come right in this form, by the task's own scorer; label and question are the "
        "parent's",
        says=f"in the evaluation's form ({form})",
    )


def _in_wordings(wordings: Wordings, finding: Finding, parents: _Parents) -> _Written:
    used = wordings.used_by(finding.queries)
    found = []
    for place, (prompt, completion) in enumerate(text_pairs(parents.rows)):
        known = [form.applied(prompt, completion) for form in finding.forms]
        row = next((variant for variant in known if variant is not None), Variant(prompt, completion))
        for reworded in wordings.variants(row.prompt):
            found.append((-used.get(reworded.wording, 0), place, Variant(reworded.prompt, row.completion)))
    found.sort(key=lambda one: one[0])
    return _Written(
        parents,
        [variant for _, _, variant in found],
        [place for _, place, _ in found],
        tag="reworded",
        maker="other wordings of the question (interventions.wordings)",
        verifier="its slots have the parent's values; the answer is the parent's, in the form that was found if any",
        says="in other wordings of the question",
    )


def _added(finding: Finding, resources: Resources, written: _Written, num_examples: int | None) -> Made | Declined:
    stock, parents, which = resources.stock, written.parents.rows, written.parents.says
    if not written.variants:
        return Declined(f"none of the {which} could be written {written.says}")
    ids = parents.rows["id"][:]
    number: Counter[int] = Counter()
    names = []
    for place in written.places:
        number[place] += 1
        names.append(f"{ids[place]}~{written.tag}-{number[place]}")
    columns = {
        "id": names,
        "source": [REFORMAT] * len(names),
        "prompt": [variant.prompt for variant in written.variants],
        "completion": [variant.completion for variant in written.variants],
    }
    made = made_from(parents.select(written.places), REFORMAT, columns)
    # Word for word: a variant may differ from its parent in case or marks only.
    known = {*text_pairs(stock.corpus.select(stock.kept))}
    is_new = np.array([(variant.prompt, variant.completion) not in known for variant in written.variants])
    admitted = admit_edited(made, np.flatnonzero(is_new), stock.gate, frozenset())
    blocked = {**admitted.blocked, **{names[k]: IN_CORPUS for k in np.flatnonzero(~is_new).tolist()}}
    chosen = admitted.rows[:num_examples]
    if not len(chosen):
        counts = ", ".join(f"{count} {reason}" for reason, count in Counter(blocked.values()).items())
        return Declined(f"every variant of the {which} {written.says} is blocked: {counts}")
    return Made(
        finding=finding,
        kind=REFORMAT,
        rows=made.select(chosen),
        parents=tuple(ids[written.places[k]] for k in chosen.tolist()),
        maker=written.maker,
        verifier=written.verifier,
        why=f"{finding.fails}: {len(chosen)} variants of {which}, {written.says}",
        is_in_place=False,
        is_raised=True,
        blocked=blocked,
    )
