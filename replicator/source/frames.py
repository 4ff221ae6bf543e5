"""Packets of the log's stream, as the socket has them: received, taken apart, joined.

Packet: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
"""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Callable
from typing import Any

from replicator.errors import SourceUnavailable
from replicator.source.feed import Feed, Pause
from replicator.source.values import damaged

_PACKET = 4  # three bytes of size, a number
_LARGEST_PACKET = 0xFFFFFF
_LARGEST_EVENT = 1 << 30
_CHUNK = 1 << 18


class Frames:
    """The payloads of one connection's packets. ``socket``: gives the open socket, or None."""

    def __init__(self, feed: Feed, socket: Callable[[], Any]) -> None:
        self._feed = feed
        self._socket = socket
        self._data = b""
        self._at = 0
        self._waited = 0.0  # seconds in vain, since bytes came last

    def start(self) -> None:
        """The silence counts from now on."""
        self._waited = 0.0

    def push(self, data: bytes) -> None:
        """Take bytes as if they had been received."""
        self._data = self._data[self._at :] + data
        self._at = 0

    @property
    def readable(self) -> bool:
        """More is here already."""
        if len(self._data) > self._at:
            return True
        sock = self._socket()
        if sock is None:
            return False
        pending = getattr(sock, "pending", None)  # TLS keeps decrypted bytes of its own
        return bool(pending and pending()) or bool(select.select([sock], [], [], 0)[0])

    def payload(self) -> bytes:
        """The next packet's payload, continuation packets joined.

        Raises Pause, before anything of it is consumed, when it does not come in time;
        SourceUnavailable; Unsupported for more than a server sends.
        """
        data, at = self._data, self._at
        start = at + _PACKET
        size = int.from_bytes(data[at : at + 3], "little")
        end = start + size
        if start < end <= len(data) and size != _LARGEST_PACKET:  # nearly always: it is here
            self._at = end
            return data[start:end]
        return self._received()

    def _received(self) -> bytes:
        payload, end = self._frame(0)
        size = len(payload)
        while size == _LARGEST_PACKET:
            more, end = self._frame(end)
            size = len(more)
            payload += more
            if len(payload) > _LARGEST_EVENT:
                raise damaged("an event is larger than 1 GiB", str(self._feed.endpoint))
        self._at += end
        return payload

    def _frame(self, start: int) -> tuple[bytes, int]:
        """Content of the packet that begins so far behind what is consumed, and where it ends."""
        self._fill(start + _PACKET)
        at = self._at + start
        size = int.from_bytes(self._data[at : at + 3], "little")
        self._fill(start + _PACKET + size)
        at = self._at + start + _PACKET
        return self._data[at : at + size], start + _PACKET + size

    def _fill(self, count: int) -> None:
        """Have so many bytes behind what is consumed, or raise Pause with everything kept."""
        there = len(self._data) - self._at
        if there >= count:
            return
        parts = [self._data[self._at :]]
        try:
            while there < count:
                data = self._receive()
                if not data:
                    raise SourceUnavailable(
                        "the station's database closed the link", str(self._feed.endpoint)
                    )
                self._waited = 0.0
                parts.append(data)
                there += len(data)
        finally:
            self._data, self._at = b"".join(parts), 0

    def _receive(self) -> bytes:
        sock = self._socket()
        patience = min(self._feed.patience(time.monotonic()), self._feed.silence)
        sock.settimeout(max(0.0, patience))
        try:
            return bytes(sock.recv(_CHUNK))
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError) as error:
            self._waited += max(0.0, patience)  # a machine that stood still has not waited
            if self._waited > self._feed.silence:
                raise SourceUnavailable(
                    "the log's stream is silent",
                    f"{self._feed.endpoint}: not even a heartbeat for {self._waited:.0f} s",
                ) from error
            raise Pause from error
        except OSError as error:
            raise SourceUnavailable(
                "the link to the station's database broke", f"{self._feed.endpoint}: {error}"
            ) from error
