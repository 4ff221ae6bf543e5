"""What tail notes down once a minute, for people: the source's retention, and how capture goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from replicator.change import Position
from replicator.cli.pipelines import endpoint
from replicator.config import Config
from replicator.contract import Outbox
from replicator.errors import OutboxError, SourceMisconfigured, SourceUnavailable
from replicator.outbox import clock
from replicator.outbox.forecast import save_forecast
from replicator.outbox.history import History, capture_sample
from replicator.outbox.writer import OutboxWriter
from replicator.source.forecast import Forecaster, Outlook

_LOG = logging.getLogger("replicator.tail")
_EARLY = 60.0
_TRIM_SECONDS = 60.0


class PurgeWatch:
    """Warns when the source may purge what is unread; looks once a minute."""

    def __init__(self, config: Config) -> None:
        self._forecaster = Forecaster(endpoint(config), time.monotonic)
        self._warn_below = config.source.purge_warning
        self._warned = False

    @property
    def due(self) -> bool:
        """It is time to look again."""
        return self._forecaster.due

    def look(self, place: Position, committed_at: str, now: datetime) -> Outlook | None:
        """Look and warn; None where the source does not answer, which capture itself says."""
        try:
            found = self._forecaster.look(place, clock.parse(committed_at), now)
        except (SourceUnavailable, SourceMisconfigured):
            return None
        self._warn(found, now)
        return found

    def _warn(self, found: Outlook, now: datetime) -> None:
        near = found.safe_until is not None and (
            (found.safe_until - now).total_seconds() < self._warn_below
        )
        if near and found.unread_bytes and not self._warned:
            _LOG.warning(
                "the source may purge what is unread (%d bytes of its log) from %s on: %s",
                found.unread_bytes,
                found.safe_until,
                found.rule,
            )
        self._warned = near


class Watch:
    """Called in tail's loop, whatever it is doing; looks once a minute.

    Warns when the source may purge what is unread.
    """

    def __init__(self, config: Config, writer: OutboxWriter) -> None:
        self._folder = config.outbox.path
        self._history = History(writer.database, writer.path)
        self._caught_up_at: datetime | None = None
        self._started = time.monotonic()
        self._purges = PurgeWatch(config)
        self._writer = writer

    def caught_up(self) -> None:
        """The source has no more at this moment."""
        self._caught_up_at = clock.now()

    def look(self) -> None:
        """Look, save, warn; nothing before its time."""
        self._forecast()
        self._sample()

    def _sample(self) -> None:
        """How far tail is behind can be told once it has caught up, or a minute after its start."""
        early = self._caught_up_at is None and time.monotonic() - self._started < _EARLY
        if self._writer.position is None or early or not self._history.due:
            return
        database = self._writer.database  # raises what a commit of capture failed with
        if database.conn.in_transaction:
            return
        now = clock.now()
        said = self._history.keep(
            now, lambda: capture_sample(database, self._folder, self._caught_up_at, now)
        )
        if said:
            _LOG.warning(said)

    def _forecast(self) -> None:
        place = self._writer.position
        if place is None or not self._purges.due or self._writer.database.conn.in_transaction:
            return
        now = clock.now()
        found = self._purges.look(place, self._writer.committed_at, now)
        if found is not None:  # else the last forecast stays, with its time
            save_forecast(
                self._writer.database, now, found.unread_bytes, found.safe_until, found.rule
            )


class StreamWatch:
    """The same of an outbox that is a stream, where nothing is noted down."""

    def __init__(
        self, config: Config, outbox: Outbox, trim: Callable[[], int] | None = None
    ) -> None:
        self._purges = PurgeWatch(config)
        self._outbox = outbox
        self._trim = trim
        self._trim_at = time.monotonic()
        self._said = ""

    def caught_up(self) -> None:
        """The source has no more at this moment."""

    def look(self) -> None:
        """Look and warn; nothing before its time. Raises as the outbox does."""
        if self._purges.due and self._outbox.position is not None:
            self._purges.look(self._outbox.position, self._outbox.committed_at, clock.now())
        if self._trim is not None and time.monotonic() >= self._trim_at:
            self._trim_leaf(self._trim)

    def _trim_leaf(self, trim: Callable[[], int]) -> None:
        self._trim_at = time.monotonic() + _TRIM_SECONDS
        try:
            trim()
            said = ""
        except OutboxError as error:  # the link is down, or the hub differs: all of it stays here
            said = str(error)
        if said and said != self._said:
            _LOG.warning("nothing is trimmed at the leaf: %s", said)
        self._said = said
