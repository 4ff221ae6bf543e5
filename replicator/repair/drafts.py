"""Mappings as they would be: what is looked up anew stays in memory until it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from replicator.outbox.mappings import Mappings
from replicator.repair.affected import Name
from replicator.sink.resolve import Values


@dataclass(frozen=True, slots=True)
class Found:
    """A mapping not kept yet."""

    remote_id: int
    natural_key: Values
    matched_by: str
    born: int


@dataclass
class Draft:
    """Stands for ``kept``, without what was forgotten and with what was found since."""

    kept: Mappings
    forgotten: set[Name] = field(default_factory=set)
    found: dict[Name, Found] = field(default_factory=dict)

    def get(self, table: str, local_id: int) -> int | None:
        """As Mappings.get."""
        if (table, local_id) in self.found:
            return self.found[table, local_id].remote_id
        return None if (table, local_id) in self.forgotten else self.kept.get(table, local_id)

    def put(
        self,
        table: str,
        local_id: int,
        remote_id: int,
        natural_key: Values,
        matched_by: str,
        born: int = 0,
    ) -> None:
        """As Mappings.put, in memory."""
        self.found[table, local_id] = Found(remote_id, dict(natural_key), matched_by, born)

    def owners(self, table: str, remote_id: int) -> list[int]:
        """As Mappings.owners."""
        kept = (i for i in self.kept.owners(table, remote_id) if (table, i) not in self.forgotten)
        found = (i for (t, i), f in self.found.items() if (t, f.remote_id) == (table, remote_id))
        return sorted({*(i for i in kept if (table, i) not in self.found), *found})

    def forget(self, table: str, local_id: int) -> None:
        """As Mappings.forget, in memory."""
        self.found.pop((table, local_id), None)
        self.forgotten.add((table, local_id))

    def retire(self, table: str, local_id: int) -> None:
        """As Mappings.retire: nothing is deleted while mappings are looked up."""

    def is_retired(self, table: str, local_id: int) -> bool:
        """As Mappings.is_retired."""
        looked_up = (table, local_id) in self.found or (table, local_id) in self.forgotten
        return not looked_up and self.kept.is_retired(table, local_id)

    def changed(self, names: Iterable[Name]) -> list[Name]:
        """Those whose remote id is another than the one that is kept."""
        before = {name: self.kept.get(*name) for name in sorted(names)}
        return [n for n, was in before.items() if was is not None and self.get(*n) != was]

    def keep(self) -> None:
        """Make it so; durable when it returns."""
        for name in self.forgotten - self.found.keys():
            self.kept.forget(*name)
        for (table, local_id), new in self.found.items():
            how = new.matched_by
            self.kept.put(table, local_id, new.remote_id, new.natural_key, how, new.born)
