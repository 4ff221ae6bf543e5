"""Who has ship's role, and how a command gets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.cli.role import role_again
from replicator.cli.signals import Stop
from replicator.errors import OutboxBusy
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.lock import RoleLock
from replicator.outbox.orders import Orders, role_of_ship
from replicator.outbox.store import open_readonly


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    deliveries = Deliveries(tmp_path, "centre")
    yield Orders(deliveries.database, deliveries.path)
    deliveries.close()


def test_without_a_ship_it_is_had_at_once(orders: Orders, tmp_path: Path) -> None:
    with role_of_ship(tmp_path, "centre", orders, 60.0), pytest.raises(OutboxBusy):
        RoleLock(tmp_path, "ship-centre")
    RoleLock(tmp_path, "ship-centre").release()
    assert orders.role_wanted_until() == 0.0


def test_a_ship_that_does_not_let_go_is_said_and_the_wish_taken_back(
    orders: Orders, tmp_path: Path
) -> None:
    ship = RoleLock(tmp_path, "ship-centre")
    now = [1_000.0]

    def sleep(seconds: float) -> None:
        assert orders.role_wanted_until() == 1_060.0
        now[0] += max(seconds, 10.0)

    with (
        pytest.raises(OutboxBusy, match="did not let go"),
        role_of_ship(tmp_path, "centre", orders, 60.0, lambda: now[0], sleep),
    ):
        pass
    assert orders.role_wanted_until() == 0.0
    ship.release()


def test_ship_gets_its_role_back_when_the_command_is_done(orders: Orders, tmp_path: Path) -> None:
    ready = threading.Event()
    got: list[RoleLock | None] = []

    def ship() -> None:
        lock = RoleLock(tmp_path, "ship-centre")
        deliveries = Deliveries(tmp_path, "centre")
        mine = Orders(deliveries.database, deliveries.path)
        ready.set()
        while not mine.news():
            time.sleep(0.01)
        deliveries.close()
        lock.release()
        got.append(role_again(tmp_path, "centre", Stop()))

    thread = threading.Thread(target=ship)
    thread.start()
    assert ready.wait(30)
    with role_of_ship(tmp_path, "centre", orders, 60.0):
        assert got == []
    thread.join(30)
    (lock,) = got
    assert lock is not None
    lock.release()


def test_a_wish_of_a_command_that_died_runs_out(orders: Orders, tmp_path: Path) -> None:
    orders.want_role(time.time() + 0.3)
    lock = role_again(tmp_path, "centre", Stop())
    assert lock is not None
    lock.release()
    assert orders.role_wanted_until() < time.time()


def test_a_ship_that_is_told_to_stop_does_not_wait(orders: Orders, tmp_path: Path) -> None:
    orders.want_role(time.time() + 3600.0)
    stop = Stop()
    stop.set()
    assert role_again(tmp_path, "centre", stop) is None


def test_news_is_what_others_commit(orders: Orders, tmp_path: Path) -> None:
    orders.pause("me", "")
    assert not orders.news(), "its own doings are none"
    path = tmp_path / "centre.db"
    reader = open_readonly(path, "destination")
    assert Orders(reader, path).paused() is not None
    reader.close()
    assert not orders.news(), "neither is a look"
    deliveries = Deliveries(tmp_path, "centre")
    Orders(deliveries.database, deliveries.path).resume("you")
    deliveries.close()
    assert orders.news()
    assert orders.paused() is None
