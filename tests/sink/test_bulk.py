"""Batches: the bad row is found and parked, the good ones arrive, nothing is claimed falsely."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from replicator.change import Op
from replicator.delivery import Delivered, Delivery, Outcome, Parcel, Rejected, Retry
from replicator.errors import DestinationRefused
from tests.faults.centres import KINDS, Centre, Kind, centre_of
from tests.faults.proxy import (
    Fault,
    FaultProxy,
    garbage,
    html,
    lose_reply,
    lose_request,
    say,
    truncate,
)
from tests.sink.kit import Kit, kit, readings, times

ILL = b"Internal Server Error\n"


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Centre]:
    with centre_of("original", tmp_path) as running:
        yield running


@pytest.fixture
def plain(original: Centre, tmp_path: Path) -> Iterator[tuple[Kit, FaultProxy, Centre]]:
    """A sink before the original server."""
    with (
        FaultProxy(original.url) as proxy,
        kit(proxy.url, tmp_path / "outbox") as made,
    ):
        yield made, proxy, original


def rejected(delivery: Delivery) -> list[int]:
    return [i for i, o in enumerate(delivery.outcomes) if isinstance(o, Rejected)]


def check(delivery: Delivery, parcels: Sequence[Parcel], centre: Centre) -> None:
    """What is called delivered is there; outcomes align; behind a Retry all are Retry."""
    assert len(delivery.outcomes) == len(parcels)
    there = {(row["time"], row["nodeId"], row["type"]) for row in centre.rows("Reading")}
    retried = False
    for parcel, outcome in zip(parcels, delivery.outcomes, strict=True):
        retried = retried or isinstance(outcome, Retry)
        assert isinstance(outcome, Retry) is retried
        if isinstance(outcome, Delivered):
            assert parcel.row.key in there


def test_a_batch_is_one_request(sink: Kit, centre: Centre) -> None:
    parcels = readings(sink, 100)
    delivery = sink.bulk.deliver(parcels)
    assert all(isinstance(outcome, Delivered) for outcome in delivery.outcomes)
    assert delivery.requests == 1
    assert 0 < delivery.bytes_sent < 100 * 60
    check(delivery, parcels, centre)
    assert [row["value"] for row in centre.rows("Reading")] == [n / 2 for n in range(100)]


def test_nothing_is_sent_for_nothing(sink: Kit) -> None:
    assert not sink.bulk.deliver([]).outcomes
    assert sink.rest.requests == 0


@pytest.mark.parametrize("place", [0, 1, 499, 500, 998, 999])
def test_one_bad_row_among_a_thousand_is_found_and_the_rest_arrives(
    plain: tuple[Kit, FaultProxy, Centre], place: int
) -> None:
    sink, proxy, centre = plain
    parcels = readings(sink, 1_000, [place])
    delivery = sink.bulk.deliver(parcels)
    assert rejected(delivery) == [place]
    assert delivery.requests <= 2 * math.log2(1_000) + 6
    assert sum(isinstance(outcome, Delivered) for outcome in delivery.outcomes) == 999
    check(delivery, parcels, centre)
    arrived = [row["time"] for row in proxy.arrivals if row["__table__"] == "Reading"]
    firsts = list(dict.fromkeys(arrived))
    assert firsts == [time for n, time in enumerate(times(1_000)) if n != place], "in order"


def test_one_bad_row_among_ten_thousand(
    sink: Kit, centre: Centre, proxy: FaultProxy, kind: Kind
) -> None:
    """Found in about 2·log₂(n) requests more than the one; with ours in that one."""
    place = 6_543
    sink.remote("Location", 1)
    parcels = readings(sink, 10_000, [place])
    delivery = sink.bulk.deliver(parcels)
    assert rejected(delivery) == [place]
    more = delivery.requests - 1
    assert more <= (2 * math.log2(10_000) + 4 if kind == "original" else 0)
    check(delivery, parcels, centre)
    assert len(centre.rows("Reading")) == 9_999
    arrived = dict.fromkeys(r["time"] for r in proxy.arrivals if r["__table__"] == "Reading")
    expected = times(10_000)
    arrived.pop(expected[place], None)  # ours takes the batch, and leaves the bad row out
    assert list(arrived) == [time for n, time in enumerate(expected) if n != place]


def test_ours_names_the_bad_row_in_one_request(tmp_path: Path) -> None:
    with centre_of("ours", tmp_path) as centre, kit(centre.url, tmp_path / "outbox") as sink:
        delivery = sink.bulk.deliver(readings(sink, 1_000, [3, 500]))
        assert delivery.requests == 1
        assert rejected(delivery) == [3, 500]
        outcome = delivery.outcomes[3]
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.detail[:5]) == ("bad-number", "value")
        assert {o.receipt for o in delivery.outcomes if isinstance(o, Delivered)} != {""}


@pytest.mark.parametrize(
    "bad", [[0, 1], [0, 63], [31, 32], [5, 20, 40, 60], list(range(0, 64, 2)), list(range(64))]
)
def test_several_bad_rows(sink: Kit, centre: Centre, bad: list[int]) -> None:
    parcels = readings(sink, 64, bad)
    delivery = sink.bulk.deliver(parcels)
    assert rejected(delivery) == bad
    check(delivery, parcels, centre)
    assert len(centre.rows("Reading")) == 64 - len(bad)


def test_a_bad_row_alone_before_anything_was_stored(sink: Kit) -> None:
    assert rejected(sink.bulk.deliver(readings(sink, 1, [0]))) == [0]


def test_the_servers_words_are_in_the_reason(plain: tuple[Kit, FaultProxy, Centre]) -> None:
    sink, _, _ = plain
    (outcome,) = sink.bulk.deliver(readings(sink, 1, [0])).outcomes
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "refused"
    assert "500: Internal Server Error" in outcome.detail


# --- too large ---------------------------------------------------------------------------------


def test_what_is_too_large_is_halved_and_said(sink: Kit, centre: Centre, proxy: FaultProxy) -> None:
    parcels = readings(sink, 100)
    proxy.plan(say(413), path="bulk", times=3)
    delivery = sink.bulk.deliver(parcels)
    assert delivery.too_large
    assert all(isinstance(outcome, Delivered) for outcome in delivery.outcomes)
    check(delivery, parcels, centre)


def test_a_row_too_large_alone_is_rejected(sink: Kit, proxy: FaultProxy) -> None:
    parcels = readings(sink, 2)
    sink.bulk.deliver(parcels[:1])
    for witness in (0, 1):  # it is asked again once another row has been stored
        proxy.plan(say(413), path="bulk", skip=witness)
    (outcome,) = sink.bulk.deliver(parcels[1:]).outcomes
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "too-large"


def test_a_row_refused_for_a_moment_is_delivered(sink: Kit, proxy: FaultProxy) -> None:
    (parcel,) = readings(sink, 1)
    proxy.plan(say(500, ILL), path="bulk")
    (outcome,) = sink.bulk.deliver([parcel]).outcomes
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize("before", [0, 1])
def test_a_server_that_finds_everything_too_large_parks_nothing(
    sink: Kit, proxy: FaultProxy, before: int
) -> None:
    parcels = readings(sink, 8)
    sink.bulk.deliver(parcels[:before])
    proxy.plan(say(413), path="bulk", times=None)
    delivery = sink.bulk.deliver(parcels[before:])
    assert all(isinstance(outcome, Retry) for outcome in delivery.outcomes)


# --- an ill server -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        say(500, ILL),
        say(503),
        say(429, retry_after=7),
        say(502),
        html(200),
        html(201),
        garbage(),
        truncate(),
        lose_request(),
        lose_reply(),
        say(201, b'{"stored": 8}', "application/json"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_an_ill_server_parks_nothing(
    sink: Kit, centre: Centre, proxy: FaultProxy, fault: Fault, before: int
) -> None:
    parcels = readings(sink, 8)
    sink.bulk.deliver(parcels[:before])
    proxy.plan(fault, times=None)
    delivery = sink.bulk.deliver(parcels[before:])
    assert all(isinstance(outcome, Retry) for outcome in delivery.outcomes)
    proxy.calm()
    delivery = sink.bulk.deliver(parcels[before:])
    assert all(isinstance(outcome, Delivered) for outcome in delivery.outcomes)
    assert len(centre.rows("Reading")) == 8


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_only_refuses_to_store_parks_nothing(
    sink: Kit, proxy: FaultProxy, before: int, status: int
) -> None:
    """Its probe is fine; with a row it has stored before (``before``), and without."""
    parcels = readings(sink, 8)
    sink.bulk.deliver(parcels[:before])
    proxy.plan(say(status, ILL), path="bulk", times=None)
    delivery = sink.bulk.deliver(parcels[before:])
    assert all(isinstance(outcome, Retry) for outcome in delivery.outcomes)
    proxy.calm()
    delivery = sink.bulk.deliver(parcels[before:])
    assert all(isinstance(outcome, Delivered) for outcome in delivery.outcomes)


@pytest.mark.parametrize("strikes", range(1, 14))
def test_a_server_that_falls_ill_in_the_middle_parks_only_what_is_bad(
    plain: tuple[Kit, FaultProxy, Centre], strikes: int
) -> None:
    sink, proxy, centre = plain
    parcels = readings(sink, 16, [9])
    proxy.plan(say(500, ILL), skip=strikes, times=None)
    first = sink.bulk.deliver(parcels)
    check(first, parcels, centre)
    assert set(rejected(first)) <= {9}
    proxy.calm()
    rest = sum(not isinstance(outcome, Retry) for outcome in first.outcomes)
    second = sink.bulk.deliver(parcels[rest:])
    assert [n + rest for n in rejected(second)] == ([9] if rest <= 9 else [])
    assert len(centre.rows("Reading")) == 15


def test_the_wait_that_is_asked_for_arrives(sink: Kit, proxy: FaultProxy) -> None:
    parcels = readings(sink, 2)
    proxy.plan(say(503, retry_after=7), path="bulk")
    delivery = sink.bulk.deliver(parcels)
    assert [outcome.after for outcome in delivery.outcomes if isinstance(outcome, Retry)] == [7, 7]


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_server_that_turns_us_away_is_not_about_the_rows(
    sink: Kit, proxy: FaultProxy, status: int
) -> None:
    parcels = readings(sink, 2)
    proxy.plan(say(status), path="bulk")
    with pytest.raises(DestinationRefused):
        sink.bulk.deliver(parcels)


# --- lost replies and repetitions --------------------------------------------------------------


def test_a_lost_reply_is_sent_again_and_changes_nothing(
    sink: Kit, centre: Centre, proxy: FaultProxy
) -> None:
    parcels = readings(sink, 10)
    proxy.plan(lose_reply(), path="bulk")
    assert all(isinstance(o, Retry) for o in sink.bulk.deliver(parcels).outcomes)
    stored = centre.rows("Reading")
    assert len(stored) == 10
    assert all(isinstance(o, Delivered) for o in sink.bulk.deliver(parcels).outcomes)
    assert centre.rows("Reading") == stored


def test_a_reply_lost_while_the_bad_row_is_looked_for(
    plain: tuple[Kit, FaultProxy, Centre],
) -> None:
    sink, proxy, centre = plain
    parcels = readings(sink, 16, [12])
    proxy.plan(lose_reply(), path="bulk", skip=1)
    first = sink.bulk.deliver(parcels)
    assert all(isinstance(outcome, Retry) for outcome in first.outcomes)
    second = sink.bulk.deliver(parcels)
    assert rejected(second) == [12]
    check(second, parcels, centre)


# --- what a kind of server cannot do -----------------------------------------------------------


def test_a_null_that_is_not_applied_is_said(plain: tuple[Kit, FaultProxy, Centre]) -> None:
    sink, _, centre = plain
    sink.bulk.deliver(readings(sink, 1))
    row: dict[str, Any] = {"time": times(1)[0], "nodeId": 69, "type": 0}
    blank = sink.parcel("Reading", Op.UPDATE, **row, locationId=1)
    (outcome,) = sink.bulk.deliver([blank]).outcomes
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, "value" in outcome.detail) == ("null-not-applied", True)
    assert centre.rows("Reading")[0]["value"] == 0.0


def test_a_null_where_there_was_none_is_delivered(plain: tuple[Kit, FaultProxy, Centre]) -> None:
    sink, _, _ = plain
    row: dict[str, Any] = {
        "time": times(1)[0],
        "nodeId": 69,
        "type": 0,
        "locationId": None,
        "value": None,
    }
    for _ in range(2):
        (outcome,) = sink.bulk.deliver([sink.parcel("Reading", Op.UPDATE, **row)]).outcomes
        assert outcome == Delivered()


def test_ours_applies_a_null_and_a_delete(tmp_path: Path) -> None:
    with centre_of("ours", tmp_path) as centre, kit(centre.url, tmp_path / "outbox") as sink:
        sink.bulk.deliver(readings(sink, 2))
        row: dict[str, Any] = {"time": times(1)[0], "nodeId": 69, "type": 0}
        outcomes: list[Outcome] = []
        blank = sink.parcel("Reading", Op.UPDATE, **row, locationId=1)
        outcomes += sink.bulk.deliver([blank]).outcomes
        assert [r["value"] for r in centre.rows("Reading")] == [None, 0.5]
        gone = sink.parcel("Reading", Op.DELETE, **row)
        assert set(gone.body) == {"__table__", "__op__", "time", "nodeId", "type"}
        for _ in range(2):
            outcomes += sink.bulk.deliver([gone]).outcomes
        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [row["value"] for row in centre.rows("Reading")] == [0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_row_after_a_delete_does_not_bring_the_deleted_one_back(
    kind: Kind, tmp_path: Path
) -> None:
    with (
        centre_of(kind, tmp_path) as centre,
        FaultProxy(centre.url) as proxy,
        kit(proxy.url, tmp_path / "outbox") as sink,
    ):
        (first, late) = readings(sink, 2)
        sink.bulk.deliver([first])
        if kind == "ours":
            sink.bulk.deliver([sink.parcel("Reading", Op.DELETE, **first.row.values)])
        for witness in (0, 1):
            proxy.plan(say(500, ILL), path="bulk", skip=witness)
        assert rejected(sink.bulk.deliver([late])) == [0]
        assert len(centre.rows("Reading")) == (0 if kind == "ours" else 1)


def test_a_witness_does_not_take_a_reading_back_to_an_older_value(
    plain: tuple[Kit, FaultProxy, Centre],
) -> None:
    """Somebody has corrected the row there since it was stored."""
    sink, proxy, centre = plain
    (first, second) = readings(sink, 2)
    sink.bulk.deliver([first])
    with kit(centre.url, proxy_folder(sink), sink.station) as other:
        row: dict[str, Any] = {**first.row.values, "value": 77.0}
        other.bulk.deliver([other.parcel("Reading", Op.UPDATE, **row)])
    for witness in (0, 1):
        proxy.plan(say(500, ILL), path="bulk", skip=witness)
    assert rejected(sink.bulk.deliver([second])) == [0]
    assert centre.rows("Reading")[0]["value"] == 77.0


def proxy_folder(sink: Kit) -> Path:
    return sink.deliveries.path.parent / "other"


def test_states_are_sent_and_sent_again(sink: Kit, centre: Centre) -> None:
    state: dict[str, Any] = {
        "time": times(1)[0],
        "nodeId": 69,
        "seq_num": 7,
        "rssi": -61.5,
        "localtime": 2**40,
    }
    parcels = [sink.parcel("NodeState", **state), *readings(sink, 3)]
    for _ in range(2):
        assert all(isinstance(o, Delivered) for o in sink.bulk.deliver(parcels).outcomes)
    (row,) = centre.rows("NodeState")
    assert {key: row[key] for key in state} == state


def test_values_arrive_with_all_their_bits(sink: Kit, centre: Centre) -> None:
    values = [18.259633, 0.1, 1e-7, 3.4028234e38, 123456.79, -0.33333334]
    parcels = [
        sink.parcel("Reading", time=time, nodeId=69, type=0, locationId=1, value=value)
        for time, value in zip(times(len(values)), values, strict=True)
    ]
    sink.bulk.deliver(parcels)
    arrived = [row["value"] for row in centre.rows("Reading")]
    assert [struct.pack("f", value) for value in arrived] == [struct.pack("f", v) for v in values]
