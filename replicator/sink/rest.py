"""HTTP to one central server: bounded in time and size, foreign exceptions end here."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import clear_frames

import requests
import urllib3

from replicator import __version__
from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink.judge import Reply
from replicator.sink.speaker import Speaker
from replicator.sink.timed import Line, TimedSession

MOST_BYTES = 16 << 20
_CHUNK = 1 << 16
_EITHER_ZLIB_OR_GZIP = 47
_ENCODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True, "deflate": True}
_OBJECT = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>:? ?|\w+\(host='[^']*', port=\d+\):? ?")
_LONG_TOKEN = 16  # a shorter one may occur in an answer by chance


@dataclass(frozen=True, slots=True)
class Address:
    """Where a central server is. ``url`` ends with a slash; seconds; ``token`` "" for none."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: float = 60.0
    connect_timeout: float = 10.0


class _Bearer(requests.auth.AuthBase):
    """Also without a token: else requests would look into ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Rest:
    """One connection, kept alive. ``requests`` and ``bytes_sent`` (bodies) count what it cost.

    ``speaker``  whom requests that change something are from
    """

    def __init__(self, address: Address, speaker: Speaker | None = None) -> None:
        self.address = address
        self.speaker = speaker or Speaker()
        self.requests = 0
        self.bytes_sent = 0
        self._session = TimedSession()
        self._session.exchange.sending = address.timeout
        self._session.auth = _Bearer(address.token)
        self._session.headers["User-Agent"] = f"replicator/{__version__}"
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "gzip"
        self._line: Line | None = None

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request below ``rest/``; ``path`` with its query, already encoded.

        Raises DestinationUnavailable: no connection, no whole answer in time, one too large.
        DestinationRefused: a token that no header can carry. HoldingLost: another holder is newer.
        OutboxFull, OutboxBusy: a turn could not begin; then nothing was sent.
        """
        token = self.address.token
        if not (token.isascii() and token.isprintable()):
            hint = "[destination NAME] token: printable ASCII on one line"
            raise DestinationRefused("the token cannot be sent", self.address.url, hint)
        self.requests += 1
        self.bytes_sent += len(body or b"")
        named = {**self.speaker.headers(method), **(headers or {})}
        self.speaker.sends(method)
        try:
            status, found, content = self._exchange(method, path, body, named)
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
            hint = "[destination NAME] ca_file, or the server's certificate"
            raise self._unavailable("TLS with the central server failed", error, hint) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            hint = "nothing is lost; it is tried again"
            raise self._unavailable("the central server cannot be reached", error, hint) from error
        reply = self._without_token(Reply(status, found, content))
        self.speaker.heard(method, reply, self.address.url)
        return reply

    @contextmanager
    def meanwhile(self, work: Callable[[], None]) -> Iterator[None]:
        """Calls inside do ``work``, which raises nothing, while they wait for their answer."""
        exchange = self._session.exchange
        usual, exchange.meanwhile = exchange.meanwhile, work
        try:
            yield
        finally:
            exchange.meanwhile = usual

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        address = self.address
        if self._line is None:  # the CA file is not the session's: REQUESTS_CA_BUNDLE would win
            verify = str(address.ca_file) if address.ca_file else True
            self._line = self._session.line(f"{address.url}rest/", verify)
        timeout = (address.connect_timeout, address.timeout)
        with self._line.asked(method, path, body, headers, timeout) as answer:
            content = bytearray()
            while part := answer.read1(_CHUNK, decode_content=False):
                content += part
                if len(content) > MOST_BYTES:
                    raise self._too_large()
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, found, self._decoded(content, found.get("content-encoding", ""))

    def _decoded(self, content: bytearray, encoding: str) -> bytes:
        """What was compressed, by our own hand: a small answer may hold a huge one."""
        packed = _ENCODINGS.get(encoding.strip().lower())
        if packed is None:
            raise self._unavailable("the central server's answer is not understood", encoding)
        if not packed or not content:
            return bytes(content)
        unpacker = zlib.decompressobj(_EITHER_ZLIB_OR_GZIP)
        try:
            plain = unpacker.decompress(content, MOST_BYTES + 1)
        except zlib.error as error:
            raise self._unavailable(
                "the central server's answer is not understood", error
            ) from error
        if len(plain) > MOST_BYTES:
            raise self._too_large()
        if not unpacker.eof or unpacker.unused_data:
            raise self._unavailable("the central server's answer is not whole", encoding)
        return plain

    def _without_token(self, reply: Reply) -> Reply:
        """A server that repeats what it was sent must not put the token into our errors."""
        token = self.address.token
        if len(token) < _LONG_TOKEN:
            return reply
        headers = {name: value.replace(token, "*") for name, value in reply.headers.items()}
        return Reply(reply.status, headers, reply.body.replace(token.encode(), b"*"))

    def _too_large(self) -> DestinationUnavailable:
        return self._unavailable(
            "the central server's answer is too large", f"more than {MOST_BYTES:,} bytes"
        )

    def _unavailable(
        self, what: str, why: Exception | str, hint: str = ""
    ) -> DestinationUnavailable:
        said = why if isinstance(why, str) else _cause(why)
        if not isinstance(why, str):
            _let_go(why)
        return DestinationUnavailable(what, f"{self.address.url}: {said}", hint)

    def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line.close()
        self._session.close()


def _let_go(error: BaseException) -> None:
    """Empty the frames that an error came through: libraries' frames hold the errors that hold
    them, and with those the request's body, until cycles are looked for, which is rare.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        clear_frames(one.__traceback__)
        waiting += [one.__cause__, one.__context__]


def _cause(error: BaseException) -> str:
    """The words of the error that libraries have wrapped, without their class names."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        nested = (part for part in (getattr(error, "reason", None), *error.args))
        inner = next((part for part in nested if isinstance(part, BaseException)), None)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _OBJECT.sub("", said) or type(error).__name__
