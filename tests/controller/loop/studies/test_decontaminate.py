"""What is said of a score after evaluation items were found in the corpus."""

from pathlib import Path

from builders.items import probe_item, probe_report, scored
from builders.toy import diagnosed, measured, model_of, proposed, unread_run

from controller.loop.studies.decontaminate import is_only_contaminated, scores_without_repeats
from diagnose.evidence.contamination import OTHERS, REPEATED
from diagnose.finding.finding import Cause, Diagnosis, Examples, Finding
from diagnose.slices.predicate import Slice
from evals.statistics.intervals import Interval
from interventions.plan.plan import Plan


def finding(cause: Cause, evidence: dict[str, float | str]) -> Finding:
    where = Slice((("task", "sums"),))
    nothing = Examples((), ())
    return Finding(
        where, Slice(()), 10, 1, 0.1, Interval(0.0, 0.3), 0.0, {}, {cause: 1.0}, (), {}, evidence, (), nothing, (), ()
    )


def test_a_given_model_is_measured_on_the_items_that_its_corpus_does_not_repeat(tmp_path: Path) -> None:
    run = unread_run(tmp_path)
    model = model_of(run, "given")
    probe = measured(run, probe_report(scored(probe_item(f"add {k}", task="sums"), float(k)) for k in (1, 0)))
    diagnosis = Diagnosis((finding(Cause.CONTAMINATION, {REPEATED: 0.95, OTHERS: 0.6}),), 20, 1, 0)
    proposal = proposed(run, diagnosed(run, model, diagnosis), Plan((), "items stand in the corpus", {}))
    words = scores_without_repeats(run, model, model, probe, diagnosis, proposal)
    assert words == "sums 0.950 on repeated items, 0.600 on the others"


def test_a_round_with_another_finding_is_not_ended_by_contamination() -> None:
    contaminated, starved = finding(Cause.CONTAMINATION, {}), finding(Cause.MISSING_DATA, {})
    assert is_only_contaminated(Diagnosis((contaminated,), 1, 1, 0))
    assert not is_only_contaminated(Diagnosis((starved, contaminated), 1, 1, 0))
    assert not is_only_contaminated(Diagnosis((), 1, 1, 0))
