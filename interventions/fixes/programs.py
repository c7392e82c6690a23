"""`interventions=programs`: add rows that a user's programs write, each verified by the program's checker.

A file registers them (`interventions.programs=FILE`): `PROGRAMS`, a list of `Program`. For a finding each program first
writes a few rows of its data slice at each of its difficulties: more are then written where the model gives about half
of them right, for those teach most (as in curricula by learning progress, Graves et al. 2017, arXiv 1704.03003), and
where there are too few of these at the next nearest to half; where none is near half, at every difficulty alike. Every
row passes the checker, is in the slice, passes the gate, and is new. A program that is a checker alone has the slice's
own rows perturbed (`interventions.makers.perturb`). Where no row of corpus or pool teaches what is asked, so that there
is no data slice, the program is taken whose rows are about as near to the failed items as those are to each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np

from diagnose.finding.finding import Finding
from diagnose.rows.pool import Rendering
from diagnose.rows.similarity import word_similarity
from diagnose.slices.predicate import SOURCE, Slice, row_members
from interventions.admission.gate import Stock
from interventions.makers.maker import RowMaker, Verifier, checked_rows, make_rows, pool_of
from interventions.makers.perturb import Perturbation
from interventions.makers.row import Row
from interventions.plan.advice import advice
from interventions.plan.limits import Additions
from interventions.plan.step import PROGRAMS, Declined, Made, Resources, Steps, action_key
from interventions.program import Program, load_programs

BAND = (0.2, 0.8)
"""Range of the share of a difficulty's rows that the model gives right, in which rows teach most."""
_TRIED = 32
"""Rows of each difficulty that are tried first."""
_MOST_MADE = 400
"""Rows written where `num_examples` is unset."""
_MOST_PARENTS = 2_000
"""Most rows of the corpus, and of the pool, that are perturbed."""
_LEAST_INSIDE = 0.2
"""Smallest share of the wanted first rows that a program must give in the slice to fit it."""
_AS_NEAR = 0.7
"""Smallest nearness of failed items to a program's rows, as a multiple of their nearness to each other."""


@dataclass
class WithPrograms(Additions):
    """Settings of fixes that may let programs write rows."""

    programs: str | None = None
    """Python file that registers programs which write rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.programs is not None:
            load_programs(self.programs)


@dataclass
class Programs(WithPrograms):
    """Settings of the programs; every field is a key `interventions.<field>`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.programs is None:
            raise ValueError("interventions=programs needs interventions.programs, a file that registers them")

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return written(finding, resources, self.programs, self.num_examples)


def written(finding: Finding, resources: Resources, file: str | None, num_examples: int | None) -> Steps:
    """Write new rows of the finding's data slice, or of its failing slice where it has none."""
    if reason := advice(finding):
        return Declined(reason)
    where = finding.acted_on
    if file is None:
        return Declined(f"no program is registered that could write rows with {where} (interventions.programs)")
    if action_key(PROGRAMS, where) in resources.judged:
        return Declined(f"writing rows with {where} was judged already")
    trials = [_trial(program, finding, resources) for program in load_programs(file)]
    fit = [trial for trial in trials if _fits(trial, finding)]
    if not fit:
        return Declined(f"no program of {file} writes rows with {where}")
    return _written(finding, resources, max(fit, key=lambda trial: _nearness(trial, finding)), num_examples)


@dataclass(frozen=True, slots=True)
class _Written:
    """A maker of the rows that a function writes."""

    write: Callable[[], Row | None]


