"""A cursor moved back: what is sent again, and what can't be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.change import Op
from replicator.outbox.clock import text
from replicator.repair.places import ByPosition, BySeq, ByTime, Target, back, target
from tests.cli.scene import AT, Scene, until
from tests.faults.centres import Centre, centre_of
from tests.faults.proxy import FaultProxy, stall


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """What a server is does not matter here."""
    with centre_of("original", tmp_path) as running:
        yield running


def seconds(proxy: FaultProxy) -> list[int]:
    return [int(row["time"][-2:]) for row in proxy.arrivals]


def test_it_is_sent_again_in_order(scene: Scene, proxy: FaultProxy) -> None:
    seqs = [scene.readings(1, [n]) for n in range(4)]
    scene.ship()
    said = scene.said("rewind", "centre", "--to", str(seqs[1]), "--dry-run")
    assert f"2 rows of 2 settled entries would be sent again, from entry {seqs[2]} on" in said
    scene.ship()
    assert seconds(proxy) == [0, 1, 2, 3]
    assert "will be sent again" in scene.said("rewind", "centre", "--to", str(seqs[1]))
    assert scene.backlog()["waiting_rows"] == 2
    scene.ship()
    assert seconds(proxy) == [0, 1, 2, 3, 2, 3]


@pytest.mark.parametrize("place", ["time", "position", "log place"])
def test_a_place_has_three_names(scene: Scene, proxy: FaultProxy, place: str) -> None:
    seqs = [scene.readings(1, [n]) for n in range(4)]
    scene.ship()
    written = {
        "time": text(AT + timedelta(minutes=seqs[2])),
        "position": f"s/b.1:{100 * seqs[1]}/",
        "log place": f"b.1:{100 * seqs[1]}",
    }[place]
    scene.said("rewind", "centre", "--to", written)
    scene.ship()
    assert seconds(proxy)[4:] == [2, 3]


def test_what_is_no_longer_held_is_said(scene: Scene, proxy: FaultProxy) -> None:
    seqs = [scene.readings(1, [n]) for n in range(4)]
    scene.ship()
    scene.writer.database.execute("DELETE FROM entry WHERE seq <= ?", (seqs[1],))
    said = scene.said("rewind", "centre", "--to", "0")
    assert f"not sent: entries 1 to {seqs[1]} " in said
    assert "replicator heal" in said
    scene.ship()
    assert seconds(proxy)[4:] == [2, 3]


@pytest.mark.parametrize("place", ["99999", "2027-01-01", "b.9:4", "yesterday", ""])
def test_places_that_are_none_or_not_behind(scene: Scene, place: str) -> None:
    scene.readings(1, [1])
    scene.ship()
    before = scene.backlog()["cursor"]
    result = scene.run("rewind", "centre", "--to", place)
    assert result.exit_code in (2, 7)
    assert "Traceback" not in result.output + result.stderr
    assert scene.backlog()["cursor"] == before


def test_a_rejected_row_that_is_taken_now_is_not_listed_any_more(scene: Scene) -> None:
    scene.readings(1, [1], nodeId=99)
    scene.ship()
    assert len(scene.parked()) == 1
    scene.put("Node", 99, locationId=1, nodeTypeId=1)
    scene.ship()
    scene.said("rewind", "centre", "--to", "0")
    scene.ship()
    assert scene.parked() == []


def test_a_ship_in_the_middle_of_a_request_lets_go_and_obeys(
    scene: Scene, centre: Centre, proxy: FaultProxy
) -> None:
    """What it settles after the command was given does not undo the rewind."""
    seqs = [scene.readings(1, [n]) for n in range(3)]
    ship = scene.start("ship")
    until(lambda: len(centre.rows("Reading")) == 3, "the readings")
    proxy.plan(stall(1.0), path="bulk")
    scene.readings(1, [3])
    until(lambda: len(centre.rows("Reading")) == 4, "the one under way")
    scene.said("rewind", "centre", "--to", str(seqs[0]))
    until(lambda: len(proxy.arrivals) >= 7, "all again")
    until(lambda: scene.backlog()["waiting_rows"] == 0, "the end")
    assert seconds(proxy) == [0, 1, 2, 3, 1, 2, 3]
    scene.readings(1, [4], op=Op.INSERT)
    until(lambda: len(centre.rows("Reading")) == 5, "the next one")
    scene.kill(ship)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("0", BySeq(0)),
        ("4711", BySeq(4711)),
        ("2026-03-01", ByTime("2026-03-01T00:00:00.000Z")),
        ("2026-03-01T12:00", ByTime("2026-03-01T12:00:00.000Z")),
        ("2026-03-01T12:00:00Z", ByTime("2026-03-01T12:00:00.000Z")),
        ("2026-03-01T14:00:00+02:00", ByTime("2026-03-01T12:00:00.000Z")),
        ("m-17/b.000003:4711/0-1-42,1-1-7", ByPosition("m-17/b.000003:4711/0-1-42,1-1-7")),
        ("s//:0/", None),
        ("b.000003:4711", ByPosition("b.000003:4711")),
        ("b.000003", None),
        ("-1", None),
        ("12.5", None),
    ],
)  # fmt: skip
def test_what_an_operator_writes(written: str, found: Target | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="not an entry's number"):
            target(written)
    else:
        assert target(written) == found


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_a_cursor_never_goes_forward_and_skips_only_what_is_gone(
    wanted: int, cursor: int, first_held: int
) -> None:
    found = back(wanted, cursor, first_held)
    if wanted >= cursor:
        assert found is None
        return
    assert found is not None
    assert found.seq <= cursor
    held_again = {seq for seq in range(wanted + 1, cursor + 1) if seq >= first_held}
    assert held_again <= set(range(found.seq + 1, cursor + 1)), "all that is held comes again"
    assert (found.missing == "") is (found.seq <= wanted)
