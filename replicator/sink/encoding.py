"""Bodies of bulk requests, in the form and the compression that the destination reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import orjson

from replicator.change import Value
from replicator.sink.codec import ZLIB, ZSTD, Codec, zlib_levels, zstd_levels
from replicator.sink.columns import Ids, Part, interleaved, row_bodies
from replicator.sink.dialect import Dialect
from replicator.sink.packed import CONTENT_TYPE, packed

_FEW_ROWS = 48  # of so few the objects compress as well, and people can read them
_RECEIPTS = {"X-Replicator-Receipt": "1"}


@dataclass(frozen=True, slots=True)
class Content:
    """A body ready to be sent, for so many rows; ``raw_bytes`` before compression.

    ``seq``  of the last entry in it, where that is known
    """

    body: bytes
    headers: Mapping[str, str]
    rows: int
    raw_bytes: int
    codec: Codec
    seq: int | None = None


class Encoder:
    """For one connection to one kind of server; it learns how slow the link is."""

    def __init__(self, dialect: Dialect) -> None:
        self._columns = dialect.columns
        self._headers = _RECEIPTS if dialect.receipts else {}
        zstd = zstd_levels() if dialect.zstd else ()
        weakest = 1 if dialect.receipts else 6  # the original stores slower than any level works
        self._codec = Codec(ZSTD, zstd) if zstd else Codec(ZLIB, zlib_levels(weakest))

    def rows(self, bodies: Sequence[Mapping[str, Value]], seq: int | None = None) -> Content:
        """Any rows, as JSON objects."""
        plain = [body if type(body) is dict else dict(body) for body in bodies]
        return self._content(orjson.dumps(plain), "application/json", len(plain), seq)

    def parts(self, parts: Sequence[Part], ids: Sequence[Ids], seq: int | None = None) -> Content:
        """Columns: as such, or as the JSON objects that ``rows`` would make of them."""
        count = sum(map(len, parts))
        pairs = list(zip(parts, ids, strict=True))
        if self._in_columns(count):
            raw = packed([(part.table, part.columns, of) for part, of in pairs], interleaved(parts))
            return self._content(raw, CONTENT_TYPE, count, seq)
        bodies = list(chain.from_iterable(row_bodies(part, of) for part, of in pairs))
        if len(parts) > 1:
            places = chain.from_iterable(part.places or () for part in parts)
            by_place = dict(zip(places, bodies, strict=True))
            bodies = [by_place[place] for place in range(count)]
        return self._content(orjson.dumps(bodies), "application/json", count, seq)

    def _in_columns(self, rows: int) -> bool:
        return self._columns and rows >= _FEW_ROWS

    def _content(self, raw: bytes, kind: str, rows: int, seq: int | None) -> Content:
        encoding, body = self._codec.compress(raw)
        headers = {"Content-Type": kind, "Content-Encoding": encoding, **self._headers}
        return Content(body, headers, rows, len(raw), self._codec, seq)
