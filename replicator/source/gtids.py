"""Which transactions a position has behind it, by their GTIDs. Pure.

MariaDB: the last GTID of every replication domain ("0-17-42,1-1-7"), whatever its server.
MySQL: the set of all GTIDs executed ("<uuid>:1-42:44,<uuid>:7"), as ranges; a hole is a hole.
MySQL 8.3's tagged GTIDs ("<uuid>:tag:1") are not kept: UnknownGtid, and file and offset instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Protocol

MOST = 1_000
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")


class UnknownGtid(ValueError):
    """A text that is no GTID of the kind we keep."""


class Gtids(Protocol):
    """A state that grows by one GTID with each transaction."""

    def add(self, gtid: str) -> None:
        """The transaction with this GTID is behind us."""


class MariaDBGtids:
    """The last GTID of each domain."""

    def __init__(self, text: str = "") -> None:
        self.last: dict[int, str] = {}
        for gtid in filter(None, text.split(",")):
            self.add(gtid)
        if len(self.last) > MOST:
            raise UnknownGtid("too many replication domains")

    def add(self, gtid: str) -> None:
        """Replace the domain's last one."""
        self.last[int(gtid.split("-", 1)[0])] = gtid

    def __str__(self) -> str:
        return ",".join(self.last[domain] for domain in sorted(self.last))


class MySQLGtids:
    """For each server's UUID the ranges of its transaction numbers, in order, merged."""

    def __init__(self, text: str = "") -> None:
        self.ranges: dict[str, list[tuple[int, int]]] = {}
        for part in text.lower().split(","):
            uuid, *ranges = part.strip().split(":")
            if not uuid and not ranges:
                continue
            for written in ranges or [""]:
                found = _RANGE.fullmatch(written.strip())
                if found is None:
                    raise UnknownGtid(f"'{part.strip()}' is no GTID without a tag")
                self._add(uuid, int(found[1]), int(found[2] or found[1]))
        if len(self.ranges) > MOST:
            raise UnknownGtid("transactions of too many servers")

    def add(self, gtid: str) -> None:
        """One transaction, "uuid:number"; one that is there already changes nothing."""
        uuid, _, number = gtid.partition(":")
        if not number.isdecimal():
            raise UnknownGtid(f"'{gtid}' is no GTID without a tag")
        self._add(uuid.lower(), int(number), int(number))

    def _add(self, uuid: str, first: int, last: int) -> None:
        if not _UUID.fullmatch(uuid) or not 1 <= first <= last < 1 << 63:
            raise UnknownGtid(f"'{uuid}:{first}-{last}' is no GTID")
        ranges = self.ranges.setdefault(uuid, [])
        if ranges and first == ranges[-1][1] + 1:  # the usual case
            ranges[-1] = (ranges[-1][0], last)
            return
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*ranges, (first, last)]):
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self.ranges[uuid] = merged

    def has(self, gtid: str) -> bool:
        """The transaction is in the set."""
        uuid, _, number = gtid.lower().partition(":")
        return number.isdecimal() and self._covers(uuid, int(number), int(number))

    def covers(self, other: MySQLGtids) -> bool:
        """All of the other's transactions are in this set."""
        return all(
            self._covers(uuid, first, last)
            for uuid, ranges in other.ranges.items()
            for first, last in ranges
        )

    def _covers(self, uuid: str, first: int, last: int) -> bool:
        ranges = self.ranges.get(uuid, [])
        place = bisect_right(ranges, (first, 1 << 64)) - 1
        return place >= 0 and ranges[place][1] >= last

    def __str__(self) -> str:
        return ",".join(
            ":".join([uuid, *(f"{a}-{b}" if a < b else str(a) for a, b in self.ranges[uuid])])
            for uuid in sorted(self.ranges)
        )


def gtids_of(source: str, text: str) -> Gtids:
    """The state in a position of this source. Raises ValueError."""
    return MySQLGtids(text) if source.startswith("mysql-") else MariaDBGtids(text)
