"""What a station measures, as rows for an outbox and as SQL for a station's database. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, islice

from demo.simulator import FIRST_NODE, HISTORY_END, PERIOD, Packet, history, make_station, measure
from replicator.change import Row, Value

SEED = 1
ROWS_EACH = 1_000
_NODES_APART = 1_000
STATION = make_station(SEED)
READING = ("time", "nodeId", "type", "locationId", "value")
NODE_STATE = ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi")
_READING_INTO = "INSERT INTO Reading (time, nodeId, type, locationId, value) VALUES "
_STATE_INTO = "INSERT INTO NodeState (time, nodeId, parent, `localtime`, seq_num, rssi) VALUES "


def readings(count: int) -> list[Row]:
    """Rows as capture gives them; values are those that a FLOAT column gives back."""
    return [
        (f"{packet.time:%Y-%m-%dT%H:%M:%S}", packet.node, kind, packet.place, float(f"{value:.7g}"))
        for packet in history(STATION, count, SEED)
        for kind, value in packet.readings
    ]


def at_station(station: int, reading: Row) -> Row:
    """A reading as another station has it, whose nodes are others."""
    time, node, *others = reading
    return (time, _node_at(station, node), *others)


def reference_at_station(station: int, table: str, row: Row) -> Row:
    """A reference row as another station has it: its nodes and the addresses of its houses."""
    if table == "Node":
        return (_node_at(station, row[0]), *row[1:])
    if table == "House" and station:
        return (*row[:2], f"{row[2]}, area {station}", *row[3:])
    return row


def _node_at(station: int, node: Value) -> int:
    assert isinstance(node, int)
    return node + station * _NODES_APART


def bulk_inserts(count: int) -> Iterator[str]:
    """INSERT statements of ``ROWS_EACH`` readings, ``count`` readings in all."""
    packets = history(STATION, count, SEED)
    values = chain.from_iterable(_reading_values(packet) for packet in packets)
    while part := list(islice(values, ROWS_EACH)):
        yield _READING_INTO + ",".join(part)


def inserts_by_the_server(count: int, each: int = 10_000) -> Iterator[tuple[str, int]]:
    """Statements that make ``each`` readings at a time, for a long history; rows made before it."""
    node, minute = "seq DIV 6 MOD 40", "seq DIV 240 * 5"
    value = "ROUND(20 + 5 * SIN(seq / 1000) + seq MOD 89 / 16, 4)"
    for first in range(0, count, each):
        last = min(first + each, count) - 1
        yield (
            f"{_READING_INTO.removesuffix('VALUES ')}SELECT '2000-01-01' + INTERVAL {minute} "
            f"MINUTE, {FIRST_NODE} + {node}, seq MOD 6, NULL, {value} FROM seq_{first}_to_{last}",
            first,
        )


def packets(count: int) -> Iterator[Packet]:
    """Live packets of six readings, later than any history."""
    rng = random.Random(SEED)
    for number in range(count):
        turn, place = divmod(number, len(STATION.nodes))
        node = STATION.nodes[place]
        time = HISTORY_END + timedelta(seconds=(turn + 1) * PERIOD + node.second)
        values = [(kind, float(f"{value:.7g}")) for kind, value in measure(rng, node, time)]
        rssi = float(rng.randint(-90, -40))
        yield Packet(time, node.id, node.place(1.0), number % 65536, rssi, values)


def packet_transaction(packet: Packet) -> str:
    """What the logger runs for one packet: seven INSERT statements in one transaction."""
    state = (
        f"('{packet.time}',{packet.node},{FIRST_NODE},{packet.local_time},{packet.sequence},"
        f"{packet.rssi})"
    )
    inserts = [_STATE_INTO + state, *(_READING_INTO + value for value in _reading_values(packet))]
    return ";".join(["BEGIN", *inserts, "COMMIT"])


def packet_rows(number: int, packet: Packet) -> tuple[list[Row], list[Row]]:
    """A packet's node state and its readings as capture gives them."""
    time = f"{packet.time:%Y-%m-%dT%H:%M:%S}"
    state = (number, time, packet.node, FIRST_NODE, packet.local_time, packet.sequence, packet.rssi)
    values = [(time, packet.node, kind, packet.place, value) for kind, value in packet.readings]
    return [state], list(values)


def _reading_values(packet: Packet) -> Iterator[str]:
    place = "NULL" if packet.place is None else packet.place
    for kind, value in packet.readings:
        yield f"('{packet.time}',{packet.node},{kind},{place},{value:.7g})"
