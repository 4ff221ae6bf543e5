"""Makes the recordings beside it: ``python -m tests.source.recorded.record [NAME ...]``.

Needs mariadbd; for mysql-*: ``make mysql`` first; for mariadb-encrypted: Debian's mariadb-server
(its file_key_management plugin; PLUGIN_DIR says where it lies). What capture makes of a recording
is kept only when it leads to the same rows as the tables hold.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pymysql
from pymysql.protocol import MysqlPacket

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Event, Op, Position, Value
from replicator.model import TABLES
from replicator.source.endpoint import connect
from replicator.source.schema import read_catalogue
from replicator.source.snapshot import SnapshotReader
from tests.conftest import create_station
from tests.mysql.server import PrivateMySQL
from tests.source.capture import at, captured, endpoint
from tests.source.replay import RECORDED, World, framed, plain, read

PLUGIN_DIR = os.environ.get("PLUGIN_DIR", "/usr/lib/mysql/plugin")
_KEYS = "1;770A8A65DA156D24EE2A093277530142"
_NON_BLOCKING, _ANNOTATED = 1, 2

FIRST = (
    "SET foreign_key_checks = 0",
    "SET timestamp = 1700000000",
    "INSERT INTO Deployment VALUES (1, 'd', NULL, '2026-01-02', NULL)",
    "INSERT INTO House VALUES (2, 1, 'Häuschen', NULL, '2026-01-02 03:04:05', 9)",
    "INSERT INTO RoomType VALUES (3, 't'), (4, NULL), (5, 'x')",
    "INSERT INTO NodeType VALUES (6, 'n', NULL, 1, 2, 3, 1, 'c')",
    "INSERT INTO SensorType VALUES (0, 'Temperature', 'T', '°C', 1.5, -2, 1e-9, NULL)",
    "BEGIN",
    "INSERT INTO Reading VALUES ('2026-01-02 03:04:05', 7, 0, 5, 20.1), "
    "('2026-01-02 03:05:05', 7, 0, 5, 67669.95), ('2026-01-02 03:06:05', 7, 0, NULL, NULL)",
    "INSERT INTO NodeState VALUES (9, '2026-01-02', 7, NULL, 1234567890123, 3, -80.5)",
    "UPDATE RoomType SET name = 'längerer Name' WHERE id IN (3, 4)",
    "COMMIT",
    "BEGIN",
    "INSERT INTO RoomType VALUES (90, 'rolled back')",
    "ROLLBACK",
    "CREATE TABLE mine (id INT, name VARCHAR(2000)) ENGINE = MyISAM COMMENT 'of nobody'",
    "INSERT INTO mine VALUES (1, REPEAT('x', 1500))",
    "UPDATE NodeState SET id = 10 WHERE id = 9",
    "BEGIN",
    "INSERT INTO RoomType VALUES (91, 'a')",
    "SAVEPOINT here",
    "INSERT INTO RoomType VALUES (92, 'b')",
    "ROLLBACK TO SAVEPOINT here",
    "DELETE FROM RoomType WHERE id = 5",
    "COMMIT",
    "CREATE INDEX by_id ON mine (id) COMMENT 'long enough to be worth packing, always'",
)
MANY = [
    f"INSERT INTO NodeState (id, seq_num, rssi) VALUES "
    f"{', '.join(f'({n}, {n % 9}, -{n}.5)' for n in range(first, first + 60))}"
    for first in (100, 200, 300)
]
LAST = (
    "DELETE FROM NodeState WHERE id BETWEEN 120 AND 150",
    "UPDATE NodeState SET rssi = -1 WHERE id < 110",
    "DELETE FROM Deployment",
)
SCRIPT = (*FIRST, *MANY, *LAST)
SERVERS: dict[str, tuple[type[PrivateMariaDB], Sequence[str]]] = {
    "mariadb-full": (PrivateMariaDB, []),
    "mariadb-nameless": (PrivateMariaDB, ["--binlog-row-metadata=NO_LOG"]),
    "mariadb-unsummed": (PrivateMariaDB, ["--binlog-checksum=NONE"]),
    "mariadb-annotated": (PrivateMariaDB, []),
    "mariadb-compressed": (
        PrivateMariaDB,
        ["--log-bin-compress=ON", "--log-bin-compress-min-len=10"],
    ),
    "mariadb-encrypted": (
        PrivateMariaDB,
        [
            f"--plugin-dir={PLUGIN_DIR}",
            "--plugin-load-add=file_key_management",
            "--encrypt-binlog=ON",
        ],
    ),
    "mysql-gtid": (
        PrivateMySQL,
        ["--gtid-mode=ON", "--enforce-gtid-consistency", "--log-slave-updates"],
    ),
    "mysql-plain": (PrivateMySQL, ["--binlog-checksum=NONE", "--binlog-rows-query-log-events=ON"]),
    "mysql-v1": (PrivateMySQL, ["--log-bin-use-v1-row-events=ON"]),
}


class Recorder(pymysql.connections.Connection):
    """Sends a dump command that ends at the log's end, and keeps the packets."""

    def record(self, start: Position, flags: int) -> list[bytes]:
        """Payloads of all events from a position on."""
        for setting in ("@master_binlog_checksum = 'CRC32'", "@mariadb_slave_capability = 4"):
            self.query(f"SET {setting}")
        command = start.offset.to_bytes(4, "little") + flags.to_bytes(2, "little")
        command += (4999).to_bytes(4, "little") + start.file.encode()
        self._execute_command(0x12, command)  # type: ignore[attr-defined]  # private
        found: list[bytes] = []
        while True:
            packet: MysqlPacket = self._read_packet()  # type: ignore[no-untyped-call]
            content: bytes = packet.get_all_data()  # type: ignore[no-untyped-call]
            if content[:1] == b"\xfe":
                return found
            found.append(content)


