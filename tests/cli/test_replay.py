"""A house's rows sent again: the latest version of each, nothing older over anything newer."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Op
from replicator.delivery import Entry
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.resends import Resends
from replicator.outbox.retention import acknowledged_by_all
from replicator.outbox.store import immediate
from replicator.repair.latest import Latest
from tests.cli.scene import READING, Scene, moment, until
from tests.faults.centres import Centre, centre_of
from tests.faults.proxy import FaultProxy, lose_reply

DAY = ("--from", "2026-03-01", "--to", "2026-03-02")


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("original", tmp_path) as running:
        yield running


def arrived(proxy: FaultProxy) -> list[tuple[int, int, float]]:
    return [(row["nodeId"], int(row["time"][-2:]), row["value"]) for row in proxy.arrivals]


def test_only_that_house_and_that_time(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, range(5))
    scene.readings(2, range(5))
    scene.ship()
    told = ("replay", "--house", "1", "--from", moment(1), "--to", moment(3))
    assert "2 rows would be sent again" in scene.said(*told, "--dry-run")
    assert scene.backlog()["to_send_again"] == 0
    assert "2 rows will be sent again" in scene.said(*told)
    assert scene.backlog()["to_send_again"] == 2
    assert "2 rows are to be sent again" in scene.said("backlog")
    scene.ship()
    assert arrived(proxy)[10:] == [(61, 1, 0.5), (61, 2, 1.0)]
    assert scene.backlog()["to_send_again"] == 0


def test_the_latest_version_alone(scene: Scene, centre: Centre, proxy: FaultProxy) -> None:
    scene.readings(1, range(4))
    scene.ship()
    scene.readings(1, [1], 7.5, Op.UPDATE)
    scene.ship()
    scene.readings(2, [2], 8.5, Op.UPDATE, nodeId=61)  # its latest version is another house's
    scene.ship()
    before = centre.rows("Reading")
    scene.said("replay", "--house", "1", *DAY)
    scene.ship()
    assert arrived(proxy)[6:] == [(61, 0, 0.0), (61, 3, 1.5), (61, 1, 7.5)]
    assert centre.rows("Reading") == before


def test_they_go_before_what_is_newer(scene: Scene, centre: Centre, proxy: FaultProxy) -> None:
    scene.readings(1, range(2))
    scene.ship()
    scene.readings(1, [1], 7.5, Op.UPDATE)
    said = scene.said("replay", "--house", "1", *DAY)
    assert "1 row behind the cursor come anyhow" in said
    scene.ship()
    assert arrived(proxy)[2:] == [(61, 0, 0.0), (61, 1, 0.5), (61, 1, 7.5)]


def test_parked_rows_are_left_to_the_parked_list(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, range(2))
    scene.ship()
    scene.readings(1, [1], 1e300, Op.UPDATE)
    scene.ship()
    said = scene.said("replay", "--house", "1", *DAY)
    assert "1 row will be sent again" in said
    assert "1 row parked: `replicator parked requeue`" in said


def test_what_is_to_be_sent_again_does_not_expire(scene: Scene) -> None:
    seq = scene.readings(1, range(2))
    scene.readings(2, range(2))
    scene.ship()
    cursor = scene.backlog()["cursor"]
    assert acknowledged_by_all(scene.outbox, ["centre"]) == cursor
    scene.said("replay", "--house", "1", *DAY)
    assert acknowledged_by_all(scene.outbox, ["centre"]) == seq - 1
    scene.ship()
    assert acknowledged_by_all(scene.outbox, ["centre"]) == cursor


def test_what_is_no_longer_held_is_said(scene: Scene) -> None:
    seq = scene.readings(1, range(2))
    scene.readings(1, range(2, 4))
    scene.ship()
    scene.writer.database.execute("DELETE FROM entry WHERE seq <= ?", (seq,))
    said = scene.said("replay", "--house", "1", *DAY)
    assert "2 rows will be sent again" in said
    assert (
        f"no longer held, and not sent: what was committed before 2026-03-01T00:{seq + 1}" in said
    )


def test_a_running_ship_and_replies_that_get_lost(scene: Scene, proxy: FaultProxy) -> None:
    scene.readings(1, range(30))
    ship = scene.start("ship")
    until(lambda: len(proxy.arrivals) == 30, "the readings")
    proxy.plan(lose_reply(), path="bulk")
    scene.said("replay", "--house", "1", *DAY)
    until(lambda: scene.backlog()["to_send_again"] == 0, "the end")
    scene.kill(ship)
    assert len(set(arrived(proxy)[30:])) == 30


def test_times_and_houses_that_make_no_sense(scene: Scene) -> None:
    scene.ship()
    for told in (
        ("--house", "1", "--from", "2026-03-02", "--to", "2026-03-01"),
        ("--house", "1", "--from", "then", "--to", "2026-03-01"),
        ("--house", "nowhere", *DAY),
    ):
        assert scene.run("replay", *told).exit_code == 2
    assert "0 rows will be sent" in scene.said("replay", "--house", "99", *DAY)


versions = st.lists(
    st.tuples(
        st.integers(0, 4),  # second
        st.sampled_from([10, 20]),  # location
        st.sampled_from([Op.INSERT, Op.UPDATE, Op.DELETE]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(versions, st.integers(0, 30), st.sets(st.integers(0, 4)), st.integers(1, 5))
def test_what_is_chosen_is_the_latest_version_before_the_cursor(
    written: list[tuple[int, int, Op]], cursor: int, parked: set[int], size: int
) -> None:
    cells = [(moment(second), 7, 1, location, 0.5) for second, location, _ in written]
    entries = [
        Entry(n // size + 1, "Reading", written[n][2], READING, cells[n : n + size], "", "")
        for n in range(0, len(cells), size)
    ]
    with closing(Latest(lambda table, values: values["locationId"] == 10)) as latest:
        latest.look_through(iter(entries), cursor)
        latest.leave(("Reading", [moment(second), 7, 1]) for second in parked)
        found = {(seq, place) for seq, places in latest.entries() for place in places}
        assert latest.count() == len(found)
    expected = {}
    for n, (second, location, _) in enumerate(written):
        if n // size + 1 <= cursor:
            expected[second] = (n // size + 1, n % size, location)
    assert found == {
        (seq, place)
        for second, (seq, place, location) in expected.items()
        if location == 10 and second not in parked
    }


@settings(max_examples=15, deadline=None)
@given(st.sets(st.tuples(st.integers(1, 6), st.integers(0, 9))), st.integers(1, 7), st.integers())
def test_rows_to_send_again_are_taken_off_as_they_are_settled(
    rows: set[tuple[int, int]], limit: int, seed: int
) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        deliveries = Deliveries(Path(name), "centre")
        resends = Resends(deliveries.database, deliveries.path)
        for row in sorted(rows, key=lambda _: chance.random()):
            with immediate(deliveries.database.conn):
                resends.add({row[0]: [row[1]]})
        sent: list[tuple[int, int]] = []
        while resends.pending():
            assert resends.count() == len(rows) - len(sent)
            page = [(seq, place) for seq, places in resends.first(limit) for place in places]
            assert 0 < len(page) <= limit
            settled = page[: chance.randint(1, len(page))]
            resends.take_off(settled)
            sent += settled
        assert sent == sorted(rows)
        deliveries.close()
