"""Moves as tests make them, and a process that makes one and dies before its nth lasting step."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

from replicator import homeward as homeward_module
from replicator import outward as outward_module
from replicator.feed import Feed
from replicator.homeward import Homeward
from replicator.jetstream import shelf as shelf_module
from replicator.jetstream import stream as stream_module
from replicator.jetstream.shelf import Shelf
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.outward import Outward
from tests.contract.backends import JetStream, NoHouse


def move_out(backend: JetStream, settled: int = 0) -> int:
    """Folder → stream; rows that went now."""
    bus, stream = backend.connection()
    with (
        closing(bus),
        closing(OutboxWriter(backend.folder)) as writer,
        closing(OutboxReader(backend.folder)) as reader,
    ):
        shelf = Shelf(bus, backend.stream, backend.station, "ship", 1)
        url = f"{backend.server}/{backend.stream}"
        outward = Outward(bus, stream, shelf, writer, reader, url)
        home, waiting = outward.begin(settled, 1, 16 << 20)
        outward.finish(home, outward.copy(home, waiting))
        return waiting.rows


def move_home(backend: JetStream, reader: str = "ship") -> int:
    """Stream → folder; rows that came now."""
    bus, stream = backend.connection()
    with closing(bus), closing(OutboxWriter(backend.folder)) as writer:
        shelf = Shelf(bus, backend.stream, backend.station, reader, 1)
        url = f"{backend.server}/{backend.stream}"

        def feed(move: str) -> Feed:
            return Feed(bus, stream, shelf, writer, NoHouse(), move=move)

        return Homeward(bus, stream, shelf, writer, url, reader, feed).run()


_LASTING: list[tuple[Any, str]] = [
    (outward_module, "set_home"),
    (outward_module, "publish_parts"),
    (outward_module, "publish_end"),
    (outward_module, "hand_over"),
    (homeward_module, "set_home"),
    (homeward_module, "publish_end"),
    (homeward_module, "hand_over"),
    (shelf_module.Shelf, "keep"),
    (shelf_module.Shelf, "claim"),
    (shelf_module.Shelf, "clear"),
    (stream_module.StationStream, "purge"),
    (OutboxWriter, "flush"),
]


def _die_before(nth: int) -> None:
    done = 0

    def dying(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **named)

        return stepped

    for place, name in _LASTING:
        setattr(place, name, dying(getattr(place, name)))


if __name__ == "__main__":
    from pathlib import Path

    direction, nth, server, station, folder, stream_name = sys.argv[1:]
    outward_module.GROUP_ROWS = 4
    _die_before(int(nth))
    there = JetStream(server, station, Path(folder), stream_name)
    (move_out if direction == "out" else move_home)(there)
