"""HTTP to one central server: bounded in time and size, foreign exceptions end here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests
import urllib3

from replicator import __version__
from replicator.errors import DestinationUnavailable
from replicator.sink.judge import Reply

MOST_BYTES = 16 << 20
_CHUNK = 1 << 16


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
    """One connection, kept alive. ``requests`` and ``bytes_sent`` (bodies) count what it cost."""

    def __init__(self, address: Address, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self.requests = 0
        self.bytes_sent = 0
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.auth = _Bearer(address.token)
        self._session.verify = str(address.ca_file) if address.ca_file else True
        self._session.headers["User-Agent"] = f"replicator/{__version__}"
        self._session.headers["Accept"] = "application/json"

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request below ``rest/``; ``path`` with its query, already encoded.

        Raises DestinationUnavailable: no connection, no whole answer in time, one too large.
        """
        self.requests += 1
        self.bytes_sent += len(body or b"")
        deadline = self._monotonic() + self.address.timeout
        try:
            with self._session.request(
                method,
                f"{self.address.url}rest/{path}",
                data=body,
                headers=dict(headers or {}),
                timeout=(self.address.connect_timeout, self.address.timeout),
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = self._content(answer, deadline)
        except requests.exceptions.SSLError as error:
            hint = "[destination NAME] ca_file, or the server's certificate"
            raise self._unavailable("TLS with the central server failed", error, hint) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            hint = "nothing is lost; it is tried again"
            raise self._unavailable("the central server cannot be reached", error, hint) from error
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, found, content)

    def _content(self, answer: requests.Response, deadline: float) -> bytes:
        """The whole body. ``read1`` returns with what is there, so that a drip is noticed too."""
        content = bytearray()
        while part := answer.raw.read1(_CHUNK, decode_content=True):
            content += part
            if len(content) > MOST_BYTES:
                raise self._unavailable(
                    "the central server's answer is too large", f"more than {MOST_BYTES:,} bytes"
                )
            if self._monotonic() > deadline:
                raise self._unavailable(
                    "the central server's answer takes too long",
                    f"more than {self.address.timeout:g} s",
                    "[destination NAME] timeout",
                )
        return bytes(content)

    def _unavailable(
        self, what: str, why: Exception | str, hint: str = ""
    ) -> DestinationUnavailable:
        return DestinationUnavailable(what, f"{self.address.url}: {why}", hint)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
