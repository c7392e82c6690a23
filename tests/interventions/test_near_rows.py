"""Every kind of fix acts on rows that are listed as the nearest, where no predicate tells them."""

from dataclasses import replace

import numpy as np
from builders.findings import corpus, diagnosis, finding, kinds_of, planned, pool, pool_of, proposed, share_of
from numpy.typing import NDArray
from pydantic import TypeAdapter

from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.listed import NEAREST, content_digest
from diagnose.slices.predicate import Slice, row_members
from interventions.fixes.clean import Clean
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.planner import Auto
from interventions.proposal import NothingToDo

OLD, NEW = corpus(num_jump=40), pool()


def nearest(*sources: TrainPool) -> Slice:
    """The rows with `jump`, listed."""
    rows = [row for source in sources for row in source if "jump" in row.prompt]
    contents = tuple(content_digest(row.prompt, row.completion) for row in rows)
    return Slice(((NEAREST, "task = scan_jump"),), contents)


def test_listed_rows_of_the_pool_are_retrieved_and_no_others() -> None:
    done = proposed(Retrieve(num_examples=100), diagnosis(finding(Cause.MISSING_DATA, nearest(OLD, NEW))), new=NEW)
    added = done.mix.examples.select(np.flatnonzero(kinds_of(done.mix) == "retrieve"))
    assert len(added) == 100
    assert row_members(nearest(NEW), added).all()
    (action,) = done.plan.actions
    assert "with nearness to failed items of task = scan_jump" in action.why


def test_listed_rows_of_the_corpus_are_raised() -> None:
    found = finding(Cause.UNDERWEIGHTED, nearest(OLD, NEW), corpus_share=40 / 530)
    done = proposed(Reweight(), diagnosis(found), old=OLD)
    assert done.plan.actions[0].num_reweighted == 40
    assert abs(share_of(done.mix, "reweight") - 0.3) < 1e-9


def test_listed_rows_that_work_against_the_failed_items_leave() -> None:
    def effects(asked: Finding, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if rows.tolist() != list(range(40)):
            return np.zeros(len(rows), np.float32)
        return np.where(rows < 5, -1.0, 1.0).astype(np.float32)

    found = finding(Cause.WRONG_LABELS, nearest(OLD, NEW))
    done = proposed(Clean(), diagnosis(found), old=OLD, row_effects=effects)
    assert [removed.rows.tolist() for removed in done.removed] == [[0, 1, 2, 3, 4]]


def test_what_another_process_reads_of_a_diagnosis_acts_on_the_same_rows() -> None:
    found = diagnosis(finding(Cause.MISSING_DATA, nearest(OLD, NEW)))
    stored = TypeAdapter(Diagnosis)
    read = stored.validate_json(stored.dump_json(found))
    assert read == found
    here, there = (proposed(Auto(), one, old=OLD, new=NEW).mix for one in (found, read))
    assert here.examples.rows["id"][:] == there.examples.rows["id"][:]


def test_copies_leave_for_a_finding_without_any_data_slice() -> None:
    bare = replace(finding(Cause.DUPLICATES, Slice(())), data_slices=())
    twice = pool_of([*(f"walk old {k % 50}" for k in range(100))], "train")
    done = proposed(Clean(), diagnosis(bare), old=twice)
    assert sum(len(removed.rows) for removed in done.removed) == 50
    blamed = planned(Clean(), diagnosis(bare), old=twice, judged=[done.plan.keys[0]])
    assert isinstance(blamed, NothingToDo)
    assert "judged already" in blamed.plan.reason
