"""MySQL's binary JSON: constructed bytes, by its document and with the library's decoder."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysqlreplication.json_binary import parse_json

from demo.mariadbd import PrivateMariaDB
from replicator.errors import Unsupported
from replicator.source.jsonbinary import canonical, json_text
from tests.source.jsonbytes import Opaque, packed, packed_time

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(documents, st.booleans())
def test_a_document(document: Any, large: bool) -> None:
    text = json_text(packed(document, large=large))
    assert json.loads(text) == document
    assert canonical(text) == text


@settings(max_examples=200, deadline=None)
@given(documents.filter(lambda d: d not in (None, "")), st.booleans())
def test_as_the_library_decodes(document: Any, large: bool) -> None:
    data = packed(document, large=large)
    assert _decoded(parse_json(data[0], data[1:])) == document


def _decoded(value: Any) -> Any:
    """The library leaves text as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {_decoded(key): _decoded(cell) for key, cell in value.items()}
    return [_decoded(cell) for cell in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (False, "false"), (0, "0"), (-1, "-1"), (65535, "65535"),
        (2**31, "2147483648"), (2**64 - 1, "18446744073709551615"), (-(2**63), str(-(2**63))),
        (1.0, "1"), (-0.0, "-0"), (0.5, "0.5"), (1e15, "1e15"), (123456789012345.0,
        "123456789012345"), (1.5e-15, "0.0000000000000015"), (1e-16, "1e-16"), (1e300, "1e300"),
        ("", '""'), ('a"b\\\n\x01\x7f/é😀', '"a\\"b\\\\\\n\\u0001\x7f/é😀"'),
        ([], "[]"), ({}, "{}"), ([1, [2, {"a": None}]], '[1, [2, {"a": null}]]'),
        ({"b": 1, "aa": "x"}, '{"b": 1, "aa": "x"}'), ("x" * 200, f'"{"x" * 200}"'),
        (Opaque(246, b"\x03\x01\x8f\x05"), "15.5"),
        (Opaque(246, b"\x04\x02\x8f\x32"), "15.5"), (Opaque(246, b"\x02\x00\x6b"), "-20"),
        (Opaque(10, packed_time(2015, 1, 15)), '"2015-01-15"'),
        (Opaque(12, packed_time(2015, 1, 15, 23, 24, 25)), '"2015-01-15 23:24:25.000000"'),
        (Opaque(7, packed_time(2015, 1, 15, 23, 24, 25, 120)), '"2015-01-15 23:24:25.000120"'),
        (Opaque(11, packed_time(0, 0, 0, 838, 59, 59, 5)), '"838:59:59.000005"'),
        (Opaque(11, packed_time(0, 0, 0, 1, 2, 3, 5, -1)), '"-01:02:03.000005"'),
        (Opaque(252, b"a" * 60), f'"base64:type252:{base64.b64encode(b"a" * 60).decode()}"'),
        ([Opaque(16, b"\x05")], '["base64:type16:BQ=="]'),
    ],
)  # fmt: skip
def test_its_text(value: Any, text: str) -> None:
    for large in (False, True):
        assert json_text(packed(value, large=large)) == text


def test_nothing_is_null() -> None:
    assert json_text(b"") == "null"


def test_a_large_document() -> None:
    document = {f"key{i:05d}": [i, str(i) * 5] for i in range(9_000)}
    assert json.loads(json_text(packed(document, large=True))) == document


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ('{"a": 1.0, "b": 1.50, "c": -0.0}', '{"a": 1, "b": 1.5, "c": -0}'),
        ('["1.0", "a\\"1.50", 1e20, 1.5e20]', '["1.0", "a\\"1.50", 1e20, 1.5e20]'),
        ('"base64:type252:aaaa\nbbbb"', '"base64:type252:aaaabbbb"'),
        ("10.00", "10"),
    ],
)
def test_what_select_shows_in_the_same_form(shown: str, text: str) -> None:
    assert canonical(shown) == text


def test_doubles_as_the_server_shows_them(mariadb: PrivateMariaDB) -> None:
    """MySQL and MariaDB share my_gcvt."""
    values = [v for e in range(-330, 309, 3) for v in (float(f"1e{e}"), float(f"-1.25e{e}"))]
    values += [float(f"{d}e{e}") for d in (1, 12, 123456789) for e in range(-26, 20)]
    values += [5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3, 123456789012345.6]
    values = [v for v in values if v]
    connection = mariadb.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT "
            + ", ".join(
                f"CONCAT({v!r}e0)" if "e" not in repr(v) else f"CONCAT({v!r})" for v in values
            )
        )
        shown = cursor.fetchone()
    connection.close()
    assert shown is not None
    assert [json_text(packed(v)) for v in values] == [canonical(text) for text in shown]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
@example(b"\x02\x01\x00\x08\x00\x02\x00\x00\x00")  # an array that holds itself
def test_any_bytes_raise_nothing_else(data: bytes) -> None:
    """What the decoder of rows makes an Unsupported of."""
    with suppress(Unsupported, IndexError, KeyError, ValueError, struct.error):
        json_text(data)
