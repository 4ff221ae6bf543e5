"""Telling a destination now and then that the station lives, beside delivery and never in its way.

The rules this file keeps: a heartbeat has a thread and a connection of its own, one at a time;
whatever becomes of it, it is told in the log and tried again at its next time, never before.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime

import orjson

from replicator import __version__
from replicator.backlog import Backlog, read_backlog
from replicator.change import Value
from replicator.config import Config, DestinationConfig
from replicator.delivery import Holder
from replicator.errors import ReplicatorError
from replicator.outbox import clock
from replicator.sink.beat import next_beat, told
from replicator.sink.dialect import Dialect
from replicator.sink.judge import failure
from replicator.sink.link import Link
from replicator.sink.rest import Address, Rest
from replicator.sink.speaker import Speaker

_LOG = logging.getLogger("replicator.ship")
_JSON = {"Content-Type": "application/json"}


class Heart:
    """``look`` is called in ship's loop.

    ``known``  the kind of server, where ship has found it out; asked in ship's own thread
    ``wall``   Unix seconds
    """

    def __init__(
        self,
        config: Config,
        destination: DestinationConfig,
        address: Address,
        known: Callable[[], Dialect | None],
        wall: Callable[[], float] = time.time,
        holder: Holder | None = None,
    ) -> None:
        self._known = known
        self._holder = holder
        self._config = config
        self._destination = destination
        self._address = address
        self._wall = wall
        self._dialect: Dialect | None = None
        self._failed = ""
        self._thread: threading.Thread | None = None
        self._due = self._next()

    def _next(self) -> float:
        interval = self._destination.heartbeat
        if not interval:
            return float("inf")
        return next_beat(self._wall(), interval, self._config.station.name)

    def look(self) -> None:
        """Beat where it is time; returns at once."""
        now = self._wall()
        if self._due - now > self._destination.heartbeat:  # the clock was set back
            self._due = self._next()
        if now < self._due:
            return
        self._due = self._next()
        if self._thread is None or not self._thread.is_alive():
            self._dialect = self._known() or self._dialect
            self._thread = threading.Thread(target=self.beat, name="heartbeat", daemon=True)
            self._thread.start()

    def beat(self) -> None:
        """One heartbeat, now. Raises nothing that a link, a server or a disk can do."""
        try:
            said = self._sent()
        except (ReplicatorError, OSError) as error:  # the disk may be asked in vain, too
            self._dialect = None
            said = str(error)
        if said and said != self._failed:
            _LOG.warning("%s: no heartbeat: %s", self._destination.name, said)
        elif not said:
            _LOG.debug("%s: heartbeat", self._destination.name)
        self._failed = said

    def _sent(self) -> str:
        """Why the destination did not take it, or ""."""
        link = Link(Rest(self._address, Speaker(self._holder)))
        try:
            self._dialect = self._dialect or link.dialect
            path, body = told(
                self._dialect,
                self._config.station.name,
                socket.gethostname(),
                self._state(),
                datetime.now().astimezone(),
            )
            reply = link.rest.call("POST", path, orjson.dumps(body), _JSON)
        finally:
            link.close()
        failed = failure(reply)
        return "" if failed is None else str(link.error(failed))

    def _state(self) -> dict[str, Value]:
        folder, now = self._config.outbox.path, clock.now()
        names = [(self._destination.name, self._destination.enabled)]
        found = read_backlog(folder, names, now, clock.text(now))
        disk = os.statvfs(folder)
        return {
            "version": __version__,
            "sent_at": found.at,
            "interval": round(self._destination.heartbeat),
            **state_of(found),
            "disk_free": disk.f_bavail * disk.f_frsize,
        }


def state_of(found: Backlog) -> dict[str, Value]:
    """What a heartbeat says of a backlog with one destination."""
    (waiting,) = found.destinations
    return {
        "waiting_rows": waiting.waiting_rows,
        "lag_seconds": round(waiting.lag_seconds),
        "parked_rows": waiting.parked_rows,
        "open_gaps": sum(gap.state == "open" for gap in found.gaps),
        "last_commit": found.tail.committed_at or None,
        "outbox_bytes": found.tail.bytes,
        "tail": found.tail.daemon.state,
        "ship": waiting.daemon.state,
    }
