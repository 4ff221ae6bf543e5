"""Stages of the field whose outbox is a stream: each case has a stream of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from demo.natsd import PrivateNats
from replicator.change import Change, Commit
from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from replicator.outbox.reader import OutboxReader
from tests.fire.field import Case, Field

_SAVED = "streamed"
_SAVING = "STAGE"
_STATION = "fieldstation"
_AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


@contextmanager
def streamed(
    field: Field, server: PrivateNats, name: str, folder: Path, stream: str
) -> Iterator[Case]:
    """A case of a scenario. ``stream``: its name, which no other case has."""
    keys: dict[str, Any] = {
        "stream": f"{server.url}/{stream}",
        "replicas": 1,
        "max_size": "16 MiB",
        "keep": 0,
    }
    bus = Bus([server.url])
    try:
        if name == "tail starts":
            with field.case("empty", "ours", folder, **keys) as case:
                yield case
            return
        base, due = (field.stage(each, "ours") / "outbox" for each in ("base", "due"))
        if not field.stage(_SAVED, "ours").exists():
            _save(field, bus, base, folder, {**keys, "stream": f"{server.url}/{_SAVING}"})
        last = _fill(bus, stream, base, 0)
        if name == "ship feeds":
            _fill(bus, stream, due, last)
        with field.case(_SAVED, "ours", folder, **keys) as case:
            yield case
    finally:
        with suppress(OutboxError):  # a test that failed may have made none
            bus.call(lambda js: js.delete_stream(stream))
        bus.close()


def _save(field: Field, bus: Bus, base: Path, folder: Path, keys: dict[str, Any]) -> None:
    """Ship has read what was captured first and delivered it: seqs there are the same each time.

    From a stream that no case has: what ship makes beside a stream is a point of its own.
    """
    _fill(bus, _SAVING, base, 0)
    with field.case("base", "ours", folder, **keys) as case:
        shutil.rmtree(case.outbox)
        case.finish("ship")
    field.save(case, _SAVED, "ours")
    shutil.rmtree(folder)


def _fill(bus: Bus, stream: str, folder: Path, after: int) -> int:
    """Put what a folder holds behind a seq into the stream, as one group; the last seq."""
    reader = OutboxReader(folder)
    try:
        entries, position = list(reader.entries(after)), reader.captured_to()
    finally:
        reader.close()
    assert position is not None
    outbox = JetStreamOutbox(bus, StationStream(bus, stream, _STATION), 1, 16 << 20)
    if outbox.position is None:
        outbox.begin_at(position, None)
    for entry in entries:
        outbox.append(Change(entry.table, entry.op, entry.columns, entry.rows))
    outbox.commit(Commit(position, _AT))
    outbox.flush()
    return entries[-1].seq
