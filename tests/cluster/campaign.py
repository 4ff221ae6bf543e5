"""The stations write, the shippers deliver, and one fault after the other strikes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from demo.processes import Child, ChildFailed
from tests.cluster.centre import Centre
from tests.cluster.judge import last_states, stream_rows
from tests.cluster.nodes import Nodes
from tests.cluster.plan import OF_NODES, Planned
from tests.cluster.report import Event, Struck, rate, recovery
from tests.cluster.shippers import Shipper, held

_LOOK_SECONDS = 0.2
_FIRST_SECONDS = 600.0  # hundreds of stations make themselves known at once
_IN_FLIGHT_SECONDS = 1.0  # what a killed or frozen shipper had sent may still be stored


class Campaign:
    """``struck``: the faults so far; ``patience``: seconds to wait for anything."""

    def __init__(
        self,
        nodes: Nodes,
        centre: Centre,
        shippers: Sequence[Shipper],
        writers: Sequence[Child],
        acknowledged: Sequence[Path],
        patience: float,
    ) -> None:
        self.struck: list[Struck] = []
        self.stored: list[Event] = []
        self.notes: list[str] = []
        self.began = time.monotonic()
        self._nodes = nodes
        self._centre = centre
        self._shippers = shippers
        self._writers = writers
        self._acknowledged = acknowledged
        self._read = [0] * len(acknowledged)
        self._patience = patience
        self._stations: set[int] = set()
        self._down: Child | None = None

    def begin(self, stations: Sequence[int], quiet: float) -> tuple[float, float]:
        """Wait until every station is stored and delivered; the rates of ``quiet`` seconds then."""
        self._stations = set(stations)
        first = self.wait(
            lambda: self._all_since(0.0), "the first rows of every station", _FIRST_SECONDS
        )
        if not first:
            raise ChildFailed("not every station has begun")
        since = time.monotonic()
        while time.monotonic() < since + quiet:
            self.look()
            time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        return rate(self.stored, since, now), rate(self._centre.arrivals, since, now)

    def strike(self, planned: Planned) -> None:
        """One fault, and wait until everything is well again."""
        if planned.kind == "disk full" and not self._nodes.disk_by:
            self.notes.append("disk full was left out: no mounts of our own on this machine")
            return
        if planned.kind in OF_NODES:
            self.wait(self._nodes.whole, "all replicas to be current")
        self._sleep(planned.pause)
        at, known = time.monotonic(), len(self.stored)
        victim, affected, undo = self._do(planned)
        say(f"{at - self.began:7.1f} s: {planned.kind}, {victim} ({len(affected)} stations)")
        self._sleep(planned.lasts)
        grace = _IN_FLIGHT_SECONDS if planned.kind.startswith("shipper") else 0.0
        if planned.kind.startswith("shipper") and len(self._shippers) > 1 and self._is_fleet():
            self.wait(lambda: self._delivered_since(at + grace, affected), "another to take over")
        undo()
        undone = time.monotonic()
        fine = self.wait(lambda: self._all_since(undone), "every station, after the fault")
        if planned.kind in OF_NODES:
            self.wait(self._nodes.whole, "all replicas to be current, after the fault")
        now = time.monotonic()
        say(f"{now - self.began:7.1f} s: undone after {undone - at:.1f}, well after {now - at:.1f}")
        delivered = recovery(self._centre.arrivals, at + grace, now, affected)
        self.struck.append(
            Struck(
                planned.kind,
                victim,
                round(at - self.began, 1),
                round(undone - at, 1),
                round(now - at, 1) if fine else None,
                recovery(self.stored[known:], at, now, affected),
                delivered.shifted(grace),
                rate(self.stored[known:], at, now),
                rate(self._centre.arrivals, at, now),
            )
        )

    def _do(self, planned: Planned) -> tuple[str, set[int], Callable[[], None]]:
        """Victim, affected stations, and how to undo it."""
        nodes, everybody = self._nodes, self._stations
        if planned.kind == "centre restarted":
            self._centre.kill()
            return "centre", everybody, self._centre.start
        if planned.kind.startswith("shipper"):
            number = planned.victim % len(self._shippers)
            mine = {
                s
                for s, n in held(nodes.hosts, self._shippers, sorted(everybody)).items()
                if n == number
            }
            shipper = self._shippers[number]
            if planned.kind == "shipper frozen":
                shipper.freeze()
                return shipper.name, mine, shipper.thaw
            self._down = shipper
            shipper.kill()
            return shipper.name, mine, lambda: self._restart(shipper)
        leader = nodes.leader()
        node = planned.victim % len(nodes.servers)
        if planned.kind == "stream leader killed":
            node = node if leader is None else leader
            nodes.servers[node].kill()
            return f"n{node}", everybody, nodes.servers[node].start
        name = f"n{node}, leader" if node == leader else f"n{node}"
        if planned.kind == "disk full":
            nodes.fill(node)
            return name, everybody, lambda: nodes.make_room(node)
        nodes.cut_off(node)
        return name, everybody, lambda: nodes.join(node)

    def _restart(self, shipper: Shipper) -> None:
        shipper.start()
        self._down = None

    def _is_fleet(self) -> bool:
        return all(shipper.station is None for shipper in self._shippers)

    # --- the end -------------------------------------------------------------------------------

    def drain(self, seed: int) -> tuple[dict[int, int], bool, float]:
        """No more is committed: wait until all has arrived. Totals, whether it has, seconds."""
        began = time.monotonic()
        for writer in self._writers:
            writer.terminate()
        if not self.wait(lambda: not any(w.running for w in self._writers), "the stations to end"):
            return {}, False, time.monotonic() - began
        self.look()
        totals = self._totals()
        rows, ends = stream_rows(seed, totals), last_states(seed, totals)
        settled = self.wait(lambda: self._all_there(rows, ends), "everything to arrive")
        return totals, settled, time.monotonic() - began

    def _all_there(self, rows: int, ends: Sequence[tuple[str, int]]) -> bool:
        """As many rows as there are, and the end of each lane, before which the rest came."""
        centre = self._centre
        return centre.closed_lanes(ends) == len(ends) and sum(centre.counts()) == rows

    def _totals(self) -> dict[int, int]:
        found = {}
        for notes in self._acknowledged:
            for line in notes.read_text().splitlines():
                if line.startswith("total "):
                    _, station, count = line.split()
                    found[int(station)] = int(count)
        return found

    # --- looking -------------------------------------------------------------------------------

    def look(self) -> None:
        """Take note of what was stored and delivered; fail where a process has ended by itself."""
        for number, file_of in enumerate(self._acknowledged):
            with file_of.open() as file:
                file.seek(self._read[number])
                text = file.read()
            whole = text[: text.rfind("\n") + 1]
            self._read[number] += len(whole)
            for line in whole.splitlines():
                if not line.startswith("total "):
                    when, station, _ = line.split()
                    self.stored.append((float(when), int(station)))
        self._centre.look()
        for shipper in self._shippers:
            if shipper is not self._down and not shipper.running:
                raise ChildFailed(f"{shipper.name} has ended:\n{shipper.last_lines(15)}")

    def wait(self, condition: Callable[[], bool], what: str, patience: float = 0.0) -> bool:
        """Whether it came true while we had patience."""
        deadline = time.monotonic() + (patience or self._patience)
        while True:
            self.look()
            if condition():
                return True
            if time.monotonic() > deadline:
                say(f"{time.monotonic() - self.began:7.1f} s: WAITED IN VAIN for {what}")
                return False
            time.sleep(_LOOK_SECONDS)

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic())))

    def _all_since(self, when: float) -> bool:
        return self._stations <= _newer(self.stored, when) and self._delivered_since(
            when, self._stations
        )

    def _delivered_since(self, when: float, stations: set[int]) -> bool:
        return stations <= _newer(self._centre.arrivals, when)


def _newer(events: Sequence[Event], when: float) -> set[int]:
    found = set()
    for at, station in reversed(events):  # nearly in order of time
        if at < when - 30:
            break
        if at > when:
            found.add(station)
    return found


def say(text: str) -> None:
    """What happens, while it does."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
