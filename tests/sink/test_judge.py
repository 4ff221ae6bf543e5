"""What an answer means: only the expected status and the expected shape are a success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator.delivery import Rejected
from replicator.model import TABLES
from replicator.sink.judge import (
    Bad,
    Denied,
    Reply,
    Stored,
    TooLarge,
    Wait,
    failure,
    judged_bulk,
    retry_after,
    row_of,
    rows_of,
    words,
)

HTML = b"<!DOCTYPE html>\n<html><body>Log in to the guest network.</body></html>"
BAD_BODIES = [
    b"",
    HTML,
    b"null",
    b"{}",
    b"0",
    b'"[]"',
    b"[[]]",
    b"[",
    b'{"receipt": "r", "stored": 2, "rejec',
    b"\x00\xff\xfe\x80",
    b"[]" * 100_000,
    b"[" * 100_000,
    b"\xef\xbb\xbf[]",
]
PATIENCE = (408, 425, 429, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599)
ROWS = (400, 409, 422, 500)
NOT_A_CENTRE = (300, 301, 302, 303, 304, 307, 308, 402, 404, 405, 406, 410, 411, 415, 418, 451)


def reply(status: int, body: object = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, body if isinstance(body, bytes) else orjson.dumps(body))


def receipt(stored: object = 2, rejected: object = (), **more: object) -> dict[str, object]:
    return {"receipt": "r1", "stored": stored, "rejected": rejected, **more}


def bad(index: object = 0, reason: object = "bad-time", detail: object = "d") -> dict[str, object]:
    return {"index": index, "reason": reason, "detail": detail}


@pytest.mark.parametrize("hundred", [200, 300, 400, 500])
def test_every_status_is_of_one_class(hundred: int) -> None:
    for status in range(hundred, hundred + 100):
        check_class(status, failure(reply(status, HTML)))


def check_class(status: int, found: object) -> None:
    if status < 300:
        assert found is None
    elif status in ROWS:
        assert isinstance(found, Bad)
    elif status == 413:
        assert isinstance(found, TooLarge)
    elif status >= 500 or status in PATIENCE:
        assert isinstance(found, Wait)
    else:
        assert isinstance(found, Denied)
        assert ("does not let us in" in found.message) == (status in (401, 403))


@pytest.mark.parametrize("body", [[], receipt(), {"__table__": "House", "id": 1}])
def test_no_body_makes_a_failure_a_success(body: object) -> None:
    for status in (*ROWS, *PATIENCE, *NOT_A_CENTRE, 401, 403, 413):
        check_no_success(status, body)


def check_no_success(status: int, body: object) -> None:
    said = reply(status, body)
    for verdict in (
        judged_bulk(said, 2, receipts=False),
        judged_bulk(said, 2, receipts=True),
        row_of(said, "House"),
        rows_of(said, "House"),
    ):
        assert isinstance(verdict, Wait | Bad | TooLarge | Denied)


@pytest.mark.parametrize("status", [*range(200, 210), 226, 299])
def test_the_original_says_201_and_an_empty_list_and_nothing_else(status: int) -> None:
    verdict = judged_bulk(reply(status, []), 2, receipts=False)
    assert isinstance(verdict, Stored if status == 201 else Wait)


@pytest.mark.parametrize("status", [*range(200, 210), 226, 299])
def test_ours_says_200_with_a_receipt_and_nothing_else(status: int) -> None:
    verdict = judged_bulk(reply(status, receipt()), 2, receipts=True)
    assert isinstance(verdict, Stored if status == 200 else Wait)


@pytest.mark.parametrize("body", [*BAD_BODIES, receipt(), [1], {"__table__": "House"}])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_another_body_is_no_success_of_the_original(status: int, body: object) -> None:
    assert isinstance(judged_bulk(reply(status, body), 2, receipts=False), Wait)


@pytest.mark.parametrize(
    "body",
    [
        *BAD_BODIES,
        [],
        [receipt()],
        receipt(stored=1),
        receipt(stored=3),
        receipt(stored="2"),
        receipt(stored=2.0),
        receipt(stored=None),
        receipt(stored=-1, rejected=[bad(0), bad(1)]),
        receipt(stored=2, rejected=[bad(0)]),
        receipt(stored=1, rejected=[bad(2)]),
        receipt(stored=1, rejected=[bad(-1)]),
        receipt(stored=0, rejected=[bad(1), bad(1)]),
        receipt(stored=1, rejected=[bad(1), bad(1)]),
        receipt(stored=1, rejected=[bad("0")]),
        receipt(stored=1, rejected=[bad(0.0)]),
        receipt(stored=1, rejected=[bad(True)]),
        receipt(stored=1, rejected=[bad(None)]),
        receipt(stored=1, rejected=[bad(2**62)]),
        receipt(stored=1, rejected=[bad(reason=None)]),
        receipt(stored=1, rejected=[bad(detail=7)]),
        receipt(stored=1, rejected=[0]),
        receipt(stored=1, rejected=[[]]),
        receipt(rejected=None),
        receipt(rejected={}),
        receipt(rejected=0),
        receipt(receipt=None),
        receipt(receipt=7),
        {"stored": 2, "rejected": []},
        {"receipt": "r1", "rejected": []},
        {"receipt": "r1", "stored": 2},
    ],
)
def test_a_receipt_that_does_not_add_up_is_none(body: object) -> None:
    assert isinstance(judged_bulk(reply(200, body), 2, receipts=True), Wait)


def test_true_is_not_the_number_one() -> None:
    assert isinstance(judged_bulk(reply(200, receipt(stored=True)), 1, receipts=True), Wait)


def test_a_receipt_names_the_rejected_rows() -> None:
    said = receipt(stored=1, rejected=[bad(1, "bad-time", "time: no")])
    verdict = judged_bulk(reply(200, said), 2, receipts=True)
    assert verdict == Stored("r1", {1: Rejected("bad-time", "time: no")})


def test_what_a_receipt_says_besides_does_not_matter() -> None:
    assert isinstance(judged_bulk(reply(200, receipt(more=1)), 2, receipts=True), Stored)


@pytest.mark.parametrize("table", list(TABLES))
def test_rows_are_of_the_table_and_have_its_id(table: str) -> None:
    row = {"__table__": table, "id": 7}
    assert rows_of(reply(200, [row, row]), table) == [row, row]
    assert rows_of(reply(200, []), table) == []
    for broken in ({"id": 7}, {"__table__": "Other", "id": 7}, 7, None, [row]):
        assert isinstance(rows_of(reply(200, [row, broken]), table), Wait)
    if "id" in TABLES[table].columns:
        for number in ("7", None, 7.0, True, [7]):
            assert isinstance(rows_of(reply(200, [{**row, "id": number}]), table), Wait)


@pytest.mark.parametrize("body", [HTML, b"[", b"", b"null", {}, {"rows": []}, 0])
def test_anything_else_is_no_list(body: object) -> None:
    assert isinstance(rows_of(reply(200, body), "House"), Wait)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 226])
def test_a_list_comes_with_200(status: int) -> None:
    assert isinstance(rows_of(reply(status, []), "House"), Wait)


@pytest.mark.parametrize("status", [*range(200, 210), 226, 299])
def test_a_row_comes_with_200_or_201(status: int) -> None:
    row = {"__table__": "House", "id": 7}
    verdict = row_of(reply(status, row), "House")
    assert verdict == row if status in (200, 201) else isinstance(verdict, Wait)


@pytest.mark.parametrize("body", [HTML, b"", [], [{"__table__": "House", "id": 7}], {"id": 7}])
def test_anything_else_is_no_row(body: object) -> None:
    assert isinstance(row_of(reply(201, body), "House"), Wait)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "500"),
        (b"  \n ", "500"),
        (b"Internal Server Error\n\nsorry", "500: Internal Server Error sorry"),
        ({"error": "x", "detail": "no\tsuch\nrow"}, "500: no such row"),
        ({"detail": 7}, '500: {"detail":7}'),
        (b"\xff\xfe\x1b[31mred\x07", "500: \ufffd\ufffd [31mred"),
        ("\u202elrt", '500: " lrt"'),
    ],
)
def test_words_are_one_printable_line(body: object, expected: str) -> None:
    assert words(reply(500, body)) == expected


@pytest.mark.parametrize("body", [b"x" * 10_000_000, {"detail": "x" * 10_000_000}])
def test_words_are_short(body: object) -> None:
    assert len(words(reply(500, body))) < 250


def test_where_a_redirect_leads_is_said_in_short() -> None:
    found = failure(reply(302, b"", location="http://portal.example.org/\x1b" + "x" * 10_000))
    assert isinstance(found, Denied)
    assert "http://portal.example.org/" in found.detail
    assert "\x1b" not in found.detail
    assert len(found.detail) < 250


NOW = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("0", "", 0.0),
        ("120", "", 120.0),
        (" 7 ", "", 7.0),
        ("9" * 5000, "", 86_400.0),
        ("Wed, 21 Oct 2015 07:29:30 GMT", NOW, 90.0),
        ("Wed, 21 Oct 2015 07:29:30 -0000", NOW, 90.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 -0000", 30.0),
        ("Wed, 21 Oct 2015 07:20:00 GMT", NOW, 0.0),
        ("Wed, 21 Oct 2099 07:20:00 GMT", NOW, 86_400.0),
        ("Wed, 21 Oct 2015 07:29:30 GMT", "", None),
        ("Wed, 21 Oct 2015 07:29:30 GMT", "yesterday", None),
        ("", "", None),
        ("-1", "", None),
        ("1.5", "", None),
        ("٣", "", None),
        ("²", "", None),
        ("soon", NOW, None),
        ("nan", NOW, None),
        ("inf", NOW, None),
        (f"Wed, 21 Oct {'9' * 30} 07:29:30 GMT", NOW, None),
        ("Wed, 21 Oct 2015 07:29:30 +9999", NOW, None),
        (",", NOW, None),
    ],
)
def test_retry_after(value: str, date: str, expected: float | None) -> None:
    assert retry_after(reply(503, retry_after=value, date=date)) == expected


def test_a_wait_carries_what_the_server_asked_for() -> None:
    for status in (429, 503):
        found = failure(reply(status, b"", retry_after="9"))
        assert isinstance(found, Wait)
        assert found.after == 9.0


json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["receipt", "stored", "rejected", "index", "reason", "detail", "__table__"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
bodies = st.binary(max_size=60) | json.map(
    lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
)
dates = st.text(max_size=40) | st.from_regex(
    r"(Wed, )?[0-9]{1,3} (Oct|Nov)? ?[0-9]{0,8} [0-9:]{0,10} ?([+-][0-9]{1,6}|GMT|)", fullmatch=True
)
header_maps = st.fixed_dictionaries({}, optional={"retry-after": dates, "date": dates})


@settings(deadline=None)
@given(st.integers(200, 599), header_maps, bodies, st.integers(0, 3), st.booleans())
@example(200, {}, orjson.dumps(receipt(stored=1, rejected=[bad(1)])), 2, True)
def test_nothing_raises_and_only_the_exact_shape_is_stored(
    status: int, headers: Mapping[str, str], body: bytes, rows: int, receipts: bool
) -> None:
    said = Reply(status, headers, body)
    row_of(said, "House")
    rows_of(said, "Reading")
    assert words(said).isprintable()
    after = retry_after(said)
    assert after is None or 0 <= after <= 86_400
    verdict = judged_bulk(said, rows, receipts=receipts)
    if not isinstance(verdict, Stored):
        return
    content: Any = orjson.loads(body)
    if not receipts:
        assert (status, content) == (201, [])
        return
    assert status == 200
    assert content["stored"] + len(content["rejected"]) == rows
    assert sorted(verdict.rejected) == sorted(item["index"] for item in content["rejected"])
    assert all(0 <= index < rows for index in verdict.rejected)
