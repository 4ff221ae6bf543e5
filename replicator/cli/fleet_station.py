"""One station that a fleet's shipper holds: its folder filled and delivered, in a thread."""

from __future__ import annotations

import logging
import random
import threading

from replicator.cli import streaming
from replicator.cli.jobs import side_by_side
from replicator.cli.pipelines import chosen
from replicator.cli.shipping import Holding, Shipping
from replicator.cli.signals import Stop
from replicator.config import Config
from replicator.errors import HoldingLost, ReplicatorError
from replicator.feed import Feed
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from replicator.notify import silent
from replicator.outbox.retention import furthest
from replicator.sink.backoff import Backoff

_LOG = logging.getLogger("replicator.fleet")
_IDLE_SECONDS = 10.0  # that a station without news is asked for in one go


class StationWork:
    """Works until it is stopped, or the holding is lost; what fails is told, and tried again.

    ``once``  ends when all was delivered, or could not be: then ``error`` says why
    """

    def __init__(
        self, config: Config, names: tuple[str, ...], bus: Bus, holding: Holding, *, once: bool
    ) -> None:
        self._config = config
        self._names = names
        self._bus = bus
        self._holding = holding
        self._once = once
        self._stop = Stop()
        self._trying = Stop()
        self._lock = threading.Lock()
        self._feed: Feed | None = None
        self.epoch = holding.holder.epoch
        self.error: ReplicatorError | None = None
        self.finished = False
        name = f"station {config.station.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        """Whether anything is still done for the station."""
        return self._thread.is_alive()

    @property
    def leaving(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End in order; to be called again until it does not run any more."""
        with self._lock:
            self._stop.set()
            self._trying.set()
            feed = self._feed
        if feed is not None:
            feed.interrupt()

    def _run(self) -> None:
        name = self._config.station.name
        backoff = Backoff(random.Random())  # noqa: S311  # jitter, not a secret
        while self._begin():
            try:
                self._attempt()
            except HoldingLost as error:
                _LOG.info("%s: %s", name, error)
                return
            except ReplicatorError as error:
                self.error = error
            except Exception:  # noqa: BLE001  # the other stations go on; this one is tried again
                _LOG.critical("%s: a bug in replicator: please report it", name, exc_info=True)
                self.error = ReplicatorError(f"station {name} failed by a bug in replicator")
            else:
                self.error = None
                self.finished = True
                return
            if self._once:
                self.finished = True
                return
            delay = backoff.delay()
            _LOG.error("%s: %s; trying again in %.0f s", name, self.error, delay)
            self._stop.wait(delay)

    def _begin(self) -> bool:
        with self._lock:
            self._trying = Stop()
            return not self._stop.is_set()

    def _attempt(self) -> None:
        config, holding, stop = self._config, self._holding, self._trying
        url = config.outbox.url
        assert url is not None
        stream = StationStream(self._bus, url.stream, config.station.name)
        with streaming.feed_in(config, self._bus, stream, epoch=self.epoch) as (feed, board):
            self._feed = feed
            try:
                feed.read_behind(
                    furthest(config.outbox.path, [d.name for d in config.destinations])
                )
                jobs = [
                    Shipping(config, each, stop, silent(), self._once, holding).run
                    for each in chosen(config, self._names)
                ]
                if self._once:
                    feed.read_to_end()
                    streaming.tell(feed)
                else:
                    idle = min(_IDLE_SECONDS, config.fleet.desk)
                    jobs.append(lambda: streaming.follow(feed, board, stop, holding.check, idle))
                side_by_side(jobs, stop)
            finally:
                self._feed = None
            holding.check()
            feed.keep_desk()
            self.error = None