@dataclass(frozen=True, slots=True)
class _Checked:
    """The verifier of a program's rows: they are in the slice, and the program's checker accepts them."""

    known: Slice
    program: Program

    def accepts(self, row: Row) -> bool:
        is_in = self.known.holds(row.prompt or row.completion, row.fields, row.completion)
        return is_in and self.program.accepts(row.prompt, row.completion)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A few rows of a program at each difficulty."""

    program: Program
    makers: Mapping[int, RowMaker]
    """Writes one more row of each difficulty."""
    verifier: Verifier
    where: Slice
    rows: Mapping[int, Sequence[Row]]
    rng: Random

    @property
    def texts(self) -> list[str]:
        return [f"{row.prompt} {row.completion}" for rows in self.rows.values() for row in rows]


def _trial(program: Program, finding: Finding, resources: Resources) -> _Trial:
    # New rows are in no list of nearest rows: where that is the data slice, they must be in the failing one.
    where = finding.slice if finding.data_slice.contents else finding.acted_on
    rng = Random(f"{program.name}/{where}/{resources.seed}")
    makers: Mapping[int, RowMaker]
    if (make := program.make) is not None:
        makers = {d: _Written(partial(make, where.as_dict(), d, rng)) for d in program.difficulties}
    else:  # at the difficulty of the rows that there are
        rows_of_slice = _some_rows(finding.acted_on, resources.stock, rng)
        makers = dict.fromkeys(program.difficulties, Perturbation(rows_of_slice, program.accepts, rng))
    conditions = tuple((key, value) for key, value in where.conditions if key not in ("task", SOURCE))
    verifier = _Checked(Slice(conditions), program)
    rows = {difficulty: checked_rows(maker, verifier, _TRIED) for difficulty, maker in makers.items()}
    return _Trial(program, makers, verifier, where, {d: found for d, found in rows.items() if found}, rng)


def _some_rows(where: Slice, stock: Stock, rng: Random) -> list[Row]:
    """Rows of the corpus in the slice, and of the pool, as parents of other ones."""
    rows = []
    for source in (stock.corpus.select(stock.kept), *([stock.pool] if stock.pool is not None else [])):
        inside = np.flatnonzero(row_members(where, source)).tolist()
        for row in source.select(sorted(rng.sample(inside, min(len(inside), _MOST_PARENTS)))):
            fields = {key: str(value) for key, value in row.metadata.items() if value is not None}
            rows.append(Row(row.prompt, row.completion, fields, row.id))
    return rows


def _fits(trial: _Trial, finding: Finding) -> bool:
    """Whether a program writes rows of the slice; if no predicate defines that, rows like the failed items."""
    if len(trial.texts) < _LEAST_INSIDE * _TRIED * len(trial.program.difficulties):
        return False
    has_predicate = bool(finding.data_slices) and not finding.data_slice.contents
    return has_predicate or _nearness(trial, finding) >= _AS_NEAR


def _nearness(trial: _Trial, finding: Finding) -> float:
    """Nearness of the failed items to the rows, as a multiple of their nearness to each other."""
    items = list(finding.queries)
    if len(items) < 2 or not trial.texts:
        return 0.0
    among = word_similarity(items, items)
    np.fill_diagonal(among, 0)
    usual = float(among.max(axis=1).mean())
    return float(word_similarity(items, trial.texts).max(axis=1).mean()) / usual if usual else 0.0


def _written(finding: Finding, resources: Resources, trial: _Trial, num_examples: int | None) -> Steps:
    program, where = trial.program, trial.where
    stock, turns = resources.stock, _in_turn(resources, trial.rows, resources.stock.corpus.rendering)
    makers = [[trial.makers[difficulty] for difficulty in turn] for turn in turns]
    new = make_rows(makers, trial.verifier, stock, program.name, num_examples or _MOST_MADE, trial.rng)
    if not new.rows:
        return Declined(f"every row that program {program.name} writes with {where} is blocked")
    is_written = program.make is not None
    difficulties = ", ".join(str(difficulty) for place in new.giving for difficulty in turns[place])
    written_at = f"written by program {program.name} at difficulty {difficulties}"
    how = written_at if is_written else "made of its own rows"
    step = Made(
        finding=finding,
        kind=PROGRAMS,
        rows=pool_of(new.rows, program.name, stock.corpus.rendering, source=f"program {program.name}"),
        parents=() if is_written else tuple(row.parent for row in new.rows),
        maker=f"program {program.name}" if is_written else "other words in their places",
        verifier=f"the checker of program {program.name}",
        why=f"{finding.fails}: {len(new.rows)} new rows with {where}, {how}",
        is_in_place=False,
        is_raised=True,
        blocked=new.blocked,
    )
    return (step,)


def _in_turn(resources: Resources, trial: Mapping[int, Sequence[Row]], rendering: Rendering) -> list[list[int]]:
    """Groups of difficulties in the order of use, those whose rows the model gives right about half of the time first.

    The others follow one by one, the nearest to half first; without a model, or none near, all are one group.
    """
    if resources.solves is None or len(trial) == 1:
        return [list(trial)]
    rate = {d: float(resources.solves(pool_of(rows, "", rendering)).mean()) for d, rows in trial.items()}
    band = [d for d, solved in rate.items() if BAND[0] <= solved <= BAND[1]]
    if not band:
        return [list(rate)]
    return [band, *([d] for d in sorted((d for d in rate if d not in band), key=lambda d: abs(rate[d] - 0.5)))]
