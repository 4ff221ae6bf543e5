"""Every code from 0 to 255: in the table of docs/events.md and treated as it says, or refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replicator.errors import Unsupported
from replicator.source.events import EVENTS, Treatment
from replicator.source.refusals import refused_event
from tests.source.replay import made, packets, plain, read, read_until_error, world

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parents[1] / "docs" / "events.md").read_text()
_LINE = re.compile(r"^\| (\d+) \| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
LINES = {int(code): rest for code, *rest in _LINE.findall(DOCUMENT)}
NAME = "mariadb-full"
BODIES = (b"\0", b"\xff" * 64)
THERE = world(NAME)
# Its first two transactions are enough.
RECORDED = packets(NAME)[: [i for i, p in enumerate(packets(NAME)) if p[5] == 16][1] + 1]
WHOLE = plain(read(RECORDED, THERE))


def test_the_document_has_the_same_codes_and_names() -> None:
    assert {code: rest[0] for code, rest in LINES.items()} == {
        code: name for code, (name, _) in EVENTS.items()
    }


@pytest.mark.parametrize("code", EVENTS)
def test_the_document_says_what_the_code_does(code: int) -> None:
    _, servers, what, tests = LINES[code]
    assert servers.strip()
    assert what.startswith(EVENTS[code][1].value)
    for name in tests.split(", "):
        assert list(TESTS.glob(f"{name}.py")) or (TESTS.parents[1] / name).is_dir()


def with_event(code: int, body: bytes) -> list[bytes]:
    """The recording, with this event between two of its transactions."""
    place = next(i for i, p in enumerate(RECORDED) if p[5] == 16) + 1
    return [*RECORDED[:place], made(code, body), *RECORDED[place:]]


@pytest.mark.parametrize("code", range(256))
def test_every_code_is_treated_as_the_table_says(code: int) -> None:
    treatment = EVENTS[code][1] if code in EVENTS else Treatment.REFUSED
    for body in BODIES:
        events, error = read_until_error(with_event(code, body), THERE)
        if treatment is Treatment.HARMLESS:
            assert error is None
            assert plain(events) == WHOLE
        elif error is not None or treatment is Treatment.REFUSED:
            assert type(error) is Unsupported or code == 39
            assert all(error.args) if error else code == 39
            assert plain(events) == WHOLE[: len(events)]


@pytest.mark.parametrize("code", [c for c in range(256) if c not in EVENTS])
def test_a_kind_of_tomorrow_is_refused_by_name(code: int) -> None:
    _, error = read_until_error(with_event(code, bytes(8)), THERE)
    assert f"event type {code}" in str(error)


@pytest.mark.parametrize("code", [c for c, (_, t) in EVENTS.items() if t is Treatment.REFUSED])
def test_a_refusal_says_what_to_do(code: int) -> None:
    error = refused_event(code)
    assert error.hint
    assert EVENTS[code][0] in str(error)
