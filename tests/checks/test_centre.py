"""Central servers on loopback: expired, about to expire, not trusted, in another time, broken."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.checks.centre import clock_there, destinations, link, quality, token
from replicator.outbox.deliveries import Deliveries
from replicator.sink.rest import Address
from tests.checks.conftest import Find

NOW = datetime.datetime.now(datetime.timezone.utc)


def certificate(folder: Path, days: float) -> Path:
    """A certificate of 127.0.0.1 that is its own CA, with its key, valid for that long from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=30))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{days}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


class _Handler(http.server.BaseHTTPRequestHandler):
    ahead = 0.0

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(NOW.timestamp() + self.ahead)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@contextmanager
def served(pem: Path | None = None, ahead: float = 0.0) -> Iterator[str]:
    """An HTTP server that knows nothing; its URL."""
    handler = type("Handler", (_Handler,), {"ahead": ahead})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that leaves
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http{'s' if pem else ''}://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("days", "trusted", "status"),
    [(90, True, "ok"), (10, True, "warning"), (-1, True, "failure"), (90, False, "failure")],
)
def test_certificates(find: Find, tmp_path: Path, days: int, trusted: bool, status: str) -> None:
    pem = certificate(tmp_path, days)
    with served(pem) as url:
        ini = f"[destination a]\nurl = {url}\ntimeout = 5\n"
        found = find(destinations, ini + (f"ca_file = {pem}\n" if trusted else ""))
    assert found["certificate"].status == status
    assert found["server"].exit_code in (10, 11)


def test_another_time_there() -> None:
    with served(ahead=3600) as url:
        found = {one.name: one for one in link("destination a", Address(url, timeout=5))}
    assert (found["clock there"].status, found["link"].status) == ("warning", "ok")
    assert clock_there("destination a", "", NOW).status == "ok"


def test_a_link_that_loses_requests() -> None:
    with served() as url:
        pass  # and is gone
    found = {one.name: one for one in link("destination a", Address(url, timeout=5))}
    assert found["link"].message == "no answer, 5 of 5 requests without an answer"
    assert found["link"].status == "warning"
    assert quality("destination a", [3.0] * 5, 5).status == "warning"


def test_a_token_in_the_clear() -> None:
    assert token("destination a", "http://far.example.org/", given=True).status == "warning"
    assert token("destination a", "https://far.example.org/", given=True).status == "ok"
    assert token("destination a", "http://127.0.0.1:8080/", given=True).status == "ok"


def test_a_house_that_waits(find: Find, tmp_path: Path) -> None:
    deliveries = Deliveries(tmp_path / "box", "a")
    with deliveries.database.conn:
        deliveries.database.execute(
            "INSERT INTO lane VALUES ('House:3', 'SensorType:7', '', '2026-01-01', 0, 1)"
        )
    deliveries.close()
    found = find(destinations, "[destination a]\nurl = http://127.0.0.1:9/\n")["mappings"]
    assert (found.status, found.hint) == ("warning", "replicator map explain SensorType:7")
