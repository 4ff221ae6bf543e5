"""How changes become entries: neighbours joined, at most about a thousand rows each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replicator.change import Change, Row

ENTRY_ROWS = 1_000


def merged(changes: Sequence[Change]) -> Iterator[Change]:
    """Join neighbours of one table, operation and columns: six readings of a packet, one entry."""
    waiting: Change | None = None
    for change in changes:
        if waiting is not None and _alike(waiting, change):
            waiting = Change(
                waiting.table, waiting.op, waiting.columns, [*waiting.rows, *change.rows]
            )
            continue
        if waiting is not None:
            yield waiting
        waiting = change
    if waiting is not None:
        yield waiting


def _alike(one: Change, other: Change) -> bool:
    return (
        one.table == other.table
        and one.op is other.op
        and one.columns == other.columns
        and len(one.rows) + len(other.rows) <= ENTRY_ROWS
    )


def pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut rows to what one entry holds."""
    for start in range(0, len(rows), ENTRY_ROWS):
        yield rows[start : start + ENTRY_ROWS]
