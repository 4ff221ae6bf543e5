"""The ways to a database: TLS, a socket, logins that need more than PyMySQL has."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.errors import SourceMisconfigured
from replicator.source.binlog import BinlogStream, current_position
from replicator.source.endpoint import Endpoint, connect
from tests.conftest import create_station
from tests.source.capture import at, changes, endpoint, read_to, refused

FIRST = "INSERT INTO RoomType VALUES (1, 'a')"


@dataclass(frozen=True)
class Encrypted:
    """A server that only lets a user in over TLS, and the certificates."""

    server: PrivateMariaDB
    ca: Path
    other_ca: Path

    def endpoint(self, ca: Path | None, host: str = "127.0.0.1") -> Endpoint:
        """Over TCP: a socket needs no encryption."""
        more = {"unix_socket": None, "user": "far", "password": "pw", "host": host}
        return endpoint(self.server, "ch", ssl_ca=str(ca) if ca else None, **more)


def certificate(folder: Path, name: str, host: str) -> Path:
    """A certificate that is its own CA, and its key."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}"]
    files = ["-keyout", f"{folder / name}.key", "-out", f"{folder / name}.pem"]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("tls")
    ours, other = (certificate(folder, name, "127.0.0.1") for name in ("ours", "other"))
    options = [f"--ssl-cert={ours}", f"--ssl-key={folder / 'ours.key'}"]
    with PrivateMariaDB(options) as server:
        create_station(server, "ch")
        server.execute(
            "CREATE USER far@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE SSL",
            "GRANT ALL ON *.* TO far@'127.0.0.1'",
        )
        yield Encrypted(server, ours, other)


@pytest.mark.parametrize("mode", ["file", "gtid"])
def test_the_log_over_tls(encrypted: Encrypted, mode: str) -> None:
    here = encrypted.endpoint(encrypted.ca)
    start = current_position(here, mode="gtid" if mode == "gtid" else "file")
    encrypted.server.execute("DELETE FROM RoomType", FIRST, database="ch")
    with BinlogStream(here, server_id=5_001, start=start) as reader:
        events = read_to(reader, at(encrypted.server, "ch"))
        for connection in reader._dump._connections:
            assert connection._sock.cipher()  # type: ignore[attr-defined]  # private in the stubs
    assert changes(events)[-1] == ("RoomType", "insert", [(1, "a")])


def test_more_than_a_tls_record_at_once(encrypted: Encrypted) -> None:
    """What is decrypted already is not to be waited for."""
    here = encrypted.endpoint(encrypted.ca)
    start = current_position(here, mode="file")
    encrypted.server.execute(
        "INSERT INTO NodeState (seq_num) SELECT seq FROM seq_1_to_20000", database="ch"
    )
    with BinlogStream(here, server_id=5_002, start=start) as reader:
        events = read_to(reader, at(encrypted.server, "ch"), 700)
    assert sum(len(rows) for _, _, rows in changes(events)) == 20_000


def test_a_certificate_of_someone_else(encrypted: Encrypted) -> None:
    with refused(SourceMisconfigured, "ssl_ca"):
        current_position(encrypted.endpoint(encrypted.other_ca), mode="file")


def test_a_certificate_for_another_host(encrypted: Encrypted) -> None:
    with refused(SourceMisconfigured, "ssl_ca"):
        current_position(encrypted.endpoint(encrypted.ca, host="localhost"), mode="file")


def test_a_server_without_tls_gets_no_password(
    mariadb: PrivateMariaDB, encrypted: Encrypted
) -> None:
    plain = endpoint(mariadb, "ch", unix_socket=None, ssl_ca=str(encrypted.ca))
    with refused(SourceMisconfigured, "ssl_ca"):
        current_position(plain, mode="file")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_is_none(
    mariadb: PrivateMariaDB, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with refused(SourceMisconfigured, str(file)):
        current_position(endpoint(mariadb, "ch", ssl_ca=str(file)), mode="file")


def test_over_the_socket(mariadb: PrivateMariaDB, station: str) -> None:
    nowhere = endpoint(mariadb, station, host="host.invalid", port=1)
    start = current_position(nowhere, mode="file")
    mariadb.execute(FIRST, database=station)
    with BinlogStream(nowhere, server_id=5_003, start=start) as reader:
        events = read_to(reader, at(mariadb, station))
    assert changes(events) == [("RoomType", "insert", [(1, "a")])]


def test_a_login_that_needs_a_package(
    mariadb: PrivateMariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PyMySQL says it for caching_sha2_password without TLS; no such server is here."""

    def lacking(**settings: object) -> object:
        raise RuntimeError("'cryptography' package is required for sha256_password or …")

    monkeypatch.setattr(pymysql, "connect", lacking)
    with refused(SourceMisconfigured, "pip install 'PyMySQL[rsa]'"):
        connect(endpoint(mariadb, "ch"))
