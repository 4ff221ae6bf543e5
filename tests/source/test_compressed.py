"""MariaDB's compressed events: as the server writes them, as they might be damaged."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.errors import Unsupported
from replicator.source.compressed import COMPRESSED_ROWS, plain_rows, plain_statement
from tests.source.capture import at, captured, changes, refuses, transactions


@pytest.fixture
def compressing(spare: PrivateMariaDB, spare_station: str) -> Iterator[str]:
    """A station on a server that compresses whatever it can."""
    spare.execute("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
    yield spare_station
    spare.execute("SET GLOBAL log_bin_compress = OFF")


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_rows_and_statements(spare: PrivateMariaDB, compressing: str, mode: str) -> None:
    start = at(spare, compressing, "gtid" if mode == "gtid" else "file")
    spare.execute(
        "INSERT INTO RoomType SELECT seq, REPEAT('a', 20) FROM seq_1_to_400",
        "CREATE TABLE mine (id INT COMMENT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
        "UPDATE RoomType SET name = REPEAT('b', 20)",
        "DELETE FROM RoomType",
        database=compressing,
    )
    found = transactions(captured(spare, compressing, start))
    assert [op for transaction in found for _, op, _ in transaction] == [
        *["insert"] * len(found[0]),
        *["update"] * len(found[1]),
        *["delete"] * len(found[2]),
    ]
    rows = [[row for _, _, part in transaction for row in part] for transaction in found]
    numbers = range(1, 401)
    assert rows[0] == [(n, "a" * 20) for n in numbers]
    assert rows[1] == rows[2] == [(n, "b" * 20) for n in numbers]


def test_rows_as_text_are_seen_through(spare: PrivateMariaDB, compressing: str) -> None:
    start = at(spare, compressing)
    spare.execute(
        "SET SESSION binlog_format = 'STATEMENT'",
        "INSERT INTO RoomType VALUES (2, 'bbbbbbbbbbbbbbbbbbbb')",
        database=compressing,
    )
    refuses(spare, compressing, start, Unsupported, "bbbbbbbbbb")


def test_a_partial_row_image_is_seen_through(spare: PrivateMariaDB, compressing: str) -> None:
    start = at(spare, compressing)
    spare.execute(
        "INSERT INTO RoomType VALUES (2, 'bbbbbbbbbbbbbbbbbbbb')",
        "SET SESSION binlog_row_image = 'MINIMAL'",
        "UPDATE RoomType SET name = 'cccccccccccccccccccc'",
        database=compressing,
    )
    found = refuses(spare, compressing, start, Unsupported, "binlog_row_image")
    assert changes(found) == [("RoomType", "insert", [(2, "b" * 20)])]


def packed(content: bytes, digits: int = 0, *, size: int | None = None) -> bytes:
    """As MariaDB packs it."""
    size = len(content) if size is None else size
    digits = digits or max(1, (size.bit_length() + 7) // 8)
    return bytes([0x80 | digits]) + size.to_bytes(digits, "big") + zlib.compress(content)


def rows_body(kind: int, content: bytes) -> tuple[bytes, bytes]:
    """Everything before the images, and the images packed: 3 columns."""
    extra = b"\x05\x00abc" if COMPRESSED_ROWS[kind] >= 30 else b""
    bitmaps = b"\x07" * (2 if COMPRESSED_ROWS[kind] in (24, 31) else 1)
    before = bytes(8) + extra + b"\x03" + bitmaps
    return before, before + packed(content)


@pytest.mark.parametrize("kind", COMPRESSED_ROWS)
@given(content=st.binary(min_size=1, max_size=400))
def test_rows_of_both_versions(kind: int, content: bytes) -> None:
    before, body = rows_body(kind, content)
    assert plain_rows(kind, body) == (COMPRESSED_ROWS[kind], before + content)


@given(content=st.binary(max_size=400), schema=st.binary(max_size=20), status=st.binary(max_size=9))
def test_statements(content: bytes, schema: bytes, status: bytes) -> None:
    before = bytes(8) + bytes([len(schema)]) + bytes(2) + len(status).to_bytes(2, "little")
    before += status + schema + b"\0"
    assert plain_statement(before + packed(content)) == before + content


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_every_size_of_the_length(digits: int) -> None:
    body = bytes(13) + b"\0" + packed(b"DROP", digits)
    assert plain_statement(body)[14:] == b"DROP"


@pytest.mark.parametrize(
    "ill",
    [
        b"",
        b"\x80",
        b"\x85\0\0\0\0\1" + zlib.compress(b"x"),
        b"\x91\1" + zlib.compress(b"x"),
        b"\x01\1" + zlib.compress(b"x"),
        packed(b"xyz", size=2),
        packed(b"xyz", size=4),
        packed(b"xyz")[:-2],
        b"\x84\xff\xff\xff\xff" + zlib.compress(b"x"),
        packed(bytes(50_000_000), size=10),
    ],
    ids=range(10),
)
def test_what_does_not_unpack_is_refused(ill: bytes) -> None:
    with pytest.raises(Unsupported, match="cannot be unpacked"):
        plain_statement(bytes(14) + ill)
    with pytest.raises(Unsupported, match="cannot be unpacked"):
        plain_rows(166, bytes(8) + b"\x03\x07" + ill)


@given(st.binary(max_size=64), st.sampled_from(sorted(COMPRESSED_ROWS)))
def test_any_bytes_raise_nothing_else(data: bytes, kind: int) -> None:
    for unpack in (lambda: plain_rows(kind, data), lambda: plain_statement(data)):
        with contextlib.suppress(Unsupported):
            unpack()
