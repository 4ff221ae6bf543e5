"""Finding where two sides differ without reading all of it: month, day, node and type, hour.

Both sides add up the same groups; only those that differ are looked into. What comes out are units,
small stretches of one node, to be compared row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from replicator.audit.centre import Centre
from replicator.audit.digest import NOTHING, Key, Tally
from replicator.audit.periods import bounds, clipped, runs
from replicator.audit.station import Station, Stretch, Sums
from replicator.source.ranges import Window

UNIT_ROWS = 5_000
_RUN_DAYS = 7
_RUN_HOURS = 24


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows of one node to compare one by one; ``kind``: of one type only."""

    table: str
    window: Window
    kind: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is audited. ``places``: indexes into the chart; ``nodes``: all that the station knows.

    ``state_nodes``  of which node states are looked at; None: of all
    """

    since: str | None
    until: str | None
    places: Sequence[int]
    nodes: Sequence[int]
    state_nodes: Sequence[int] | None = None


@dataclass(slots=True)
class Months:
    """The top of the tree for one table: (place, month) → what each side has.

    ``days``  the station's side of the next level, which the same reading has given
    """

    days: Sums
    due: Mapping[Key, Tally]
    excused: Mapping[Key, Tally]
    there: Mapping[Key, Tally]

    def differing(self) -> list[Key]:
        """Groups that are not the same."""
        return differing(self.due, self.there)


def by_month(days: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """(place, day) groups as (place, month) groups."""
    found: dict[Key, Tally] = {}
    for (place, day), tally in days.items():
        month = (place, str(day)[:7])
        found[month] = found.get(month, NOTHING) + tally
    return found


def differing(here: Mapping[Key, Tally], there: Mapping[Key, Tally]) -> list[Key]:
    """Keys whose tallies differ, in order."""
    keys = sorted(here.keys() | there.keys())
    return [key for key in keys if here.get(key, NOTHING) != there.get(key, NOTHING)]


class DigestWalk:
    """Against a centre that gives digests."""

    def __init__(self, station: Station, centre: Centre, scope: Scope) -> None:
        self._station = station
        self._centre = centre
        self._scope = scope

    def months(self, table: str) -> Months:
        """The top; reads everything in scope once on both sides."""
        asked = self._stretch(table, "month", self._scope.since, self._scope.until)
        days = self._station.sums(replace(asked, level="day"))
        there = self._centre.tallies(asked, self._nodes(asked))
        return Months(days, by_month(days.due), by_month(days.excused), there)

    def _nodes(self, asked: Stretch) -> Sequence[int]:
        """Where all are meant: those that the station knows, and those that its rows name."""
        if asked.nodes is not None:
            return asked.nodes
        return sorted({*self._scope.nodes, *self._station.nodes})

    def _stretch(self, table: str, level: str, since: str | None, until: str | None) -> Stretch:
        nodes = self._scope.state_nodes if table == "NodeState" else None
        return Stretch(table, level, since, until, nodes, None, self._scope.places)

    def _both(self, asked: Stretch) -> tuple[Mapping[Key, Tally], Mapping[Key, Tally]]:
        here = self._station.sums(asked).due
        return here, self._centre.tallies(asked, self._nodes(asked))

    def units(self, table: str, top: Months) -> Iterator[list[Unit]]:
        """Where the sides differ, a few days at a time."""
        found = sorted((str(month), int(place)) for place, month in top.differing())
        for month, group in groupby(found, key=itemgetter(0)):
            places = [place for _, place in group]
            since, until = clipped(month, self._scope.since, self._scope.until)
            asked = replace(self._stretch(table, "day", since, until), places=places)
            here: dict[Key, Tally] = {
                (place, day): tally
                for (place, day), tally in top.days.due.items()
                if place in places and str(day)[:7] == month
            }
            days = differing(here, self._centre.tallies(asked, self._nodes(asked)))
            for run in runs((str(day) for _, day in days), _RUN_DAYS):
                inside = sorted({int(place) for place, day in days if day in run})
                yield list(self._in_days(replace(asked, places=inside), run))

    def _in_days(self, asked: Stretch, days: Sequence[str]) -> Iterator[Unit]:
        since, until = self._clipped(days)
        series = replace(asked, level="series", since=since, until=until)
        here, there = self._both(series)
        wrong = differing(here, there)
        found = sorted((str(day), int(node), int(kind)) for node, kind, day in wrong)
        for day, group in groupby(found, key=itemgetter(0)):
            pairs = [(node, kind) for _, node, kind in group]
            yield from self._in_hours(series, day, pairs, here, there)

    def _in_hours(
        self,
        asked: Stretch,
        day: str,
        pairs: Sequence[tuple[int, int]],
        here: Mapping[Key, Tally],
        there: Mapping[Key, Tally],
    ) -> Iterator[Unit]:
        """Hours only where both sides have rows: else all of the day is missing or extra."""
        since, until = self._clipped([day])
        table, reading = asked.table, asked.table == "Reading"
        both = [p for p in pairs if (*p, day) in here and (*p, day) in there]
        whole: dict[int, list[int]] = {}
        for node, kind in sorted(set(pairs) - set(both)):
            whole.setdefault(node, []).append(kind)
        for node, kinds in whole.items():
            alone = len(kinds) == 1 and len([pair for pair in both if pair[0] == node]) < 2
            only = kinds[0] if alone and reading else None
            yield Unit(table, Window(since, until, (node,)), only)
            if only is None:  # all of its day is looked at: not again by the hour
                both = [pair for pair in both if pair[0] != node]
        if not both:
            return
        nodes, types = sorted({n for n, _ in both}), sorted({k for _, k in both})
        of_types = types if reading else None
        narrow = replace(asked, level="hour", since=since, until=until, nodes=nodes, types=of_types)
        wrong = differing(*self._both(narrow))
        hours = [(int(n), int(k), str(hour)) for n, k, hour in wrong if (n, k) in both]
        for node, group in groupby(sorted(hours), key=itemgetter(0)):
            yield from self._of_node(table, node, [(k, hour) for _, k, hour in group])

    def _of_node(self, table: str, node: int, hours: Sequence[tuple[int, str]]) -> Iterator[Unit]:
        kinds = {kind for kind, _ in hours}
        only = kinds.pop() if len(kinds) == 1 and table == "Reading" else None
        for run in runs((hour for _, hour in hours), _RUN_HOURS):
            yield Unit(table, Window(*self._clipped(run), (node,)), only)

    def _clipped(self, run: Sequence[str]) -> tuple[str, str]:
        since, until = bounds(run[0])[0], bounds(run[-1])[1]
        return max(since, self._scope.since or since), min(until, self._scope.until or until)

    def everything(self, table: str, top: Months) -> Iterator[list[Unit]]:
        """All rows in scope, node by node, whatever the digests say."""
        keys = top.due.keys() | top.excused.keys() | top.there.keys()
        for month in sorted({str(month) for _, month in keys}):
            since, until = clipped(month, self._scope.since, self._scope.until)
            here, there = self._both(self._stretch(table, "node", since, until))
            counts: dict[tuple[int, str], int] = {}
            for side in (here, there):
                for (_, node, day), tally in side.items():
                    spot = (int(node), str(day))
                    counts[spot] = counts.get(spot, 0) + tally.count
            yield list(units_of(table, counts, self._clipped))


def units_of(
    table: str,
    counts: Mapping[tuple[int, str], int],
    clip: Callable[[Sequence[str]], tuple[str, str]],
) -> Iterator[Unit]:
    """(node, day) → rows, as units of neighbouring days with about ``UNIT_ROWS`` at most."""
    for node, group in groupby(sorted(counts), key=itemgetter(0)):
        days = [day for _, day in group]
        for run in runs(days, len(days)):
            part: list[str] = []
            for day in run:
                if part and sum(counts[node, d] for d in (*part, day)) > UNIT_ROWS:
                    yield Unit(table, Window(*clip(part), (node,)))
                    part = []
                part.append(day)
            yield Unit(table, Window(*clip(part), (node,)))
