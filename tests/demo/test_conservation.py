"""The conservation report names what happened, and the witnesses see the order of things."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.conservation import reordered
from demo.logger import LoggerPlan, run_logger
from demo.mariadbd import PrivateMariaDB
from demo.session import open_connection
from demo.witness import Act, centre_acts, station_acts, watch_centre, watch_station
from tests.demo.conftest import Copied, copy_to_sqlite


def test_a_faithful_copy_conserves_every_row(copied: Copied) -> None:
    report = copied.conservation()
    assert report.holds
    assert str(report) == "lost=0 doubled=0 reordered=0 corrupt=0 phantom=0"


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("lost", "DELETE FROM Reading WHERE rowid = 1"),
        ("doubled", "INSERT INTO NodeState SELECT * FROM NodeState WHERE rowid = 1"),
        ("corrupt", "UPDATE Reading SET value = value + 1 WHERE rowid = 1"),
        ("corrupt", "UPDATE Reading SET locationId = 99 WHERE rowid = 1"),
        ("phantom", "INSERT INTO Reading VALUES ('2020-01-01 00:00:00', 101, 0, NULL, 1)"),
    ],
)
def test_each_damage_has_its_name(copied: Copied, kind: str, statement: str) -> None:
    copied.damage(statement)
    report = copied.conservation()
    found = {name: len(getattr(report, name)) for name in ("lost", "doubled", "corrupt", "phantom")}
    assert {name: count for name, count in found.items() if count} == {kind: 1}
    assert not report.holds
    assert f"{kind}=1 (" in str(report)


def put(key: str, content: int, lane: str = "house 1") -> Act:
    return Act(key, content, lane)


ONE, TWO, THREE = put("a", 1), put("b", 2), put("c", 3)


def test_in_order_folded_and_sent_again_is_no_reordering() -> None:
    again = put("a", 4)
    assert reordered([ONE, TWO, THREE], [ONE, TWO, THREE]) == []
    assert reordered([ONE, TWO, again, THREE], [TWO, again, THREE]) == []
    assert reordered([ONE, TWO, THREE], [ONE, TWO, ONE, TWO, THREE]) == []


def test_a_row_that_comes_after_a_later_one_of_its_lane_is_reordered() -> None:
    assert reordered([ONE, TWO, THREE], [TWO, ONE, THREE]) == ["a"]
    assert reordered([ONE, TWO, THREE], [THREE, ONE, TWO]) == ["a", "b"]


def test_lanes_do_not_wait_for_each_other() -> None:
    elsewhere = put("b", 2, lane="house 2")
    assert reordered([ONE, elsewhere], [elsewhere, ONE]) == []


def test_what_the_stations_witness_did_not_see_does_not_count() -> None:
    assert reordered([TWO], [THREE, TWO, ONE]) == []


def test_a_row_that_takes_a_value_twice_may_have_its_first_time_folded_away() -> None:
    back = [put("a", 1), TWO, put("a", 5), put("a", 1), THREE]
    assert reordered(back, [TWO, put("a", 1), THREE]) == []


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.sampled_from("xy"))),
    st.data(),
)
def test_arrival_in_the_order_written_is_never_reordering(
    acts: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    """However many of the changes were folded into later ones."""
    written = [Act(key, content, lane) for key, content, lane in acts]
    last: dict[str, int] = {}
    changes = []
    for act in written:
        if last.get(act.key) != act.content:
            changes.append(act)
        last[act.key] = int(act.content or 0)
    arrived = [act for act in changes if data.draw(st.booleans())]
    assert reordered(written, arrived) == []


def test_the_witnesses_see_both_sides_in_order(
    mariadb: PrivateMariaDB, seeded: str, tmp_path: Path
) -> None:
    path = tmp_path / "central.db"
    copy_to_sqlite(mariadb, seeded, path)
    watch_centre(path)
    watch_station(mariadb, seeded)
    try:
        run_logger(partial(open_connection, mariadb.socket, seeded), LoggerPlan(packets=60, rate=0))
        written = station_acts(mariadb, seeded)
    finally:
        mariadb.execute(f"DROP DATABASE {seeded}_witness")
    assert len(written) > 60 * 7
    assert {act.content for act in written} > {"deleted", None}
    assert any(act.lane.startswith("node") for act in written)
    assert centre_acts(path) == []
    copied = Copied(mariadb, seeded, path)
    copied.damage(
        "INSERT INTO Reading VALUES ('2024-03-01 00:00:00', 101, 0, NULL, 1.5)",
        "UPDATE Reading SET value = 2.5 WHERE time = '2024-03-01 00:00:00'",
        "UPDATE Reading SET time = '2024-03-01T00:00:01' WHERE time = '2024-03-01 00:00:00'",
        "DELETE FROM Reading WHERE time = '2024-03-01T00:00:01'",
    )
    keys = ["Reading|2024-03-01T00:00:00|101|0", "Reading|2024-03-01T00:00:01|101|0"]
    assert [(act.key, act.content) for act in centre_acts(path)] == [
        (keys[0], 0x3FC00000),
        (keys[0], 0x40200000),
        (keys[0], "deleted"),
        (keys[1], 0x40200000),
        (keys[1], "deleted"),
    ]


def test_what_was_folded_may_come_when_its_batch_is_sent_again_in_pieces() -> None:
    first, folded, later = put("a", 1), put("b", 1), put("b", 2)
    written = [first, folded, THREE, later]
    assert reordered(written, [first, THREE, later, first, folded, THREE, later]) == []
    assert reordered(written, [first, THREE, later, first, folded, THREE]) == ["b"]
    assert reordered(written, [first, later, THREE, later]) == [THREE.key]
