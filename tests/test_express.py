"""The quick way of a batch against the way row by row, which is the reference.

Two ships, one with and one without the quick way, deliver one outbox to servers that fail alike.
Every request, every stored row, every parked row and every settlement must be the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op, Position, Value
from replicator.errors import DestinationUnavailable
from replicator.model import TABLES
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.mappings import Mappings
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.ship import Ship, ShipSettings
from replicator.sink import encoding
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory
from replicator.sink.express import Express
from replicator.sink.identities import Identities
from replicator.sink.judge import Reply
from replicator.sink.link import Link
from replicator.sink.resolver import RemoteResolver
from replicator.sink.rest import Address, Rest
from tests.faults.arrivals import Row, bulk_rows

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
READING = ("time", "nodeId", "type", "locationId", "value")
STATE = ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi")
BAD = 1e300
TYPES = [{"__table__": "SensorType", "id": 0, "name": "t"}]
FEATURES = ["receipts", "delete", "sensor-get", "idempotent-create", "columns", "zstd"]


class Server(Rest):
    """A central server in memory, of either kind. ``script``: what becomes of its next requests."""

    def __init__(self, ours: bool, script: Sequence[str]) -> None:
        super().__init__(Address("http://nowhere/"))
        self._ours = ours
        self._script = list(script)
        self._work: Callable[[], None] = lambda: None
        self.log: list[tuple[str, str, list[Row]]] = []
        self.rows: dict[tuple[Any, ...], str] = {}
        self.locations = {110, 120}

    @contextmanager
    def meanwhile(self, work: Callable[[], None]) -> Iterator[None]:
        before, self._work = self._work, work
        yield
        self._work = before

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        self.requests += 1
        self.bytes_sent += len(body or b"")
        bulk = path == "bulk/"
        rows = bulk_rows(body or b"") if bulk else []
        self.log.append((method, path, rows))
        fate = self._script.pop(0) if self._script and bulk else ""
        if bulk:
            self._work()
        if fate == "lost":
            raise DestinationUnavailable("the link is down", "")
        if fate == "forgets" and bulk:
            self.locations.discard(110)
        if fate in ("503", "413", "500"):
            return Reply(int(fate), {}, b'{"error": "e", "detail": "said"}')
        status, said = self._bulk(rows) if bulk else self._other(method, path)
        if fate == "reply lost":
            raise DestinationUnavailable("the link is down", "")
        return Reply(status, {}, orjson.dumps(said))

    def _other(self, method: str, path: str) -> tuple[int, object]:
        if path == "capabilities/" and self._ours:
            return 200, {"server": "replicator-central", "features": FEATURES}
        if path.startswith("sensortype/"):
            return 200, TYPES
        if path.startswith("reading/"):
            return 200, []
        if method == "GET" and path.startswith("location/"):
            number = int(path.partition("/")[2]) if path[9:].isdigit() else 0
            return 200, [{"__table__": "Location", "id": i} for i in self.locations if i == number]
        if method == "GET" and path.startswith("node/"):
            return 200, [{"__table__": "Node", "id": int(path[5:])}]
        return 500, "not here"

    def _bulk(self, rows: list[Row]) -> tuple[int, object]:
        bad = [n for n, row in enumerate(rows) if not self._takes(row)]
        if bad and not self._ours:
            return 500, {"error": "e", "detail": "one is bad"}
        for number, row in enumerate(rows):
            if number not in bad:
                self._store(row)
        if not self._ours:
            return 201, []
        told = [{"index": n, "reason": "unknown-reference", "detail": "d"} for n in bad]
        return 200, {"receipt": f"r{self.requests}", "stored": len(rows) - len(bad),
                     "rejected": told}  # fmt: skip

    def _takes(self, row: Row) -> bool:
        at = row.get("locationId")
        return row.get("value") != BAD and (at is None or at in self.locations)

    def _store(self, row: Row) -> None:
        table = row["__table__"]
        key = (table, *(row[c] for c in TABLES[table].natural_key))
        if row.get("__op__") == "delete":
            self.rows.pop(key, None)
        else:
            self.rows[key] = repr(row)


class Side:
    """One ship, its server and its file."""

    def __init__(self, folder: Path, name: str, server: Server, quick: bool, batch: int) -> None:
        self.server = server
        self.outbox = OutboxReader(folder)
        self.deliveries = Deliveries(folder, name, clock=lambda: AT)
        mappings = Mappings(self.deliveries.database, self.deliveries.path)
        known = {"Node": {1: 1, 2: 2}, "SensorType": {0: 0, 1: 1}, "Location": {10: 110, 20: 120}}
        for table, ids in known.items():
            for local, remote in ids.items():
                mappings.put(table, local, remote, {}, "found")
        link = Link(server)
        _ = link.dialect  # else the first batch goes row by row
        directory = Directory(link)
        bulk = BulkSender(link, directory, monotonic=lambda: 0.0)
        identities = Identities(link, directory, bulk, mappings, self.outbox)
        resolver = RemoteResolver(link, directory, bulk, identities, self.outbox)
        self.mappings = mappings
        self.express = express = Express(link, bulk, mappings)
        self.ship = Ship(
            self.outbox, self.deliveries, bulk, resolver, ShipSettings(batch_rows=batch),
            lambda: 1_000.0, express=express if quick else None,
        )  # fmt: skip

    def run(self) -> list[object]:
        """What each step did, until nothing is due."""
        done: list[object] = []
        for _ in range(200):
            shipped = self.ship.step()
            done.append(shipped)
            if shipped.idle:
                return done
        raise AssertionError("it never came to an end")

    def file(self) -> list[object]:
        """All that was settled and parked."""
        execute = self.deliveries.database.conn.execute
        receipts = "SELECT seq, row_index, position, delivered, parked, requests, receipt "
        return [
            execute("SELECT seq, row_index, position, row_total FROM cursor").fetchall(),
            execute(f"{receipts} FROM receipt ORDER BY id").fetchall(),
            execute("SELECT * FROM parked ORDER BY seq, row_index").fetchall(),
            execute("SELECT lane, waits_for, detail FROM lane ORDER BY lane").fetchall(),
            execute("SELECT table_name, local_id, remote_id FROM mapping").fetchall(),
        ]

    def close(self) -> None:
        self.outbox.close()
        self.deliveries.close()


moments = st.sampled_from([f"2026-03-01T00:00:0{n}" for n in range(6)] + ["2026-13-01T00:00:00"])
reading = st.tuples(
    moments,
    st.sampled_from([1, 2, 2, 1, None]),
    st.sampled_from([0, 1]),
    st.sampled_from([None, 10, 20, 10, 30]),
    st.sampled_from([None, 0.0, -0.0, 1.5, 21.25, BAD]),
)
good_reading = st.tuples(
    moments, st.sampled_from([1, 2]), st.sampled_from([0, 1]), st.sampled_from([None, 10, 20]),
    st.sampled_from([None, 0.0, -0.0, 1.5]),
)  # fmt: skip
state = st.tuples(
    st.just(1), moments, st.sampled_from([1, 2]), st.none(), st.integers(0, 2**40),
    st.integers(0, 3), st.just(-60.0),
)  # fmt: skip
ops = st.sampled_from([Op.INSERT, Op.INSERT, Op.SNAPSHOT, Op.UPDATE, Op.DELETE])
changes = st.one_of(
    st.tuples(st.just("Reading"), st.just(READING), st.just(Op.INSERT),
              st.lists(good_reading, min_size=1, max_size=8)),
    st.tuples(st.just("Reading"), st.just(READING), ops,
              st.lists(reading, min_size=1, max_size=4)),
    st.tuples(st.just("NodeState"), st.just(STATE), st.just(Op.INSERT),
              st.lists(state, min_size=1, max_size=3)),
)  # fmt: skip
fates = st.lists(
    st.sampled_from(["", "", "", "lost", "reply lost", "503", "413", "500", "forgets"]), max_size=5
)

Written = tuple[str, tuple[str, ...], Op, list[tuple[Value, ...]]]
_ONE = ("2026-03-01T00:00:01", 1, 0, 10)
_TWO = ("2026-03-01T00:00:02", 1, 0, 10)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(changes, max_size=8), st.booleans(), st.integers(1, 9), fates)
@example(  # a row refused for its value among others, in columns
    [("Reading", READING, Op.INSERT, [(*_ONE, 1.5), (*_TWO, BAD)])] * 2, True, 9, []
)
@example(  # which row is refused, where a body has two tables in turn
    [
        ("NodeState", STATE, Op.INSERT, [(1, _ONE[0], 1, None, 5, 1, -60.0)]),
        ("Reading", READING, Op.INSERT, [(*_ONE, 1.5)]),
        ("NodeState", STATE, Op.INSERT, [(2, _ONE[0], 1, None, 5, 2, -60.0)]),
        ("Reading", READING, Op.INSERT, [(*_TWO, BAD)]),
    ],
    True,
    9,
    [],
)
@example([("Reading", READING, Op.INSERT, [(*_ONE, 0.0), (*_TWO, -0.0)])], True, 9, [])
@example(  # what was prepared ahead is void: a mapping was forgotten meanwhile
    [("Reading", READING, Op.INSERT, [(*_ONE, 1.5), (*_TWO, 2.5)])], True, 1, ["", "forgets"]
)
def test_both_ways_do_the_same(
    written: list[Written], ours: bool, batch: int, script: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(encoding, "_FEW_ROWS", 1):
        path = Path(folder)
        writer = OutboxWriter(path, "NORMAL")
        writer.begin_at(Position("s", "b", 4), None)
        for number, (table, columns, op, rows) in enumerate(written):
            writer.append(Change(table, op, columns, rows))
            writer.commit(Commit(Position("s", "b", 10 + number), AT))
        writer.flush()
        sides = [
            Side(path, name, Server(ours, script), name == "quick", batch)
            for name in ("quick", "rows")
        ]
        quick, by_row = ((side.run(), side.server, side.file()) for side in sides)
        for side in sides:
            side.close()
        writer.close()
    assert quick[1].log == by_row[1].log
    assert repr(quick[1].log) == repr(by_row[1].log), "0.0 is not -0.0"
    assert quick[1].rows == by_row[1].rows
    assert quick[0] == by_row[0]
    assert quick[2] == by_row[2]


@pytest.mark.parametrize("batch", [3, 100])
def test_good_batches_go_the_quick_way(tmp_path: Path, batch: int) -> None:
    writer = OutboxWriter(tmp_path)
    writer.begin_at(Position("s", "b", 4), None)
    for second in range(9):
        row = (f"2026-03-01T00:00:0{second}", 1, 0, 10, 0.5)
        writer.append(Change("Reading", Op.INSERT, READING, [row]))
        writer.commit(Commit(Position("s", "b", 10 + second), AT))
    writer.flush()
    side = Side(tmp_path, "quick", Server(True, []), True, batch)
    with patch.object(side.ship, "_rounds", None):  # the way row by row would raise
        side.run()
    assert len(side.server.rows) == 9
    side.close()
    writer.close()


def test_a_load_is_void_once_a_mapping_is_forgotten(tmp_path: Path) -> None:
    writer = OutboxWriter(tmp_path)
    writer.begin_at(Position("s", "b", 4), None)
    writer.append(Change("Reading", Op.INSERT, READING, [(*_ONE, 0.5)]))
    writer.commit(Commit(Position("s", "b", 10), AT))
    writer.flush()
    side = Side(tmp_path, "quick", Server(True, []), True, 9)
    _, load = side.ship._next(side.deliveries.standing(), side.express)
    assert load is not None
    assert side.express.holds(load)
    side.mappings.forget("Location", 10)
    assert not side.express.holds(load)
    side.close()
    writer.close()


def test_an_id_used_again_concerns_only_what_was_captured_before(tmp_path: Path) -> None:
    writer = OutboxWriter(tmp_path)
    writer.begin_at(Position("s", "b", 4), None)
    for number, place in enumerate((_ONE, _TWO)):
        writer.append(Change("Reading", Op.INSERT, READING, [(*place, 0.5)]))
        writer.commit(Commit(Position("s", "b", 10 + number), AT))
    writer.flush()
    side = Side(tmp_path, "quick", Server(True, []), True, 1)
    with patch.object(side.outbox, "born", lambda: {("House", 3): 1}):
        assert side.ship._next(side.deliveries.standing(), side.express)[1] is None
        side.ship.step()
        assert side.deliveries.cursor().seq == 1
        assert side.ship._next(side.deliveries.standing(), side.express)[1] is not None
    side.close()
    writer.close()
