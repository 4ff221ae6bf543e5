"""The link of tail or ship to the NATS servers fails: noticed, and nothing is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from demo.natsd import PrivateNats
from replicator.errors import OutboxBusy, OutboxUnavailable
from replicator.feed import Feed
from replicator.jetstream import bus as bus_module
from tests.contract.backends import JetStream, Sqlite, nodes, place, readings, write
from tests.faults.slow import MOBILE, SlowLink
from tests.jetstream.wire import Wire

_NOTICED = 15.0  # seconds; the client's times are one and a half here
T = TypeVar("T")
FAULTS = ("cut", "black hole", "no answers", "no questions")


@pytest.fixture
def wire(nats_server: PrivateNats, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A link that works, to clients that wait a second and not ten."""
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(bus_module, "_PING_SECONDS", 0.5)
    with Wire(nats_server.port) as running:
        yield running


@pytest.fixture
def behind(wire: Wire, jetstream: JetStream) -> JetStream:
    """The station over that link."""
    return JetStream(wire.url, jetstream.station, jetstream.folder, jetstream.stream)


def strike(wire: Wire, fault: str) -> None:
    wire.up = fault in ("cut", "no answers")
    wire.down = fault in ("cut", "no questions")
    if fault == "cut":
        wire.cut()


@pytest.mark.parametrize("fault", FAULTS)
def test_capture(wire: Wire, behind: JetStream, jetstream: JetStream, fault: str) -> None:
    with behind.open() as outbox:
        outbox.begin_at(place(0), None)
        write(outbox, 1, readings(50, 0))
        outbox.flush()
        strike(wire, fault)
        write(outbox, 2, readings(50, 50), readings(50, 100))
        began = time.monotonic()
        with (
            pytest.raises(OutboxUnavailable, match="cannot be reached")
            if fault != "cut"
            else (suppress(OutboxUnavailable))
        ):
            outbox.flush()
        assert time.monotonic() - began < _NOTICED
        wire.heal()
        outbox.abandon()
        stored = _again(lambda: outbox.position)
        if stored == place(1):
            write(outbox, 2, readings(50, 50), readings(50, 100))
        write(outbox, 3, readings(50, 150))
        outbox.flush()
        assert outbox.position == place(3)
    assert nodes(jetstream.read()) == list(range(200))


@pytest.mark.parametrize("fault", FAULTS)
def test_reading(wire: Wire, behind: JetStream, jetstream: JetStream, fault: str) -> None:
    with jetstream.open() as outbox, behind.feed() as feed:
        outbox.begin_at(place(0), None)
        write(outbox, 1, readings(50, 0))
        outbox.flush()
        feed.read_to_end()
        strike(wire, fault)
        write(outbox, 2, readings(50, 50), readings(50, 100))
        outbox.flush()
        began = time.monotonic()
        assert _fails(feed, fault) or fault == "cut"
        assert time.monotonic() - began < _NOTICED
        wire.heal()

        def go_on() -> None:
            feed.fall_back()
            feed.read_to_end()

        _again(go_on)
    assert nodes(Sqlite(behind.folder).read()) == list(range(150))


def _again(ask: Callable[[], T]) -> T:
    """As the daemons do: an answer that the old connection still owes is waited for, once."""
    for _ in range(3):
        with suppress(OutboxUnavailable):
            return ask()
    return ask()


def _fails(feed: Feed, fault: str) -> bool:
    """Whether it says so within a while; rows that were asked for before may still come."""
    deadline = time.monotonic() + _NOTICED
    while time.monotonic() < deadline:
        try:
            if feed.step(0.2).rows and fault == "cut":
                return False
        except (OutboxUnavailable, OutboxBusy):
            return True
    return False


def test_a_slow_link(nats_server: PrivateNats, jetstream: JetStream, tmp_path: Path) -> None:
    """RTT 60 ms, 300 kB/s, loss."""
    with SlowLink(nats_server.port, MOBILE.times(10)) as link:
        url = link.url.replace("http", "nats")
        slow = JetStream(url, jetstream.station, jetstream.folder, jetstream.stream)
        with slow.open() as outbox:
            outbox.begin_at(place(0), None)
            for number in range(1, 6):
                write(outbox, number, readings(200, 200 * (number - 1)))
                outbox.flush(wait=False)
            outbox.flush()
        assert nodes(slow.read()) == list(range(1000))
