"""Transactions as MySQL 5.7 and 8 write them, made after its sources from recorded rows."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest

from replicator.errors import Unsupported
from replicator.source.xa import PreparedTransactions, Step
from tests.source.replay import made, packets, plain, read, read_until_error, world

NAME = "mysql-gtid"
WORLD = world(NAME)
UUID = WORLD.start.source.removeprefix("mysql-")
BY_GTID = replace(WORLD.start, gtid=f"{UUID}:1-14")
PACKETS = packets(NAME)
BEFORE = PACKETS[: next(i for i, p in enumerate(PACKETS) if p[5] == 33)]
ROWS = PACKETS[
    next(i for i, p in enumerate(PACKETS) if p[5] == 19) : next(
        i for i, p in enumerate(PACKETS) if p[5] == 16
    )
]
TABLE_MAP = ROWS[0]
XID = made(16, bytes(8), end=3_000)
ANONYMOUS, TAGGED = made(34, bytes(25), end=2_000), made(42, bytes(60), end=2_000)


def gtid(number: int) -> bytes:
    body = b"\1" + bytes.fromhex(UUID.replace("-", "")) + struct.pack("<Q", number) + b"\2"
    return made(33, body + bytes(16), end=2_000)


def query(text: str, end: int = 2_100) -> bytes:
    return made(2, bytes(8) + b"\2" + bytes(4) + b"ch\0" + text.encode(), end=end)


def xa_prepare(end: int, *, one_phase: bool = False) -> bytes:
    body = bytes([one_phase]) + struct.pack("<III", 1, 1, 0) + b"x"
    return made(38, body, end=end)


def told(events: list[bytes], *, by_gtid: bool = False) -> list[Any]:
    found = plain(read([*BEFORE, *events], WORLD, BY_GTID if by_gtid else None))
    return [event for event in found if event[0] != "commit" or ":4/" not in event[1]]


def stops(events: list[bytes], words: str, *, by_gtid: bool = False) -> list[Any]:
    found, error = read_until_error([*BEFORE, *events], WORLD, BY_GTID if by_gtid else None)
    assert isinstance(error, Unsupported)
    assert words in str(error)
    assert error.hint
    return plain(found)


XID_78 = "X'78',X'',1"
XA_END = f"XA END {XID_78}"


@pytest.mark.parametrize("by_gtid", [False, True])
def test_a_prepared_transaction_stops_before_its_gtid_counts(by_gtid: bool) -> None:
    """MySQL writes XA START as a statement: no position may come to lie behind it."""
    found = stops(
        [
            gtid(15),
            query(f"XA START {XID_78}"),
            *ROWS,
            query(f"XA END {XID_78}"),
            xa_prepare(2_900),
        ],
        "rolled back",
        by_gtid=by_gtid,
    )
    assert not any(f"{UUID}:1-15" in str(event) or ":2100/" in str(event) for event in found)


def test_one_phase_is_a_commit() -> None:
    events = told(
        [
            gtid(15),
            query(f"XA START {XID_78}"),
            *ROWS,
            query(f"XA END {XID_78}"),
            xa_prepare(2_900, one_phase=True),
        ],
        by_gtid=True,
    )
    assert [event[0] for event in events] == ["Deployment", "commit"]
    assert events[-1][1].endswith(f":2900/{UUID}:1-15")


def others(end: str, number: int = 15) -> list[bytes]:
    return [
        gtid(number),
        query(f"XA START {XID_78}"),
        query(f"XA END {XID_78}"),
        xa_prepare(2_900),
        gtid(number + 1),
        query(f"{end} {XID_78}", end=2_950),
    ]


@pytest.mark.parametrize("end", ["XA COMMIT", "XA ROLLBACK"])
def test_prepared_transactions_of_others_do_no_harm(end: str) -> None:
    events = told([*others(end), gtid(17), query("BEGIN"), *ROWS, XID], by_gtid=True)
    assert [event[0] for event in events] == ["commit", "commit", "Deployment", "commit"]
    assert events[-1][1].endswith(f"{UUID}:1-17")


def test_one_prepared_before_the_position_stops() -> None:
    stops([gtid(15), query(f"XA COMMIT {XID_78}")], "prepared before")
    assert told([gtid(15), query(f"XA ROLLBACK {XID_78}")])[-1][0] == "commit"


def test_a_name_is_prepared_once() -> None:
    xa = PreparedTransactions()
    assert xa.step("XA END X'78',X'',1") is Step.INSIDE
    xa.prepared()
    assert xa.step("XA COMMIT X'79',X'',1") is Step.UNKNOWN
    assert xa.step("xa commit  X'78',X'',1") is Step.END
    assert xa.step("XA COMMIT X'78',X'',1") is Step.UNKNOWN
    assert xa.step("XA ROLLBACK X'78',X'',1") is Step.END
    assert xa.step("XA what") is Step.UNKNOWN


@pytest.mark.parametrize("begin", [ANONYMOUS, TAGGED], ids=["anonymous", "tagged"])
def test_by_file_a_transaction_needs_no_gtid(begin: bytes) -> None:
    events = told([begin, query("BEGIN"), *ROWS, XID])
    assert [event[0] for event in events] == ["Deployment", "commit"]
    assert events[-1][1].endswith(":3000/")


@pytest.mark.parametrize("begin", [ANONYMOUS, TAGGED], ids=["anonymous", "tagged"])
def test_by_gtid_it_does(begin: bytes) -> None:
    stops([begin, query("BEGIN"), *ROWS, XID], "GTID", by_gtid=True)


def test_a_transaction_without_an_end_is_rolled_back() -> None:
    for begin in (gtid(16), ANONYMOUS, TAGGED):
        events = told([gtid(15), query("BEGIN"), *ROWS, begin, query("BEGIN"), *ROWS, XID])
        assert [e[0] for e in events] == ["Deployment", "rollback", "Deployment", "commit"]


def test_a_gtid_that_is_executed_already_changes_nothing() -> None:
    events = told([gtid(14), query("BEGIN"), *ROWS, XID], by_gtid=True)
    assert events[-1][1].endswith(f"{UUID}:1-14")


def test_partial_updates_stop_for_replicated_tables_only() -> None:
    partial = made(39, TABLE_MAP[20:26] + bytes(40))
    stops([gtid(15), query("BEGIN"), TABLE_MAP, partial, XID], "binlog_row_value_options = ''")
    others_map = made(19, TABLE_MAP[20:-4].replace(b"\x02ch\0", b"\x02cx\0"))
    events = told([gtid(15), query("BEGIN"), others_map, partial, XID])
    assert [event[0] for event in events] == ["commit"]


def test_group_replication_speaks_between_transactions() -> None:
    view = made(37, bytes(52))
    context = made(36, bytes(30))
    events = told([gtid(15), query("BEGIN"), view, query("COMMIT"), context])
    assert [event[0] for event in events] == ["commit"]
