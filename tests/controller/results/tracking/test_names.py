"""Names that MLflow takes, whatever a slice is called, and what counts as a parameter."""

import pytest
from mlflow.utils.validation import _validate_metric_name

from controller.results.tracking.names import metric_name, sort_settings, without_password

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


def test_settings_that_determine_nothing_and_paths_are_tags_unless_they_were_swept() -> None:
    settings = {
        "seed": 1,
        "run_dir": "runs/a",
        "workers": None,
        "corpus": {"train": "rows.jsonl", "pool": "/data/pool.jsonl", "root": "~/data", "slices": ["a/b"]},
        "evals": {"include_path": "tasks", "limit": None},
        "budget": {"rounds": 2, "flops": 1e12},
    }
    found = sort_settings(settings, {"run_dir", "workers", "budget", "evals.include_path"}, {"budget.flops"})
    assert found.params == {
        "seed": "1",
        "corpus.train": "rows.jsonl",
        "corpus.slices": "['a/b']",
        "evals.limit": "None",
        "budget.flops": "1000000000000.0",
    }
    assert found.tags == {
        "run_dir": "runs/a",
        "corpus.pool": "/data/pool.jsonl",
        "corpus.root": "~/data",
        "evals.include_path": "tasks",
        "budget.rounds": "2",
    }


def test_a_password_in_an_address_is_not_shown() -> None:
    assert without_password("postgresql://me:secret@host:5432/db") == "postgresql://***@host:5432/db"
    assert without_password("sqlite:////folder/a.db") == "sqlite:////folder/a.db"
