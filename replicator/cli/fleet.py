"""`replicator ship` as one of a fleet: a session, its share of the stations, and their work.

The rules this file keeps:
  * nothing slow happens here, so that the session is renewed in time: stations work in threads;
  * what fails at one station, or with the servers for a time, ends nothing else.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from replicator import __version__
from replicator.cli.connecting import connection
from replicator.cli.fleet_works import Works
from replicator.cli.pipelines import chosen
from replicator.cli.signals import Stop
from replicator.cli.standing import Reporter
from replicator.config import Config
from replicator.errors import OutboxError
from replicator.fleet.belief import Observer, margin_of
from replicator.fleet.sharing import Lease, plan, share
from replicator.jetstream.leases import Session
from replicator.notify import Duty, Service
from replicator.outbox import clock

_LOG = logging.getLogger("replicator.fleet")
_BEATS_A_LEASE = 3
_BREATH_SECONDS = 0.1
_STATIONS_SECONDS = 30.0  # between looks for new stations
_MOST_TAKEN = 32  # at a time
_FORGET_SECONDS = 60.0  # sessions that are over

Report = Callable[[], Mapping[str, object]]


def ship_fleet(config: Config, names: tuple[str, ...], *, once: bool) -> None:
    """Share the stations with all others that do so, until told to stop, or all is delivered."""
    chosen(config, names)
    _allow_files()
    service = Service(["fleet"])
    with Stop(service.stopping) as stop:
        reporter, duty = Reporter(config), service.duty("fleet")
        shipper = FleetShipper(config, names, stop, duty, reporter.said, once=once)
        looking = (shipper.held, stop.wait)
        threading.Thread(target=reporter.run, args=looking, daemon=True, name="report").start()
        try:
            shipper.run()
        finally:
            shipper.close()
    if shipper.works.error is not None:
        raise shipper.works.error


def _allow_files() -> None:
    """As many open files as the system lets us: each station has some twenty."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class FleetShipper:
    """One shipper of the fleet."""

    def __init__(
        self,
        config: Config,
        names: tuple[str, ...],
        stop: Stop,
        duty: Duty,
        report: Report,
        *,
        once: bool,
    ) -> None:
        url, lease = config.outbox.url, config.fleet.lease
        assert url is not None
        self._config = config
        self._stop = stop
        self._duty = duty
        self._report = report
        self._once = once
        self._bus, _ = connection(config, url)
        self._since = clock.text(clock.now())
        self._session = Session(self._bus, url.stream, config.outbox.replicas, lease, self._about)
        self._observer = Observer(lease, margin_of(lease))
        self._every = lease / _BEATS_A_LEASE
        self.works = Works(config, names, self._bus, self._session, once=once)
        self._known: set[str] = set()
        self._found = 0
        self._looked_for = self._beat_at = float("-inf")
        self._dead_since: dict[str, float] = {}
        self._news = threading.Event()
        self._troubled = ""

    def _about(self) -> Mapping[str, object]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "since": self._since,
            "stations": len(self.works),
            "patterns": ", ".join(sorted(self._config.fleet.stations)),
            "found": self._found,
            "report": dict(self._report()),
        }

    def held(self) -> Iterable[str]:
        """Stations that are delivered here; from any thread."""
        return self._session.held

    def run(self) -> None:
        """Until told to stop; with ``once`` until all is delivered. Others may go on at once."""
        self._session.wake_on_news(self._news.set)
        try:
            while not self._stop.is_set():
                busy, complete = self._guarded(self._round)
                if self._once and complete:
                    break
                self._wait(_BREATH_SECONDS if busy else self._every)
        finally:
            self._leave()

    def close(self) -> None:
        """Close the connection."""
        self._bus.close()

    def _guarded(self, round_: Callable[[], tuple[bool, bool]]) -> tuple[bool, bool]:
        try:
            found = round_()
        except OutboxError as error:
            if self._once and not self.works:
                raise
            if str(error) != self._troubled:
                _LOG.warning("%s; trying again", error)
                self._duty.say(f"waiting: {error}")
            self._troubled = str(error)
            return False, False
        if self._troubled:
            _LOG.info("the servers answer again")
        self._troubled = ""
        return found

    def _round(self) -> tuple[bool, bool]:
        """One look, and what follows; whether more is to do at once, and whether all is done."""
        self._beat()
        began = time.monotonic()
        seen = self._session.look()
        now = time.monotonic()
        others = {n: r for n, r in seen.sessions.items() if n != self._session.id}
        self._observer.look(now, others, began)
        dead = {*seen.dead, *self._buried(), *self._missing(seen.leases, seen.sessions, seen.dead)}
        self._session.adopt(seen.leases)
        stations = self._stations(seen.leases)
        live = set(seen.sessions) - dead
        wanted = plan(self._session.id, stations, live, dead, self._ours(seen.leases))
        for station in wanted.give_up:
            self.works.give_up(station)
        taking = wanted.take[:_MOST_TAKEN]
        if taking and self._session.believes():
            revisions = {n: seen.leases[n].revision if n in seen.leases else 0 for n in taking}
            got = self._session.take(revisions)
            if got:
                _LOG.info("took %s", ", ".join(sorted(got)))
        self.works.reconcile()
        self._forget(seen.dead, seen.leases)
        self._duty.say(f"{len(self.works)} of {len(stations)} stations, {len(live)} shippers")
        most = share(len(stations), len(live))
        complete = all(self._is_done(n, seen.leases.get(n), most) for n in stations)
        return bool(taking) or self.works.leaving, complete

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < self._every and self._session.believes():
            return
        self._beat_at = now
        if not self._session.beat():
            _LOG.warning("others have taken this shipper for dead: it begins anew")
            self.works.reconcile()
            self._session.beat()

    def _buried(self) -> set[str]:
        """Silent sessions, ended now."""
        silent = self._observer.silent(time.monotonic()) if self._session.believes() else {}
        found = {name for name, revision in silent.items() if self._session.bury(name, revision)}
        for name in found:
            _LOG.warning("shipper %s is silent: its stations are free", name)
        return found

    def _missing(
        self, leases: Mapping[str, Lease], sessions: Mapping[str, int], dead: Mapping[str, int]
    ) -> set[str]:
        """Holders that have no session at all: they have ended."""
        holders = {lease.holder for lease in leases.values()} - {"", self._session.id}
        return self._session.gone(holders - set(sessions) - set(dead))

    def _stations(self, leases: Mapping[str, Lease]) -> set[str]:
        now = time.monotonic()
        if now - self._looked_for >= min(_STATIONS_SECONDS, 3 * self._config.fleet.lease):
            self._known = self._session.stations()
            self._looked_for = now
        found = {name for name in {*self._known, *leases} if self._config.fleet.has(name)}
        self._found = len(found)
        return found

    def _ours(self, leases: Mapping[str, Lease]) -> dict[str, Lease]:
        """The leases, with what we know better: a station that is being given up is still ours."""
        held = self._session.held
        known = {name: Lease(self._session.id, epoch) for name, epoch in held.items()}
        return {**leases, **known}

    def _is_done(self, station: str, lease: Lease | None, most: int) -> bool:
        """With ``once``: delivered, or in the care of another who lives."""
        if self.works.has_done(station):
            return True
        if lease is not None and lease.holder not in ("", self._session.id):
            return self._observer.lives(lease.holder)
        return station not in self._session.held and len(self._session.held) >= most

    def _forget(self, dead: Mapping[str, int], leases: Mapping[str, Lease]) -> None:
        """Remove what is left of sessions that ended a while ago and hold nothing."""
        now = time.monotonic()
        self._dead_since = {name: self._dead_since.get(name, now) for name in dead}
        holders = {lease.holder for lease in leases.values()}
        old = [n for n, at in self._dead_since.items() if now - at > _FORGET_SECONDS]
        self._session.forget([name for name in old if name not in holders])

    def _leave(self) -> None:
        """Give all up, each when its work has ended; the session goes on meanwhile."""
        while self.works or self._session.held:
            found = self._guarded(self._leaving)
            if self._troubled and not self.works.runs:
                break  # the leases run out by themselves
            if found[0]:
                time.sleep(_BREATH_SECONDS)
        with suppress(OutboxError):  # then others find it silent
            self._session.end()

    def _leaving(self) -> tuple[bool, bool]:
        self.works.stop()
        self._duty.alive()
        self._beat()
        self.works.give_all_up()
        return True, False

    def _wait(self, seconds: float) -> None:
        """Until it is time, there is news, or we are told to stop."""
        end = time.monotonic() + seconds
        self._duty.alive()
        while (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            if self._news.is_set():
                time.sleep(min(left, _BREATH_SECONDS))  # more may come at once
                self._news.clear()
                return
            self._stop.wait(min(left, _BREATH_SECONDS))
