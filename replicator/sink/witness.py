"""Whether a server that is well also stores: it must take a row again that it has.

A probe only reads. A server whose disk is full, or before which a proxy stops every body, answers
it and refuses every row; nothing there may be called bad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from replicator.change import Op, Value
from replicator.delivery import Parcel
from replicator.model import TABLES
from replicator.sink.directory import Directory
from replicator.sink.judge import Bad, Denied, Failure, Stored, Wait
from replicator.sink.link import Link

_WITHOUT_FLOATS = ("Node", "House", "RoomType", "Deployment")  # what it says of those is exact

Body = Mapping[str, Value]
Post = Callable[[list[Body]], Stored | Failure]


class Witness:
    """Remembers the last row stored; without one the row's own node bears witness.

    ``post``  given to its methods: sends rows to the server
    """

    def __init__(self, link: Link, directory: Directory) -> None:
        self._link = link
        self._directory = directory
        self._row: Body | None = None

    def saw(self, parcel: Parcel, *, applied: bool) -> None:
        """The server has stored it. After a delete nobody is witness: it would bring a row back."""
        whole = applied and parcel.row.op is not Op.DELETE
        self._row = self._harmless(parcel) if whole else None

    def _harmless(self, parcel: Parcel) -> Body:
        """The key alone where that leaves the row as it is: somebody may have changed it since."""
        dialect, table = self._link.dialect, parcel.row.table
        if not dialect.receipts and table not in dialect.keeps_on_null:
            return parcel.body
        key = ("__table__", *TABLES[table].natural_key)
        return {column: parcel.body[column] for column in key}

    def objection(self, parcel: Parcel, post: Post) -> str:
        """Why no row may be called bad now; "" where the server stores."""
        if self._row is not None:
            said = _refusal(self._row, post)
            if not said or self._node(self._row) is not None:
                return said
            self._row = None  # its node is gone there: it bears no witness
        node = self._node(parcel.body)
        return "" if node is None else _refusal(node, post)

    def doubt(self, post: Post) -> str:
        """Why no reference row may be called bad now; "" where the server stores.

        The last stream row, or a row that the server has, is written as it is; a server that is
        empty has no witness.
        """
        if self._row is not None and self._node(self._row) is not None:
            return _refusal(self._row, post)
        for table in _WITHOUT_FLOATS:
            row = self._directory.first(TABLES[table])
            if row is not None:
                refused = self._directory.update(TABLES[table], row["id"], row)
                return refused.words if refused is not None else ""
        return ""

    def _node(self, row: Mapping[str, Any]) -> Body | None:
        return self._directory.get(TABLES["Node"], row["nodeId"])


def _refusal(row: Body, post: Post) -> str:
    found = post([row])
    return "" if isinstance(found, Stored) else said_by(found)


def said_by(failed: Failure) -> str:
    """A failure in the server's own words."""
    match failed:
        case Bad():
            return failed.words
        case Wait():
            return failed.reason
        case Denied():
            return failed.detail
    return "413: too large"
