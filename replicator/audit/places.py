"""Which house a reading belongs to, in the station's ids and in the destination's. Pure.

A place is a house with its locations, or what has no house. The centre is told the locations' ids
there, so it needs to know nothing of houses to add up by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from replicator.change import Value

NO_HOUSE = "no house"
_UNKNOWN = -(1 << 40)  # stands for a location that the station's own table has not got

ReferenceRow = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Place:
    """``house``: the station's id, None for what has none.

    ``locations``  the station's location id → the destination's; one that no id can have where none
                   is known there, so that nothing at the centre equals its rows
    """

    name: str
    house: int | None
    locations: Mapping[int | None, int | None]

    @property
    def there(self) -> list[int | None]:
        """The destination's ids."""
        return [place for place in self.locations.values() if place is None or place > 0]

    @property
    def stands_for(self) -> list[int | None]:
        """What translated rows of this place have for a location."""
        return list(self.locations.values())


class Chart:
    """All places of a station at one destination."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        self._there = {here: there for place in places for here, there in place.locations.items()}
        self._known = {there for place in places for there in place.there}

    def there(self, location: Value) -> int | None:
        """What stands for a location of the station."""
        return self._there.get(location, _UNKNOWN)  # type: ignore[arg-type]  # an id or None

    def is_known(self, location: Value) -> bool:
        """Whether a location of the destination is one of ours (or none at all)."""
        return location in self._known

    def only(self, house: int) -> Chart:
        """The places of one house. Readings elsewhere are not looked at."""
        return Chart([place for place in self.places if place.house == house])


def chart(
    houses: Iterable[ReferenceRow],
    locations: Iterable[ReferenceRow],
    remote: Callable[[str, int], int | None],
) -> Chart:
    """From the station's rows and its mappings."""
    found: dict[Value, dict[int | None, int | None]] = {}
    for location in locations:
        number = location["id"]
        assert isinstance(number, int)
        there = remote("Location", number)
        found.setdefault(location["houseId"], {})[number] = -1 - number if there is None else there
    places = []
    for house in houses:
        name, number = house["address"], house["id"]
        assert isinstance(number, int)
        places.append(Place(str(name), number, found.pop(number, {})))
    homeless: dict[int | None, int | None] = {None: None, _UNKNOWN: _UNKNOWN}
    for rest in found.values():
        homeless.update(rest)
    return Chart([*places, Place(NO_HOUSE, None, homeless)])
