"""A slow link on loopback: bytes arrive late, one after the other, and some must be sent again.

    with SlowLink(proxy.port, rtt=0.6, rate=30_000, loss=0.02) as link:
        ...  # talk to link.url

A lost segment costs what TCP makes of it: everything behind it waits for the retransmission.
"""

from __future__ import annotations

import queue
import random
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from tests.faults.httpd import cut

_SEGMENT = 1_400  # bytes: what a mobile network carries in one packet


@dataclass(frozen=True, slots=True)
class Quality:
    """``rtt``: seconds there and back; ``rate``: bytes/s each way; ``loss``: share of segments.

    ``again``: seconds until a lost segment has come after all.
    """

    rtt: float
    rate: float
    loss: float
    again: float

    def times(self, factor: float) -> Quality:
        """The same link so many times faster."""
        return Quality(self.rtt / factor, self.rate * factor, self.loss, self.again / factor)


MOBILE = Quality(rtt=0.6, rate=30_000, loss=0.02, again=1.0)


class SlowLink:
    """Carries TCP connections to a port on loopback. ``carried``: bytes towards the server."""

    def __init__(self, port: int, quality: Quality, seed: int = 1) -> None:
        self._port = port
        self._quality = quality
        self._chance = random.Random(seed)
        self._ending = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._free = {True: 0.0, False: 0.0}  # when each direction has sent what it was given
        self.carried = 0

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> SlowLink:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        for one in (self._listener, *self._sockets):
            cut(one)
            one.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [near, far]
            self._ending.wait(self._quality.rtt)  # the handshake
            for source, target, up in ((near, far, True), (far, near, False)):
                line: queue.Queue[tuple[float, bytes]] = queue.Queue()
                self._start(self._take, source, line, up)
                self._start(self._give, target, line)

    def _take(
        self, source: socket.socket, line: queue.Queue[tuple[float, bytes]], up: bool
    ) -> None:
        arrives = 0.0
        while True:
            try:
                data = source.recv(_SEGMENT)
            except OSError:
                data = b""
            quality = self._quality
            sent = max(time.monotonic(), self._free[up]) + len(data) / quality.rate
            self._free[up] = sent
            lost = quality.again if self._chance.random() < quality.loss else 0.0
            arrives = max(arrives, sent + quality.rtt / 2 + lost)
            self.carried += len(data) if up else 0
            line.put((arrives, data))
            if not data:
                return

    def _give(self, target: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        while True:
            arrives, data = line.get()
            self._ending.wait(max(0.0, arrives - time.monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                cut(target)  # whoever sends to it learns it, as from a reset
                return
