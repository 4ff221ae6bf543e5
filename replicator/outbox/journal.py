"""What operators did to a destination: who, when, what, why. Written with the deed, and kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock

_INSERT = "INSERT INTO operation (at, who, command, what, why, rows) VALUES (?, ?, ?, ?, ?, ?)"
_LIST = "SELECT at, who, command, what, why, rows FROM operation ORDER BY id DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Deed:
    """``who``: the user at the station; ``why``: the operator's own words, "" where none."""

    who: str
    command: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A deed as it was recorded; ``at`` ISO 8601, UTC."""

    at: str
    who: str
    command: str
    what: str
    why: str
    rows: int


def record(connection: sqlite3.Connection, deed: Deed, rows: int, clock: Clock = wall_clock) -> int:
    """Add it to the open transaction; its number."""
    said = (text(clock()), deed.who, deed.command, deed.what, deed.why, rows)
    number = connection.execute(_INSERT, said).lastrowid
    assert number is not None
    return number


def recorded(connection: sqlite3.Connection, limit: int) -> Sequence[Recorded]:
    """The latest deeds, newest first."""
    return [Recorded(*row) for row in connection.execute(_LIST, (limit,))]
