"""Say of findings what their records do not say in words."""

from controller.results.diagnosis_json import FindingRecord
from controller.results.loop_json import Measure


def halved(measure: Measure) -> list[str]:
    """Tasks whose scores do not lie between 0 and 1, as likelihoods."""
    return [one.task for one in measure.scores if not one.slice and not 0 <= one.score.mean <= 1]


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
