"""`python -m tests.source.charset_tables` makes replicator/source/charsets.json from a live server.

The server is asked about every byte and every code of two and three bytes. What it shows as `?` or
as U+FFFD is no character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pymysql

from demo.mariadbd import PrivateMariaDB

TABLES = Path(__file__).parents[2] / "replicator" / "source" / "charsets.json"
CODECS = {
    "ascii": "ascii", "latin1": "cp1252", "latin2": "iso8859_2", "latin5": "iso8859_9",
    "latin7": "iso8859_13", "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256",
    "cp1257": "cp1257", "greek": "iso8859_7", "hebrew": "iso8859_8", "tis620": "tis_620",
    "koi8r": "koi8_r", "koi8u": "koi8_u", "cp850": "cp850", "cp852": "cp852", "cp866": "cp866",
    "macroman": "mac_roman", "macce": "mac_latin2", "keybcs2": "cp852", "swe7": "ascii",
    "hp8": "hp_roman8", "dec8": "latin_1", "armscii8": "latin_1", "geostd8": "latin_1",
    "big5": "big5", "gb2312": "gb2312", "gbk": "gbk", "euckr": "cp949", "sjis": "shift_jis",
    "cp932": "cp932", "ujis": "euc_jp", "eucjpms": "euc_jp",
}  # fmt: skip
MULTIBYTE = {"big5": 2, "gb2312": 2, "gbk": 2, "euckr": 2, "sjis": 2, "cp932": 2, "ujis": 3,
             "eucjpms": 3}  # fmt: skip
_AT_ONCE = 2_000
_HIGH = range(0x80, 0x100)
Run = tuple[str, int, str]


def codes(charset: str) -> list[bytes]:
    """Every code that the character set may have."""
    found = [bytes([byte]) for byte in range(256)]
    if charset in MULTIBYTE:
        found += [bytes(pair) for pair in product(_HIGH, range(256))]
    if MULTIBYTE.get(charset) == 3:
        found += [bytes([0x8F, *pair]) for pair in product(_HIGH, _HIGH)]
    return found


def characters(connection: pymysql.connections.Connection, charset: str) -> dict[bytes, str]:
    """Code → the character that the server shows for it."""
    found: dict[bytes, str] = {}
    wanted = codes(charset)
    with connection.cursor() as cursor:
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            shown = ", ".join(
                f"HEX(CONVERT(CAST(X'{code.hex()}' AS CHAR CHARACTER SET {charset}) USING utf32))"
                for code in part
            )
            cursor.execute(f"SELECT {shown}")
            for code, told in zip(part, cursor.fetchone() or (), strict=True):
                if told and len(told) == 8 and is_character(code, chr(int(told, 16))):
                    found[code] = chr(int(told, 16))
    return found


def is_character(code: bytes, shown: str) -> bool:
    """Not what stands for a code without one."""
    return shown != "\ufffd" and (shown != "?" or code == b"?")


def runs(charset: str, told: Mapping[bytes, str]) -> list[Run]:
    """What differs from Python's codec, neighbours together."""
    found: list[Run] = []
    texts: list[str] = []
    for code in codes(charset):
        if python(code, CODECS[charset]) == told.get(code, ""):
            texts = []
            continue
        text = told.get(code, "")
        if (
            texts
            and bool(texts[-1]) == bool(text)
            and code[-1]
            and len(found[-1][0]) // 2 == len(code)
        ):
            texts.append(text)
        else:
            texts = [text]
            found.append((code.hex(), 0, ""))
        found[-1] = (found[-1][0], len(texts), packed(texts))
    return found


def packed(texts: list[str]) -> str:
    """The text, or its first character where the code points are a run."""
    first = texts[0]
    if not first or len(texts) < 3:
        return "".join(texts)
    run = [chr(ord(first) + i) for i in range(len(texts))]
    return first if texts == run else "".join(texts)


def python(code: bytes, codec: str) -> str:
    """The one character of a code; "" where there is none."""
    try:
        text = code.decode(codec)
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 else ""


def document(tables: Mapping[str, list[Run]]) -> str:
    """One line a character set."""
    lines = (
        f"{json.dumps(name)}: {json.dumps([CODECS[name], tables[name]])}" for name in sorted(tables)
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def made(connection: pymysql.connections.Connection) -> Iterator[tuple[str, list[Run]]]:
    """Of every character set."""
    for charset in CODECS:
        yield charset, runs(charset, characters(connection, charset))


if __name__ == "__main__":
    with PrivateMariaDB() as server:
        TABLES.write_text(document(dict(made(server.connect()))))
