"""TLS and logins, with a server that asks for them: who is let in, and what the rest is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nkeys
import pytest

from demo.natsd import PrivateNats
from replicator.errors import ConfigError, OutboxUnavailable, ReplicatorError
from replicator.jetstream.bus import Bus
from replicator.jetstream.security import Security
from tests.jetstream.tls import Authority


def _nkey() -> tuple[str, str]:
    """Public key and seed of a user."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    text = seed.decode() if isinstance(seed, (bytes, bytearray)) else seed
    return nkeys.from_seed(bytearray(text.encode())).public_key.decode(), text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def seed() -> tuple[str, str]:
    return _nkey()


@pytest.fixture(scope="module")
def server(authority: Authority, seed: tuple[str, str]) -> Iterator[PrivateNats]:
    """Mutual TLS, and accounts: ``station`` by password, one by nkey."""
    pem, key = authority.sign("server")
    with PrivateNats(
        more=f'tls {{ cert_file: "{pem}", key_file: "{key}", ca_file: "{authority.certificate}",'
        " verify: true }\n"
        "accounts { A { jetstream: enabled, users: ["
        f'{{ user: station, password: "s3cret-word" }}, {{ nkey: {seed[0]} }} ] }} }}\n'
    ) as running:
        yield running


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> Security:
    pem, key = authority.sign("station")
    return Security(True, authority.certificate, pem, key)


def said(url: str, security: Security) -> ReplicatorError | None:
    bus = Bus([url], security)
    try:
        assert bus.max_payload > 0
    except ReplicatorError as error:
        return error
    finally:
        bus.close()
    return None


def at(server: PrivateNats, login: str = "station:s3cret-word@") -> str:
    return f"tls://{login}127.0.0.1:{server.port}"


def test_a_password_over_mutual_tls(server: PrivateNats, trusted: Security) -> None:
    assert said(at(server), trusted) is None


def test_an_nkey(
    server: PrivateNats, trusted: Security, seed: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "seed"
    file.write_text(seed[1] + "\n")
    assert said(at(server, ""), replace(trusted, credentials_file=file)) is None
    file.write_text(_nkey()[1])
    refused = said(at(server, ""), replace(trusted, credentials_file=file))
    assert isinstance(refused, OutboxUnavailable)
    assert "do not let us in" in refused.message


def test_a_wrong_password_is_not_repeated(server: PrivateNats, trusted: Security) -> None:
    refused = said(at(server, "station:wr0ng-word@"), trusted)
    assert isinstance(refused, OutboxUnavailable)
    assert "do not let us in" in refused.message
    assert "wr0ng" not in str(refused)


def test_another_ca(server: PrivateNats, trusted: Security, tmp_path: Path) -> None:
    other = Authority.made(tmp_path / "other")
    refused = said(at(server), replace(trusted, ca_file=other.certificate))
    assert isinstance(refused, OutboxUnavailable)
    assert "not trusted" in refused.message


@pytest.mark.parametrize("days", [None, -1])
def test_our_certificate_is_missing_or_expired(
    server: PrivateNats, trusted: Security, authority: Authority, days: int | None
) -> None:
    ours = authority.sign("late", days) if days else (None, None)
    refused = said(at(server), replace(trusted, cert_file=ours[0], key_file=ours[1]))
    assert isinstance(refused, OutboxUnavailable)
    assert "do not accept our certificate" in refused.message, str(refused)


def test_an_expired_certificate_of_the_server(authority: Authority) -> None:
    pem, key = authority.sign("past", -1)
    with PrivateNats(more=f'tls {{ cert_file: "{pem}", key_file: "{key}" }}\n') as late:
        refused = said(at(late, ""), Security(True, authority.certificate))
    assert isinstance(refused, OutboxUnavailable)
    assert "expired" in refused.detail


def test_a_server_without_tls_learns_nothing(nats_server: PrivateNats) -> None:
    refused = said(at(nats_server), Security(True))
    assert isinstance(refused, OutboxUnavailable)
    assert "do not speak TLS" in refused.message


@pytest.mark.parametrize("content", [None, "SUNOTASEED", "-----BEGIN NATS USER JWT-----", "é"])
def test_credentials_that_are_none(
    nats_server: PrivateNats, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "creds"
    if content is not None:
        file.write_text(content)
    refused = said(nats_server.url, Security(credentials_file=file))
    assert isinstance(refused, ConfigError)
    assert str(file) in refused.detail
    assert "NOTASEED" not in str(refused)


@pytest.mark.parametrize("which", ["ca_file", "cert_file"])
def test_files_that_are_not_there(
    server: PrivateNats, trusted: Security, tmp_path: Path, which: str
) -> None:
    missing = tmp_path / "nothing"
    changed = (
        replace(trusted, ca_file=missing)
        if which == "ca_file"
        else replace(trusted, cert_file=missing)
    )
    refused = said(at(server), changed)
    assert isinstance(refused, ConfigError)
    assert "nothing" in refused.detail
