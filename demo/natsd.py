"""A private NATS server with JetStream: own port, own folder, gone afterwards.

The process is tied to its parent, so nothing survives even a SIGKILL of the parent.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from demo.mariadbd import die_with_parent, free_port


class PrivateNats:
    """``with PrivateNats() as server:`` a running server; ``kill()`` is SIGKILL, ``start()`` again.

    ``max_file_store``  bytes that all streams may fill
    ``domain``          of its JetStream, where it has leaves or is one
    ``more``            further lines of its configuration
    ``host``            the address it listens on
    ``within``          words before its command, to run it in another network
    """

    def __init__(
        self,
        max_file_store: int = 1 << 30,
        more: str = "",
        domain: str = "",
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
    ) -> None:
        self._domain = f", domain: {domain}" if domain else ""
        self._more = more
        self._host = host
        self._within = list(within)
        self.folder = Path(tempfile.mkdtemp(prefix="replicator-nats-"))
        self.port = free_port()
        self._max = max_file_store
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://{self._host}:{self.port}"

    def __enter__(self) -> PrivateNats:
        try:
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

    def start(self, timeout: float = 30.0) -> None:
        """Start it and wait until JetStream is ready."""
        executable = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if executable is None:
            raise RuntimeError("nats-server not found; install Debian's nats-server")
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: "{self._host}:{self.port}"\n'
            f'jetstream {{ store_dir: "{self.folder / "data"}",'
            f" max_file_store: {self._max}{self._domain} }}\n"
            f"{self._more}"
        )
        self._process = subprocess.Popen(
            [*self._within, executable, "-c", str(config), "-l", str(log)],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # single-threaded at this point, only prctl
        )
        deadline = time.monotonic() + timeout
        while not log.exists() or "Server is ready" not in log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace") if log.exists() else ""
                raise RuntimeError(f"nats-server did not start:\n{said[-3000:]}")
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def freeze(self) -> None:
        """SIGSTOP: it is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until it has stopped

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; the data stay for ``start()``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def cluster(size: int = 3, max_file_store: int = 1 << 30) -> list[PrivateNats]:
    """Servers that form a cluster once they are started; the caller closes them."""
    routes = [free_port() for _ in range(size)]
    known = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    return [
        PrivateNats(
            max_file_store,
            more=f"server_name: n{number}\n"
            f'cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{known}] }}\n',
        )
        for number, port in enumerate(routes)
    ]
