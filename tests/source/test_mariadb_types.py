"""UUID, INET4, INET6 and COMPRESSED columns: the texts and contents that MariaDB itself gives."""

from __future__ import annotations

import itertools
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change
from replicator.errors import Unsupported
from replicator.source.mariadb import ADDRESSES, uncompressed
from replicator.source.snapshot import SnapshotReader
from tests.source.capture import at, captured, endpoint, refuses

GROUPS = (0, 1, 0xFFFF)
CODES = {
    "inet6": [
        b"".join(group.to_bytes(2, "big") for group in groups)
        for groups in itertools.chain(
            itertools.product(GROUPS[:2], repeat=8),
            itertools.product([0], [0], [0], GROUPS, GROUPS, GROUPS, GROUPS, GROUPS),
        )
    ],
    "inet4": [bytes([a, b, 0, d]) for a in (0, 9, 255) for b in (0, 10, 100) for d in (0, 255)],
    # The parts of a UUID are turned round in the table, depending on its version and variant.
    "uuid": [
        *(
            random.Random(n).randbytes(6) + bytes([n % 256, 7, 13 * n % 256, *range(7)])
            for n in range(512)
        ),
        bytes(16),
        b"\xff" * 16,
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", ADDRESSES)
def test_as_the_server_shows_them(mariadb: PrivateMariaDB, station: str, kind: str) -> None:
    size, shown = ADDRESSES[kind]
    mariadb.execute(f"ALTER TABLE RoomType ADD x {kind}", database=station)
    start = at(mariadb, station)
    values = ", ".join(f"(CAST(X'{code.hex()}' AS {kind}))" for code in CODES[kind])
    mariadb.execute(f"INSERT INTO RoomType (x) VALUES {values}", database=station)
    events = captured(mariadb, station, start)
    logged = [row[2] for e in events if isinstance(e, Change) for row in e.rows]
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        change = reader.read("RoomType", None, 10_000).change
    assert change is not None
    assert logged == [row[2] for row in change.rows]
    for text, code in zip(logged, CODES[kind], strict=True):
        assert text == shown(code) or turned_round_by_mistake(kind, code)
    assert {len(code) for code in CODES[kind]} == {size}


def turned_round_by_mistake(kind: str, code: bytes) -> bool:
    """UUIDs that MariaDB 10.11 gives back as others, in SELECT and in the log alike."""
    return kind == "uuid" and code[6] >= 0x80 and 0 < code[8] <= 0x80


def test_a_binary_that_was_a_uuid_is_refused(mariadb: PrivateMariaDB, station: str) -> None:
    """The log tells names, but not which of the two it was."""
    start = at(mariadb, station)
    mariadb.execute(
        "INSERT INTO RoomType VALUES (1, 'a')",
        "ALTER TABLE RoomType ADD x UUID",
        "INSERT INTO RoomType VALUES (2, 'b', UUID())",
        "ALTER TABLE RoomType MODIFY x BINARY(16)",
        database=station,
    )
    events = refuses(mariadb, station, start, Unsupported, "redefinition")
    assert [e.rows for e in events if isinstance(e, Change)] == [[(1, "a")]]


def test_an_old_stretch_with_an_address(mariadb: PrivateMariaDB, station: str) -> None:
    """Nothing redefined the table since: the catalogue tells what its columns are."""
    mariadb.execute("ALTER TABLE RoomType ADD x INET4, ADD y BINARY(4)", database=station)
    start = at(mariadb, station)
    mariadb.execute("INSERT INTO RoomType VALUES (1, 'a', '1.2.0.0', 'a')", database=station)
    events = captured(mariadb, station, start)
    assert [e.rows for e in events if isinstance(e, Change)] == [[(1, "a", "1.2.0.0", "YQAAAA==")]]


@pytest.mark.parametrize("wrap", ["ON", "OFF"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_compressed_columns(mariadb: PrivateMariaDB, station: str, wrap: str, level: int) -> None:
    mariadb.execute(
        "ALTER TABLE RoomType ADD x VARCHAR(255) CHARACTER SET latin1 COMPRESSED, "
        "ADD y LONGBLOB COMPRESSED",
        database=station,
    )
    start = at(mariadb, station)
    mariadb.execute(
        f"SET column_compression_zlib_wrap = {wrap}, column_compression_zlib_level = {level}, "
        "column_compression_threshold = 5, column_compression_zlib_strategy = 'HUFFMAN_ONLY'",
        "INSERT INTO RoomType VALUES (1, '', '', ''), (2, '', 'é', 'é'), (3, '', REPEAT('é', 255), "
        "REPEAT('é', 100000))",
        database=station,
    )
    events = captured(mariadb, station, start)
    logged = [row for e in events if isinstance(e, Change) for row in e.rows]
    with SnapshotReader(endpoint(mariadb, station)) as reader:
        change = reader.read("RoomType", None, 10).change
    assert change is not None
    assert logged == list(change.rows)
    assert [len(str(row[2])) for row in logged] == [0, 1, 255]


@pytest.mark.parametrize("server_and_name", ["FULL", "NO_LOG"])
def test_a_system_versioned_table_is_refused(
    request: pytest.FixtureRequest, server_and_name: str
) -> None:
    full = server_and_name == "FULL"
    server: PrivateMariaDB = request.getfixturevalue("mariadb" if full else "no_log")
    name: str = request.getfixturevalue("station" if full else "no_log_station")
    server.execute("ALTER TABLE RoomType ADD SYSTEM VERSIONING", database=name)
    start = at(server, name)
    server.execute("INSERT INTO RoomType VALUES (1, 'a')", database=name)
    refuses(server, name, start, Unsupported, "DROP SYSTEM VERSIONING")


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.booleans())
def test_its_header(content: bytes, raw: bool) -> None:
    """compress_zlib in MariaDB's sql/field.cc."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15 if raw else 15)
    size = len(content).to_bytes(1 + (len(content) > 255), "big")
    head = bytes([0x80 + len(size) + (8 if raw else 0)]) + size
    assert uncompressed(head + packer.compress(content) + packer.flush()) == content
    assert uncompressed(b"\0" + content) == content


@pytest.mark.parametrize(
    "data",
    [b"\x81\x05abc", b"\x90\x05", b"\x80", b"\x01a", b"\x81\x02" + zlib.compress(b"abc"), b"\x89"],
)
def test_a_damaged_one(data: bytes) -> None:
    with pytest.raises(Unsupported, match="compressed cell"):
        uncompressed(data)
