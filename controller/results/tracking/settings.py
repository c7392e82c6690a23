"""Settings of tracking, `tracking.*`."""

from dataclasses import dataclass

from controller.results.tracking.names import without_password

ADDRESSES = ("http:", "https:", "sqlite:", "postgresql", "mysql", "mssql", "databricks", "uc", "file:")
"""Beginnings of what MLflow takes for an address."""
OFF = "none"
"""Value of `tracking.uri` that logs nothing."""


@dataclass
class Tracking:
    """`tracking.*`: where the loop is logged, and how finely."""

    uri: str | None = None
    """MLflow server (`http://host:5000`) or database (`sqlite:////file`, `postgresql://...`); unset means an SQLite
    database beside the runs, `none` logs nothing."""
    experiment: str = "evalmend"
    """Name of the MLflow experiment."""
    stages: bool = False
    """Give each round, and each stage in it, a run of its own below the loop's."""
    models: bool = False
    """Copy champions and challengers to a server that cannot read this machine's disk; otherwise it is told where they
    lie."""

    def __post_init__(self) -> None:
        if not self.experiment.strip():
            raise ValueError(f"tracking.experiment must not be empty, got {self.experiment!r}; for example evalmend")
        if self.uri not in (None, OFF) and not self.uri.startswith(ADDRESSES):
            raise no_address(self.uri)


def no_address(uri: str, why: str = "") -> ValueError:
    """What is wrong with an address that MLflow cannot take."""
    return ValueError(
        "tracking.uri must be an MLflow server such as http://host:5000, or a database such as "
        f"sqlite:////folder/mlflow.db, got {without_password(uri)}{why}; tracking.uri=none logs nothing"
    )
