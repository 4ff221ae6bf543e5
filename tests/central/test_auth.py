"""Bearer tokens: who may write, and under which name it is recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from replicator.central.auth import is_loopback
from replicator.central.schema import RECEIPT, STATION_TOKEN
from replicator.central.tokens import create_token, revoke_tokens
from replicator.errors import ConfigError
from tests.central.conftest import Client

Start = Callable[..., Client]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(client: Client, headers: dict[str, str] | None = None) -> int:
    return client.request("GET", "node/", headers=headers or {}).status_code


def test_once_a_token_exists_everything_but_capabilities_needs_one(start: Start) -> None:
    client = start()
    assert status(client) == 200  # loopback, and no station was given a token yet
    token = create_token(client.database.engine, "house 17")
    refused = client.request("POST", "bulk/", json=[])
    assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.request("GET", "capabilities/").status_code == 200
    assert client.request("GET", "../healthz").json() == {"status": "ok"}
    assert status(client, bearer(token)) == 200
    assert status(client, {"Authorization": f"bearer {token}"}) == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic eDp5", "", "Bearer é"])
def test_other_credentials_are_refused(start: Start, header: str) -> None:
    client = start()
    create_token(client.database.engine, "a")
    assert status(client, {"Authorization": header.encode("latin-1").decode("latin-1")}) == 401


def test_a_basic_header_with_the_token_is_refused(start: Start) -> None:
    client = start()
    token = create_token(client.database.engine, "a")
    assert status(client, {"Authorization": f"Basic {token}"}) == 401


def test_a_public_address_needs_a_token_from_the_start(start: Start) -> None:
    client = start(host="0.0.0.0")
    client.root = client.root.replace("0.0.0.0", "127.0.0.1")
    assert status(client) == 401
    assert status(client, bearer(create_token(client.database.engine, "a"))) == 200


def test_authentication_off(start: Start) -> None:
    client = start(authentication="off")
    create_token(client.database.engine, "a")
    assert status(client) == 200
    assert status(client, bearer("wrong")) == 200


def test_the_station_is_recorded_with_its_receipts(start: Start) -> None:
    client = start()
    client.headers = bearer(create_token(client.database.engine, "Zażółć 17"))
    receipt = client.bulk([])["receipt"]
    with client.database.engine.connect() as connection:
        found = connection.execute(sa.select(RECEIPT.c.station).where(RECEIPT.c.id == receipt))
        assert found.scalar() == "Zażółć 17"


def test_tokens_are_revoked_by_station(start: Start) -> None:
    client = start()
    engine = client.database.engine
    first, second = create_token(engine, "a"), create_token(engine, "a")
    other = create_token(engine, "b")
    assert revoke_tokens(engine, "a") == 2
    assert revoke_tokens(engine, "a") == 0
    assert [status(client, bearer(t)) for t in (first, second, other)] == [401, 401, 200]
    assert revoke_tokens(engine, "b") == 1
    assert status(client) == 401  # with no token left the server does not become open again


def test_only_a_hash_is_stored(start: Start) -> None:
    engine = start().database.engine
    token = create_token(engine, "a")
    assert len(token) >= 43  # 256 bits
    with engine.connect() as connection:
        row = connection.execute(sa.select(STATION_TOKEN)).one()
    assert token not in str(row)
    assert len(row.token_hash) == 64


@pytest.mark.parametrize("station", ["", "  ", "x" * 256])
def test_a_station_needs_a_name(start: Start, station: str) -> None:
    with pytest.raises(ConfigError):
        create_token(start().database.engine, station)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("central.example", False),
    ],
)
def test_loopback_addresses(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
