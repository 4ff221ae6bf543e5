"""What stops capture: the words for events and statements that cannot be replicated."""

from __future__ import annotations

from replicator.errors import Unsupported
from replicator.source.events import name_of
from replicator.source.statements import Meaning

_EVENTS = {
    26: ("an INCIDENT event: the server lost changes", "replicator heal"),
    39: (
        "an update that holds parts of JSON values only",
        "SET GLOBAL binlog_row_value_options = ''; -- reconnect the loggers; then replicator heal",
    ),
    40: (
        "a compressed transaction inside another",
        "SET GLOBAL binlog_transaction_compression = OFF; -- then replicator heal",
    ),
    172: (
        "rows in fragments",
        "SET GLOBAL binlog_row_event_fragment_threshold to its most; -- then replicator heal",
    ),
}
_STATEMENTS = {
    Meaning.DML: "SET GLOBAL binlog_format = ROW; -- reconnect the loggers, then replicator heal",
    Meaning.LOSS: "change rows with DELETE and INSERT; `replicator heal` goes on behind it, rows "
    "that are gone stay at the centre",
}
_OTHER = "commit without savepoints over MyISAM; then replicator heal"
_GTIDS = {
    34: ("a transaction without a GTID", "SET GLOBAL gtid_mode = ON"),
    42: ("a transaction whose GTID has a tag", "[source] position = file"),
}
_SHOWN = 200


def refused_event(kind: int, where: str = "") -> Unsupported:
    """An event of a type that would have to be skipped."""
    what, hint = _EVENTS.get(
        kind, ("an event that is not understood", "please report it; then replicator heal")
    )
    return Unsupported(what, f"{where or name_of(kind)}, event type {kind}", hint)


def refused_gtid(kind: int) -> Unsupported:
    """A transaction that a position by GTID cannot tell from its neighbours."""
    what, hint = _GTIDS[kind]
    return Unsupported(
        what,
        f"{name_of(kind)}, event type {kind}, and the position is a set of GTIDs",
        f"{hint}; then replicator heal",
    )


def refused_xa(query: str, why: str) -> Unsupported:
    """An XA transaction whose end is not known, or whose beginning is not."""
    return Unsupported(
        "an XA transaction",
        f"{query[:_SHOWN]}: {why}",
        "end it, and write without XA; then replicator heal",
    )


def refused_statement(query: str, what: Meaning) -> Unsupported:
    """A statement that changes replicated rows without row events."""
    shown = query if len(query) <= _SHOWN else query[:_SHOWN] + "…"
    return Unsupported(
        f"a statement that cannot be replicated ({what.value})",
        shown,
        _STATEMENTS.get(what, _OTHER),
    )
