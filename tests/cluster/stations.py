"""A process with many stations: each appends its source's transactions through the real outbox.

    python -m tests.cluster.stations --servers U,U --seed 1 --first 1 --count 50 --rate 1 --notes F

A station is a source that commits ``rate`` transactions a second, whatever happens, and capture
that begins where the stream says that it stands. SIGTERM: no more is committed; it ends when all
that was is acknowledged. F has a line ``MONOTONIC STATION NUMBER`` for each acknowledgement, and at
the end ``total STATION NUMBER`` for each station.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from replicator.errors import OutboxBusy, OutboxFull, OutboxTaken, OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from replicator.sink.backoff import Backoff
from tests.cluster.history import History

STREAM = "STATIONS"
REPLICAS = 3
MAX_BYTES = 512 << 20
_GROUP = 200  # transactions at once
_LONGEST_PAUSE = 2.0  # the real tail waits longer; here that would hide when the servers are back


class Station(threading.Thread):
    """``made``: transactions that its source has committed, ``stored``: acknowledged ones."""

    def __init__(
        self,
        history: History,
        servers: list[str],
        rate: float,
        over: threading.Event,
        note: Callable[[int, int], None],
    ) -> None:
        super().__init__(daemon=True)
        self.history = history
        self.stored = 0
        self._closed = 0  # number of the last transaction, when the source is closed
        self._servers = servers
        self._rate = rate
        self._over = over
        self._note = note
        self._phase = random.Random(history.station).random()
        self._began = time.monotonic()

    def run(self) -> None:
        bus = Bus(self._servers)
        stream = StationStream(bus, STREAM, self.history.name)
        outbox = JetStreamOutbox(bus, stream, REPLICAS, MAX_BYTES)
        backoff = Backoff(random.Random(self.history.station))
        while not self._closed or self.stored < self._closed:
            try:
                self._pump(outbox)
                backoff.reset()
            except OutboxTaken as error:
                say(f"{self.history.name}: TAKEN {error}")  # nobody else writes here: a bug
                outbox.abandon()
            except (OutboxUnavailable, OutboxFull, OutboxBusy) as error:
                say(f"{self.history.name}: {error} | {error.detail}")
                outbox.abandon()
                time.sleep(min(_LONGEST_PAUSE, backoff.delay()))
        outbox.close()

    def _pump(self, outbox: JetStreamOutbox) -> None:
        standing = outbox.position
        first = standing.offset + 1 if standing else 1
        made = self._made()
        for number in range(first, min(first + _GROUP, made + 1)):
            closing = number == self._closed
            done = self.history.closing(number) if closing else self.history.transaction(number)
            for change in done.changes:
                outbox.append(change)
            outbox.commit(done.commit)
        if first > made:
            self._over.wait(0.05 + 0.5 / self._rate)
            return
        outbox.flush()
        reached = outbox.position
        assert reached is not None
        self.stored = reached.offset
        self._note(self.history.station, self.stored)

    def _made(self) -> int:
        if self._closed:
            return self._closed
        made = 1 + int((time.monotonic() - self._began + self._phase) * self._rate)
        if self._over.is_set():
            self._closed = made + 1
            return self._closed
        return made


def say(text: str) -> None:
    """A line in the log."""
    sys.stdout.write(f"{time.monotonic():.3f} {text}\n")
    sys.stdout.flush()


def main() -> int:
    """See the module."""
    parser = ArgumentParser()
    parser.add_argument("--servers", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    asked = parser.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    lock = threading.Lock()
    with asked.notes.open("w") as notes:

        def note(station: int, number: int) -> None:
            with lock:
                notes.write(f"{time.monotonic():.3f} {station} {number}\n")
                notes.flush()

        stations = [
            Station(History(asked.seed, n), asked.servers.split(","), asked.rate, over, note)
            for n in range(asked.first, asked.first + asked.count)
        ]
        for station in stations:
            station.start()
        for station in stations:
            while station.is_alive():  # in turns, so that a signal is heard
                station.join(0.5)
        for station in stations:
            notes.write(f"total {station.history.station} {station.stored}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
