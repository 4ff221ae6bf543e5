"""A station whose outbox is filled by hand, before central servers, with the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click.testing

from demo.mariadbd import die_with_parent
from replicator.change import Change, Commit, Op, Position, Row, Value
from replicator.cli.main import main
from replicator.model import TABLES
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
READING = ("time", "nodeId", "type", "locationId", "value")
STATE = ("id", "time", "nodeId", "parent", "localtime", "seq_num", "rssi")
DEADLINE = 30.0


class Scene:
    """``write`` makes an entry a call, a minute of commit time apart; ``run`` is in-process."""

    def __init__(self, folder: Path, urls: Mapping[str, str]) -> None:
        self.folder = folder
        self.outbox = folder / "outbox"
        self.configure(urls)
        self.writer = OutboxWriter(self.outbox)
        self.writer.begin_at(Position("s", "b.1", 4), None)
        self.seq = 0
        self._children: list[subprocess.Popen[str]] = []

    def configure(self, urls: Mapping[str, str], **keys: object) -> None:
        """Write replicator.ini: one destination for each URL."""
        self.names = tuple(urls)
        keys = {"heartbeat": 0, **keys}
        more = "".join(f"{key} = {value}\n" for key, value in keys.items())
        destinations = "".join(
            f"[destination {name}]\nurl = {url}/\nretry_blocked = 0.05\n{more}"
            for name, url in urls.items()
        )
        self.path = self.folder / "replicator.ini"
        self.path.write_text(
            f"[source]\nuser = u\npassword = p\n[outbox]\npath = {self.outbox}\n{destinations}"
        )
        self.path.chmod(0o600)

    # --- the station ---------------------------------------------------------------------------

    def write(self, table: str, op: Op, columns: Sequence[str], rows: Sequence[Row]) -> int:
        """One entry; its number."""
        self.seq += 1
        at = AT + timedelta(minutes=self.seq)
        self.writer.append(Change(table, op, tuple(columns), rows))
        self.writer.commit(Commit(Position("s", "b.1", 100 * self.seq), at))
        self.writer.flush()
        return self.seq

    def put(self, table: str, number: int, op: Op = Op.INSERT, **values: Value) -> int:
        """A reference row; columns not named are NULL."""
        whole = {**dict.fromkeys(TABLES[table].columns), "id": number, **values}
        return self.write(table, op, tuple(whole), [tuple(whole.values())])

    def furnish(self, houses: Iterable[int] = (1, 2)) -> None:
        """Houses, each with one location in a shared room and node 60 + house; types 0 and 1."""
        self.put("Deployment", 1, name="Trial")
        self.put("RoomType", 1, name="Bedroom")
        self.put("Room", 1, roomTypeId=1, name="Front")
        self.put("NodeType", 1, name="base", blink=0)
        for number in (0, 1):
            self.put("SensorType", number, name=f"type {number}", units="u")
        for house in houses:
            self.put("House", house, deploymentId=1, address=f"{house} Main St")
            self.put("Location", house, houseId=house, roomId=1)
            self.put("Node", 60 + house, locationId=house, nodeTypeId=1)

    def readings(
        self,
        house: int,
        seconds: Iterable[int],
        value: float | None = None,
        op: Op = Op.INSERT,
        **values: Value,
    ) -> int:
        """One entry of a house's readings; without a value it is the second's half."""
        rows = [
            {
                "time": moment(second),
                "nodeId": 60 + house,
                "type": 0,
                "locationId": house,
                "value": second / 2 if value is None else value,
                **values,
            }
            for second in seconds
        ]
        return self.write("Reading", op, READING, [tuple(r[c] for c in READING) for r in rows])

    # --- the commands --------------------------------------------------------------------------

    def run(self, *arguments: str, answer: str | None = None) -> click.testing.Result:
        """A command in this process."""
        whole = ["--config", str(self.path), *arguments]
        return click.testing.CliRunner().invoke(main, whole, input=answer)

    def said(self, *arguments: str, answer: str | None = None) -> str:
        """What a command prints that ends well."""
        result = self.run(*arguments, answer=answer)
        assert result.exit_code == 0, result.output + result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """The same with --json, read."""
        return json.loads(self.said(*arguments, "--json"))

    def ship(self) -> None:
        """Deliver all there is."""
        self.said("ship", "--once")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command as a process; ends with the scene at the latest.

        The destinations' files are there before it: a look at one that is just being made fails.
        """
        for name in self.names:
            if not (self.outbox / f"{name}.db").exists():
                Deliveries(self.outbox, name).close()
        child = subprocess.Popen(
            [sys.executable, "-m", "replicator", "--config", str(self.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        self._children.append(child)
        return child

    def kill(self, child: subprocess.Popen[str]) -> None:
        """SIGKILL."""
        child.kill()
        child.communicate()
        self._children.remove(child)

    def backlog(self, name: str = "centre") -> dict[str, Any]:
        """What the backlog says of a destination."""
        found = self.json("backlog")["destinations"]
        said: dict[str, Any] = next(each for each in found if each["name"] == name)
        return said

    def parked(self, *options: str) -> list[tuple[int, int, str]]:
        """(entry, place, reason) of the parked rows."""
        rows = self.json("parked", "list", *options)["rows"]
        return [(row["seq"], row["row_index"], row["reason"]) for row in rows]

    def close(self) -> None:
        """Kill what still runs."""
        for child in list(self._children):
            self.kill(child)
        self.writer.close()


def moment(second: int) -> str:
    """A reading's time."""
    return (datetime(2026, 3, 1) + timedelta(seconds=second)).isoformat()  # noqa: DTZ001  # as stations write them


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that must happen soon."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
