"""What a bulk request carried: the stream rows in the order they came."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any

import zstandard

from replicator.central.packed import MAGIC, unpack

STREAM_TABLES = ("Reading", "NodeState")
Row = dict[str, Any]


def bulk_rows(body: bytes) -> list[Row]:
    """The rows of a bulk body: JSON or columns, packed or not. ValueError for anything else."""
    if body.startswith(zstandard.FRAME_HEADER):
        body = zstandard.ZstdDecompressor().decompress(body)
    with contextlib.suppress(zlib.error):  # plain JSON, then
        body = zlib.decompress(body)
    if body.startswith(MAGIC):
        return list(unpack(body).as_rows())
    rows = json.loads(body)
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of rows")
    return rows


def stream_rows(rows: list[Row]) -> list[Row]:
    """Only readings and node states."""
    return [row for row in rows if row.get("__table__") in STREAM_TABLES]
