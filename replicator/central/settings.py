"""What the central server is told at start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MIB = 1024 * 1024

# Bounds that are part of the contract (docs/rest.md) rather than of one installation.
MAX_ROWS = 100_000  # rows in one bulk body
DEFAULT_PAGE = 10_000  # rows of a list without a Range header
MAX_PAGE = 100_000  # rows of a list at most, whatever the Range header says
DIGEST_ROWS = 500_000  # rows read for one digests/ request: some seconds
DIGEST_GROUPS = 20_000  # groups in its answer, about
DIGEST_PAGE = 10_000  # rows held at a time


@dataclass(frozen=True, slots=True)
class CentralSettings:
    """``database_url`` is SQLAlchemy's; it may hold a password, so it is never shown.

    ``authentication``  "required": every request but capabilities and healthz needs a token, save
                        on a loopback address while no token has been created. "off": none does.
    ``max_body``        bytes of a request body as sent
    ``max_inflated``    bytes of a request body after decompression
    """

    database_url: str = field(default="sqlite:///central.db", repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    authentication: Literal["required", "off"] = "required"
    max_body: int = 8 * MIB
    max_inflated: int = 64 * MIB
    threads: int = 4
