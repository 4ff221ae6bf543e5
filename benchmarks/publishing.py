"""Capture into a stream of three replicas on this machine, beside capture into a folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

from benchmarks.figures import Figures, median_pair, seconds
from benchmarks.scene import PATIENCE
from benchmarks.sizes import Sizes
from benchmarks.workload import READING, readings
from demo.natsd import cluster
from replicator.change import Change, Commit, Op, Position, Row
from replicator.contract import Outbox
from replicator.errors import OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from replicator.outbox.writer import OutboxWriter

_AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
_STREAM = "BENCH"
REPLICAS = 3
_ENTRY_ROWS = 500
MAX_BYTES = 512 << 20


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``jetstream_publish``."""
    folder.mkdir()
    data = readings(sizes.published)
    numbers = count()
    with three_nodes() as servers:
        ours, plain, ratio = median_pair(
            lambda: len(data) / _streamed(servers, f"s{next(numbers)}", data),
            lambda: len(data) / _filed(folder / str(next(numbers)), data),
            sizes.runs,
        )
    figures.add("jetstream_publish", readings_per_s=ours, folder_per_s=plain, vs_folder=ratio)


@contextmanager
def three_nodes() -> Iterator[Sequence[str]]:
    """Their URLs, once a stream can be made on all of them."""
    servers = cluster(REPLICAS, 8 * MAX_BYTES)
    try:
        for server in servers:
            server.start()
        urls = [server.url for server in servers]
        _ensure(urls)
        yield urls
    finally:
        for server in servers:
            server.close()


def _ensure(urls: Sequence[str]) -> None:
    bus = Bus(urls)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                return StationStream(bus, _STREAM, "nobody").ensure(REPLICAS, MAX_BYTES)
            except OutboxUnavailable:  # no leader yet, or they do not know each other yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
    finally:
        bus.close()


def _streamed(servers: Sequence[str], station: str, data: Sequence[Row]) -> float:
    bus = Bus(servers)
    outbox = JetStreamOutbox(bus, StationStream(bus, _STREAM, station), REPLICAS, MAX_BYTES)
    try:
        outbox.begin_at(Position("s", "b", 4), None)
        return seconds(lambda: _append(outbox, data))
    finally:
        outbox.close()


def _filed(folder: Path, data: Sequence[Row]) -> float:
    writer = OutboxWriter(folder)
    try:
        writer.begin_at(Position("s", "b", 4), None)
        return seconds(lambda: _append(writer, data))
    finally:
        writer.close()


def _append(outbox: Outbox, data: Sequence[Row]) -> None:
    """Source transactions of one entry each, made durable as tail does in a backlog."""
    for place, start in enumerate(range(0, len(data), _ENTRY_ROWS)):
        outbox.append(
            Change("Reading", Op.INSERT, READING, list(data[start : start + _ENTRY_ROWS]))
        )
        outbox.commit(Commit(Position("s", "b", 5 + place), _AT))
        if outbox.grouped_rows >= 50_000:
            outbox.flush(wait=False)
    outbox.flush()
