"""The outbox on a stream: capture into it, and filling the folder that delivery works in."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

from replicator.catchup import FirstReading
from replicator.cli.connecting import connection, desk_of, hub_of, shelf_of
from replicator.cli.homes import refuse_misplaced_folder
from replicator.cli.pipelines import StationSource, tail_settings
from replicator.cli.signals import Stop
from replicator.cli.watch import StreamWatch
from replicator.config import Config
from replicator.errors import (
    ConfigError,
    OutboxBusy,
    OutboxFull,
    OutboxTaken,
    OutboxUnavailable,
    ReplicatorError,
)
from replicator.notify import Duty
from replicator.outbox import clock
from replicator.outbox.bell import Bell
from replicator.outbox.house import Budget, House
from replicator.outbox.lock import RoleLock
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.store import OUTBOX_FILE
from replicator.outbox.writer import OutboxWriter
from replicator.sink.backoff import Backoff
from replicator.tail import Capture

if TYPE_CHECKING:
    from replicator.desk import StationDesk
    from replicator.feed import Feed
    from replicator.jetstream.bus import Bus
    from replicator.jetstream.stream import StationStream
    from replicator.jetstream.writer import JetStreamOutbox

_LOG = logging.getLogger("replicator.stream")
_SAVE_IDLE_SECONDS = 60.0  # each time is a message


class Board(Protocol):
    """Where a daemon says what it is doing."""

    def show(self, status: Status) -> bool:
        """True when it is news."""


class Looking(Protocol):
    """What is looked at now and then while capture goes on."""

    def caught_up(self) -> None:
        """The source has no more at this moment."""

    def look(self) -> None:
        """Nothing before its time."""


Desk = tuple[Capture, Board, Looking]


class _LastSaid:
    """A board that keeps nothing: the log and the service's status say it all."""

    def __init__(self, duty: Duty) -> None:
        self._shown: Status | None = None
        self._duty = duty

    def show(self, status: Status) -> bool:
        news, self._shown = status != self._shown, status
        if news:
            self._duty.say(status.words)
        return news


@contextmanager
def at_stream(config: Config, source: StationSource, duty: Duty) -> Iterator[Desk]:
    """Capture into the stream; one process on this machine."""
    lock = RoleLock(config.outbox.path, "capture")
    try:
        refuse_misplaced_folder(config)
        outbox, stream = _outbox(config)
        settings = tail_settings(config, save_idle_seconds=_SAVE_IDLE_SECONDS)
        beside = FirstReading(source, outbox, settings.snapshot_chunk)
        try:
            with _trimming(config, stream) as trim:
                yield (
                    Capture(source, outbox, beside, settings),
                    _LastSaid(duty),
                    StreamWatch(config, outbox, trim),
                )
        finally:
            outbox.close()
    finally:
        lock.release()


def read_again(config: Config, *, everything: bool) -> str:
    """Capture goes on at the log's present end and reads all tables again; what to tell of it."""
    if not everything:
        raise ConfigError(
            "captured rows are not kept here",
            "[outbox] url is a stream: there is nothing to compare the tables with",
            "`replicator heal --everything` reads all tables again; rows that the source no longer"
            " has stay at the destinations",
        )
    lock = RoleLock(config.outbox.path, "capture")
    try:
        refuse_misplaced_folder(config)
        source = StationSource(config)
        outbox, _ = _outbox(config)
        try:
            at = source.now()
            outbox.begin_at(at, FirstReading(source, outbox, 1).begin_snapshot())
        finally:
            outbox.close()
    finally:
        lock.release()
    return (
        f"Capture goes on from {at}. Start `replicator tail`: it reads all tables again.\n"
        "Rows that the source no longer has stay at the destinations."
    )


def feeding(config: Config, stop: Stop, *, once: bool) -> list[Callable[[], None]]:
    """What fills the folder while ship delivers from it: nothing where tail does it.

    With ``once`` it is filled now, before ship begins; else the folder is made the newest now, as
    far as the servers can be asked.
    """
    if config.outbox.url is None:
        return []
    bus, stream = connection(config, config.outbox.url)
    if once:
        try:
            with feed_in(config, bus, stream) as (feed, _):
                feed.read_to_end()
                tell(feed)
        finally:
            bus.close()
        return []
    try:
        _prepare_alone(config, bus, stream)
    except OutboxUnavailable as error:  # what is in the folder can be delivered meanwhile
        _LOG.warning("%s", error)
    return [lambda: _follow_alone(config, bus, stream, stop)]


def _prepare_alone(config: Config, bus: Bus, stream: StationStream) -> None:
    """Make the folder the newest there is."""
    lock = RoleLock(config.outbox.path, "tail")
    try:
        _prepare(config, bus, stream, 0)
    finally:
        lock.release()


