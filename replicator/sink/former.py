"""Rows whose references mean another row by now: an id was used again after a delete. Pure.

The outbox knows the latest row of an id. A row captured before the id was given to another one
means the former, so it can only be placed by a mapping made before; else it is parked, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from replicator.change import Op, Value
from replicator.delivery import QueuedRow, Rejected
from replicator.model import TABLES, Identity

Name = tuple[str, int]
Lookup = Callable[[str, int], Mapping[str, Value] | None]


def misplaced(
    rows: Sequence[QueuedRow],
    born: Mapping[Name, int],
    lookup: Lookup,
    mapped_born: Callable[[str, int], int | None],
) -> dict[int, Rejected]:
    """Place → why, for rows that cannot be placed any more.

    ``born``         (table, id) → the entry from which on it is the row that ``lookup`` gives
    ``mapped_born``  the same for the row that a mapping was made for; None: there is no mapping
    """
    last = max(born.values(), default=0)
    known: dict[Name, tuple[Name, ...]] = {}
    found: dict[int, Rejected] = {}
    for place, row in enumerate(rows):
        if row.seq >= last:
            continue
        if not TABLES[row.table].stream:
            since = _since(row, born)
            if since and row.op is not Op.DELETE:
                found[place] = _replaced(row.table, since)
            continue
        for name in _named(row.table, row.values):
            if name not in known:
                known[name] = tuple(n for n in _identity(name, lookup) if n in born)
            reused = next((n for n in known[name] if row.seq < born[n]), None)
            if reused is not None and not _of_former(mapped_born(*name), born[reused]):
                found[place] = _rejected(reused, born[reused])
                break
    return found


def _since(row: QueuedRow, born: Mapping[Name, int]) -> int:
    """The later entry that gave the reference row's id to another row; 0 for none."""
    number = row.values.get("id")
    since = born.get((row.table, number), 0) if isinstance(number, int) else 0
    return since if row.seq < since else 0


def _of_former(mapped: int | None, born: int) -> bool:
    return mapped is not None and mapped < born


def _named(table: str, values: Mapping[str, Value]) -> Iterator[Name]:
    for column, target in TABLES[table].references.items():
        number = values.get(column)
        if isinstance(number, int):
            yield target, number


def _identity(name: Name, lookup: Lookup) -> Iterator[Name]:
    """The row and all that stand in its natural key."""
    yield name
    model = TABLES[name[0]]
    row = lookup(*name) if model.identity is Identity.NATURAL_KEY else None
    for column, target in model.references.items():
        number = row.get(column) if row and column in model.natural_key else None
        if isinstance(number, int):
            yield from _identity((target, number), lookup)


def _replaced(table: str, born: int) -> Rejected:
    detail = f"entry {born} gives the id to another {table}; what this row was is not known now"
    return Rejected("id-reused", detail, superseded=True)


def _rejected(reused: Name, born: int) -> Rejected:
    name = f"{reused[0]}:{reused[1]}"
    return Rejected(
        "id-reused",
        f"it was captured before entry {born} gave the id {name} to another row; "
        "where it belongs at the centre is not known",
    )
