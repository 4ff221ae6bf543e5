"""A leaf's disk is lost: the hub begins anew with it, and nothing is lost on the way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from replicator.errors import OutboxError, OutboxTaken, OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.facts import stream_facts
from replicator.jetstream.messages import Floor
from replicator.jetstream.reset import LeafReset, Standing
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from tests.contract.backends import Sqlite, nodes, place, readings, write
from tests.jetstream.test_leaves import Field, field, until

__all__ = ["field"]


class Died(Exception):
    """Instead of a SIGKILL."""


@contextmanager
def resetting(field: Field, station: str = "a", calls: int | None = None) -> Iterator[LeafReset]:
    """From the hub; it dies instead of the call of that number to the hub's servers."""
    bus = Dying([field.hub.url], calls)

    def leaf_of(domain: str) -> tuple[Bus, StationStream]:
        there = Bus([field.hub.url], domain=domain)
        return there, StationStream(there, "S", station)

    try:
        hub = StationStream(bus, "S", station)
        shelf = Shelf(bus, "S", station, "ship", 1)
        yield LeafReset(bus, hub, shelf, leaf_of, lambda _seconds: time.sleep(0.05))
    finally:
        bus.close()


class Dying(Bus):
    """A connection after so many calls of which there is no other."""

    def __init__(self, servers: list[str], calls: int | None) -> None:
        super().__init__(servers)
        self._left = calls

    def call(self, make):  # type: ignore[no-untyped-def]
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died
        return super().call(make)


def reset(field: Field) -> Standing:
    with resetting(field) as anew:
        return anew.run()


def lose_disk(field: Field, station: str = "a") -> None:
    """The leaf is killed, its store is gone, and it is started anew; its link is up again."""
    leaf = field.leaves[station]
    leaf.kill()
    shutil.rmtree(leaf.folder / "data")
    leaf.start()
    field.written[station] = 0
    until(lambda: linked(field, station))


def linked(field: Field, station: str) -> bool:
    """The hub reaches the station's own server."""
    bus = Bus([field.hub.url], domain=station)
    try:
        bus.call(lambda js: js.account_info())
    except OutboxUnavailable:
        return False
    finally:
        bus.close()
    return True


def delivered(field: Field, groups: int = 10) -> None:
    """So many groups have come to the hub, and all of them are settled."""
    field.write("a", groups)
    field.add("a")
    until(lambda: field.arrived("a"))
    field.settle_all("a")


def origins(field: Field) -> list[int]:
    """Of the station's messages at the hub."""
    bus = Bus([field.hub.url])
    stream = StationStream(bus, "S", "a")
    found: list[int] = []
    end = stream.next_end(1)
    while end is not None:
        found.append(end.origin or 0)
        end = stream.next_end(end.seq + 1)
    bus.close()
    return found


def held(field: Field) -> list[str]:
    """As `replicator check` finds it."""
    bus = Bus([field.hub.url])
    found = list(stream_facts(bus, "S").held)
    bus.close()
    return found


def again(field: Field, before: int) -> bool:
    """Behind so many rows of the earlier stream all of the new one have come, once, in order."""
    with field.at_hub("a").feed() as feed:
        feed.read_to_end()
    return rows_again(field, before)


def rows_again(field: Field, before: int) -> bool:
    found = nodes(Sqlite(field.folder / "a").read())
    wanted = list(range(10, 10 * field.written["a"] + 10))
    assert found[:before] == list(range(10, 10 + before))
    assert found[before:] == wanted[: len(found) - before]
    return found[before:] == wanted


def test_all_of_the_new_stream_comes_once_in_order(field: Field) -> None:
    delivered(field)
    field.write("b", 3)
    field.add("b")
    until(lambda: field.arrived("b"))
    lose_disk(field)
    field.write("a", 4)
    with resetting(field) as anew:
        found = anew.look()
        assert (found.domain, found.same, found.begun) == ("a", False, False)
        assert found.readers == ("ship",)
        assert origins(field), "a look changes nothing"
    assert reset(field) == found
    until(lambda: again(field, 100))
    assert not reset(field).needed
    field.write("a", 12)
    until(lambda: again(field, 100))
    assert field.trim("a") == 0, "nothing of the new stream is settled"
    field.settle_all("a")
    assert field.trim("a") > 10
    field.write("b", 2)
    until(lambda: field.arrived("b"))


