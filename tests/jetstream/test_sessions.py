"""A look over the fleet: the shippers' own words, at the same cost for ten stations and more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click.testing
import orjson
import pytest
from nats.js import JetStreamContext

from demo.natsd import PrivateNats
from replicator.cli.main import main
from replicator.fleet.report import Standing, as_dict, report_of
from replicator.jetstream.bus import Bus
from replicator.jetstream.sessions import Sessions

STREAM = "FLEET"
LEASE = 10.0


class Fleet:
    """Sessions and subjects by hand."""

    def __init__(self, server: PrivateNats, folder: Path) -> None:
        self.bus = Bus([server.url])
        self.sessions = Sessions(self.bus, STREAM, LEASE)
        self.ini = folder / "replicator.ini"
        self.ini.write_text(
            "[source]\nuser = u\npassword = p\n[fleet]\nstations = *\n"
            f"[outbox]\npath = {folder}\nurl = {server.url}/{STREAM}\n"
            "[destination centre]\nurl = http://127.0.0.1:9/\n"
        )
        self.ini.chmod(0o600)

        async def make(js: JetStreamContext) -> None:
            await js.add_stream(name=STREAM, subjects=[f"{STREAM}.>"])
            await js.create_key_value(bucket=f"{STREAM}_state")

        self.bus.call(make)

    def stations(self, first: int, last: int) -> None:
        async def publish(js: JetStreamContext) -> None:
            for start in range(first, last, 500):
                numbers = range(start, min(last, start + 500))
                await asyncio.gather(*(js.publish(f"{STREAM}.s{n:05}.end", b"x") for n in numbers))

        self.bus.call(publish)

    def shipper(self, name: str, value: bytes | dict[str, Any]) -> None:
        async def put(js: JetStreamContext) -> None:
            kv = await js.key_value(f"{STREAM}_state")
            await kv.put(
                f"shipper.{name}", value if isinstance(value, bytes) else orjson.dumps(value)
            )

        self.bus.call(put)

    def run(self, *arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, ["--config", str(self.ini), *arguments])

    def cost(self) -> tuple[int, int]:
        """Messages and bytes both ways of one look."""
        now = datetime.now(timezone.utc)
        self.sessions.look(now, "now")
        client = self.bus._client
        assert client is not None
        before = dict(client.stats)
        self.sessions.look(now, "now")
        spent = {name: client.stats[name] - before[name] for name in before}
        return (
            spent["in_msgs"] + spent["out_msgs"],
            spent["in_bytes"] + spent["out_bytes"],
        )


@pytest.fixture
def fleet(own_nats: PrivateNats, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(own_nats, tmp_path)
    yield made
    made.bus.close()


def said(host: str, first: int, last: int, **more: Any) -> dict[str, Any]:
    """The words of a shipper with these stations: the higher its number, the worse it is."""
    standings = [
        Standing(
            f"s{n:05}",
            "warning" if n % 2 else "fine",
            "waiting",
            n,
            float(n),
            0,
            "the link is down",
        )
        for n in range(first, last)
    ]
    session = {"id": host, "host": host, "pid": 7, "version": "1", "since": "t", "found": 3000}
    report = as_dict(report_of(standings))
    return {**session, "stations": last - first, "report": report, **more}


def test_thousands_cost_as_little_as_ten(fleet: Fleet) -> None:
    fleet.stations(0, 12)
    for host, first in (("a", 0), ("b", 4), ("c", 8)):
        fleet.shipper(host, said(host, first, first + 4))
    few = fleet.cost()
    fleet.stations(12, 3000)
    for host, first in (("a", 0), ("b", 1000), ("c", 2000)):
        fleet.shipper(host, said(host, first, first + 1000))
    many = fleet.cost()
    assert many[0] == few[0] <= 16
    assert many[1] < 12_000
    seen = fleet.sessions.look(datetime.now(timezone.utc), "now")
    assert (seen.held, seen.unheld, seen.total.stations) == (3000, 0, 3000)
    assert [each.station for each in seen.total.worst][:3] == ["s02999", "s02997", "s02995"]


def test_the_commands_tell_of_the_fleet(fleet: Fleet) -> None:
    fleet.stations(0, 30)
    assert "no shipper is alive: nothing of 15 to 30 stations" in fleet.run("backlog").output
    fleet.shipper("a", said("a", 0, 10, found=30))
    fleet.shipper("b", said("b", 10, 28, found=30))
    fleet.shipper("old", b"{")
    fleet.shipper("dead", b'{"dead": true}')
    shown = fleet.run("backlog")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("fleet: 28 stations held by 2 shippers: 14 warning; 378 rows wait")
    assert "2 stations without a shipper" in lines[1]
    assert "another version" in lines[2]
    worst = [line.split() for line in lines if line.startswith("s0")]
    assert [row[0] for row in worst] == [f"s{n:05}" for n in range(27, 8, -2)]
    assert worst[0][1:4] == ["warning", "waiting", "27"]
    assert "b:7" in worst[0]
    assert lines[-1].startswith("and 18 more")
    found = json.loads(fleet.run("backlog", "--json").stdout)
    assert (found["held"], found["unheld"], found["unread"]) == (28, 2, 1)
    assert found["level"] == "warning"
    assert found["total"]["waiting_rows"] == 378
    assert len(found["total"]["worst"]) == 10
    assert fleet.run("status", "--line").stdout.strip() == lines[0]
    assert json.loads(fleet.run("status", "--json").stdout)["line"] == lines[0]
    checked = fleet.run("backlog", "--check")
    assert checked.exit_code == 1
    assert checked.stdout.startswith("WARNING: replicator: fleet: 28 stations")
    assert fleet.run("status", "--check").exit_code == 1
    assert fleet.run("backlog", "--house").exit_code == 2


def test_a_silent_shipper_holds_nothing(fleet: Fleet) -> None:
    fleet.stations(0, 4)
    fleet.shipper("a", said("a", 0, 4))
    later = datetime.now(timezone.utc) + timedelta(seconds=3 * LEASE)
    seen = fleet.sessions.look(later, "later")
    assert (seen.held, seen.level, seen.shippers[0].live) == (0, "critical", False)
    assert seen.unheld == 2


def test_where_nobody_ever_shipped_nothing_is_held(own_nats: PrivateNats, tmp_path: Path) -> None:
    bus = Bus([own_nats.url])

    async def make(js: JetStreamContext) -> None:
        await js.add_stream(name=STREAM, subjects=[f"{STREAM}.>"])

    bus.call(make)
    seen = Sessions(bus, STREAM, LEASE).look(datetime.now(timezone.utc), "now")
    assert (seen.shippers, seen.level) == ([], "fine")
    bus.close()


def test_without_servers_monitoring_cannot_tell(fleet: Fleet, own_nats: PrivateNats) -> None:
    own_nats.kill()
    assert fleet.run("backlog", "--check").exit_code == 3
    assert fleet.run("backlog").exit_code == 12