def record(name: str) -> None:
    """One recording, and what capture makes of it."""
    kind, options = SERVERS[name]
    server = kind(options)
    if name == "mariadb-encrypted":
        keys = server.folder / "keys"
        keys.write_text(_KEYS)
        keys.chmod(0o644)
        server.options.append(f"--file-key-management-filename={keys}")
    with server:
        create_station(server, "ch")
        server.execute("FLUSH BINARY LOGS")
        start = at(server, "ch")
        server.execute(*SCRIPT, database="ch")
        live = captured(server, "ch", start)
        recorder = Recorder(unix_socket=server.socket, user="root", autocommit=True)
        annotated = _ANNOTATED if name == "mariadb-annotated" else 0
        payloads = recorder.record(start, _NON_BLOCKING | annotated)
        version = recorder.get_server_info()  # type: ignore[no-untyped-call]
        recorder.close()
        here = endpoint(server, "ch")
        with connect(here) as connection:
            catalogue = read_catalogue(connection, here)
        few = {n: c for n, c in catalogue.charsets.items() if n < 64 and c in ("utf8mb4", "latin1")}
        there = World(start, version, replace(catalogue, charsets=few))
        events = read(payloads, there)
        assert plain(live) == plain(events)
        assert folded(events) == tables(server), "capture does not lead to what the tables hold"
    write(name, payloads, there, events)


def write(name: str, payloads: list[bytes], there: World, events: Sequence[Event]) -> None:
    """The three files."""
    (RECORDED / f"{name}.stream").write_bytes(framed(payloads))
    (RECORDED / f"{name}.world.json").write_text(there.to_json())
    lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in plain(events))
    (RECORDED / f"{name}.events.json").write_text(f"[\n{lines}\n]\n")
    print(name, len(framed(payloads)), "bytes,", len(events), "events")


def folded(events: Sequence[Event]) -> dict[str, list[dict[str, Value]]]:
    """The tables as the changes leave them."""
    rows: dict[str, dict[Any, dict[str, Value]]] = {table: {} for table in TABLES}
    for event in events:
        if isinstance(event, Change):
            for cells in event.rows:
                row = dict(zip(event.columns, cells, strict=True))
                key = tuple(row[name] for name in TABLES[event.table].primary_key)
                if event.op is Op.DELETE:
                    del rows[event.table][key]
                else:
                    rows[event.table][key] = row
    return {table: [found[key] for key in sorted(found)] for table, found in rows.items()}


def tables(server: PrivateMariaDB) -> dict[str, list[dict[str, Value]]]:
    """The tables as they are."""
    found: dict[str, list[dict[str, Value]]] = {}
    with SnapshotReader(endpoint(server, "ch")) as reader:
        for table in TABLES:
            change = reader.read(table, None, 10_000).change
            rows = change.rows if change else []
            columns = change.columns if change else ()
            found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SERVERS:
        record(wanted)
