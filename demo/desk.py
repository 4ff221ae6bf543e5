"""What people do to a station while it runs: rename, move, calibrate, correct, delete."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from demo.packets import Radio, ReadingKey
from demo.session import Session

_READING = "time = %s AND nodeId = %s AND type = %s"


class Desk:
    """Does one thing at each ``act()``; every transaction may be run twice without harm."""

    def __init__(
        self, session: Session, rng: random.Random, radio: Radio, *, deletes: bool, nulls: bool
    ) -> None:
        self._session = session
        self._rng = rng
        self._radio = radio
        self._acts = 0
        self._actions: list[Callable[[], None]] = [
            self._rename_house,
            self._move_node,
            self._correct,
            self._calibrate,
            self._furnish,
            self._correct_old,
        ]
        if nulls:
            self._actions.append(self._void)
        if deletes:
            self._actions += [self._delete, self._redate, self._delete_state]

    def act(self) -> None:
        """Everything once, in turn; then whatever comes."""
        turn = self._acts
        self._acts += 1
        if turn < len(self._actions):
            self._actions[turn]()
        else:
            self._rng.choice(self._actions)()

    def _rename_house(self) -> None:
        houses = self._session.select("SELECT id, address FROM House ORDER BY id")
        house, address = self._rng.choice(houses)
        name = f"{str(address).split(' · ', maxsplit=1)[0]} · {self._acts}"
        self._session.transaction([("UPDATE House SET address = %s WHERE id = %s", (name, house))])

    def _move_node(self) -> None:
        places = [row[0] for row in self._session.select("SELECT id FROM Location ORDER BY id")]
        place = None if self._rng.random() < 0.2 else self._rng.choice(places)
        self._place(self._some_node(), place)

    def _place(self, node: int, place: int | None) -> None:
        sql = "UPDATE Node SET locationId = %s WHERE id = %s"
        self._session.transaction([(sql, (place, node))])

    def _some_node(self) -> int:
        nodes = self._session.select("SELECT id FROM Node ORDER BY id")
        return int(self._rng.choice(nodes)[0])

    def _calibrate(self) -> None:
        sensors = self._session.select("SELECT id FROM Sensor ORDER BY id")
        values = (self._rng.uniform(0.9, 1.1), self._rng.uniform(-1, 1), self._rng.choice(sensors))
        sql = "UPDATE Sensor SET calibrationSlope = %s, calibrationOffset = %s WHERE id = %s"
        self._session.transaction([(sql, values)])

    def _furnish(self) -> None:
        """A new room in some house, and a node moved there."""
        (room,) = self._session.select("SELECT max(id) + 1 FROM Room")[0]
        (place,) = self._session.select("SELECT max(id) + 1 FROM Location")[0]
        house = self._rng.choice(self._session.select("SELECT id FROM House ORDER BY id"))[0]
        again = " ON DUPLICATE KEY UPDATE id = id"
        self._session.transaction(
            [
                (
                    f"INSERT INTO Room (id, roomTypeId, name) VALUES (%s, %s, %s){again}",
                    (room, self._rng.randint(1, 5), f"Room {room}"),
                ),
                (
                    f"INSERT INTO Location (id, houseId, roomId) VALUES (%s, %s, %s){again}",
                    (place, house, room),
                ),
            ]
        )
        self._place(self._some_node(), place)

    def _recent(self) -> ReadingKey:
        return self._rng.choice(self._radio.recent)

    def _correct(self) -> None:
        """One value, or a packet's in one statement."""
        time, node, kind = self._recent()
        value = self._rng.uniform(0, 50)
        sql = "UPDATE Reading SET value = %s + type WHERE time = %s AND nodeId = %s"
        if self._rng.random() < 0.5:
            self._session.transaction([(sql, (value, time, node))])
        else:
            self._session.transaction([(f"{sql} AND type = %s", (value, time, node, kind))])

    def _correct_old(self) -> None:
        """A reading of the history gets another value and another room."""
        oldest = self._session.select("SELECT min(time) FROM Reading")[0][0]
        span = int((self._radio.now - oldest).total_seconds())
        since = oldest + timedelta(seconds=self._rng.randint(0, span - 1))
        find = (
            "SELECT time, nodeId, type FROM Reading WHERE time >= %s"
            " ORDER BY time, nodeId, type LIMIT 1"
        )
        key = self._session.select(find, (since,))
        places = [row[0] for row in self._session.select("SELECT id FROM Location ORDER BY id")]
        values = (self._rng.uniform(0, 50), self._rng.choice(places))
        sql = f"UPDATE Reading SET value = %s, locationId = %s WHERE {_READING}"
        self._session.transaction([(sql, (*values, *row)) for row in key])

    def _void(self) -> None:
        sql = f"UPDATE Reading SET value = NULL WHERE {_READING}"
        self._session.transaction([(sql, self._recent())])

    def _delete(self) -> None:
        keys = [self._recent() for _ in range(self._rng.randint(1, 3))]
        sql = f"DELETE FROM Reading WHERE {_READING}"
        self._session.transaction([(sql, key) for key in keys])

    def _redate(self) -> None:
        """A reading whose clock was wrong: its key changes."""
        time, node, kind = self._recent()
        moved = time + timedelta(seconds=self._rng.randint(-3600, -1))
        if not self._radio.taken(moved, node):
            sql = f"UPDATE Reading SET time = %s WHERE {_READING}"
            self._session.transaction([(sql, (moved, time, node, kind))])

    def _delete_state(self) -> None:
        time, node, _ = self._recent()
        sql = "DELETE FROM NodeState WHERE time = %s AND nodeId = %s"
        self._session.transaction([(sql, (time, node))])
