"""MySQL's compressed transactions: made after the format, from what a MySQL sent uncompressed."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Event
from replicator.errors import Unsupported
from replicator.source import payload
from replicator.source.payload import inner_events
from tests.source.replay import made, packets, plain, read, read_until_error, replayed, world

zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "zstandard")
NAME = "mysql-gtid"
WORLD = world(NAME)


def bare(packet: bytes) -> bytes:
    """The event as it stands in a payload: without OK byte and checksum, its size told."""
    event = packet[1:-4]
    return event[:9] + len(event).to_bytes(4, "little") + event[13:]


def body(content: bytes, packed: bytes, compression: int, *, size: int | None = None) -> bytes:
    """Fields as the server writes them."""

    def number(value: int) -> bytes:
        return bytes([value]) if value < 251 else b"\xfc" + value.to_bytes(2, "little")

    def field(kind: int, value: int) -> bytes:
        return bytes([kind, len(number(value))]) + number(value)

    told = len(content) if size is None else size
    return field(2, compression) + field(3, told) + field(1, len(packed)) + b"\0" + packed


def as_payloads(pack: Callable[[bytes], bytes]) -> list[bytes]:
    """The recording with every transaction from BEGIN to its end in one event."""
    found: list[bytes] = []
    inside: list[bytes] = []
    for packet in packets(NAME):
        begins = packet[5] == 2 and packet[-9:-4] == b"BEGIN"
        if begins or inside:
            inside.append(packet)
            ends = packet[5] == 16 or (packet[5] == 2 and packet[-10:-4] == b"COMMIT")
            if ends:
                found.append(packed_transaction(inside, pack))
                inside = []
        else:
            found.append(packet)
    return found


def packed_transaction(inside: Sequence[bytes], pack: Callable[[bytes], bytes]) -> bytes:
    content = b"".join(bare(packet) for packet in inside)
    packed = pack(content)
    end = int.from_bytes(inside[-1][14:18], "little")
    return made(40, body(content, packed, 255 if packed == content else 0), end=end)


def unpacked(data: bytes) -> list[bytes]:
    return list(inner_events(data, 1_000))


@pytest.mark.parametrize("pack", [zstd.compress, bytes], ids=["zstd", "none"])
def test_the_events_are_those_of_the_plain_log(pack: Callable[[bytes], bytes]) -> None:
    told = as_payloads(pack)
    assert sum(p[5] == 40 for p in told) > 10
    assert plain(read(told, WORLD)) == plain(read(packets(NAME), WORLD))


def test_polls_may_be_small() -> None:
    found: list[Event] = []
    with replayed(as_payloads(zstd.compress), WORLD) as stream:
        while events := stream.poll(0.0, 1):
            found += events
    assert plain(found) == plain(read(packets(NAME), WORLD))


def test_an_inner_event_ends_where_the_payload_does() -> None:
    rows = [p for p in packets(NAME) if p[5] in (19, 30)][:2]
    content = b"".join(bare(p) for p in rows)
    found = unpacked(body(content, zstd.compress(content), 0))
    assert [p[5] for p in found] == [19, 30]
    assert {p[14:18] for p in found} == {(1_000).to_bytes(4, "little")}


CONTENT = b"".join(bare(p) for p in packets(NAME) if p[5] in (19, 30))


@pytest.mark.parametrize(
    "ill",
    [
        b"",
        b"\0",
        b"\x02\x01\x00\x00",
        body(CONTENT, zstd.compress(CONTENT), 0)[:-3],
        body(CONTENT, b"no zstd", 0),
        body(CONTENT, zstd.compress(CONTENT)[:-9], 0),
        body(CONTENT, CONTENT, 7),
        body(CONTENT, zstd.compress(CONTENT), 0, size=9),
        body(CONTENT[:-3], CONTENT[:-3], 255),
        body(b"", bytes(40), 255),
        body(b"", bytes(9) + b"\xff\xff\xff\xff" + bytes(9), 255),
        body(CONTENT, bare(made(40, b"\0")) + CONTENT, 255),
    ],
    ids=range(12),
)
def test_what_does_not_unpack_is_refused(ill: bytes) -> None:
    with pytest.raises(Unsupported) as caught:
        unpacked(ill)
    assert caught.value.hint


def test_memory_is_bounded_by_one_event() -> None:
    """A bomb of zeros: the first event says its size, and that is refused before it is unpacked."""
    bomb = zstd.compress(bytes(100_000_000))
    assert len(bomb) < 20_000
    with pytest.raises(Unsupported, match="cannot be unpacked"):
        unpacked(body(b"", bomb, 0))


@settings(deadline=None)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_damage_gives_the_right_error_or_whole_events(place: int, flip: int) -> None:
    ill = bytearray(body(CONTENT, zstd.compress(CONTENT), 0))
    ill[place % len(ill)] ^= flip
    try:
        found = unpacked(bytes(ill))
    except Unsupported:
        return
    assert all(len(p) - 1 == int.from_bytes(p[10:14], "little") for p in found)


def test_without_zstd_the_hint_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(payload, "import_module", missing)
    events, error = read_until_error(as_payloads(zstd.compress), WORLD)
    assert isinstance(error, Unsupported)
    assert "pip install 'replicator[mysql8]'" in error.hint
    assert [e for e in plain(events) if e[0] != "commit"] == []
    assert isinstance(payload._opened(255, b""), io.BytesIO)
