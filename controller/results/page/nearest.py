"""Say which rows stand in for a data slice that no predicate defines."""

from controller.results.diagnosis_json import FindingRecord


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
