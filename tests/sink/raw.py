"""A server that answers with whatever bytes a test wants, as slowly as it wants."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from tests.faults.httpd import cut


class Peer:
    """One connection, its request already read. ``ending``: set when the test is over."""

    def __init__(self, connection: socket.socket, request: bytes, ending: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self.ending = ending

    def say(self, data: bytes) -> None:
        """Send it; a client that has gone is no concern of ours."""
        self.connection.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Send it byte by byte, again and again, until the client leaves or the test ends."""
        while not self.ending.is_set():
            for place in range(len(data)):
                self.say(data[place : place + 1])
                if self.ending.wait(pause):
                    return

    def reset(self) -> None:
        """RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class RawServer:
    """``with RawServer(script) as server:`` calls the script once a connection."""

    def __init__(self, script: Callable[[Peer], None]) -> None:
        self._script = script
        self._ending = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """With a slash at its end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __enter__(self) -> RawServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                request = b""
                while b"\r\n\r\n" not in request and (part := connection.recv(65536)):
                    request += part
                self._script(Peer(connection, request, self._ending))
            except OSError:
                return  # the client has left

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        cut(self._listener)
        self._listener.close()
        self._accepting.join()
        for connection in self._connections:
            cut(connection)
        for thread in self._threads:
            thread.join()
