"""A station's part of the stream as values: what a message says, and how it is written. Pure.

A group is what capture makes durable at once: whole source transactions. All its messages but the
last go to the subject ``STREAM.station.part``, the last to ``STREAM.station.end``. So the newest
message there is where capture stands, and a group without its end never happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import orjson
from zstandard import (
    FRAME_HEADER,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
    frame_content_size,
)

from replicator.change import Change, Commit, Op, Position
from replicator.errors import OutboxError
from replicator.naming import token
from replicator.outbox.clock import parse, text
from replicator.outbox.place import SnapshotPlace

END = "end"  # last word of the subject of what ends a group
_PREFIX = "Replicator-"
_SMALL = 1_024  # bytes; less is stored as it is
_LEVEL = 1
_LARGEST = 64 << 20  # bytes of JSON in a message
_SOURCE = "Nats-Stream-Source"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: at most one change.

    ``group``, ``number``  which group, and which of its messages, from 1
    ``previous``  stream seq of the end of the group before; 0: there was none
    ``commit``    a source transaction ends with this change; always there at the group's end
    ``place``, ``writer``  at the end: how far reading the tables has come; who wrote it
    ``chain``     of a leaf's stream, as seqs there may come again: made with its first group
    ``follows``   group of the end with the seq ``previous``; both "": unknown, or no leaf
    """

    group: str
    number: int
    previous: int
    change: Change | None
    commit: Commit | None = None
    place: SnapshotPlace | None = None
    writer: str = ""
    chain: str = ""
    follows: str = ""

    @property
    def rows(self) -> int:
        return len(self.change.rows) if self.change else 0


@dataclass(frozen=True, slots=True)
class Floor:
    """How far a reader has settled, as the leaf counts: what lies before a group, and the group.

    ``seq``  smaller ones are before it; 0: unknown. ``chain``, ``follows``: as the group's end has
    """

    seq: int = 0
    chain: str = ""
    follows: str = ""

    def misses(self, first: Message) -> bool:
        """Whether something that is not settled is missing before the first message there is.

        Of another chain than this nothing is settled.
        """
        begins = self.seq if first.chain == self.chain else 1
        return self.seq > 0 and first.previous >= begins


def floor_of(end: Message) -> Floor:
    """Where the group with that end begins."""
    return Floor(end.previous + 1, end.chain, end.follows)


@dataclass(frozen=True, slots=True)
class Subjects:
    """Where a station's messages are."""

    part: str
    end: str
    all: str


def subjects(stream: str, station: str) -> Subjects:
    """The subjects of a station in a stream."""
    root = f"{stream}.{token(station)}"
    return Subjects(f"{root}.part", f"{root}.{END}", f"{root}.>")


def headers(message: Message) -> dict[str, str]:
    """What stands before the rows, readable with any tool."""
    found = {
        "Group": message.group,
        "Number": str(message.number),
        "Previous": str(message.previous),
    }
    if message.change is not None:
        found |= {
            "Table": message.change.table,
            "Op": message.change.op.value,
            "Rows": str(len(message.change.rows)),
        }
    if message.commit is not None:
        found |= {
            "Position": str(message.commit.position),
            "Committed-At": text(message.commit.at),
        }
    if message.place is not None:
        found["Snapshot"] = json.dumps(json.loads(message.place.to_json()))  # in ASCII
    if message.writer:
        found["Writer"] = message.writer
    if message.chain:
        found["Chain"] = message.chain
    if message.follows:
        found["Follows"] = message.follows
    return {_PREFIX + name: value for name, value in found.items()}


def body(message: Message) -> bytes:
    """The rows as JSON, compressed where that pays; empty where there are none."""
    if message.change is None:
        return b""
    plain = _json(message.change)
    return plain if len(plain) < _SMALL else ZstdCompressor(level=_LEVEL).compress(plain)


def _json(change: Change) -> bytes:
    return orjson.dumps({"columns": change.columns, "rows": change.rows})


def _plain(data: bytes) -> bytes:
    """Inverse of what ``body`` does to the JSON. Raises ValueError."""
    if not data.startswith(FRAME_HEADER):
        return data
    try:
        size = frame_content_size(data)
        if not 0 < size <= _LARGEST:
            raise ValueError(f"a body that claims {size:,} bytes")
        return ZstdDecompressor().decompress(data)
    except ZstdError as error:
        raise ValueError(str(error)) from error


def message_of(written: Mapping[str, str] | None, data: bytes | None) -> Message:
    """Inverse of ``headers`` and ``body``. Raises OutboxError for anything else."""
    said = {k.removeprefix(_PREFIX): v for k, v in (written or {}).items()}
    try:
        change = commit = None
        if "Table" in said:
            content = orjson.loads(_plain(data or b""))
            rows = [tuple(row) for row in content["rows"]]
            change = Change(said["Table"], Op(said["Op"]), tuple(content["columns"]), rows)
        if "Position" in said:
            commit = Commit(Position.parse(said["Position"]), parse(said["Committed-At"]))
        return Message(
            said["Group"],
            int(said["Number"]),
            int(said["Previous"]),
            change,
            commit,
            SnapshotPlace.from_json(said.get("Snapshot")),
            said.get("Writer", ""),
            said.get("Chain", ""),
            said.get("Follows", ""),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise OutboxError(
            "a message in the stream is not one of ours",
            f"{type(error).__name__}: {error}",
            "only replicator may publish to the stream's subjects",
        ) from error


def origin_of(written: Mapping[str, str] | None) -> int | None:
    """Seq that a message had in the stream it was sourced from; None: it was stored right here."""
    said = (written or {}).get(_SOURCE, "").split()
    try:
        return int(said[1]) if said else None
    except (IndexError, ValueError) as error:
        raise OutboxError(
            "a message does not say where it was sourced from",
            f"{_SOURCE}: {' '.join(said)}",
            "only NATS servers may write this header",
        ) from error


def cut(change: Change, most_bytes: int) -> Iterator[Change]:
    """In pieces whose bodies fit. Raises OutboxError for a row that does not fit alone."""
    if len(_json(change)) <= most_bytes:  # compressed it is smaller
        yield change
        return
    size = len(body(Message("", 1, 0, change)))
    if size <= most_bytes:
        yield change
        return
    if len(change.rows) == 1:
        raise OutboxError(
            "a row is too large for a message",
            f"{change.table}: {size:,} bytes, the servers take {most_bytes:,}",
            "raise max_payload on the NATS servers; capture goes on from the binlog",
        )
    middle = len(change.rows) // 2
    for rows in (change.rows[:middle], change.rows[middle:]):
        yield from cut(replace(change, rows=rows), most_bytes)
