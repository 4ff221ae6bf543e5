"""Bulk bodies in columns: the numbers come back bit for bit, and nothing malformed gets in."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.central import bulk
from replicator.central.packed import CONTENT_TYPE, MAGIC, unpack
from replicator.central.problems import Problem
from replicator.model import TABLES
from replicator.sink.packed import packed
from tests.central.conftest import RECEIPT, Client, Row, reading

COLUMNS = TABLES["Reading"].columns
HEADERS = {**RECEIPT, "Content-Type": CONTENT_TYPE}


def body_of(rows: Sequence[Row]) -> bytes:
    return packed([("Reading", {c: [row[c] for row in rows] for c in COLUMNS}, {})])


def header(**said: Any) -> bytes:
    """A body with such a header and no planes."""
    text = orjson.dumps(said)
    return MAGIC + len(text).to_bytes(4, "big") + text


whole = st.integers(-(2**31), 2**31 - 1)
column = st.one_of(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=30),
    st.lists(st.sampled_from([0.0, -0.0, 1.5, None]), min_size=30),
    st.lists(st.sampled_from([0, 1, 1.0, None]), min_size=30),
    st.lists(st.one_of(st.none(), whole), min_size=1),
    st.lists(st.text(max_size=3), min_size=1),
    st.lists(st.datetimes().map(lambda t: t.isoformat(timespec="seconds")), min_size=1),
    st.integers(257, 600).flatmap(lambda n: st.permutations([*range(n), *range(n)])),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(column)
def test_columns_come_back_as_they_were(cells: list[Any]) -> None:
    (part,) = unpack(packed([("Reading", {"value": cells}, {})])).parts
    assert list(map(repr, part.columns["value"].cells())) == list(map(repr, cells))


def test_ids_are_translated() -> None:
    cells = [1, 2, None] * 20
    (part,) = unpack(
        packed([("Reading", {"nodeId": cells}, {"nodeId": {1: 9, 2: 8, None: None}})])
    ).parts
    assert part.columns["nodeId"].cells() == [9, 8, None] * 20


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_body_is_a_problem_and_nothing_else(data: st.DataObject) -> None:
    rows = [reading(f"2015-03-01T00:{n // 60:02d}:{n % 60:02d}", value=n % 9) for n in range(300)]
    whole_body = bytearray(body_of(rows))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole_body) - 1))
        whole_body[place] = data.draw(st.integers(0, 255))
    damaged = bytes(whole_body[: data.draw(st.integers(0, len(whole_body)))])
    with suppress(Problem):
        for part in unpack(damaged).parts:
            assert all(len(c.cells()) == part.rows for c in part.columns.values())


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"parts": []},
        {"parts": [{"table": "House", "rows": 1, "columns": {"id": {"all": 1}}}]},
        {"parts": [{"table": "Reading", "rows": 0, "columns": {"value": {"all": 1}}}]},
        {"parts": [{"table": "Reading", "rows": True, "columns": {"value": {"all": 1}}}]},
        {"parts": [{"table": "Reading", "rows": 10**9, "columns": {"value": {"all": 1}}}]},
        {"parts": [{"table": "Reading", "rows": 1, "columns": {"other": {"all": 1}}}]},
        {"parts": [{"table": "Reading", "rows": 1, "columns": {"value": {"all": [1]}}}]},
        {"parts": [{"table": "Reading", "rows": 2, "columns": {"value": {"each": [1]}}}]},
        {"parts": [{"table": "Reading", "rows": 2, "columns": {"value": {"of": [1, 2]}}}]},
        {"parts": [{"table": "Reading", "rows": 1, "columns": {"value": {"of": []}}}]},
        {"parts": [{"table": "Reading", "rows": 1,
                    "columns": {"time": {"from": "9999-12-31T23:59:59", "each": [1]}}}]},
        {"parts": [{"table": "Reading", "rows": 1,
                    "columns": {"time": {"from": "2015-03-01", "each": [0]}}}]},
    ],
)  # fmt: skip
def test_what_is_told_otherwise_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        unpack(header(**said))
    assert caught.value.code == "bad-columns"


def test_a_place_behind_the_values_is_refused() -> None:
    part = {"table": "Reading", "rows": 2, "columns": {"value": {"of": [1, 2]}}}
    (found,) = unpack(header(parts=[part]) + b"\x00\x01").parts
    assert found.columns["value"].cells() == [1, 2]
    for planes in (b"\x00\x02", b"\x00", b"\x00\x01\x00"):
        with pytest.raises(Problem):
            unpack(header(parts=[part]) + planes)


def test_rows_of_two_tables_keep_their_order() -> None:
    values = {"Reading": {"value": [1.5, 2.5]}, "NodeState": {"rssi": [-60.0]}}
    parts: list[tuple[str, Any, Row]] = [(table, cells, {}) for table, cells in values.items()]
    rows = unpack(packed(parts, b"\x00\x01\x00")).as_rows()
    assert [(r["__table__"], r.get("value")) for r in rows] == [
        ("Reading", 1.5), ("NodeState", None), ("Reading", 2.5),
    ]  # fmt: skip
    for order in (b"", b"\x00\x01", b"\x00\x01\x01", b"\x00\x01\x02", b"\x00\x01\x00\x00"):
        with pytest.raises(Problem):
            unpack(packed(parts, order))


def post(central: Client, body: bytes, **headers: str) -> Any:
    return central.request("POST", "bulk/", data=body, headers={**HEADERS, **headers})


def good_rows() -> list[Row]:
    values = [0.0, -0.5, 18.2596, 67669.95, None, 1e-7]
    return [
        reading(f"2015-03-01T00:00:{n:02d}", 1 + n % 3, n % 6, value=values[n % 6])
        for n in range(59)
    ]


def test_rows_in_columns_are_stored_like_others(central: Client) -> None:
    central.world()
    rows = good_rows()
    plain = body_of(rows)
    zstd = zstandard.ZstdCompressor().compress(plain)
    for body, encoding in ((plain, ""), (zlib.compress(plain), "deflate"), (zstd, "zstd")):
        with patch.object(bulk, "store", None):  # not the way row by row
            reply = post(central, body, **({"Content-Encoding": encoding} if encoding else {}))
        assert (reply.status_code, reply.json()["stored"]) == (200, len(rows)), reply.text
    stored = {(r["time"], r["nodeId"], r["type"]): r for r in central.get("reading/")}
    assert stored == {(r["time"], r["nodeId"], r["type"]): r for r in rows}
    central.bulk(rows)
    assert {(r["time"], r["nodeId"], r["type"]): r for r in central.get("reading/")} == stored


@pytest.mark.parametrize(
    "bad", [{"value": 1e300}, {"nodeId": 77}, {"locationId": 77}, {"time": "2015-02-30T00:00:00"},
            {"nodeId": None}, {"value": "text"}, {"type": True}, {"type": 1.5}]
)  # fmt: skip
def test_a_bad_row_is_named_as_in_any_other_body(central: Client, bad: Row) -> None:
    central.world()
    rows = good_rows()
    rows[7] = {**rows[7], **bad}
    told = post(central, body_of(rows)).json()
    other = central.bulk(rows)
    assert told["rejected"] == other["rejected"]
    assert [item["index"] for item in told["rejected"]] == [7]
    assert told["stored"] == len(central.get("reading/")) == len(rows) - 1


def test_of_a_key_that_occurs_twice_the_last_wins(central: Client) -> None:
    central.world()
    assert post(central, body_of([reading(value=1), reading(value=2)])).json()["stored"] == 2
    assert [row["value"] for row in central.get("reading/")] == [2]


def test_damage_is_told(central: Client) -> None:
    central.world()
    frame = zstandard.ZstdCompressor().compress(b"x" * 500)
    endless = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 500)
    huge = zstandard.ZstdCompressor().compress(bytes(100 << 20))
    for body, encoding, status, code in (
        (b"no columns", "", 400, "bad-columns"),
        (frame, "zstd", 400, "bad-columns"),
        (frame[:-5], "zstd", 400, "bad-zstd"),
        (frame + b"x", "zstd", 400, "bad-zstd"),
        (endless, "zstd", 400, "bad-zstd"),
        (huge, "zstd", 413, "too-large"),
    ):
        reply = post(central, body, **({"Content-Encoding": encoding} if encoding else {}))
        assert (reply.status_code, reply.json()["error"]) == (status, code)
    plain = central.request(
        "POST", "bulk/", data=body_of([reading()]), headers={"Content-Type": CONTENT_TYPE}
    )
    assert plain.status_code == 400
