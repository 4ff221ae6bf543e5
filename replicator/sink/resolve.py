"""Whose row is whose: what a row needs at the centre, and whether two rows mean the same. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from replicator.change import Value
from replicator.delivery import Blocked, Rejected
from replicator.model import Table

BLIND_BASE, BLIND_STEP = 1_000_000_000, 1_000
_LARGEST_ID = 2**31 - 1

Remote = Callable[[str, int], int | Blocked | Rejected]
Values = Mapping[str, Value]


def translated(
    model: Table, values: Values, columns: Sequence[str], remote: Remote
) -> dict[str, Value] | Blocked | Rejected:
    """These columns with references in the destination's ids, as ``remote`` gives them."""
    body = {column: values.get(column) for column in columns}
    for column, target in model.references.items():
        value = body.get(column)
        if isinstance(value, int):
            found = remote(target, value)
            if not isinstance(found, int):
                return found
            body[column] = found
    return body


def incomplete_key(model: Table, values: Values) -> Rejected | None:
    """A row that lacks a part of its identity cannot be told from another one at the centre."""
    if not model.whole_key:
        return None
    lacking = [column for column in model.natural_key if values.get(column) is None]
    if not lacking:
        return None
    return Rejected("null-key", f"{model.name}.{', '.join(lacking)} is NULL: no identity")


def conflict(model: Table, mine: Values, theirs: Mapping[str, Any]) -> Rejected | None:
    """The same id with another meaning."""
    different = [column for column in model.meaning if mine.get(column) != theirs.get(column)]
    if not different:
        return None
    shown = "; ".join(
        f"{column} is {mine.get(column)!r} here, {theirs.get(column)!r} there"
        for column in different
    )
    return Rejected("conflict", f"{model.name} {mine.get('id')} has another meaning: {shown}")


def agrees(body: Values, theirs: Mapping[str, Any], *, exact_floats: bool) -> bool:
    """Whether the centre's row already has these values.

    ``exact_floats`` False: what it says of a FLOAT may lack bits, so such a row never agrees.
    """
    if not exact_floats and any(isinstance(value, float) for value in body.values()):
        return False
    return all(theirs.get(column) == value for column, value in body.items())


def blind_id(key: Sequence[Value]) -> int | Rejected:
    """The id of a row that the destination cannot show, from the two same-id rows it belongs to.

    The same for every station and every repetition (docs/decisions/0009).
    """
    owner, part = key
    if isinstance(owner, int) and isinstance(part, int) and 0 <= part < BLIND_STEP and owner >= 0:
        number = BLIND_BASE + owner * BLIND_STEP + part
        if number <= _LARGEST_ID:
            return number
    return Rejected("id-range", f"no id can be computed for {owner}/{part} on this kind of server")
