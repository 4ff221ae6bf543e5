"""A private MariaDB server: own data directory, own socket and port, gone afterwards.

Never touches a system-wide server: every path is given, no option file is read. The process is
tied to its parent (PR_SET_PDEATHSIG), so nothing survives even a SIGKILL of the parent.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pymysql

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For ``preexec_fn``: the kernel kills the child when its parent dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_GIVEN: set[int] = set()  # the kernel may offer a port again before anybody listens there


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago, another each time."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


class PrivateMariaDB:
    """``with PrivateMariaDB() as server:`` a running server; ``options`` are mariadbd options.

    Row binlog, FULL row metadata by default; pass ``options=["--binlog-row-metadata=NO_LOG"]`` to
    override (later options win). ``kill()`` is SIGKILL, ``start()`` starts it again on its data.
    """

    def __init__(self, options: Sequence[str] = (), folder: Path | None = None) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="replicator-db-"))
        self.socket = str(self.folder / "s")
        self.port = 0  # of the first start on
        self.user = "root"
        self.options = list(options)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateMariaDB:
        try:
            self.install()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def install(self) -> None:
        """Create the data directory; root logs in without a password, over socket and TCP."""
        command = [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._user_option(),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            # its temporary tables have names that another installation of the moment may use too
            env={**_environment(), "TMPDIR": str(self.folder)},
        )
        if done.returncode != 0:
            raise RuntimeError(f"mariadb-install-db failed: {done.stdout}{done.stderr}")

    def start(self, timeout: float = 60.0) -> None:
        """Start the server and wait until it answers."""
        executable = shutil.which("mariadbd", path=_environment()["PATH"])
        if executable is None:
            raise RuntimeError("mariadbd not found; install Debian's mariadb-server-core")
        self.port = self.port or free_port()
        command = [
            executable,
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'error.log'}",
            f"--tmpdir={self.folder}",
            "--server-id=17",
            "--log-bin=binlog",
            "--binlog-format=ROW",
            "--binlog-row-image=FULL",
            "--binlog-row-metadata=FULL",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=2",
            "--character-set-server=utf8mb4",
            "--skip-name-resolve",
            *self._user_option(),
            *self.options,
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # single-threaded at this point, only prctl
            env=_environment(),
        )
        self._wait(timeout)

    def _wait(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "error.log").read_text(errors="replace")
                raise RuntimeError(f"mariadbd did not start:\n{log[-3000:]}")
            try:
                if self._listens():
                    self.connect().close()
                    return
            except pymysql.err.OperationalError:
                pass  # it listens but is not ready
            time.sleep(0.05)

    def _listens(self) -> bool:
        # Asked with a socket of ours: PyMySQL leaves its own open when nobody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def connect(self, database: str | None = None, **more: Any) -> pymysql.connections.Connection:
        """A root connection over the socket, autocommit on."""
        settings: dict[str, Any] = {"autocommit": True, "charset": "utf8mb4", **more}
        return pymysql.connect(
            unix_socket=self.socket, user=self.user, database=database, **settings
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements one by one as root."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL, as a power cut would; the data stay for ``start()``."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly shutdown."""
        self._end(signal.SIGTERM)

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(signum)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Kill the server and remove its folder."""
        self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _user_option() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "")
    return {**os.environ, "PATH": f"{path}:/usr/sbin:/usr/local/sbin"}
