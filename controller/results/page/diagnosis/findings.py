"""Findings as a page shows them: pictures of the data behind each, and what else would have named it."""

from dataclasses import dataclass

from controller.results.diagnosis_json import DiagnosisRecord, FindingRecord
from controller.results.loop_json import Measure
from controller.results.page import pictures, rivals
from controller.results.page.diagnosis.fidelity import FidelityView, fidelity_view
from controller.results.page.diagnosis.profiles import ProfilesView, profiles_view
from controller.results.page.pictures import Picture

MOST_FINDINGS = 6


@dataclass(frozen=True, slots=True)
class FindingView:
    record: FindingRecord
    experiments: Picture | None
    data_slices: Picture | None
    sources: Picture | None
    named_alike: str


@dataclass(frozen=True, slots=True)
class DiagnosisView:
    measure: Measure
    record: DiagnosisRecord
    halved: tuple[str, ...]
    """Tasks whose scores do not lie between 0 and 1, as likelihoods."""
    scores: Picture | None
    """Scores of tasks and slices; None where other pictures show them."""
    findings: tuple[FindingView, ...]
    num_findings_left_out: int
    profiles: ProfilesView | None
    fidelity: FidelityView | None


def diagnosis_view(measure: Measure, record: DiagnosisRecord, *, shows_scores: bool) -> DiagnosisView:
    """Prepare a diagnosis and the measurement that it explains; `shows_scores` adds a picture of the scores."""
    return DiagnosisView(
        measure=measure,
        record=record,
        halved=tuple(one.task for one in measure.scores if not one.slice and not 0 <= one.score.mean <= 1),
        scores=pictures.scores(measure) if shows_scores else None,
        findings=tuple(
            FindingView(
                f,
                pictures.experiments(f.experiments),
                pictures.data_slices(f.data_slices, f.data_slice),
                pictures.data_slices(f.sources, f.data_slice),
                rivals.named_alike(f),
            )
            for f in record.findings[:MOST_FINDINGS]
        ),
        num_findings_left_out=max(0, len(record.findings) - MOST_FINDINGS),
        profiles=profiles_view(record.profiles),
        fidelity=fidelity_view(record.fidelity),
    )


def nearest_words(finding: FindingRecord) -> str:
    """Describe the nearest rows; empty where a predicate defines the data slice, or there is none."""
    if not finding.data_slices or (near := finding.data_slices[0].nearness) is None:
        return ""
    first, views = finding.data_slices[0], near.views
    named = ", ".join(views[:-1]) + (" and " if len(views) > 1 else "") + views[-1]
    return (
        "No field, source or words tell the rows that teach what these items ask. In their place stand the "
        f"{first.num_examples:,} rows of the corpus and {first.num_pool:,} of the pool that lie nearest to the failed "
        f"items by {named}. The score of a row is the share of the failed items that lie no nearer to each other."
    )
