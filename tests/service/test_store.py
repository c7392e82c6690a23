"""What becomes of loops in the database, on SQLite and on PostgreSQL alike."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from service.home import Home
from service.loops.states import State
from service.store import loops, servers, tokens
from service.store.database import Database
from service.store.loops import End, Loop
from service.store.tables import LOOPS, METADATA
from service.web.security.roles import Role

FIRST = Loop("a-1", "smoke", {"seed": 1}, ("experiment=smoke",), "me", State.QUEUED, 0, False, None, 1.0, 1.0, "", None)


def added(database: Database, **changes: object) -> Loop:
    loop = replace(FIRST, **changes)  # type: ignore[arg-type]
    assert loops.add(database, loop)
    return loop


def server(database: Database, name: str = "s") -> str:
    servers.enter(database, name, "http://localhost", 1)
    return name


def ended(state: State, code: int | None = 0) -> End:
    return End(state, code, "", {"num_rounds": 1})


def state(database: Database, loop_id: str = "a-1") -> tuple[State, int]:
    loop = loops.get(database, loop_id)
    assert loop is not None
    return loop.state, loop.stretch


def together(count: int, call: Callable[[], object]) -> list[object]:
    """Results of calls in so many threads, begun at the same moment."""
    results: list[object] = []
    barrier = threading.Barrier(count)

    def one() -> None:
        barrier.wait()
        results.append(call())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_loop_comes_back_as_it_was_added(either: Database) -> None:
    loop = added(either, seen={"gain": None}, words=("a=1", "b='x'"))
    assert loops.get(either, "a-1") == loop
    assert not loops.add(either, loop)
    assert loops.get(either, "a-2") is None


def test_the_tables_that_migrations_make_are_those_of_the_queries(either: Database) -> None:
    with either.reading() as connection:
        found = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert columns == {column.name: column.nullable for column in table.columns}
            indexes = {index["name"]: index["column_names"] for index in found.get_indexes(table.name)}
            assert indexes == {index.name: index.columns.keys() for index in table.indexes}


def test_migrating_again_keeps_what_is_there_and_four_at_once_do_it_once(either: Database) -> None:
    loop = added(either)
    assert together(4, either.migrate) == [None] * 4
    either.check()
    assert loops.get(either, "a-1") == loop


def test_four_that_migrate_an_empty_database_at_once_do_it_once(either: Database) -> None:
    with either.writing() as connection:
        METADATA.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with pytest.raises(ValueError, match="is not one of this version"):
        either.check()
    assert together(4, either.migrate) == [None] * 4
    either.check()
    added(either)


def test_of_eight_that_begin_a_stretch_at_once_one_does(either: Database) -> None:
    added(either)
    name = server(either)
    begun = together(8, lambda: loops.begin(either, "a-1", 0, name))
    assert sum(loop is not None for loop in begun) == 1
    assert state(either) == (State.RUNNING, 0)
    assert [(one.number, one.server, one.ended) for one in loops.stretches(either, "a-1")] == [(0, "s", None)]


def test_a_stretch_that_ended_is_followed_by_the_next_number(either: Database) -> None:
    added(either)
    name = server(either)
    loops.begin(either, "a-1", 0, name)
    loops.end(either, "a-1", 0, name, ended(State.WAITING, 3))
    assert state(either) == (State.WAITING, 1)
    loops.end(either, "a-1", 0, name, ended(State.ENDED))  # once is enough
    assert state(either) == (State.WAITING, 1)
    assert loops.requeue(either, "a-1", [State.WAITING])
    assert loops.begin(either, "a-1", 0, name) is None
    assert loops.begin(either, "a-1", 1, name) is not None
    assert [(one.code, one.ending) for one in loops.stretches(either, "a-1")] == [(3, "waiting"), (None, None)]


def test_a_loop_in_the_queue_is_cancelled_at_once_and_not_begun(either: Database) -> None:
    added(either)
    assert loops.cancel(either, "a-1")
    assert state(either)[0] is State.CANCELLED
    assert loops.begin(either, "a-1", 0, server(either)) is None
    assert not loops.cancel(either, "a-1")


def test_a_loop_that_runs_is_cancelled_by_its_server(either: Database) -> None:
    added(either)
    name = server(either)
    loops.begin(either, "a-1", 0, name)
    assert not loops.is_to_cancel(either, "a-1")
    assert loops.cancel(either, "a-1")
    assert loops.is_to_cancel(either, "a-1")
    assert state(either)[0] is State.RUNNING
    loops.end(either, "a-1", 0, name, ended(State.CANCELLED, 130))
    assert not loops.is_to_cancel(either, "a-1")
    assert loops.requeue(either, "a-1")
    assert state(either) == (State.QUEUED, 1)


def test_loops_of_a_server_that_is_gone_wait_again_and_its_own_writes_come_too_late(either: Database) -> None:
    for name, number in (("a-1", 0), ("a-2", 3), ("a-3", 0), ("a-4", 0)):
        added(either, id=name, stretch=number)
    dead, other = server(either, "dead"), server(either, "other")
    loops.begin(either, "a-1", 0, dead)
    loops.begin(either, "a-2", 3, dead)
    loops.cancel(either, "a-2")
    loops.begin(either, "a-3", 0, other)
    taken = together(4, lambda: sorted(loops.take_over(either, dead)))
    assert [ids for ids in taken if ids] == [["a-1", "a-2"]]
    assert [state(either, name) for name in ("a-1", "a-2", "a-3")] == [
        (State.QUEUED, 1),
        (State.CANCELLED, 4),
        (State.RUNNING, 0),
    ]
    loops.end(either, "a-1", 0, dead, ended(State.ENDED))
    assert state(either) == (State.QUEUED, 1)
    assert loops.begin(either, "a-4", 0, dead) is None
    assert not servers.beat(either, dead)
    assert servers.beat(either, other)
    assert [(beat.server, beat.number) for beat in servers.others(either, "third")] == [("other", 1)]
    assert loops.stretches(either, "a-1")[0].ending == "lost"
    assert loops.stretches(either, "a-3")[0].ending is None


def test_a_loop_is_handed_on_once_and_again_only_as_another_stretch(either: Database) -> None:
    added(either, id="b", created=2.0)
    added(either, id="a", created=1.0)
    assert loops.to_hand_on(either) == [("a", 0), ("b", 0)]
    loops.handed_on(either, "a", 0)
    assert loops.to_hand_on(either) == [("b", 0)]
    assert loops.handed(either) == {("a", 0)}
    loops.hand_again(either, "a", 0)
    loops.hand_again(either, "a", 0)
    assert loops.to_hand_on(either) == [("a", 1), ("b", 0)]


def test_loops_are_listed_by_state_and_page_the_latest_first(either: Database) -> None:
    for number in range(5):
        added(either, id=f"a-{number}", created=float(number), state=State.ENDED if number % 2 else State.FAILED)
    assert [loop.id for loop in loops.listed(either)] == ["a-4", "a-3", "a-2", "a-1", "a-0"]
    assert [loop.id for loop in loops.listed(either, [State.FAILED], limit=2, offset=1)] == ["a-2", "a-0"]
    assert loops.counts(either) == {State.FAILED: 3, State.ENDED: 2}


def test_a_block_that_raises_leaves_nothing(either: Database) -> None:
    added(either)

    def deletes_and_raises() -> None:
        with either.writing() as connection:
            connection.execute(sa.delete(METADATA.tables["loops"]))
            raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        deletes_and_raises()
    assert loops.ids(either) == ["a-1"]


def test_many_writers_at_once_lose_nothing(either: Database) -> None:
    name = server(either)
    assert together(16, lambda: [servers.beat(either, name) for _ in range(10)]) == [[True] * 10] * 16
    assert servers.others(either, "other")[0].number == 160


def test_tables_of_the_first_schema_become_those_of_now_with_what_they_hold(home: Home) -> None:
    database = Database(home.database)
    database.migrate("0001")
    values = {name: value for name, value in loops.values_of(FIRST).items() if name != "schedule"}
    with database.writing() as connection:
        connection.execute(sa.insert(LOOPS).values(values))
    with pytest.raises(ValueError, match="not one of this version"):
        database.check()
    database.migrate()
    database.check()
    assert loops.get(database, "a-1") == FIRST
    assert tokens.by_text(database, tokens.give(database, "me", "viewer")[1]) is not None
    database.migrate()  # what is up to date stays as it is
    assert len(tokens.listed(database)) == 1
    database.close()


def test_a_token_is_found_by_its_text_until_it_is_taken_back_or_its_server_is_gone(either: Database) -> None:
    server(either, "s")
    given, text = tokens.give(either, "anna", Role.APPROVER)
    link, link_text = tokens.give(either, "me", Role.ADMIN, "s")
    unknown, _ = tokens.give(either, "me", Role.ADMIN, "never seen")
    assert tokens.by_text(either, text) == tokens.by_id(either, given.id) == given
    assert given.role == "approver"
    assert tokens.listed(either) == [given, link]
    for wrong in ("", text[:-1], text + "x", given.id):
        assert tokens.by_text(either, wrong) is None
    loops.take_over(either, "s")
    assert tokens.by_text(either, link_text) is None
    assert [tokens.take_back(either, given.id), tokens.take_back(either, given.id)] == [True, False]
    assert tokens.by_text(either, text) is None
    tokens.clear(either)
    assert not any(tokens.take_back(either, one.id) for one in (link, unknown))
