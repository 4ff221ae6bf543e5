"""What the page is told at start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from replicator.backlog import Thresholds
from replicator.errors import ConfigError

TOKEN_LENGTH = 16
PAGE_ROWS = 50
STANDING_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """``name``: of a file; ``content``: JSON, signed."""

    name: str
    content: bytes


# (destination, house by address or id, month "2026-03") → a certificate. Raises ReplicatorError.
Certify = Callable[[str, str, str], Certificate]


@dataclass(frozen=True, slots=True)
class WebSettings:
    """``destinations``: (name, enabled); ``token`` "": nobody may act; ``hosts``: names of ours.

    ``budget``       bytes that the outbox may take
    ``synchronous``  of a destination's file, when an operator's wish is written there
    ``in_fleet``     its page stands below a fleet's, at /station/TOKEN/
    """

    folder: Path
    destinations: Sequence[tuple[str, bool]]
    station: str
    version: str
    certify: Certify
    host: str = "127.0.0.1"
    port: int = 8090
    token: str = field(default="", repr=False)
    hosts: Sequence[str] = ()
    budget: int | None = None
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    limits: Thresholds = field(default_factory=Thresholds)
    in_fleet: bool = False

    def __post_init__(self) -> None:
        if self.token and len(self.token) < TOKEN_LENGTH:
            raise ConfigError(
                "the page's token is too short",
                f"[web] token has {len(self.token)} characters, not {TOKEN_LENGTH} or more",
                "openssl rand -hex 16 > FILE, and token_file = FILE",
            )
        if not self.open_reading and not self.token:
            raise ConfigError(
                "the page needs a token where others can reach it",
                f"[web] listen is {self.host}, hosts {', '.join(self.hosts) or 'none'}",
                "set [web] token_file, or listen on 127.0.0.1 and reach it through ssh -L",
            )

    @property
    def open_reading(self) -> bool:
        """Whether whoever is on this machine may look without the token."""
        return not self.hosts and _is_loopback(self.host)

    @property
    def patience(self) -> float:
        """Seconds that a position may stand still before /healthz says so."""
        return self.limits.silent_warning or STANDING_SECONDS


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
