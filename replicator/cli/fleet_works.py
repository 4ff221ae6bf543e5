"""The work for the stations that a fleet's shipper holds.

The rule this file keeps: a station is given up when its work has ended, and not before.
"""

from __future__ import annotations

import logging

from replicator.cli.fleet_station import StationWork
from replicator.cli.shipping import Holding
from replicator.config import Config
from replicator.delivery import Holder
from replicator.errors import ReplicatorError
from replicator.jetstream.bus import Bus
from replicator.jetstream.leases import Session

_LOG = logging.getLogger("replicator.fleet")


class Works:
    """All that is under way; its length is in stations. What gives up raises as Session does.

    ``once``   each ends when all of its station was delivered, or could not be
    ``error``  of the first that could not
    """

    def __init__(
        self, config: Config, names: tuple[str, ...], bus: Bus, session: Session, *, once: bool
    ) -> None:
        self._config = config
        self._names = names
        self._bus = bus
        self._session = session
        self._once = once
        self._works: dict[str, StationWork] = {}
        self._done: set[str] = set()
        self.error: ReplicatorError | None = None

    def __len__(self) -> int:
        return len(self._works)

    @property
    def runs(self) -> bool:
        """Whether anything is still done for any station."""
        return any(work.runs for work in self._works.values())

    @property
    def leaving(self) -> bool:
        """Whether any was told to stop."""
        return any(work.leaving for work in self._works.values())

    def has_done(self, station: str) -> bool:
        """With ``once``: whether its work is over."""
        return station in self._done

    def reconcile(self) -> None:
        """Work for what is held, and for nothing else."""
        held = self._session.held
        for station, work in list(self._works.items()):
            if held.get(station) != work.epoch:
                work.stop()
                if not work.runs:
                    del self._works[station]
            elif not work.runs:
                if work.error is not None and self.error is None:
                    self.error = work.error
                if work.finished:
                    self._done.add(station)
                else:
                    del self._works[station]  # it had lost the holding for a moment
        for station, epoch in held.items():
            if station not in self._works and self._session.believes():
                self._works[station] = self._begun(station, epoch)

    def _begun(self, station: str, epoch: int) -> StationWork:
        session = self._session
        holding = Holding(Holder(station, epoch), lambda: session.check(station, epoch))
        config = self._config.at_station(station)
        return StationWork(config, self._names, self._bus, holding, once=self._once)

    def stop(self) -> None:
        """Tell all to end."""
        for work in self._works.values():
            work.stop()

    def give_up(self, station: str) -> None:
        """Once its work has ended; to be called again until then."""
        work = self._works.get(station)
        if work is None or not work.runs:
            self._session.give_up(station)
            self._works.pop(station, None)
            _LOG.info("gave up %s", station)
        else:
            work.stop()

    def give_all_up(self) -> None:
        """As ``give_up``, all that is held; what is held no more is dropped once it has ended."""
        held = self._session.held
        for station in {*held, *self._works}:
            if station in held:
                self.give_up(station)
            elif not self._works[station].runs:
                del self._works[station]
