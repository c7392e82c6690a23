"""Databases to try the service on: SQLite and, where its binaries are there, PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders.postgres import Cluster, binaries, cluster

from service.home import Home, home_of, make_home
from service.requests.service import Service
from service.settings import Serve
from service.store.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A cluster for all tests of the session."""
    found = binaries()
    if found is None:
        pytest.skip("no binaries of PostgreSQL (Debian: apt-get install postgresql)")
    with cluster(found) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home on SQLite, with its folders."""
    made = home_of(Serve(home=str(tmp_path / "home")))
    make_home(made)
    return made


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    """The home's database, with its tables."""
    with opened(home.database) as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def either(request: pytest.FixtureRequest, home: Home) -> Iterator[Database]:
    """A database of either kind, with its tables."""
    url = home.database
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").new_database().replace(":", "+psycopg:", 1)
    with opened(url) as made:
        yield made


@pytest.fixture
def service(home: Home, database: Database) -> Service:
    """The service of the home, which has one recipe and no server."""
    home.recipes.mkdir()
    (home.recipes / "smoke.yaml").write_text(
        "experiment: smoke\n"
        "words: [tracking.uri=none]\n"
        "fields:\n"
        "  seed: {type: int, key: seed, min: 0, max: 1000}\n"
        "  rate: {type: float, key: train.learning_rate, min: 0.00001, max: 0.1}\n"
        "  sealed: {type: bool, key: train.initial}\n"
        "  title: {type: name, key: name}\n"
        "  fix: {type: choice, key: interventions, choices: [retrieve, reweight]}\n"
    )
    return Service(home, database)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    made = Database(url)
    made.migrate()
    yield made
    made.close()
