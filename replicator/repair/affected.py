"""What a corrected mapping concerns: other mappings, reference rows, stream rows. Pure.

The rule: who has the row in its natural key is another row at the centre from now on, and so on up
the graph of the model; who only names it gets a new cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from replicator.change import Value
from replicator.model import TABLES, Identity

Name = tuple[str, int]  # table, local id
Rows = Callable[[str], Iterable[tuple[int, Mapping[str, Value], bool]]]


@dataclass(frozen=True, slots=True)
class Concerned:
    """``mappings``  rows whose remote id may be another: the corrected one, and who is named by it

    ``bodies``    reference rows that name one of those, and keep their remote id
    """

    mappings: frozenset[Name]
    bodies: frozenset[Name]

    def names(self, table: str, values: Mapping[str, Value]) -> bool:
        """Whether a row of any table refers to one of the mappings."""
        references = TABLES[table].references
        return any((t, values.get(column)) in self.mappings for column, t in references.items())

    def to_send(self, table: str, values: Mapping[str, Value]) -> bool:
        """A stream row that refers to one of the mappings, or one of the ``bodies``."""
        if TABLES[table].stream:
            return self.names(table, values)
        return (table, values.get("id")) in self.bodies


def concerned(roots: Iterable[Name], rows: Rows) -> Concerned:
    """All that rests on these mappings; ``rows(table)`` at the station: (id, row, deleted)."""
    mappings = dict.fromkeys(roots)
    bodies: list[Name] = []
    for model in TABLES.values():  # each after the tables it points at
        if model.stream:
            continue
        identity = model.natural_key if model.identity is Identity.NATURAL_KEY else ()
        for number, row, _ in rows(model.name):
            named = [c for c, t in model.references.items() if (t, row.get(c)) in mappings]
            if any(column in identity for column in named):
                mappings[model.name, number] = None
            elif named:
                bodies.append((model.name, number))
    return Concerned(frozenset(mappings), frozenset(bodies))
