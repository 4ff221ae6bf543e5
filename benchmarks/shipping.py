"""From a full outbox to a server that does nothing: ship beside two plain ways to post rows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import requests

from benchmarks.figures import Figures, median_pair, seconds
from benchmarks.scene import Scene, doing_nothing, ship_all, ship_step
from benchmarks.sizes import Sizes
from benchmarks.workload import (
    NODE_STATE,
    READING,
    STATION,
    packet_rows,
    packets,
    readings,
    reference_at_station,
)
from replicator.change import Change, Commit, Op, Position, Row, Value
from replicator.cli.pipelines import Delivering
from replicator.contract import Outbox
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
REFERENCES = {name: table for name, table in STATION.tables.items() if name != "Sensor"}
REFERENCE_ROWS = sum(len(rows) for _, rows in REFERENCES.values())
_BATCH = 1_000
_GROUP = 200  # transactions in one commit of the outbox


def measure(figures: Figures, sizes: Sizes, folder: Path) -> None:
    """Adds ``ship_null``."""
    folder.mkdir()
    data = readings(sizes.shipped)
    sample = data[: sizes.plain_posts]
    with doing_nothing(folder / "server") as url:
        bulk = Scene(folder / "bulk", url=url)
        fill(bulk.outbox, data)
        live = Scene(folder / "live", url=url)
        rows = fill_with_packets(live.outbox, sizes.shipped_packets)
        numbers = count()

        def ours() -> float:
            return _rate(bulk, f"run{next(numbers)}", len(data))

        rate, posts, ratio = median_pair(
            ours, lambda: len(sample) / seconds(lambda: one_by_one(url, sample)), sizes.runs
        )
        _, batches, batch_ratio = median_pair(
            ours, lambda: len(data) / seconds(lambda: _in_batches(url, data)), sizes.runs
        )
        figures.add(
            "ship_null",
            readings_per_s=rate,
            packet_rows_per_s=_rate(live, "run", rows),
            one_per_post_per_s=posts,
            plain_batches_per_s=batches,
            vs_one_per_post=ratio,
            vs_plain_batches=batch_ratio,
        )


def fill(outbox: Path, data: Sequence[Row]) -> None:
    """An outbox with what readings refer to and these readings, 1,000 an entry."""
    writer = OutboxWriter(outbox)
    add_references(writer)
    for start in range(0, len(data), _BATCH):
        writer.append(Change("Reading", Op.INSERT, READING, data[start : start + _BATCH]))
        writer.commit(Commit(Position("s", "b", 1_000 + start), AT))
    writer.flush()
    writer.close()


def fill_with_packets(outbox: Path, number: int) -> int:
    """The same with a logger's packets, each a transaction; the stream rows in it."""
    writer = OutboxWriter(outbox)
    add_references(writer)
    rows = 0
    for place, packet in enumerate(packets(number)):
        states, values = packet_rows(place, packet)
        writer.append(Change("NodeState", Op.INSERT, NODE_STATE, states))
        writer.append(Change("Reading", Op.INSERT, READING, values))
        writer.commit(Commit(Position("s", "b", 1_000 + place), AT))
        rows += len(states) + len(values)
        if place % _GROUP == _GROUP - 1:
            writer.flush()
    writer.flush()
    writer.close()
    return rows


def add_references(outbox: Outbox, station: int = 0) -> None:
    """What readings refer to, as the first transaction; of a station of several its own."""
    outbox.begin_at(Position("s", "b", 4), None)
    for table, (columns, rows) in REFERENCES.items():
        cells = [reference_at_station(station, table, tuple(map(_cell, row))) for row in rows]
        outbox.append(Change(table, Op.INSERT, columns, cells))
    outbox.commit(Commit(Position("s", "b", 5), AT))


def _cell(value: Value) -> Value:
    """Times as capture writes them; FLOATs with the digits of one."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    dated = isinstance(value, str) and len(value) == 19 and value[4] == value[7] == "-"
    return value.replace(" ", "T") if dated and isinstance(value, str) else value


@contextmanager
def introduced(scene: Scene, name: str, **settings: Any) -> Iterator[Delivering]:
    """A new destination's delivery at work, what its readings refer to already delivered.

    ``settings``  of the destination, in place of the configured ones
    """
    config = scene.config()
    delivering = Delivering(config, replace(config.destinations[0], name=name, **settings))
    try:
        while delivering.deliveries.cursor().row_total < REFERENCE_ROWS:
            ship_step(delivering)
        yield delivering
    finally:
        delivering.close()


def _rate(scene: Scene, name: str, rows: int) -> float:
    """Rows a second of delivering what waits in the scene's outbox."""
    with introduced(scene, name) as delivering:
        rate = rows / seconds(lambda: ship_all(delivering))
        assert delivering.deliveries.cursor().row_total == rows + REFERENCE_ROWS
        return rate


def as_json(row: Row) -> bytes:
    """One reading as the body of one request."""
    return json.dumps({"__table__": "Reading", **dict(zip(READING, row, strict=True))}).encode()


def one_by_one(url: str, data: Sequence[Row]) -> None:
    """One request a reading, over one kept-alive connection."""
    headers = {"Content-Type": "application/json"}
    with requests.Session() as session:
        for row in data:
            reply = session.post(f"{url}rest/reading/", data=as_json(row), headers=headers)
            reply.raise_for_status()


def _in_batches(url: str, data: Sequence[Row]) -> None:
    """Plain batches: a list of rows, json, zlib, one request."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
    with requests.Session() as session:
        for start in range(0, len(data), _BATCH):
            rows = [
                {"__table__": "Reading", **dict(zip(READING, row, strict=True))}
                for row in data[start : start + _BATCH]
            ]
            body = zlib.compress(json.dumps(rows).encode(), 6)
            session.post(f"{url}rest/bulk/", data=body, headers=headers).raise_for_status()
