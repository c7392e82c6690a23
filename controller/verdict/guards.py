"""Guards, which must not get worse: the tasks that a user lists, and all other items of the tasks that are to be fixed.

An endpoint is a slice of the tasks, and a fix can buy it with the rest of them: answering one class to every question
has a recall of 1 on that class. So whatever the endpoint leaves of the tasks is a guard as well, pooled, unless
`evals.guard_rest` is false. A rest that is a smaller share of the tasks than the margin is no guard: if all of it were
lost, the tasks would lose no more than the margin.

An endpoint of several slices is one pooled score, and one of them can make up for what another loses: questions that
fail for a second reason are where false alarms of a class fall. So what is outside each slice is a guard too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.answer_labels import as_label
from diagnose.slices.predicate import Slice, item_table
from evals.items import ItemResult

REST = "all other items of the tasks"
"""Name of the guard of the rest; no task has spaces in its name."""


class Guard(Protocol):
    """Items that must not get worse."""

    @property
    def name(self) -> str: ...

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        """Choose the results that the guard is judged by."""
        ...


@dataclass(frozen=True, slots=True)
class TaskGuard:
    """All items of one task."""

    task: str

    @property
    def name(self) -> str:
        return self.task

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        return [result for result in results if result.item.task == self.task]


@dataclass(frozen=True, slots=True)
class RestGuard:
    """All items of the tasks that are in no slice of the endpoint; false alarms of a class are failures here."""

    tasks: tuple[str, ...]
    endpoint: tuple[Slice, ...]
    fields: tuple[str, ...]
    """Document fields that the slices may name."""

    @property
    def name(self) -> str:
        return REST

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        own = [result for result in results if result.item.task in self.tasks]
        inside = in_any(self.endpoint, self.fields, own)
        return [result for result, is_in in zip(own, inside, strict=True) if not is_in]


@dataclass(frozen=True, slots=True)
class OutsideGuard:
    """All items of the tasks outside one slice of an endpoint of several, those in the others among them."""

    tasks: tuple[str, ...]
    where: Slice
    fields: tuple[str, ...]
    """Document fields that the slice may name."""

    @property
    def name(self) -> str:
        return f"all items but those of {self.where}"

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        return RestGuard(self.tasks, (self.where,), self.fields).chosen(results)


@dataclass(frozen=True, slots=True)
class FalseAlarmGuard:
    """Items of a task with another gold answer, each right where it is not answered with `answer`.

    It guards an endpoint of one gold answer where the rest is not guarded.
    """

    task: str
    answer: str

    @property
    def name(self) -> str:
        return f"items of {self.task} falsely answered '{self.answer}'"

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        own = [r for r in results if r.item.task == self.task and as_label(r.item.target) != self.answer]
        return [replace(r, score=float(as_label(r.answer) != self.answer)) for r in own]


def in_any(slices: Sequence[Slice], fields: Sequence[str], results: Sequence[ItemResult]) -> NDArray[np.bool_]:
    """Whether each result is of an item in any of the slices, [num_results]."""
    table = item_table([result.item for result in results], tuple(fields))
    inside = np.zeros(len(results), bool)
    for where in slices:
        inside |= table.members(where)
    return inside


def chosen_in(slices: Sequence[Slice], fields: Sequence[str]) -> Callable[[Sequence[ItemResult]], list[ItemResult]]:
    """Make a function that chooses the results of items in any of the slices."""

    def chosen(results: Sequence[ItemResult]) -> list[ItemResult]:
        return [r for r, is_in in zip(results, in_any(slices, fields, results), strict=True) if is_in]

    return chosen


def false_alarm_guards(
    tasks: Sequence[str], endpoint: Sequence[Slice], fields: Sequence[str], results: Sequence[ItemResult]
) -> Iterator[FalseAlarmGuard]:
    """Make a guard for each slice and task whose items have one gold answer where the task's others have another."""
    for where in endpoint:
        for task in tasks:
            own = [result for result in results if result.item.task == task]
            inside = in_any([where], fields, own)
            golds = {as_label(r.item.target) for r, is_in in zip(own, inside, strict=True) if is_in}
            others = {as_label(r.item.target) for r in own} - golds
            if len(golds) == 1 and others:
                yield FalseAlarmGuard(task, golds.pop())
