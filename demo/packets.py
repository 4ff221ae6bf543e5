"""The radio side of the logger: which node sends when, and the packet's transaction."""

from __future__ import annotations

import random
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from demo.session import Session, Statement
from demo.simulator import FIRST_NODE, HISTORY_END, Packet, make_station, measure, split

# The newest readings, for those who correct them: (time, nodeId, type).
ReadingKey = tuple[datetime, int, int]

_STATE = (
    "INSERT INTO NodeState (time, nodeId, parent, `localtime`, seq_num, rssi)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
_READING = "INSERT INTO Reading (time, nodeId, type, locationId, value) VALUES (%s, %s, %s, %s, %s)"
_LATE = 0.05
_TWINS = 0.02
_NO_VALUE = 0.002


class Radio:
    """Sends packets on a clock of its own that starts where the database's readings end."""

    def __init__(self, session: Session, rng: random.Random) -> None:
        self._session = session
        self._rng = rng
        self._nodes = {node.id: node for node in make_station(1).nodes}
        (newest,) = session.select("SELECT max(time) FROM Reading")[0]
        self.now = max(HISTORY_END, newest or HISTORY_END) + timedelta(seconds=1)
        self._sequence = 0
        self._sent: dict[int, datetime] = {}
        self.recent: deque[ReadingKey] = deque(maxlen=400)

    def send(self) -> None:
        """One packet, or two of the same second from one node."""
        node = self._sender()
        time = self._time_of(node)
        values = measure(self._rng, self._nodes[node], time)
        for part in split(values) if self._rng.random() < _TWINS else [values]:
            self._sequence = (self._sequence + 1) % 65536
            place = self._session.select("SELECT locationId FROM Node WHERE id = %s", (node,))
            rssi = self._rng.uniform(-90, -40)
            packet = Packet(time, node, place[0][0], self._sequence, rssi, part)
            self._write(packet)
            self.recent.extend((time, node, kind) for kind, _ in part)

    def _sender(self) -> int:
        """A node that has not sent in this second; the clock moves on when all have."""
        self.now += timedelta(seconds=self._rng.choice((0, 0, 1, 1, 2)))
        ready = [node for node in self._nodes if self._sent.get(node) != self.now]
        if not ready:
            self.now += timedelta(seconds=1)
            ready = list(self._nodes)
        return self._rng.choice(ready)

    def _time_of(self, node: int) -> datetime:
        if self._rng.random() >= _LATE:
            self._sent[node] = self.now
            return self.now
        while True:  # a packet that was held up on its way, by minutes or by a day
            time = self.now - timedelta(seconds=self._rng.randint(2, 86400))
            if not self.taken(time, node):
                return time

    def taken(self, time: datetime, node: int) -> bool:
        """Whether the node has a reading of that second already."""
        sql = "SELECT 1 FROM Reading WHERE time = %s AND nodeId = %s LIMIT 1"
        return bool(self._session.select(sql, (time, node)))

    def _write(self, packet: Packet) -> None:
        state: tuple[Any, ...] = (
            packet.time,
            packet.node,
            FIRST_NODE,
            packet.local_time,
            packet.sequence,
            packet.rssi,
        )
        statements: list[Statement] = [(_STATE, state)]
        for kind, value in packet.readings:
            measured = None if self._rng.random() < _NO_VALUE else value
            row = (packet.time, packet.node, kind, packet.place, measured)
            statements.append((_READING, row))
        proof = "SELECT 1 FROM NodeState WHERE time = %s AND nodeId = %s AND seq_num = %s"
        key = (packet.time, packet.node, packet.sequence)
        self._session.transaction(statements, (proof, key))
