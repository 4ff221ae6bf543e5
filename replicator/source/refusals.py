"""What stops capture: the words for events and statements that cannot be replicated."""

from __future__ import annotations

from replicator.errors import Unsupported
from replicator.source.statements import Meaning

_EVENTS = {
    26: ("an INCIDENT event: the server lost changes", "replicator heal"),
    38: ("an XA transaction", "commit without XA; then replicator heal"),
    40: (
        "a compressed transaction",
        "SET GLOBAL binlog_transaction_compression = OFF; -- then replicator heal",
    ),
    165: (
        "a compressed statement",
        "SET GLOBAL log_bin_compress = OFF; -- then replicator heal",
    ),
}
_STATEMENTS = {
    Meaning.DML: "SET GLOBAL binlog_format = ROW; -- reconnect the loggers, then replicator heal",
    Meaning.LOSS: "change rows with DELETE and INSERT; `replicator heal` goes on behind it, rows "
    "that are gone stay at the centre",
}
_OTHER = "commit without XA and savepoints over MyISAM; then replicator heal"
_SHOWN = 200


def refused_event(kind: int, name: str) -> Unsupported:
    """An event of a type that would have to be skipped."""
    what, hint = _EVENTS.get(kind, ("an event that is not understood", "please report it"))
    return Unsupported(what, f"{name}, event type {kind}", hint)


def refused_statement(query: str, what: Meaning) -> Unsupported:
    """A statement that changes replicated rows without row events."""
    shown = query if len(query) <= _SHOWN else query[:_SHOWN] + "…"
    return Unsupported(
        f"a statement that cannot be replicated ({what.value})",
        shown,
        _STATEMENTS.get(what, _OTHER),
    )
