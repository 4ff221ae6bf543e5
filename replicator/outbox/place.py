"""How far reading the tables has come: for the first time, or to heal a gap. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from replicator.change import Value

Key = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Healing:
    """The tables are compared with what was captured; counts of rows so far.

    ``known_seq``  what entries up to here say was captured counts as known
    ``deletes``    rows that the source no longer has are captured as deletes
    ``compared``   known already, ``read`` captured again, ``deleted`` captured as deletes
    ``kept``       gone at the source, no delete captured
    ``fewer``      by how much ranges shrank of which only the number of rows is known
    """

    known_seq: int
    deletes: bool
    compared: int = 0
    read: int = 0
    deleted: int = 0
    kept: int = 0
    fewer: int = 0

    @property
    def unnamed(self) -> int:
        """Rows that are gone and that nothing held here names; at least."""
        return max(0, self.fewer - self.deleted - self.kept)


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """``after``: the last primary key read of ``table``; ``healing`` None: everything is read."""

    table: str
    after: Key | None = None
    healing: Healing | None = None

    def to_json(self) -> str:
        content: dict[str, Any] = {"table": self.table, "after": self.after}
        if self.healing is not None:
            content["healing"] = asdict(self.healing)
        return orjson.dumps(content).decode()

    @classmethod
    def from_json(cls, written: str | None) -> SnapshotPlace | None:
        if written is None:
            return None
        content: Mapping[str, Any] = orjson.loads(written)
        after, healing = content["after"], content.get("healing")
        return cls(
            content["table"],
            None if after is None else tuple(after),
            None if healing is None else Healing(**healing),
        )
