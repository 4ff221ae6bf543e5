"""Bytes of a column in its character set as canonical text. Pure."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

from replicator.errors import Unsupported

BINARY = "binary"
_CODECS = {
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "ascii": "ascii",
}
# MySQL's latin1 is cp1252 with the five undefined bytes at their own code points.
_LATIN1 = "".join(
    bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
    for byte in range(256)
)


def text_converter(charset: str) -> Callable[[bytes], str]:
    """Bytes of a column in this character set as canonical text; binary becomes base64.

    Raises Unsupported for a character set that is not known here.
    """
    if charset == BINARY:
        return lambda data: base64.b64encode(data).decode("ascii")
    if charset == "latin1":
        return lambda data: codecs.charmap_decode(data, "strict", _LATIN1)[0]
    if charset in _CODECS:
        codec = _CODECS[charset]
        return lambda data: data.decode(codec)
    raise Unsupported("a character set that is not decoded yet", charset or "not known")


def is_known_charset(charset: str) -> bool:
    """``text_converter`` takes it."""
    return charset in _CODECS or charset in ("latin1", BINARY)
