"""A central server that does nothing: it answers as ours does and stores not a thing.

``python -m benchmarks.nothing --folder FOLDER`` writes its URL to FOLDER/url and serves until it is
killed. It reads a body only where the answer depends on it: the number of rows of a bulk request
with receipts, the new row of a create. ``GET count`` tells how many requests came before.
"""

from __future__ import annotations

import argparse
import socketserver
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import orjson
import zstandard

from replicator.sink.dialect import OURS
from replicator.sink.packed import MAGIC

_FEATURES = (
    "receipts",
    "delete",
    "sensor-get",
    "idempotent-create",
    "columns",
    "zstd",
    "heartbeats",
)
_CAPABILITIES = orjson.dumps({"server": OURS.name, "version": "0", "features": _FEATURES})
_MARK = b'"__table__"'


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode("ascii").split(" ")
            headers = self._headers()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            receipts = "x-replicator-receipt" in headers
            status, answer = self.server.answer(method, path, body, receipts=receipts)
            self.wfile.write(
                b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(answer), answer)
            )

    def _headers(self) -> dict[str, str]:
        found = {}
        while (line := self.rfile.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    requests = 0
    heartbeats = 0
    _last_id = 0

    def answer(self, method: str, path: str, body: bytes, *, receipts: bool) -> tuple[int, bytes]:
        if path == "/count":
            return 200, b"%d" % self.requests
        if path == "/heartbeats":
            return 200, b"%d" % self.heartbeats
        self.requests += 1
        if path == "/rest/heartbeat/":
            self.heartbeats += 1
            return 201, b"{}"
        if path == "/rest/bulk/":
            if not receipts:
                return 201, b"[]"
            return 200, orjson.dumps({"receipt": "r", "stored": _rows(body), "rejected": []})
        if path == "/rest/capabilities/":
            return 200, _CAPABILITIES
        if method == "POST" and path != "/rest/reading/":
            return 201, self._created(path, body)
        return (200, b"[]") if method == "GET" else (201, b"{}")

    def _created(self, path: str, body: bytes) -> bytes:
        row = orjson.loads(body)
        self._last_id += 1
        name = next(table for table in OURS.listed if f"/rest/{table.lower()}/" == path)
        return orjson.dumps({"id": self._last_id, **row, "__table__": name})


def _rows(body: bytes) -> int:
    """How many rows a compressed body has."""
    zstd = body.startswith(zstandard.FRAME_HEADER)
    raw = zstandard.ZstdDecompressor().decompress(body) if zstd else zlib.decompress(body)
    if not raw.startswith(MAGIC):
        return raw.count(_MARK)
    length = int.from_bytes(raw[4:8], "big")
    return sum(int(part["rows"]) for part in orjson.loads(raw[8 : 8 + length])["parts"])


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args(arguments).folder
    with _Server(("127.0.0.1", 0), _Connection) as server:
        written = folder / "url.new"
        written.write_text(f"http://127.0.0.1:{server.server_address[1]}/")
        written.rename(folder / "url")
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
