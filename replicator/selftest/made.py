"""The made-up history that a self-test captures: transactions by number, the same whenever asked.

Transaction n writes six readings of one node, whose value is n; every third one also changes two
readings that the same node wrote the last time. So each row says which version of its key it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from replicator.change import Change, Op, Row, Value

NODES = 7
_KINDS = 6
_BEGIN = datetime(2026, 3, 1)  # noqa: DTZ001  # as stations write them
_COLUMNS = ("time", "nodeId", "type", "locationId", "value")


class Key(NamedTuple):
    """A reading: its node, the second it was taken in, its type."""

    node: int
    second: int
    kind: int


class Version(NamedTuple):
    """A reading as a transaction left it."""

    key: Key
    number: int


def inserted(number: int) -> list[Version]:
    """What transaction ``number`` (from 1 on) inserts."""
    return [Version(Key(number % NODES, number, kind), number) for kind in range(_KINDS)]


def updated(number: int) -> list[Version]:
    """What it changes, after that."""
    before = number - NODES
    if number % 3 or before < 1:
        return []
    return [Version(Key(number % NODES, before, kind), number) for kind in range(2)]


def history(first: int, last: int) -> Iterator[Version]:
    """All rows of some transactions, ends included, in order of capture."""
    for number in range(first, last + 1):
        yield from inserted(number)
        yield from updated(number)


def changes(number: int) -> list[Change]:
    """A transaction as the source would tell it."""
    found = [Change("Reading", Op.INSERT, _COLUMNS, [_row(each) for each in inserted(number)])]
    if later := updated(number):
        found.append(Change("Reading", Op.UPDATE, _COLUMNS, [_row(each) for each in later]))
    return found


def _row(version: Version) -> Row:
    key = version.key
    time = (_BEGIN + timedelta(seconds=key.second)).isoformat()
    return (time, key.node, key.kind, None, float(version.number))


def version_of(values: Mapping[str, Value]) -> Version:
    """The version that a captured row is. Raises ValueError, KeyError where it is none of ours."""
    time = datetime.fromisoformat(str(values["time"]))
    second = round((time - _BEGIN).total_seconds())
    node, kind = int(str(values["nodeId"])), int(str(values["type"]))
    return Version(Key(node, second, kind), round(float(str(values["value"]))))
