"""The daemon's loop: what it waits for, whoever meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

from replicator.cli import tail
from replicator.cli.signals import Stop
from replicator.cli.watch import Watch
from replicator.errors import OutboxFull
from replicator.notify import silent
from replicator.outbox.status import StatusBoard
from replicator.outbox.writer import OutboxWriter
from replicator.tail import Captured, Tail


def test_a_disk_that_is_full_when_the_forecast_is_written_is_waited_for(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """A commit beside the reading may fail first to be heard of by whoever looks at the file."""
    stop = Stop()
    writer = OutboxWriter(tmp_path)
    pipeline = Mock(Tail, snapshot=None, healed="")

    def step() -> Captured:
        stop.set()
        return Captured(0, busy=False)

    pipeline.step = step
    watch = Mock(Watch)
    watch.look.side_effect = [OutboxFull("no room", "disk"), None]
    monkeypatch.setattr("replicator.cli.tail.Backoff.delay", lambda _: 0.01)
    tail._follow(pipeline, StatusBoard(writer.database), watch, stop, silent())
    pipeline.fall_back.assert_called_once_with()
    assert watch.look.call_count == 2
    writer.close()
