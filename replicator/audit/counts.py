"""Finding where the original server differs: it gives counts, not digests.

Its ``counts/`` tells readings per day of a node, without those that have no location. How many
there are of these, and of node states, an empty page tells. A changed value changes no count: only
a deep audit reads all rows. Values come with six digits. It does not tell houses apart, so nodes
are counted with all their readings, wherever they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from replicator.audit.centre import Centre
from replicator.audit.digest import NOTHING, Tally
from replicator.audit.periods import BEGINNING, END, bounds, merged
from replicator.audit.station import Station, Stretch
from replicator.audit.walk import UNIT_ROWS, Scope, Unit
from replicator.source.ranges import Window

_FEW_ROWS = 500
Days = Mapping[str, int]


class CountWalk:
    """Against the original. After ``units``:

    ``due``, ``excused``, ``reasons``  of what is in scope, as in station.Sums
    ``there``  rows of the nodes there; of a deep audit None, it counts them itself
    """

    def __init__(self, station: Station, centre: Centre, scope: Scope, places: int) -> None:
        self._station = station
        self._centre = centre
        self._scope = scope
        self._places = range(places)
        self.due = self.excused = NOTHING
        self.reasons: Mapping[tuple[str, str], int] = {}
        self.there: int | None = None

    def units(self, table: str, *, deep: bool) -> Iterator[list[Unit]]:
        """Where counts differ; ``deep``: everywhere."""
        days, bare = self._here(table)
        total = 0
        for node in sorted({*days, *self._nodes(table)}):
            mine, placeless = days.get(node, {}), bare.get(node, {})
            if deep:
                windows = list(self._parts(mine))
            elif table == "Reading":
                count, windows = self._readings(node, mine, placeless)
                total += count
            else:
                count = self._count(table, node, BEGINNING, END)
                total += count
                windows = list(self._wrong(table, node, mine, BEGINNING, END, count))
            yield [Unit(table, self._window(node, *window)) for window in merged(windows)]
        self.there = None if deep else total

    def _nodes(self, table: str) -> Sequence[int]:
        scope = self._scope
        return scope.nodes if table == "Reading" or scope.state_nodes is None else scope.state_nodes

    def _here(self, table: str) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]]]:
        """Node → day → rows that must be there; and those of them without a location."""
        states = self._scope.state_nodes if table == "NodeState" else None
        scope = self._scope
        asked = Stretch(table, "node", scope.since, scope.until, states, None, self._places)
        sums = self._station.sums(asked)
        self.reasons = sums.reasons
        self.due, self.excused = (
            self._inside(table, side.items()) for side in (sums.due, sums.excused)
        )
        days: dict[int, dict[str, int]] = {}
        bare: dict[int, dict[str, int]] = {}
        for (place, node, day), tally in sums.due.items():
            of_node = days.setdefault(int(node), {})
            of_node[str(day)] = of_node.get(str(day), 0) + tally.count
            if table == "Reading" and place == self._places[-1]:
                bare.setdefault(int(node), {})[str(day)] = tally.count
        return days, bare

    def _inside(self, table: str, groups: object) -> Tally:
        found = NOTHING
        for (place, *_), tally in groups:  # type: ignore[attr-defined]  # items of a mapping
            if table == "NodeState" or place in self._scope.places:
                found += tally
        return found

    def _readings(
        self, node: int, mine: Days, placeless: Days
    ) -> tuple[int, list[tuple[str, str]]]:
        """How many there are, and windows to look into."""
        since, until = self._scope.since or BEGINNING, self._scope.until or END
        counted = self._centre.placed_per_day(node)
        theirs = {d: n for d, n in counted.items() if since[:10] <= d and bounds(d)[0] < until}
        placed = {day: count - placeless.get(day, 0) for day, count in mine.items()}
        wrong = [
            bounds(day)
            for day in sorted(placed.keys() | theirs.keys())
            if placed.get(day, 0) != theirs.get(day, 0)
        ]
        total = self._count("Reading", node, BEGINNING, END)
        if total - sum(theirs.values()) != sum(placeless.values()):
            wrong += self._wrong("Reading", node, mine, BEGINNING, END, total)
        return total, wrong

    def _wrong(
        self, table: str, node: int, mine: Days, since: str, until: str, there: int
    ) -> Iterator[tuple[str, str]]:
        """Windows in which there are not as many rows as here, halved until they are small."""
        here = sum(mine.values())
        if there == here:
            return
        days = sorted(mine)
        if len(days) < 2 or here + there <= _FEW_ROWS:
            yield since, until
            return
        cut = bounds(days[len(days) // 2])[0]
        before = {day: n for day, n in mine.items() if day < cut[:10]}
        behind = {day: n for day, n in mine.items() if day not in before}
        earlier = self._count(table, node, since, cut)
        yield from self._wrong(table, node, before, since, cut, earlier)
        yield from self._wrong(table, node, behind, cut, until, there - earlier)

    def _count(self, table: str, node: int, since: str, until: str) -> int:
        return self._centre.count(table, self._window(node, since, until))

    def _parts(self, mine: Days) -> Iterator[tuple[str, str]]:
        """All of time, cut where the station has enough rows."""
        since, rows = BEGINNING, 0
        for day in sorted(mine):
            if rows and rows + mine[day] > UNIT_ROWS:
                yield since, bounds(day)[0]
                since, rows = bounds(day)[0], 0
            rows += mine[day]
        yield since, END

    def _window(self, node: int, since: str, until: str) -> Window:
        first = max(since, self._scope.since or BEGINNING)
        last = min(until, self._scope.until or END)
        return Window(first if first > BEGINNING else None, last if last < END else None, (node,))