def test_what_is_settled_during_the_look_is_not_taken_for_missing(field: Field) -> None:
    delivered(field)
    lose_disk(field)
    field.write("a", 4)
    reset(field)
    until(lambda: origins(field) == [1, 2, 3, 4, 5])

    class Settling(Shelf):
        """Ship settles the new stream just when the floors have been read."""

        looks = 0

        def leaf_floors(self) -> dict[str, Floor]:
            found = super().leaf_floors()
            self.looks += 1
            if self.looks == 1:
                field.settle_all("a")
            return found

    def leaf_of(domain: str) -> tuple[Bus, StationStream]:
        there = Bus([field.hub.url], domain=domain)
        return there, StationStream(there, "S", "a")

    bus = Bus([field.hub.url])
    try:
        shelf = Settling(bus, "S", "a", "ship", 1)
        found = LeafReset(bus, StationStream(bus, "S", "a"), shelf, leaf_of).look()
    finally:
        bus.close()
    assert origins(field) == [5]
    assert not found.needed
    assert shelf.looks == 3


def test_a_ship_that_runs_notices_by_itself(field: Field) -> None:
    delivered(field)
    with field.at_hub("a").feed() as feed:
        feed.read_to_end()
        lose_disk(field)
        field.write("a", 4)
        reset(field)

        def come() -> bool:
            feed.step(0.2)
            return rows_again(field, 100)

        until(come)
        assert "read before" in feed.said


def test_a_new_stream_from_its_middle_is_never_taken_for_the_old_ones_continuation(
    field: Field,
) -> None:
    """The hub asks for what comes next, and gets what is written from then on: seen with 2.9.10."""
    delivered(field)
    lose_disk(field)
    field.write("a", 4)
    field.hub.kill()
    field.hub.start()
    until(lambda: linked(field, "a"))
    until(lambda: _takes_on(field))  # among them what follows the very seq that the old one had
    with field.at_hub("a").feed() as feed:
        feed.read_to_end()
        assert "replicator leaf reset a" in feed.said
    assert len(nodes(Sqlite(field.folder / "a").read())) == 100
    with pytest.raises(OutboxError, match="earlier stream"):
        field.trim("a")
    reset(field)
    until(lambda: again(field, 100))
    field.settle_all("a")
    assert field.trim("a") > 10


def test_a_leaf_that_lost_its_end_is_not_taken_for_its_own_continuation(field: Field) -> None:
    """As a power cut does it: what had been acknowledged last was not on its disk yet."""
    delivered(field, 5)
    assert field.trim("a") > 1
    leaf = field.leaves["a"]
    leaf.kill()
    shutil.copytree(leaf.folder / "data", leaf.folder / "early")
    leaf.start()
    field.write("a", 5)
    until(lambda: field.arrived("a"))
    field.settle_all("a")
    leaf.kill()
    shutil.rmtree(leaf.folder / "data")
    (leaf.folder / "early").rename(leaf.folder / "data")
    leaf.start()
    field.written["a"] = 5
    until(lambda: linked(field, "a"))
    field.write("a", 8)  # the seqs of three of them are beyond what the hub has
    until(lambda: origins(field)[-1] > 11)
    with field.at_hub("a").feed() as feed:
        feed.read_to_end()
        assert "replicator leaf reset a" in feed.said
    assert len(nodes(Sqlite(field.folder / "a").read())) == 100
    with pytest.raises(OutboxError, match="earlier stream"):
        field.trim("a")
    reset(field)
    wanted = list(range(10, 140))

    def come() -> bool:
        with field.at_hub("a").feed() as feed:
            feed.read_to_end()
        found = nodes(Sqlite(field.folder / "a").read())[100:]
        assert not found or found == wanted[-130 + found[0] - 10 :][: len(found)]
        return bool(found) and found[0] <= 60 and found[-1] == 139

    until(come)


def _takes_on(field: Field) -> bool:
    field.write("a", 1)
    time.sleep(0.3)
    newest = max(origins(field), default=0)
    return field.written["a"] > 15 and newest > 13


def test_what_is_not_settled_stays(field: Field) -> None:
    delivered(field, 5)
    field.write("a", 5)
    until(lambda: max(origins(field), default=0) >= 11)
    lose_disk(field)
    field.write("a", 3)
    before = origins(field)
    for _ in range(2):
        with pytest.raises(OutboxError, match="not settled") as told:
            reset(field)
        assert "ship" in told.value.detail
        assert "replicator ship" in told.value.hint
        assert origins(field) == before
    with field.at_hub("a").feed() as feed:  # read, and not delivered
        feed.read_to_end()
    with pytest.raises(OutboxError, match="not settled"):
        reset(field)
    field.settle_all("a")
    reset(field)
    until(lambda: again(field, 100))


def test_what_is_behind_a_late_writers_end_is_not_settled(field: Field) -> None:
    delivered(field, 5)
    with writing(field) as one, writing(field) as other:
        assert one.position == other.position == place(5)
        write(one, 6, readings(10, 60))
        one.flush()
        write(other, 6, readings(10, 60))
        with pytest.raises(OutboxTaken):
            other.flush()
        write(one, 7, readings(10, 70))
        one.flush()
    field.written["a"] = 7
    until(lambda: max(origins(field)) == 9)
    field.settle_all("a")
    assert len(origins(field)) == 2, "the late one is before the one that is settled"
    field.write("a", 1)
    until(lambda: len(origins(field)) == 3)
    lose_disk(field)
    with pytest.raises(OutboxError, match="not settled"):
        reset(field)
    field.settle_all("a")
    assert reset(field).needed
    assert origins(field) == []


