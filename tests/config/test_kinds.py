"""Texts of values and what they mean."""

from __future__ import annotations

import contextlib
import re
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.allowance import Window
from replicator.config import kinds
from replicator.config.kinds import Kind
from replicator.config.schema import KEYS, Key
from replicator.config.types import Listen


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.size(), "262144", 262144),
        (kinds.size(), "2 GiB", 2 << 30),
        (kinds.size(), "512MiB", 512 << 20),
        (kinds.size(), "1.5 kib", 1536),
        (kinds.size(), "10 MB", 10_000_000),
        (kinds.duration(), "60", 60.0),
        (kinds.duration(), "10 min", 600.0),
        (kinds.duration(), "7 days", 604800.0),
        (kinds.duration(), "1.5 hours", 5400.0),
        (kinds.duration(), "250 ms", 0.25),
        (kinds.duration(0), "0", 0.0),
        (kinds.whole(1, 65535), "65535", 65535),
        (kinds.choice("FULL", "NORMAL"), "full", "FULL"),
        (kinds.BOOLEAN, "Yes", True),
        (kinds.BOOLEAN, "off", False),
        (kinds.URL, "http://h:81/base", "http://h:81/base/"),
        (kinds.URL, "https://h//", "https://h/"),
        (kinds.LISTEN, "127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        (kinds.LISTEN, "[::1]:0", Listen("::1", 0)),
        (kinds.WINDOWS, "01:00-05:30", (Window(time(1), time(5, 30)),)),
        (
            kinds.WINDOWS,
            "22:00 - 01:00,03:00-04:00",
            (Window(time(22), time(1)), Window(time(3), time(4))),
        ),
    ],
)
def test_a_text_has_its_value(kind: Kind, text: str, value: object) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (kinds.size(), "2 Gi", "such as 512 MiB"),
        (kinds.size(), "-1", "such as 512 MiB"),
        (kinds.size(1024), "10", "from 1024 bytes"),
        (kinds.size(), "9" * 400, "to 1 EiB"),
        (kinds.duration(), "soon", "such as 30"),
        (kinds.duration(), "0", "from 0.001 seconds"),
        (kinds.duration(), "1e9", "such as 30"),
        (kinds.whole(1, 65535), "0", "from 1 to 65535"),
        (kinds.whole(1, 65535), "1_000", "from 1 to 65535"),
        (kinds.whole(1, 65535), "٣", "from 1 to 65535"),
        (kinds.choice("auto", "gtid"), "best", "auto, gtid"),
        (kinds.BOOLEAN, "maybe", "yes or no"),
        (kinds.WINDOWS, "1-5", "such as 01:00-05:30"),
        (kinds.WINDOWS, "01:00-25:00", "such as 01:00-05:30"),
        (kinds.WINDOWS, "01:00-01:00", "closes when it opens"),
        (kinds.WINDOWS, "01:00-02:00," * 30 + "03:00-04:00", "more than 24"),
        (kinds.URL, "central.example.org", "https://"),
        (kinds.URL, "ftp://h/", "https://"),
        (kinds.URL, "https://u:p@h/", "token"),
        (kinds.URL, "https://h/?a=1", "no ?"),
        (kinds.URL, "https://h:99999/", "ort"),
        (kinds.URL, "https://[::1/", "IPv6"),
        (kinds.LISTEN, "8080", "127.0.0.1:8080"),
        (kinds.LISTEN, "h:99999", "127.0.0.1:8080"),
    ],
)
def test_a_wrong_text_says_what_was_expected(kind: Kind, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        kind.parse(text)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.section}.{key.name}")
@given(text=st.text(min_size=1, max_size=30))
def test_any_text_is_a_value_or_a_value_error(key: Key, text: str) -> None:
    with contextlib.suppress(ValueError):
        key.kind.parse(text)
