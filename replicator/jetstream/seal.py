"""What a move leaves in a stream: who wrote an end, so that a repeated move knows its own. Pure.

A *copied* end says up to which entry of the folder the stream has it. A *seal* is the last end of a
station whose rows have moved away: nobody writes behind it but the next move.
"""

from __future__ import annotations

from replicator.errors import OutboxError

_COPIED = "copied/"
_SEALED = "sealed/"


def copied(move: str, entry: int) -> str:
    """The writer of an end with which everything up to an entry is in the stream."""
    return f"{_COPIED}{move}/{entry}"


def copied_to(writer: str, move: str) -> int | None:
    """Up to which entry this move had come; None: another wrote it."""
    start = f"{_COPIED}{move}/"
    return int(writer.removeprefix(start)) if writer.startswith(start) else None


def sealed(move: str) -> str:
    """The writer of a seal."""
    return f"{_SEALED}{move}"


def seal_of(writer: str) -> str | None:
    """The move that sealed a station; None: it is no seal."""
    return writer.removeprefix(_SEALED) if writer.startswith(_SEALED) else None


def refuse_sealed(writer: str, station: str, own: str = "") -> None:
    """Raises OutboxError where the end is a seal, unless of the move ``own``."""
    move = seal_of(writer)
    if move is not None and move != own:
        raise OutboxError(
            "this station's rows have moved from the stream to a folder",
            f"the stream's last message of station {station} is a seal (move {move})",
            "start tail and ship with that folder: `[outbox] path = FOLDER`, without `url`; or"
            " move it to the stream again: `replicator outbox move --to` from there",
        )
