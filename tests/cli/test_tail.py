"""The daemon's loop: what it waits for, whoever meets it."""

from __future__ import annotations

import gc
import sqlite3
import weakref
from concurrent.futures import Future
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from replicator.change import Position
from replicator.cli import tail
from replicator.cli.signals import Stop
from replicator.cli.watch import Watch
from replicator.config import Config
from replicator.errors import OutboxFull, SourceUnavailable
from replicator.notify import silent
from replicator.outbox.history import read_captures
from replicator.outbox.status import StatusBoard
from replicator.outbox.writer import OutboxWriter
from replicator.tail import Captured, Tail

LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


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


def watching(writer: OutboxWriter) -> Watch:
    """Without the source."""
    ini = writer.path.parent / "replicator.ini"
    ini.write_text(f"[outbox]\npath = {writer.path.parent}\n")
    watch = Watch(Config.load(ini, {}), writer)
    watch._purges = Mock(due=False)
    return watch


def test_a_sample_is_noted_once_tail_knows_how_far_behind_it_is(tmp_path: Path) -> None:
    writer = OutboxWriter(tmp_path)
    writer.begin_at(Position("s", "b.1", 4), None)
    watch = watching(writer)
    watch.look()
    assert read_captures(tmp_path, LONG_AGO) == []
    watch.caught_up()
    writer.database.conn.execute("BEGIN")  # as while a group of transactions is open
    watch.look()
    assert read_captures(tmp_path, LONG_AGO) == []
    writer.database.conn.execute("COMMIT")
    watch.look()
    (sample,) = read_captures(tmp_path, LONG_AGO)
    assert sample.lag_seconds < 60
    writer.close()


def test_what_a_commit_failed_with_is_never_taken_for_a_lost_sample(tmp_path: Path) -> None:
    """It is capture's own: swallowed here, a group of transactions would be lost."""
    writer = OutboxWriter(tmp_path)
    writer.begin_at(Position("s", "b.1", 4), None)
    watch = watching(writer)
    watch.caught_up()
    failed: Future[sqlite3.Cursor] = Future()
    failed.set_exception(sqlite3.OperationalError("database or disk is full"))
    writer._committing = failed
    with pytest.raises(OutboxFull):
        watch.look()
    writer.close()


def test_a_lost_connection_is_not_kept(tmp_path: Path, monkeypatch: Any) -> None:
    """Its objects hold each other, and cycles are looked for seldom."""

    class Lost:
        itself: object

    stop = Stop()
    writer = OutboxWriter(tmp_path)
    pipeline = Mock(Tail, snapshot=None, healed="")
    kept: list[weakref.ref[Lost]] = []

    def step() -> Captured:
        if kept:
            assert kept[0]() is None
            stop.set()
            return Captured(0, busy=False)
        connection = Lost()
        connection.itself = connection
        kept.append(weakref.ref(connection))
        raise SourceUnavailable("gone", "station")

    pipeline.step = step
    monkeypatch.setattr("replicator.cli.tail.Backoff.delay", lambda _: 0.01)
    monkeypatch.setattr(tail, "_tell", lambda *_: None)  # pytest keeps the errors in log records
    gc.disable()
    try:
        tail._follow(pipeline, StatusBoard(writer.database), Mock(Watch), stop, silent())
    finally:
        gc.enable()
    assert kept
    writer.close()
