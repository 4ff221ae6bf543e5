"""What the old pusher has brought and what it lost, by house and month. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replicator.audit.places import Chart
from replicator.moving.present import COUNTED, DIFFERENT, SAME, SIX_DIGITS, Presence

ALL_HOUSES = "all houses"  # node states have no location


@dataclass(slots=True)
class Month:
    """Rows of one table, house and month; "2015-03".

    ``lost``       missing at the centre, of days up to the one to which the old pusher believed its
                   work done
    ``not_sent``   missing, of later days, or where the old pusher's files do not say
    ``extra``      at the centre beyond those here
    ``different``  in days of a node that have as many rows on both sides, and not the same
    ``same``, ``six_digits``, ``counted``  in days of a node that the centre has: bit for bit, with
                   the six digits that the old pusher sent, as many (the original tells no more)
    """

    table: str
    house: str
    month: str
    here: int = 0
    there: int = 0
    lost: int = 0
    not_sent: int = 0
    extra: int = 0
    different: int = 0
    same: int = 0
    six_digits: int = 0
    counted: int = 0

    def add(self, group: Presence, *, sent: bool) -> None:
        """Count a day of a node; ``sent``: the old pusher believed it to be there."""
        self.here += group.here
        self.there += group.there
        missing = max(0, group.here - group.there)
        self.lost += missing if sent else 0
        self.not_sent += 0 if sent else missing
        self.extra += max(0, group.there - group.here)
        self.different += group.here if group.state == DIFFERENT and not missing else 0
        self.same += group.here if group.state == SAME else 0
        self.six_digits += group.here if group.state == SIX_DIGITS else 0
        self.counted += group.here if group.state == COUNTED else 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing, different or too much."""
        return not (self.lost or self.not_sent or self.extra or self.different)


def months(found: Iterable[Presence], chart: Chart, sent_to: Mapping[int, str]) -> list[Month]:
    """By table, house and month; ``sent_to``: the station's house id → ISO time, where known."""
    last = max(sent_to.values(), default="")
    sums: dict[tuple[str, str, str], Month] = {}
    for group in found:
        place = chart.places[group.place] if group.table == "Reading" else None
        house = ALL_HOUSES if place is None else place.name
        upto = last if place is None or place.house is None else sent_to.get(place.house, "")
        key = (group.table, house, group.day[:7])
        month = sums.setdefault(key, Month(*key))
        month.add(group, sent=group.day <= upto[:10])
    return [sums[key] for key in sorted(sums)]


def line_of(month: Month) -> str:
    """One line for people."""
    parts = [
        (month.lost, "lost by the old pusher"),
        (month.not_sent, "not there yet"),
        (month.extra, "only there"),
        (month.different, "in days that differ"),
        (month.six_digits, "there with six digits"),
        (month.counted, "there by count"),
        (month.same, "the same"),
    ]
    said = ", ".join(f"{rows:,} {what}" for rows, what in parts if rows)
    where = f"{month.month}  {month.table:9} {month.house}"
    return f"{where}: {month.here:,} here, {month.there:,} there: {said or 'nothing'}"
