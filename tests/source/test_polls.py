"""What a poll gives, and going on after it: parts, positions, faults, every place to resume at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit, Event, Position
from replicator.errors import Unsupported
from replicator.source.place import Mode
from tests.source.capture import at, captured, changes, read_to, stream, transactions

World = tuple[PrivateMariaDB, str]


def test_an_idle_stream_gives_nothing(world: World) -> None:
    server, name = world
    with stream(server, name, at(server, name)) as reader:
        assert reader.poll(0.2) == []
        assert reader.poll(0.0) == []
        assert not reader.pending


def test_pending_says_that_more_is_here(world: World) -> None:
    server, name = world
    with stream(server, name, at(server, name)) as reader:
        reader.poll(0.2)
        server.execute("INSERT INTO RoomType VALUES (1, 'a')", database=name)
        while not reader.pending:
            pass
        assert changes(reader.poll(0.0)) == [("RoomType", "insert", [(1, "a")])]


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_a_heartbeat_moves_the_position_of_a_quiet_station(world: World, mode: Mode) -> None:
    """Else a file that only holds others' rows would be purged under our stored position."""
    server, name = world
    start = at(server, name, mode)
    server.execute("FLUSH BINARY LOGS")
    end = at(server, name, mode)
    with stream(server, name, start, heartbeat=0.2) as reader:
        events = read_to(reader, end)
    last = events[-1]
    assert isinstance(last, Commit)
    # The server's checkpoint event comes to a new file some time after it has been begun.
    assert end.offset <= last.position.offset <= at(server, name, mode).offset
    assert replace(last.position, offset=end.offset) == end
    assert changes(events) == []


def test_a_large_transaction_comes_in_parts_and_ends_in_its_commit(world: World) -> None:
    server, name = world
    start = at(server, name)
    server.execute(
        "INSERT INTO NodeState (id, seq_num) SELECT seq, seq FROM seq_1_to_30000", database=name
    )
    end = at(server, name)
    polls: list[list[Event]] = []
    with stream(server, name, start) as reader:
        while not any(isinstance(e, Commit) for poll in polls for e in poll):
            polls.append(reader.poll(1.0, 5_000))
    parts = [sum(len(e.rows) for e in poll if isinstance(e, Change)) for poll in polls]
    assert sum(parts) == 30_000
    assert max(parts) < 6_000, "about max_rows at once, whatever the transaction's size"
    events = [e for poll in polls for e in poll]
    assert isinstance(events[-1], Commit)
    assert events[-1].position == end
    ids = [row[0] for e in events if isinstance(e, Change) for row in e.rows]
    assert ids == list(range(1, 30_001))


def test_many_transactions_come_in_parts_too(world: World) -> None:
    server, name = world
    start = at(server, name)
    server.execute(
        *[
            "INSERT INTO NodeState (seq_num) SELECT seq FROM seq_1_to_400",
        ]
        * 20,
        database=name,
    )
    with stream(server, name, start) as reader:
        first = reader.poll(1.0, 1_000)
    assert sum(len(rows) for _, _, rows in changes(first)) < 2_000


def test_what_came_before_a_refused_event_is_handed_out_first(world: World) -> None:
    server, name = world
    start = at(server, name)
    server.execute(
        "INSERT INTO RoomType VALUES (1, 'a')",
        "INSERT INTO RoomType VALUES (2, 'b')",
        "TRUNCATE NodeState",
        database=name,
    )
    with stream(server, name, start) as reader:
        events: list[Event] = []
        while len(transactions(events)) < 2:
            events += reader.poll(0.5)
        assert not reader.pending, "what came is to be made durable before the next poll"
        for _ in range(2):
            with pytest.raises(Unsupported, match="TRUNCATE"):
                reader.poll(0.5)
    assert transactions(events) == [
        [("RoomType", "insert", [(1, "a")])],
        [("RoomType", "insert", [(2, "b")])],
    ]


HISTORY = (
    "INSERT INTO RoomType VALUES (1, 'a'), (2, 'b')",
    "BEGIN",
    "INSERT INTO Room VALUES (1, 1, 'x')",
    "UPDATE RoomType SET name = 'c'",
    "COMMIT",
    "CREATE INDEX by_name ON RoomType (name)",
    "DELETE FROM Room",
    "FLUSH BINARY LOGS",
    "INSERT INTO NodeState (id) VALUES (1), (2), (3)",
    "CREATE TABLE mine (id INT)",
    "INSERT INTO mine VALUES (1)",
    "UPDATE NodeState SET id = id + 10",
    "BEGIN",
    "DELETE FROM NodeState",
    "ROLLBACK",
    "DROP TABLE mine",
    "INSERT INTO RoomType VALUES (7, 'z')",
)


def told(events: list[Event]) -> list[object]:
    """Without the times: a rotation has none in the log."""
    return [e.position if isinstance(e, Commit) else e for e in events]


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_resuming_behind_any_commit_gives_exactly_the_rest(
    mariadb: PrivateMariaDB, station: str, mode: Mode
) -> None:
    resume_everywhere(mariadb, station, mode)


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_resuming_behind_any_commit_without_row_metadata(
    no_log: PrivateMariaDB, no_log_station: str, mode: Mode
) -> None:
    # Behind the last redefinition: an older stretch is refused (test_redefinitions.py).
    quiet = tuple(s for s in HISTORY if "INDEX" not in s)
    resume_everywhere(no_log, no_log_station, mode, quiet)


def resume_everywhere(
    server: PrivateMariaDB, name: str, mode: Mode, history: tuple[str, ...] = HISTORY
) -> None:
    start = at(server, name, mode)
    server.execute(*history, database=name)
    end = at(server, name, mode)
    whole = captured(server, name, start, end)
    assert len(transactions(whole)) == 6
    for number, event in enumerate(whole):
        if isinstance(event, Commit) and not event.position.has_reached(end):
            rest = captured(server, name, event.position, end)
            assert told(rest) == told(whole[number + 1 :])


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_however_small_the_polls_the_events_are_the_same(
    station_history: tuple[PrivateMariaDB, str, Position, Position, list[Event]], sizes: list[int]
) -> None:
    server, name, start, end, whole = station_history
    found: list[Event] = []
    with stream(server, name, start) as reader:
        while not any(isinstance(e, Commit) and e.position == end for e in found):
            for size in sizes:
                found += reader.poll(0.5, size)
    assert told(found) == told(whole)


@pytest.fixture
def station_history(
    mariadb: PrivateMariaDB, station: str
) -> tuple[PrivateMariaDB, str, Position, Position, list[Event]]:
    start = at(mariadb, station)
    mariadb.execute(*HISTORY, database=station)
    end = at(mariadb, station)
    return mariadb, station, start, end, captured(mariadb, station, start, end)
