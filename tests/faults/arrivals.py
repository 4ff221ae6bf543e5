"""What a bulk request carried: the stream rows in the order they came."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any

STREAM_TABLES = ("Reading", "NodeState")
Row = dict[str, Any]


def bulk_rows(body: bytes) -> list[Row]:
    """The rows of a bulk body, zlib or plain JSON. Raises ValueError for anything else."""
    with contextlib.suppress(zlib.error):  # plain JSON, then
        body = zlib.decompress(body)
    rows = json.loads(body)
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of rows")
    return rows


def stream_rows(rows: list[Row]) -> list[Row]:
    """Only readings and node states."""
    return [row for row in rows if row.get("__table__") in STREAM_TABLES]