def _prepare(config: Config, bus: Bus, stream: StationStream, epoch: int) -> StationDesk:
    refuse_misplaced_folder(config)
    desk = desk_of(config, bus, stream, epoch)
    # Whoever kept desks before can move no floor from here on.
    shelf_of(config, bus, stream).claim()
    said = desk.prepare(config.outbox.synchronous)
    if said:
        _LOG.info("%s: %s", config.station.name, said)
    return desk


def _follow_alone(config: Config, bus: Bus, stream: StationStream, stop: Stop) -> None:
    backoff = Backoff(random.Random())  # noqa: S311  # jitter, not a secret
    try:
        while not stop.is_set():
            there = (config.outbox.path / OUTBOX_FILE).exists()
            try:
                with feed_in(config, bus, stream, prepared=there) as (feed, board):
                    follow(feed, board, stop)
            except OutboxUnavailable as error:
                delay = backoff.delay()
                _LOG.warning("%s; trying again in %.0f s", error, delay)
                stop.wait(delay)
    finally:
        bus.close()


def follow(
    feed: Feed,
    board: StatusBoard,
    stop: Stop,
    check: Callable[[], None] = lambda: None,
    max_wait: float = 0.5,
) -> None:
    """Fill the folder until told to stop, whatever the servers do. ``check`` may end it, too."""
    backoff = Backoff(random.Random())  # noqa: S311  # jitter, not a secret
    while not stop.is_set():
        check()
        try:
            feed.step(max_wait)
        except OutboxTaken:
            raise
        except (OutboxUnavailable, OutboxFull, OutboxBusy) as error:
            feed.fall_back()
            if stop.is_set():  # it was interrupted for that
                break
            delay = backoff.delay()
            _LOG.warning("%s; trying again in %.0f s", error, delay)
            board.show(Status("waiting", str(error)))
            stop.wait(delay)
            continue
        tell(feed)
        backoff.reset()
        if board.show(Status("running", "reading the stream")):
            _LOG.info("reading the stream")
    board.show(Status("stopped"))


def tell(feed: Feed) -> None:
    """Log what it has to say, once."""
    if feed.said:
        _LOG.warning(feed.said)
        feed.said = ""


@contextmanager
def feed_in(
    config: Config, bus: Bus, stream: StationStream, *, epoch: int = 0, prepared: bool = False
) -> Iterator[tuple[Feed, StatusBoard]]:
    """What fills the folder, which is made the newest first, unless that is ``prepared``.

    ``epoch``  of the holding; 0: there is none
    """
    lock = RoleLock(config.outbox.path, "tail")
    try:
        if prepared:
            refuse_misplaced_folder(config)
            desk = desk_of(config, bus, stream, epoch)
        else:
            desk = _prepare(config, bus, stream, epoch)
        writer = OutboxWriter(config.outbox.path, config.outbox.synchronous)
        bell = Bell(config.outbox.path, tail_settings(config).destinations)
        board = StatusBoard(writer.database)
        feed = feed_of(config, bus, stream, writer, bell.ring, desk=desk)
        try:
            yield feed, board
        except ReplicatorError as error:
            writer.abandon()
            board.show(Status("stopped", str(error)))
            raise
        finally:
            feed.close()
            writer.close()
            bell.close()
    finally:
        lock.release()


def feed_of(
    config: Config,
    bus: Bus,
    stream: StationStream,
    writer: OutboxWriter,
    announce: Callable[[], None] = lambda: None,
    move: str = "",
    desk: StationDesk | None = None,
) -> Feed:
    """What fills a folder, within its budget."""
    from replicator.feed import Feed  # noqa: PLC0415  # needs the extra jetstream

    settings = tail_settings(config)
    budget = Budget(
        settings.folder,
        settings.destinations,
        settings.max_bytes,
        settings.keep_seconds,
        settings.housekeeping_seconds,
    )
    house = House(
        writer, budget, clock.now, time.monotonic, lambda _settled: feed.keep_references()
    )
    feed = Feed(bus, stream, shelf_of(config, bus, stream), writer, house, announce, move, desk)
    return feed


def _outbox(config: Config) -> tuple[JetStreamOutbox, StationStream]:
    assert config.outbox.url is not None
    bus, stream = connection(config, config.outbox.url, leaf=bool(config.outbox.hub))
    from replicator.jetstream.writer import JetStreamOutbox  # noqa: PLC0415

    outbox = JetStreamOutbox(bus, stream, config.outbox.replicas, config.outbox.max_size)
    return outbox, stream


@contextmanager
def _trimming(config: Config, leaf: StationStream) -> Iterator[Callable[[], int] | None]:
    """What removes from a leaf's stream what the hub has settled; None: this is no leaf."""
    if not config.outbox.hub:
        yield None
        return
    from replicator.jetstream.leaves import Trimmer  # noqa: PLC0415

    bus, hub = hub_of(config)
    with closing(bus):
        yield Trimmer(leaf, hub, shelf_of(config, bus, hub)).trim
