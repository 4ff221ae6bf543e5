"""Bytes of a column in its character set as canonical text. Pure.

Each character set of the servers that is not Unicode is one of Python's codecs and what differs
from it, in charsets.json; `python -m tests.source.charset_tables` makes that file from a server.
"""

from __future__ import annotations

import base64
import codecs
import functools
import json
import re
from collections.abc import Callable, Mapping
from importlib import resources

from replicator.errors import Unsupported

BINARY = "binary"
Converter = Callable[[bytes], str]

_UNICODE = {
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
    "ucs2": "utf-16-be",
}
# Which bytes are a character of their own beside ASCII, and how long those behind others are.
_MULTIBYTE = {
    "big5": "",
    "gbk": "",
    "gb2312": "",
    "euckr": "",
    "sjis": "\\xa1-\\xdf",
    "cp932": "\\xa1-\\xdf",
    "ujis": "",
    "eucjpms": "",
}
_THREE_BYTES = frozenset({"ujis", "eucjpms"})
DOUBLED = frozenset({"armscii8", "sjis", "cp932", "ujis", "eucjpms"})
"""Where two codes are one character: the text does not tell which of them it was."""
_NONE = "\ufffe"
"""In a charmap: no character."""


def text_converter(charset: str) -> Converter:
    """Bytes of a column in this character set as canonical text; binary becomes base64.

    Raises Unsupported for a character set that is not known here; so does the converter, for bytes
    that are no characters of it.
    """
    if charset == BINARY:
        return _base64
    if not is_known_charset(charset):
        raise Unsupported("a character set that is not decoded yet", charset or "not known")
    return functools.partial(_decode, charset, _decoder(charset))


def is_known_charset(charset: str) -> bool:
    """``text_converter`` takes it."""
    return charset == BINARY or charset in _UNICODE or charset in _tables()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(charset: str, decode: Converter, data: bytes) -> str:
    try:
        return decode(data)
    except UnicodeError as error:
        raise Unsupported(
            "bytes that are no character of their column's character set",
            f"{charset}: {data[:40].hex()}{'…' if len(data) > 40 else ''} ({error})",
            "correct the row, or make the column a VARBINARY or BLOB; then replicator heal",
        ) from error


@functools.cache
def _decoder(charset: str) -> Converter:
    if charset in _UNICODE:
        codec = codecs.getdecoder(_UNICODE[charset])
        if charset == "ucs2":
            return lambda data: _without_pairs(codec(data, "strict")[0])
        return lambda data: codec(data, "strict")[0]
    name, differences = _tables()[charset]
    if charset in _MULTIBYTE:
        return _multibyte(charset, name, differences)
    table = "".join(_single(bytes([code]), name, differences) for code in range(256))
    return lambda data: codecs.charmap_decode(data, "strict", table)[0]


def _without_pairs(text: str) -> str:
    """Two units of UCS-2 are never one character."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    raise UnicodeError("surrogates in ucs2")


def _single(code: bytes, codec: str, differences: Mapping[bytes, str]) -> str:
    if code in differences:
        return differences[code] or _NONE
    return code.decode(codec, "ignore") or _NONE


def _multibyte(charset: str, codec: str, differences: Mapping[bytes, str]) -> Converter:
    longer = "\\x8f..|" if charset in _THREE_BYTES else ""
    pattern = f"[\\x00-\\x7f{_MULTIBYTE[charset]}]|{longer}..|."
    split = re.compile(pattern.encode("ascii"), re.DOTALL).findall

    @functools.lru_cache(maxsize=65_536)
    def character(code: bytes) -> str:
        text = differences[code] if code in differences else code.decode(codec)
        if len(text) != 1:
            raise UnicodeError(f"{code.hex()} is no character")
        return text

    return lambda data: (
        data.decode("ascii") if data.isascii() else "".join(map(character, split(data)))
    )


@functools.cache
def _tables() -> Mapping[str, tuple[str, Mapping[bytes, str]]]:
    """Character set → Python's codec, and by code what differs from it; "" is no character."""
    listed = json.loads(resources.files(__package__).joinpath("charsets.json").read_text("utf-8"))
    return {
        name: (codec, {code: text for run in runs for code, text in _unfold(*run)})
        for name, (codec, runs) in listed.items()
    }


def _unfold(first: str, count: int, text: str) -> list[tuple[bytes, str]]:
    """``count`` codes from one on: a text of as many characters, or the first of a run, or none."""
    start, size = int(first, 16), len(first) // 2
    shown = text
    if text and len(text) != count:
        shown = "".join(chr(ord(text) + i) for i in range(count))
    return [((start + i).to_bytes(size, "big"), shown[i] if shown else "") for i in range(count)]
