"""What the centre has of each group already: by digests of ours, by counts of the original's.

A group that the centre has is settled without sending; any other is sent whole. Nothing finer is
asked for: a group's digest costs about forty bytes, a reading less than three.

Every method raises DestinationUnavailable and DestinationRefused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from replicator.audit.centre import Centre
from replicator.audit.digest import NOTHING, Tally
from replicator.audit.periods import bounds
from replicator.audit.station import Stretch
from replicator.model import STREAM_TABLES
from replicator.moving.groups import GroupKey, Groups, Mine, by_month, days_of
from replicator.source.ranges import Window

SAME, SIX_DIGITS, COUNTED, DIFFERENT = "same", "six digits", "counted", "different"


@dataclass(frozen=True, slots=True)
class Presence:
    """One group. ``here``, ``there``: rows at the station and at the centre.

    ``state``  same: bit for bit; six digits: as the old pusher sent them; counted: the original has
               as many; different: it lacks some, has others, or other values
    """

    table: str
    place: int
    node: int
    day: str
    here: int
    there: int
    state: str


class Present:
    """Asks one centre about the groups of a station."""

    def __init__(self, centre: Centre, places: int) -> None:
        self._centre = centre
        self._places = range(places)

    def of(self, groups: Groups) -> Iterator[Presence]:
        """Of every group, by table."""
        found = groups.found()
        for table in STREAM_TABLES:
            mine = {key: tally for key, tally in found.items() if key[0] == table}
            if not mine:
                continue
            if self._centre.link.dialect.receipts:
                yield from self._by_digests(table, mine)
            elif table == "Reading":
                yield from self._by_days(mine, groups.placeless)
            else:
                yield from self._by_months(mine)

    # --- ours ----------------------------------------------------------------------------------

    def _by_digests(self, table: str, mine: Mapping[GroupKey, Mine]) -> Iterator[Presence]:
        nodes = sorted({node for _, _, node, _ in mine})
        there = self._tallies(table, "month", None, nodes)
        states = {
            (place, month): _state(total, there.get((place, month), NOTHING))
            for (_, place, month), total in by_month(mine).items()
        }
        wrong = sorted({month for (_, month), state in states.items() if state == DIFFERENT})
        days = {
            days_of(key): tally
            for month in wrong
            for key, tally in self._tallies(table, "node", month, nodes).items()
        }
        for (_, place, node, day), tally in mine.items():
            state, count = states[place, day[:7]], tally.exact.count
            if day[:7] in wrong:
                theirs = days.get((place, node, day), NOTHING)
                state, count = _state(tally, theirs), theirs.count
            yield Presence(table, place, node, day, tally.exact.count, count, state)

    def _tallies(
        self, table: str, level: str, month: str | None, nodes: Sequence[int]
    ) -> Mapping[tuple[int | str, ...], Tally]:
        since, until = bounds(month) if month else (None, None)
        asked = Stretch(table, level, since, until, nodes, None, self._places)
        return self._centre.tallies(asked, nodes)

    # --- the original --------------------------------------------------------------------------

    def _by_days(
        self, mine: Mapping[GroupKey, Mine], placeless: Mapping[tuple[int, str], int]
    ) -> Iterator[Presence]:
        """Readings that have a location; of others it tells no days, and the old one sent none."""
        for node, groups in _by_node(mine).items():
            days: dict[str, int] = {}
            for (_, _, _, day), tally in groups:
                days[day] = days.get(day, 0) + tally.exact.count
            for day in days:
                days[day] -= placeless.get((node, day), 0)
            yield from _counted(groups, days, self._centre.placed_per_day(node))

    def _by_months(self, mine: Mapping[GroupKey, Mine]) -> Iterator[Presence]:
        for node, groups in _by_node(mine).items():
            months: dict[str, int] = {}
            for (_, _, _, day), tally in groups:
                months[day[:7]] = months.get(day[:7], 0) + tally.exact.count
            windows = {month: Window(*bounds(month), (node,)) for month in months}
            there = {m: self._centre.count("NodeState", window) for m, window in windows.items()}
            yield from _counted(groups, months, there)


def _by_node(mine: Mapping[GroupKey, Mine]) -> Mapping[int, list[tuple[GroupKey, Mine]]]:
    found: dict[int, list[tuple[GroupKey, Mine]]] = {}
    for key, tally in sorted(mine.items()):
        found.setdefault(key[2], []).append((key, tally))
    return found


def _counted(
    groups: Sequence[tuple[GroupKey, Mine]], here: Mapping[str, int], there: Mapping[str, int]
) -> Iterator[Presence]:
    """The groups of a node, by days or months; what is missing in one counts for its last."""
    left = {period: there.get(period, 0) for period in here}
    for (table, place, node, day), tally in groups:
        period = day if day in here else day[:7]
        count = tally.exact.count
        equal = here[period] == there.get(period, 0)
        found = count if equal else min(count, left[period])
        left[period] -= found
        state = COUNTED if equal else DIFFERENT
        yield Presence(table, place, node, day, count, found, state)


def _state(mine: Mine, theirs: Tally) -> str:
    if mine.exact == theirs:
        return SAME
    return SIX_DIGITS if mine.six_digits == theirs else DIFFERENT
