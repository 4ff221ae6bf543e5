"""`replicator tail`: the station's binlog into the outbox."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import click

from replicator.change import Position
from replicator.cli import collector, streaming
from replicator.cli.homes import refuse_misplaced_folder
from replicator.cli.options import configured
from replicator.cli.pipelines import StationSource, tail_settings
from replicator.cli.room import once_there_is_room
from replicator.cli.signals import Stop
from replicator.cli.streaming import Board, Desk, Looking
from replicator.cli.watch import Watch
from replicator.config import Config
from replicator.errors import (
    OutboxBusy,
    OutboxError,
    OutboxFull,
    OutboxTaken,
    OutboxUnavailable,
    ReplicatorError,
    SourceUnavailable,
)
from replicator.notify import Duty, Service
from replicator.outbox import clock
from replicator.outbox.bell import Bell
from replicator.outbox.lock import RoleLock
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.writer import OutboxWriter, SnapshotPlace
from replicator.sink.backoff import Backoff
from replicator.tail import Capture, Tail

_LOG = logging.getLogger("replicator.tail")


@click.command(epilog="\b\nExamples:\n  replicator tail\n  replicator tail --once")
@click.option("--once", is_flag=True, help="End when the log has been read to its present end.")
@configured
def tail(config: Config, once: bool) -> None:
    """Capture: read the station's row changes into the outbox.

    \b
    The first start reads the tables (a snapshot), then the log from where it was. Later starts go
    on from the position in the outbox. Safe to kill at any moment.
    """
    service = Service(["tail"])
    with Stop(service.stopping) as stop:
        capture(config, stop, service.duty("tail"), once=once)


def capture(config: Config, stop: Stop, duty: Duty, *, once: bool) -> None:
    """Run the capture pipeline until ``stop`` is set, or until nothing waits."""
    collector.calm()
    source = StationSource(config, heartbeat=1.0 if once else None, alive=duty.alive)
    desk = _at_folder if config.outbox.url is None else streaming.at_stream
    with ExitStack() as stack:
        found = once_there_is_room(
            lambda: stack.enter_context(desk(config, source, duty)), stop, duty, once=once
        )
        if found is None:
            return
        pipeline, board, watch = found
        try:
            if once:
                _read_to(pipeline, source.now(), watch, stop)
            else:
                _follow(pipeline, board, watch, stop, duty)
            pipeline.save()
            watch.look()
            board.show(Status("stopped"))
        except ReplicatorError as error:
            pipeline.fall_back()
            board.show(Status("stopped", str(error)))
            raise
        finally:
            pipeline.close()


@contextmanager
def _at_folder(config: Config, source: StationSource, duty: Duty) -> Iterator[Desk]:
    lock = RoleLock(config.outbox.path, "tail")
    try:
        refuse_misplaced_folder(config)
        writer = OutboxWriter(config.outbox.path, config.outbox.synchronous)
        settings = tail_settings(config)
        bell = Bell(settings.folder, settings.destinations)
        try:
            pipeline = Tail(source, writer, settings, announce=bell.ring)
            board = StatusBoard(writer.database, told=lambda status: duty.say(status.words))
            yield pipeline, board, Watch(config, writer)
        finally:
            writer.close()
            bell.close()
    finally:
        lock.release()


def _read_to(pipeline: Capture, target: Position, watch: Looking, stop: Stop) -> None:
    """Positions are only compared once the log is open: it may have become another one."""
    pipeline.connect()
    while not stop.is_set():
        place = pipeline.position
        if place is not None and pipeline.snapshot is None and place.has_reached(target):
            watch.caught_up()
            return
        pipeline.step()
        _tell_healing(pipeline)


def _follow(pipeline: Capture, board: Board, watch: Looking, stop: Stop, duty: Duty) -> None:
    backoff = Backoff(random.Random())  # noqa: S311  # jitter, not a secret
    lost = False
    while not stop.is_set():
        if lost:  # only here nothing refers to the error any more, and through it to what it met
            collector.sweep()
            lost = False
        try:
            watch.look()
            captured = pipeline.step()
        except OutboxTaken:
            raise
        except (SourceUnavailable, OutboxFull, OutboxBusy, OutboxUnavailable) as error:
            pipeline.fall_back()
            lost = True
            state = "paused" if isinstance(error, OutboxError) else "waiting"
            delay = backoff.delay()
            _tell(board, state, error, delay)
            stop.rest(delay, duty.alive)
            continue
        backoff.reset()
        duty.alive()
        if not captured.busy:
            watch.caught_up()
        _tell_healing(pipeline)
        doing = _doing(pipeline.snapshot)
        if board.show(Status("running", doing)):
            _LOG.info(doing or "following the log")


def _doing(place: SnapshotPlace | None) -> str:
    if place is None:
        return ""
    return f"{'comparing' if place.healing else 'reading'} table {place.table}"


def _tell_healing(pipeline: Capture) -> None:
    if pipeline.healed:
        _LOG.warning(pipeline.healed)
        pipeline.healed = ""


def _tell(board: Board, state: str, error: ReplicatorError, delay: float) -> None:
    _LOG.warning("%s; trying again in %.0f s", error, delay)
    until = clock.now() + timedelta(seconds=delay)
    board.show(Status(state, str(error), until.replace(microsecond=0)))
