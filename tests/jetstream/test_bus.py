"""A connection that ends takes its questions with it."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from nats.js import JetStreamContext

from demo.natsd import PrivateNats
from replicator.errors import OutboxUnavailable
from replicator.jetstream.bus import Bus


async def _for_ever(_js: JetStreamContext) -> None:
    await asyncio.sleep(3_600)


async def _done_soon(_js: JetStreamContext) -> str:
    await asyncio.sleep(0.5)
    return "done"


async def _nothing(_js: JetStreamContext) -> None:
    await asyncio.sleep(0)


def _dies_and_comes_back(server: PrivateNats, bus: Bus) -> None:
    doing = bus.start(_for_ever)
    server.kill()
    with pytest.raises(OutboxUnavailable):
        bus.result(doing)
    server.start()
    bus.call(_nothing)


@pytest.mark.timeout(30)
def test_nobody_waits_for_a_server_that_died(own_nats: PrivateNats) -> None:
    with closing(Bus([own_nats.url])) as bus:
        bus.call(_nothing)
        _dies_and_comes_back(own_nats, bus)


def test_a_connection_that_ends_late_disturbs_none_that_came_after_it(
    own_nats: PrivateNats,
) -> None:
    with closing(Bus([own_nats.url])) as bus:
        bus.call(_nothing)
        assert bus._client is not None
        late = bus._client._closed_cb
        assert late is not None
        _dies_and_comes_back(own_nats, bus)
        newer = bus.start(_done_soon)
        bus.call(lambda _js: late())
        assert bus.result(newer) == "done"


def test_only_a_broken_link_of_the_clients_own_tasks_is_not_told(
    own_nats: PrivateNats, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Bus([own_nats.url])) as bus:
        bus.call(_nothing)
        assert bus._loop is not None
        bus._loop.call_exception_handler({"message": "m", "exception": BrokenPipeError()})
        assert caplog.text == ""
        bus._loop.call_exception_handler({"message": "m", "exception": ValueError("a bug")})
        assert "a bug" in caplog.text
