"""What an audit costs on the link: requests, and bytes of bodies and headers both ways."""

from __future__ import annotations

from collections.abc import Mapping

from replicator.sink.judge import Reply
from replicator.sink.rest import Address, Rest

_OWN_HEADERS = 200  # host, user agent, accept …: what requests adds to each request, about


class MeteredRest(Rest):
    """Counts ``sent`` and ``received`` bytes; what TLS and TCP add is not in them."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.sent = 0
        self.received = 0

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """As Rest's."""
        self.sent += len(method) + len(path) + len(body or b"") + _size(headers or {})
        self.sent += _OWN_HEADERS + len(self.address.token)
        reply = super().call(method, path, body, headers)
        length = reply.headers.get("content-length", "")
        self.received += int(length) if length.isdigit() else len(reply.body)
        self.received += _size(reply.headers)
        return reply


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())
