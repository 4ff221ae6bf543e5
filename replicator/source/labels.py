"""ENUM and SET cells to the labels that SELECT shows. Pure.

The log has the label's number (from 1; 0 is '', what the server stores for a wrong one), or a bit
for each label. The labels are in the row metadata, or in the catalogue's COLUMN_TYPE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from replicator.change import Value
from replicator.errors import Unsupported
from replicator.source.values import Reader, damaged, take

Label = str | None
"""None: a label that the catalogue does not tell for certain."""

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r"}
_MANY_LABELS = 256


def enum_size(labels: int) -> int:
    """Bytes of an ENUM with so many labels."""
    return 1 if labels < _MANY_LABELS else 2


def set_size(labels: int) -> int:
    """Bytes of a SET with so many labels."""
    size = (labels + 7) // 8
    return 8 if size > 4 else size


def listed(column_type: str) -> tuple[Label, ...]:
    """The labels in a COLUMN_TYPE (append_unescaped in the servers' sources wrote it).

    It is UTF-8 with three bytes at most: '?' may stand for a character that does not fit.
    """
    found = [
        _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]) if m[1] else "'", text)
        for text in _QUOTED.findall(column_type)
    ]
    return tuple(None if "?" in label else label for label in found)


def enum(size: int, labels: Sequence[Label]) -> Reader:
    """The label; '' for number 0."""
    known: list[Label] = ["", *labels]

    def read(data: bytes, at: int) -> tuple[Value, int]:
        number = int.from_bytes(take(data, at, size), "little")
        if number >= len(known):
            raise damaged("an ENUM with a number that has no label", str(number))
        return _told(known[number]), at + size

    return read


def labels_of_set(size: int, labels: Sequence[Label]) -> Reader:
    """The labels with a comma between them, in the order of the definition."""

    def read(data: bytes, at: int) -> tuple[Value, int]:
        chosen = int.from_bytes(take(data, at, size), "little")
        if chosen >> len(labels):
            raise damaged("a SET with a bit that has no label", f"{chosen:#x}")
        text = ",".join(_told(label) for i, label in enumerate(labels) if chosen >> i & 1)
        return text, at + size

    return read


def _told(label: Label) -> str:
    if label is None:
        raise Unsupported(
            "a label that the catalogue does not tell for certain",
            "one with '?', which also stands for a character that information_schema cannot show",
            "SET GLOBAL binlog_row_metadata = FULL; -- for what comes; then replicator heal",
        )
    return label
