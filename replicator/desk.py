"""Keeping a station's desk beside the stream, and beginning in a folder with the newest there is.

The rules this file keeps:
  * a folder is gone on with where no holding after its own has kept a desk; else it is made anew
    from the newest one, and what was in it is put aside;
  * keeping desks takes no more than a twentieth of the time, however large they are.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from replicator.errors import OutboxError
from replicator.jetstream.desks import Desks
from replicator.jetstream.messages import Floor
from replicator.jetstream.stream import StationStream
from replicator.outbox.clock import text
from replicator.outbox.packed import Boundary, destinations, pack, unpack
from replicator.outbox.store import OUTBOX_FILE, Synchronous, destination_file, translated
from replicator.outbox.writer import OutboxWriter

_HOLDING = "holding.json"
_SHARE = 20  # of the time, one part


@dataclass(frozen=True, slots=True)
class Landing:
    """A moment between two groups: all up to message ``fed_to`` is here, as entries up to ``last``.

    ``begins``, ``leaf``  where the group before it begins, here and at the leaf
    """

    last: int
    begins: int
    leaf: Floor
    fed_to: int
    row_total: int


class DeskKeeper(Protocol):
    """Keeps desks now and then."""

    def begin(self, epoch: int) -> None:
        """The folder is worked in from now on, as the holding that claimed with this revision."""

    def due(self) -> bool:
        """Whether it is time to look for something to keep."""

    def keep(self, writer: OutboxWriter, landed: Sequence[Landing]) -> Landing | None:
        """Keep a desk where something has changed; which landing it stands at, None: none kept."""


class StationDesk:
    """One folder's desk. ``epoch`` 0: the claim's; ``every``: seconds between two, at least."""

    def __init__(
        self,
        desks: Desks,
        stream: StationStream,
        folder: Path,
        names: Sequence[str],
        every: float,
        epoch: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desks = desks
        self._stream = stream
        self._folder = folder
        self._names = names
        self._every = every
        self._fixed = self._epoch = epoch
        self._monotonic = monotonic
        self._next = monotonic()
        self._files: object = None
        self._kept: object = None

    def prepare(self, synchronous: Synchronous) -> str:
        """Make the folder the newest there is; what was done, or "". To be called after a claim.

        Raises OutboxUnavailable, OutboxError.
        """
        newest = self._desks.newest()
        there = (self._folder / OUTBOX_FILE).exists()
        if newest is None or (there and newest.epoch <= _epoch_of(self._folder)):
            return ""
        found = self._desks.fetch()
        if found is None:
            return ""
        version, desk = found
        unpack(self._folder, desk, synchronous)
        _note(self._folder, version.epoch)
        return f"the folder was made from the desk that holding {version.epoch} has kept"

    def ensure_newest(self) -> None:
        """Raises OutboxError where a later holding has kept a desk: the folder is behind it."""
        newest = self._desks.newest()
        if newest is not None and newest.epoch > _epoch_of(self._folder):
            raise OutboxError(
                "another folder has worked for this station since",
                f"holding {newest.epoch} has kept what it knows; {self._folder} is older",
                "do it where that ship runs, or start `replicator ship` here once, and stop it",
            )

    def begin(self, epoch: int) -> None:
        """As DeskKeeper's."""
        self._epoch = self._fixed or epoch
        _note(self._folder, self._epoch)

    def due(self) -> bool:
        """As DeskKeeper's."""
        return self._monotonic() >= self._next

    def keep(self, writer: OutboxWriter, landed: Sequence[Landing]) -> Landing | None:
        """As DeskKeeper's. Raises OutboxUnavailable, OutboxFull, OutboxError."""
        began = self._monotonic()
        self._next = began + self._every
        files = (self._looks(), landed[-1:])
        if files == self._files:
            return None
        found = self._keep(writer, landed)
        self._files = files
        self._next = began + max(self._every, _SHARE * (self._monotonic() - began))
        return found

    def _keep(self, writer: OutboxWriter, landed: Sequence[Landing]) -> Landing | None:
        of = destinations(self._folder, self._names)
        done = [landing for landing in landed if landing.last <= of.settled]
        if not done:
            return None
        at = done[-1]
        content = (at, zlib.crc32(orjson.dumps(of.tables)))
        end = self._stream.end_at(at.fed_to) if content != self._kept else None
        if end is None or end.message.commit is None:  # nothing new, or the stream has fallen back
            return None
        message, commit = end.message, end.message.commit
        assert commit is not None
        boundary = Boundary(
            at.last,
            at.fed_to,
            at.row_total,
            str(commit.position),
            text(commit.at),
            message.place.to_json() if message.place else None,
        )
        self._desks.keep(self._epoch, pack(writer.database.conn, of, boundary))
        self._kept = content
        return at

    def _looks(self) -> tuple[tuple[int, int], ...]:
        """Size and time of the destinations' files: they change with each commit."""
        found = []
        for name in self._names:
            for path in (destination_file(name), f"{destination_file(name)}-wal"):
                try:
                    seen = (self._folder / path).stat()
                except FileNotFoundError:
                    found.append((0, 0))
                else:
                    found.append((seen.st_size, seen.st_mtime_ns))
        return tuple(found)


def _epoch_of(folder: Path) -> int:
    """Of the holding that has worked in the folder last; 0: unknown."""
    try:
        return int(orjson.loads((folder / _HOLDING).read_bytes())["epoch"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutboxError(
            "it cannot be told whose work the folder holds",
            f"{folder / _HOLDING}: {error}",
            "remove that file: then the desk that is kept beside the stream counts",
        ) from error


def _note(folder: Path, epoch: int) -> None:
    with translated(folder):
        new = folder / f"{_HOLDING}.new"
        new.write_bytes(orjson.dumps({"epoch": epoch}))
        new.replace(folder / _HOLDING)
