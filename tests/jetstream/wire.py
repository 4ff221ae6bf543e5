"""A TCP link to a server on loopback that can be cut, or go silent in one direction or both."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

from tests.faults.httpd import cut


class Wire:
    """``with Wire(port) as wire:`` carries connections made to ``wire.url``.

    ``up``, ``down``: whether bytes come through towards the server, and back. What is sent
    meanwhile is lost for good: a connection that went silent never speaks again.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []
        self.up = self.down = True

    def __enter__(self) -> Wire:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cut(self._listener)
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """End every connection there is."""
        for one in self._sockets:
            cut(one)
            one.close()
        self._sockets = []

    def heal(self) -> None:
        """New connections are carried; the old ones, which missed bytes, end."""
        self.up = self.down = True
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [near, far]
            for source, target, up in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(source, target, up), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        try:
            while data := source.recv(65_536):
                if self.up if up else self.down:
                    target.sendall(data)
        except OSError:
            pass  # cut, from whichever side
        cut(source)
        cut(target)
