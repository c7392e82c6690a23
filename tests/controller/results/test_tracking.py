"""Names that MLflow takes, whatever a slice is called."""

import pytest
from mlflow.utils.validation import _validate_metric_name

from controller.results.tracking import metric_name

CLUSTER = ", ".join(f"factorization{k} {k}" for k in range(16)) + "; from 5"


@pytest.mark.parametrize(
    "name",
    [
        "guard/all items but those of prompt contains '//'",
        "guard/all items but those of prompt contains 'https://x/../y'",
        f"guard/all items but those of prompt is about {CLUSTER}",
        "change/task:a/./b",
    ],
)
def test_the_name_of_any_slice_is_one_that_mlflow_takes_and_names_stay_apart(name: str) -> None:
    _validate_metric_name(metric_name(name))
    assert metric_name(name) != metric_name(f"{name} too")


def test_a_plain_name_stays_as_it_is() -> None:
    assert metric_name("guard/starter_reverse") == "guard/starter_reverse"
