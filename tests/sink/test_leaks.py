"""Failures leave nothing behind, though cycles are hardly ever looked for in ship."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from benchmarks.scene import Scene
from benchmarks.shipping import fill
from benchmarks.workload import readings
from replicator.cli.pipelines import Delivering
from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink.dialect import OURS
from tests.cli.scene import until
from tests.faults.httpd import Httpd, Reply, Request
from tests.sink.raw import Peer, RawServer

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
_SCRIPTS: dict[str, Callable[[Peer], None]] = {
    "silent": lambda peer: peer.connection.settimeout(None),
    "closed": lambda peer: peer.connection.close(),
    "reset": lambda peer: peer.reset(),
    "cut off": lambda peer: peer.say(_HEAD + b"{}"),
    "garbage": lambda peer: peer.say(b"whatever\r\n\r\n"),
    "page": lambda peer: peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>"),
    "500": lambda peer: peer.say(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
}


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(before: int) -> None:
    """No more are open than before, once the server has closed its ends, which are in here too."""
    until(lambda: descriptors() <= before, "descriptors to be closed")


def fail(delivering: Delivering) -> None:
    """One step as the daemon makes it."""
    try:
        shipped = delivering.ship().step()
    except (DestinationUnavailable, DestinationRefused):
        delivering.disconnect()
    else:
        assert shipped.retry is not None
        delivering.disconnect()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_failed_request_leaves_nothing(name: str, tmp_path: Path) -> None:
    with RawServer(_SCRIPTS[name]) as server:
        scene = Scene(tmp_path / "scene", url=server.url)
        fill(scene.outbox, readings(500))
        config = scene.config()
        delivering = Delivering(config, config.destinations[0])
        fail(delivering)
        gc.collect()
        before = descriptors()
        for _ in range(5):
            fail(delivering)
        settled(before)
        assert gc.collect() == 0
        delivering.close()


@pytest.mark.usefixtures("uncollected")
def test_a_refused_batch_leaves_nothing(tmp_path: Path) -> None:
    """The connection is well and kept when ship gives it up."""
    features = ["receipts", "delete", "sensor-get", "idempotent-create", "columns", "zstd"]
    first = orjson.dumps({"server": OURS.name, "version": "0", "features": features})

    def answer(request: Request) -> Reply:
        known = request.path == "/rest/capabilities/"
        return Reply(200, first) if known else Reply(503, b"later")

    with Httpd(answer) as server:
        scene = Scene(tmp_path / "scene", url=f"{server.url}/")
        fill(scene.outbox, readings(500))
        config = scene.config()
        delivering = Delivering(config, config.destinations[0])
        fail(delivering)
        gc.collect()
        before = descriptors()
        for _ in range(5):
            fail(delivering)
        settled(before)
        assert gc.collect() == 0
        delivering.close()
