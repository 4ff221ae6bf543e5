"""Sets the stage: the station's database, the configuration, the tokens, the programs to run."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo.mariadbd import PrivateMariaDB, free_port
from demo.processes import Child, run_once

DATABASE = "ch"
_USER = "replicator"
_PATIENCE = 60.0

_STATION_INI = """\
[station]
name = demo

[source]
host = 127.0.0.1
port = {port}
user = {user}
password_file = {folder}/password
database = {database}

[outbox]
path = {folder}/outbox

[destination central]
url = {url}
token_file = {folder}/token
"""
_CENTRAL_INI = """\
[central]
listen = 127.0.0.1:{port}
database = sqlite:///{folder}/central.db
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A station with its database server, and a central server's address, in one folder."""

    folder: Path
    server: PrivateMariaDB
    url: str

    @property
    def central_file(self) -> Path:
        """The central server's database."""
        return self.folder / "central.db"

    @property
    def logs(self) -> Path:
        """Where the programs' output goes."""
        return self.folder / "logs"

    def program(self, name: str) -> Child:
        """`replicator NAME` as a daemon, not started."""
        return Child(name, self._arguments(name), self.logs, {})

    def once(self, name: str, *more: str, timeout: float = _PATIENCE) -> str:
        """`replicator NAME MORE…` to its end; its output. Raises ChildFailed."""
        return run_once(name, [*self._arguments(name), *more], self.logs, {}, timeout)

    def logger(self, seed: int, packets: int, rate: float) -> Child:
        """The live logger, not started."""
        arguments = ["demo.logger", "--socket", self.server.socket, "--database", DATABASE]
        arguments += ["--seed", str(seed), "--packets", str(packets), "--rate", str(rate)]
        return Child("logger", arguments, self.logs, {})

    def _arguments(self, name: str) -> list[str]:
        ini = "central.ini" if name == "central" else "replicator.ini"
        return ["replicator", name, "--config", str(self.folder / ini)]


def set_stage(folder: Path, stack: ExitStack) -> Stage:
    """A private MariaDB with a user as a station has it, and the configuration files.

    ``stack`` ends the server.
    """
    (folder / "logs").mkdir()
    home = folder / "db"
    home.mkdir()
    server = stack.enter_context(PrivateMariaDB(folder=home))
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    _create_user(server, _secret(folder / "password", secrets.token_urlsafe(24)))
    (folder / "replicator.ini").write_text(
        _STATION_INI.format(port=server.port, user=_USER, folder=folder, database=DATABASE, url=url)
    )
    (folder / "central.ini").write_text(_CENTRAL_INI.format(port=port, folder=folder))
    return Stage(folder, server, url)


def _create_user(server: PrivateMariaDB, password: str) -> None:
    account = f"'{_USER}'@'127.0.0.1'"
    server.execute(
        f"CREATE USER {account} IDENTIFIED BY '{password}'",
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {account}",
        f"GRANT SELECT ON {DATABASE}.* TO {account}",
    )


def create_tokens(stage: Stage) -> str:
    """Tokens at the centre for the station (in its file) and for the neighbours (returned)."""
    _secret(stage.folder / "token", stage.once("central", "--create-token", "demo"))
    return stage.once("central", "--create-token", "neighbours").strip()


def _secret(path: Path, text: str) -> str:
    """Keep a secret in a file for its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return text
