"""What a connection costs on the link: requests, and bytes of bodies and headers both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from replicator.sink.judge import Reply
from replicator.sink.rest import Address, Rest
from replicator.sink.speaker import Speaker

_OWN_HEADERS = 200  # host, user agent, accept …: what requests adds to each request, about


def _unheard(_size: int) -> None:
    """Where nobody counts along."""


def _allowed() -> None:
    """Where nobody may forbid it."""


class MeteredRest(Rest):
    """Counts ``sent`` and ``received`` bytes; what TLS and TCP add is not in them.

    ``spend`` is told of them as they go; ``allowed`` is asked before each request, and may raise.
    """

    def __init__(
        self,
        address: Address,
        spend: Callable[[int], None] = _unheard,
        speaker: Speaker | None = None,
        allowed: Callable[[], None] = _allowed,
    ) -> None:
        super().__init__(address, speaker)
        self._spend = spend
        self._allowed = allowed
        self.sent = 0
        self.received = 0

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """As Rest's; and raises what ``allowed`` does."""
        self._allowed()
        size = len(method) + len(path) + len(body or b"") + _size(headers or {})
        size += _size(self.speaker.headers(method))
        size += _OWN_HEADERS + len(self.address.token)
        self.sent += size
        self._spend(size)
        reply = super().call(method, path, body, headers)
        length = reply.headers.get("content-length", "")
        size = int(length) if length.isdigit() else len(reply.body)
        size += _size(reply.headers)
        self.received += size
        self._spend(size)
        return reply


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())
