"""Natural keys as one comparable column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from replicator.change import Value


def natural_key_hash(key: Iterable[Value]) -> str:
    """SHA-256 hex of the key's JSON list, UTF-8, no blanks: ``[3,"Main St 1"]``, ``[7,null]``."""
    return hashlib.sha256(orjson.dumps(list(key))).hexdigest()
