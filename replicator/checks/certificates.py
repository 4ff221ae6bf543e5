"""A central server's TLS certificate, as this machine sees it."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime, timezone
from urllib.parse import urlsplit

from replicator.sink.rest import Address


def expires(address: Address) -> datetime:
    """Until when the certificate is valid, UTC. Raises OSError where it is not to be trusted."""
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    trusted = ssl.create_default_context(cafile=str(address.ca_file) if address.ca_file else None)
    place = (host, parts.port or 443)
    with (
        socket.create_connection(place, timeout=address.connect_timeout) as plain,
        trusted.wrap_socket(plain, server_hostname=host) as line,
    ):
        until = (line.getpeercert() or {})["notAfter"]
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(until)), timezone.utc)
