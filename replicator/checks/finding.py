"""VALUES  what a check found, and what it is given to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from replicator.config import Config
from replicator.outbox.store import Kind
from replicator.sink.rest import Address
from replicator.source.endpoint import Endpoint

if TYPE_CHECKING:
    from replicator.jetstream.facts import StreamFacts

_STATEMENT = re.compile(r"(SET GLOBAL|GRANT|ALTER TABLE|REVOKE) ")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    ``part``       "configuration", "source", "outbox", "stream", "continuity", "destination home"
    ``name``       of the check as in docs/check.md; of a table, "table Reading"
    ``ok``         False: replication fails or will; True also for a ``warning``
    ``message``    what is so
    ``hint``       the SQL, command or line that mends it, "" when all is well
    ``exit_code``  what `check` ends with if this is the first failure, else 0
    ``warning``    works now, and may not tomorrow
    """

    part: str
    name: str
    ok: bool
    message: str
    hint: str = ""
    exit_code: int = 0
    warning: bool = False

    @property
    def status(self) -> str:
        """ok, warning or failure."""
        return "failure" if not self.ok else "warning" if self.warning else "ok"

    @property
    def check(self) -> str:
        """The name in the list of checks: "table" for every table, "schema" for every file."""
        if self.name.startswith("table "):
            return "table"
        return "schema" if self.part == "outbox" and self.name.endswith(".db") else self.name

    def statements(self) -> list[str]:
        """SQL that mends it at the source; what a person must fill in stands behind ``--``."""
        lines = self.hint.splitlines() if self.part == "source" else []
        found = [line for line in lines if _STATEMENT.match(line)]
        return [f"-- by hand: {line}" if "…" in line else line for line in found]


def well(part: str, name: str, message: str) -> Finding:
    """All is well."""
    return Finding(part, name, True, message)


def warned(part: str, name: str, message: str, hint: str) -> Finding:
    """It works now."""
    return Finding(part, name, True, message, hint, 0, True)


def failed(part: str, name: str, message: str, hint: str, exit_code: int) -> Finding:
    """It does not work, or rows would be lost."""
    return Finding(part, name, False, message, hint, exit_code)


class AskStream(Protocol):
    """Asks the servers of a stream. Both raise what capture would: OutboxError, ConfigError."""

    def facts(self) -> StreamFacts: ...
    def hub(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked at.

    ``stores``     the outbox's files, as this configuration has them: path and kind
    ``addresses``  of the enabled destinations, by name
    ``stream``     None: the outbox is a folder
    """

    config: Config
    endpoint: Endpoint
    stores: tuple[tuple[Path, Kind], ...]
    addresses: Mapping[str, Address]
    stream: AskStream | None = None
