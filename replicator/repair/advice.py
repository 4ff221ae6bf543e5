"""What helps a parked row, by its reason: a command or what to mend. Pure; docs/delivery.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_AGAIN = "then `replicator parked requeue --reason {reason}`"
_CONFLICT = (
    "`replicator map explain {table}:ID` says with what; mend the row there or at the station, or "
    f"`replicator map set {{table}}:ID REMOTE_ID`; {_AGAIN}"
)
_BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        "waits for": "`replicator map explain {target}` says what it waits for",
        "requeued": "ship sends it at its next step",
        "null-key": "correct the row at the station: the new version is sent by itself",
        "conflict": _CONFLICT,
        "dangling": f"insert at the station what it refers to, {_AGAIN}; or drop it",
        "read-again": "nothing: the snapshot reads it again",
        "refused": f"read the server's words; mend the row at the station, or the server, {_AGAIN}",
        "unknown-reference": f"`replicator map refresh`, {_AGAIN}",
        "cannot-delete": "delete the row at the centre by hand, then `replicator parked drop`",
        "null-not-applied": "set it to NULL at the centre by hand, then `replicator parked drop`",
        "reference-delete": "delete the row at the centre if nobody needs it, then "
        "`replicator parked drop`",
        "too-large": "raise the server's limit, " + _AGAIN,
        "id-range": "give the node or sensor type a smaller id; or drop it",
        "id-reused": "`replicator map explain {table}:ID`; or drop it",
    }
)


def advice(reason: str, table: str) -> str:
    """What to do about it."""
    short = "waits for" if reason.startswith("waits for ") else reason
    target = reason.removeprefix("waits for ")
    text = _BY_REASON.get(short, f"mend the row at the station, or the server, {_AGAIN}")
    return text.format(reason=short, table=table, target=target)
