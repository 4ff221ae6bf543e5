"""verify over the stations of a fleet that are delivered on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from demo.mariadbd import PrivateMariaDB
from replicator.cli.main import main
from replicator.naming import token
from replicator.outbox.lock import RoleLock
from tests.audit.conftest import Audited
from tests.faults.world import PASSWORD, USER


class Fleet:
    """One station that is whole, one whose database is gone, one that was delivered here once."""

    def __init__(self, audited: Audited, server: PrivateMariaDB, name: str, folder: Path) -> None:
        self.folder, self._server, self._url = folder, server, audited.world.proxy.url
        self.name = name
        self._locks = []
        for station, held in ((name, True), ("lost 1", True), ("moved", False)):
            place = folder / token(station)
            shutil.copytree(audited.world.outbox, place)
            if held:
                self._locks.append(RoleLock(place, "tail"))
            else:
                RoleLock(place, "tail").release()
        self.use("{station}")

    def use(self, database: str) -> None:
        self.ini = self.folder / "replicator.ini"
        self.ini.write_text(
            f"[source]\nunix_socket = {self._server.socket}\nuser = {USER}\npassword = {PASSWORD}\n"
            f"database = {database}\n[fleet]\nstations = *\n"
            f"[outbox]\npath = {self.folder}\nurl = nats://127.0.0.1:9/F\n"
            f"[destination central]\nurl = {self._url}/\n"
        )
        self.ini.chmod(0o600)

    def verify(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.ini), "verify", *arguments])

    def close(self) -> None:
        """Nobody delivers here any more."""
        while self._locks:
            self._locks.pop().release()


@pytest.fixture
def fleet(
    audited: Audited, mariadb: PrivateMariaDB, station: str, tmp_path: Path
) -> Iterator[Fleet]:
    made = Fleet(audited, mariadb, station, tmp_path / "fleet")
    yield made
    made.close()


@pytest.mark.parametrize("centre", ["ours"], indirect=True)
def test_the_worst_station_comes_first_and_none_keeps_the_others_from_it(
    fleet: Fleet, audited: Audited
) -> None:
    done = fleet.verify()
    assert done.exit_code in (3, 4), done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "2 stations delivered here: 0 not the same as the centre, 1 not compared"
    assert "1 more have a folder here" in lines[1]
    assert [line.split("  ")[0] for line in lines[3:]] == ["lost 1", fleet.name]
    audited.centre.execute("DELETE FROM Reading WHERE type = 3 AND nodeId = 70")
    wrong = fleet.verify("--json")
    assert wrong.exit_code == 20
    assert f"verify --station '{fleet.name}'" in wrong.stderr
    first, second = json.loads(wrong.stdout)
    assert (first["station"], first["error"]) == (fleet.name, "")
    assert first["unexplained"] > 0
    assert first["captured"] > first["unexplained"]
    assert (second["station"], second["unexplained"]) == ("lost 1", 0)
    assert second["error"]
    one = fleet.verify("--station", fleet.name, "--json")
    assert one.exit_code == 20
    assert json.loads(one.stdout)[0]["summary"]["unexplained"] == first["unexplained"]
    assert fleet.verify("--repair").exit_code == 2
    fleet.close()
    nobody = fleet.verify()
    assert nobody.exit_code == 21, "equal is not what it has found"
    assert "nothing was compared" in nobody.stderr
    fleet.use(fleet.name)
    refused = fleet.verify()
    assert refused.exit_code == 2
    assert "cannot be told apart" in refused.stderr