@contextmanager
def writing(field: Field) -> Iterator[JetStreamOutbox]:
    bus = Bus([field.leaves["a"].url])
    outbox = JetStreamOutbox(bus, StationStream(bus, "S", "a", leaf=True), 1, 16 << 20)
    try:
        yield outbox
    finally:
        outbox.close()


def test_every_reader_must_have_settled_it(field: Field) -> None:
    delivered(field)
    bus = Bus([field.hub.url])
    other = Shelf(bus, "S", "a", "archive", 1)
    other.claim()
    lose_disk(field)
    field.write("a", 3)
    with pytest.raises(OutboxError, match="not settled") as told:
        reset(field)
    assert told.value.detail.startswith("not by archive;")
    bus.close()


def test_where_nobody_has_read_it_stays(field: Field) -> None:
    field.write("a", 5)
    field.add("a")
    until(lambda: len(origins(field)) == 6)
    lose_disk(field)
    with pytest.raises(OutboxError, match="not settled") as told:
        reset(field)
    assert "nobody" in told.value.detail


def test_a_healthy_leaf_is_left_alone(field: Field) -> None:
    delivered(field)
    field.trim("a")
    field.write("a", 5)
    until(lambda: field.arrived("a"))
    before = origins(field)
    assert not reset(field).needed
    assert origins(field) == before


def test_after_a_purge_by_hand(field: Field) -> None:
    """The hub goes on where it was: what the new stream has before that is asked for now."""
    delivered(field)
    lose_disk(field)
    field.write("a", 4)
    field.hub.kill()
    field.hub.start()
    until(lambda: linked(field, "a"))
    until(lambda: _takes_on(field))
    bus = Bus([field.hub.url])
    bus.call(lambda js: js.purge_stream("S", subject="S.a.>"))
    until(lambda: _takes_on(field))
    with field.at_hub("a").feed() as feed, pytest.raises(OutboxError, match="missing"):
        feed.read_to_end()
    bus.close()
    assert reset(field).needed
    until(lambda: again(field, 100))
    assert not reset(field).needed


def test_a_leaf_that_does_not_answer(field: Field) -> None:
    delivered(field)
    field.leaves["a"].kill()
    with pytest.raises(OutboxUnavailable, match="does not answer"):
        reset(field)
    with resetting(field, "b") as anew, pytest.raises(OutboxError, match="takes nothing"):
        anew.run()


def test_before_tail_has_begun_anew(field: Field) -> None:
    delivered(field)
    lose_disk(field)
    reset(field)
    assert origins(field) == []
    field.write("a", 3)
    until(lambda: again(field, 100))


def test_killed_before_each_of_its_calls_and_repeated(field: Field) -> None:
    """Each time the disk is lost again, so that there is something to do."""
    delivered(field)
    before, calls, died = 100, 0, True
    while died:
        lose_disk(field)
        field.write("a", 2 + calls % 3)
        with resetting(field, calls=calls) as anew:
            try:
                anew.run()
                died = False
            except Died:
                pass
        if calls % 2:  # another death at the same place
            with resetting(field, calls=calls) as anew, suppress(Died):
                anew.run()
        reset(field)
        until(lambda before=before: came(field, before))  # type: ignore[misc]
        before += 10 * field.written["a"]
        field.settle_all("a")
        calls += 1
    assert calls > 12


def came(field: Field, before: int) -> bool:
    """All of the newest stream has come behind so many rows, once, in order."""
    with field.at_hub("a").feed() as feed:
        feed.read_to_end()
    found = nodes(Sqlite(field.folder / "a").read())[before:]
    wanted = list(range(10, 10 * field.written["a"] + 10))
    assert found == wanted[: len(found)]
    return found == wanted


def test_while_it_is_held_the_station_cannot_be_added(field: Field) -> None:
    delivered(field)
    lose_disk(field)
    field.write("a", 2)
    with resetting(field) as anew:
        anew._hold(held=True)
    with pytest.raises(OutboxError, match="reset was not finished"):
        field.add("a")
    with resetting(field) as anew:
        assert anew.look().begun
    assert held(field) == ["a"]
    with resetting(field) as anew:
        anew._remove()
    with field.at_hub("a").feed() as feed:  # a ship that starts just then
        assert feed.step(0.2).rows == 0
        assert "fallen back" in feed.said
    reset(field)
    assert held(field) == []
    until(lambda: again(field, 100))
