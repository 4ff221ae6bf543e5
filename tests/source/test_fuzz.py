"""Damaged logs: a typed error or whole events; nothing else, and nothing wrong where a sum tells.

Recorded packets are changed in every way that bytes can be, with the checksum left as it was and
with one that fits. A typed error is Unsupported; SourceUnavailable where the packet itself is none.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import Unsupported
from tests.source.replay import (
    NAMES,
    framed,
    made,
    packets,
    plain,
    read,
    read_until_error,
    resummed,
    world,
)

SUMMED = [name for name in NAMES if name not in ("mariadb-unsummed", "mysql-plain")]
ROUNDS = 400
WORLDS = {name: world(name) for name in NAMES}
PACKETS = {name: packets(name) for name in NAMES}
WHOLE = {name: plain(read(PACKETS[name], WORLDS[name])) for name in NAMES}
FIRST = 2  # behind the made-up ROTATE and the format
HEADER = 20

Mutation = Callable[[bytes, random.Random], bytes]


def flip(packet: bytes, chance: random.Random) -> bytes:
    changed = bytearray(packet)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(1, len(changed))] ^= chance.randrange(1, 256)
    return bytes(changed)


def cut(packet: bytes, chance: random.Random) -> bytes:
    return packet[: chance.randrange(1, len(packet))]


def cut_inside(packet: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(HEADER, len(packet))
    return packet[:at] + packet[at + chance.randrange(1, 9) :]


def grow(packet: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(HEADER, len(packet) + 1)
    return packet[:at] + chance.randbytes(chance.choice((1, 4, 300))) + packet[at:]


def extreme(packet: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(HEADER, len(packet))
    return packet[:at] + chance.choice((b"\xff", b"\xfe", b"\0")) * 9 + packet[at + 9 :]


def other_kind(packet: bytes, chance: random.Random) -> bytes:
    return packet[:5] + bytes([chance.randrange(256)]) + packet[6:]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, cut_inside, grow, extreme, other_kind)


def fitted(packet: bytes, *, summed: bool) -> bytes:
    """With the size and the checksum that fit."""
    if len(packet) < HEADER + 5:
        return packet
    sized = packet[:10] + (len(packet) - 1).to_bytes(4, "little") + packet[14:]
    return resummed(sized) if summed else sized


def mutated(name: str, seed: int, *, fit: bool) -> list[bytes]:
    chance = random.Random(f"{name} {seed}")
    events = list(PACKETS[name])
    at = chance.randrange(FIRST, len(events))
    changed = chance.choice(MUTATIONS)(events[at], chance)
    if changed == events[at]:
        return events
    events[at] = fitted(changed, summed=name in SUMMED) if fit else changed
    return events


def outcome(events: list[bytes] | bytes, name: str) -> tuple[list[Any], Exception | None]:
    found, error = read_until_error(events, WORLDS[name])
    assert error is None or type(error) is Unsupported, repr(error)
    if isinstance(error, Unsupported):
        assert error.message
        assert error.hint
    return plain(found), error


@pytest.mark.parametrize("name", SUMMED)
def test_where_a_checksum_tells_nothing_wrong_passes(name: str) -> None:
    for seed in range(ROUNDS):
        events = mutated(name, seed, fit=False)
        found, error = outcome(events, name)
        assert found == WHOLE[name][: len(found)], seed
        assert error is not None or events == PACKETS[name], seed


@pytest.mark.parametrize("name", NAMES)
def test_where_it_does_not_the_error_is_typed(name: str) -> None:
    for seed in range(ROUNDS):
        outcome(mutated(name, seed, fit=True), name)


@pytest.mark.parametrize("name", NAMES)
def test_events_lost_doubled_and_out_of_order(name: str) -> None:
    chance = random.Random(name)
    for _ in range(40):
        events = list(PACKETS[name])
        one, other = (chance.randrange(FIRST, len(events)) for _ in range(2))
        match chance.randrange(3):
            case 0:
                del events[one]
            case 1:
                events.insert(other, events[one])
            case _:
                events[one], events[other] = events[other], events[one]
        outcome(events, name)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(NAMES),
    kind=st.integers(0, 255),
    body=st.binary(max_size=120),
    place=st.integers(FIRST, 1_000),
)
def test_any_event_anywhere(name: str, kind: int, body: bytes, place: int) -> None:
    events = list(PACKETS[name])
    events.insert(FIRST + place % (len(events) - FIRST), made(kind, body, summed=name in SUMMED))
    outcome(events, name)


LENGTHS = (b"\xfe" + b"\xff" * 8, b"\xfd\xff\xff\xff", b"\xfc\xff\xff", b"\xff" * 8)


@pytest.mark.parametrize("name", ["mariadb-full", "mysql-gtid", "mariadb-compressed"])
def test_lengths_that_announce_too_much_take_no_memory(name: str) -> None:
    """Every place of one event of each kind."""
    by_kind = {packet[5]: at for at, packet in enumerate(PACKETS[name]) if at >= FIRST}
    tracemalloc.start()
    try:
        for at in by_kind.values():
            packet = PACKETS[name][at]
            for place in range(HEADER, min(len(packet) - 4, HEADER + 60), 3):
                length = LENGTHS[place % len(LENGTHS)]
                changed = packet[:place] + length + packet[place + len(length) :]
                events = [*PACKETS[name][:at], fitted(changed, summed=True)]
                outcome(events, name)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(NAMES), at=st.integers(0, 1 << 16))
def test_a_wire_that_ends_anywhere(name: str, at: int) -> None:
    """Whole events up to there, and no error: more may yet come."""
    wire = framed(PACKETS[name])
    found, error = outcome(wire[: at % len(wire)], name)
    assert error is None
    assert found == WHOLE[name][: len(found)]
