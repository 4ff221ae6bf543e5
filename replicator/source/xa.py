"""XA transactions in the log. Pure.

A prepared one stands in the log before it is known whether it will be committed; the end may come
days later, in another file, or never. Rows that may yet be rolled back cannot be given to a centre,
and our position cannot wait before them for days. So: one whose changes touch replicated tables
stops capture at its PREPARE, and one committed whose PREPARE was not read here stops it as well.
``XA COMMIT … ONE PHASE`` is a transaction like any other.

MySQL writes XA START, END, COMMIT and ROLLBACK as statements, MariaDB leaves out START (its GTID
event says it); both write an XA_PREPARE event, which in MySQL also ends the one-phase form.
"""

from __future__ import annotations

import re
from enum import Enum

_STATEMENT = re.compile(
    r"XA\s+(START|BEGIN|END|PREPARE|COMMIT|ROLLBACK)\s+(.*)", re.IGNORECASE | re.DOTALL
)
_MOST = 10_000


class Step(Enum):
    """What an XA statement means where it stands."""

    INSIDE = "a transaction begins or goes on"
    END = "a prepared transaction ends that concerns nobody"
    UNKNOWN = "a prepared transaction is committed whose changes we have not seen"


class PreparedTransactions:
    """Those prepared since this log was opened, none with changes of replicated tables."""

    def __init__(self) -> None:
        self._name = ""
        self._names: set[str] = set()

    def step(self, query: str) -> Step:
        """Take one XA statement."""
        found = _STATEMENT.search(query)
        word, name = (found[1].upper(), " ".join(found[2].split())) if found else ("", "")
        if word in ("START", "BEGIN", "END", "PREPARE"):
            self._name = name
            return Step.INSIDE
        known = name in self._names
        self._names.discard(name)
        return Step.END if known or word == "ROLLBACK" else Step.UNKNOWN

    def prepared(self) -> None:
        """The transaction begun last is prepared, without changes that concern us."""
        if len(self._names) < _MOST:
            self._names.add(self._name)
