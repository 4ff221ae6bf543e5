"""The configuration and the programs it runs with."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from replicator.checks.finding import Finding, Target, failed, warned, well
from replicator.config import DestinationConfig
from replicator.errors import ConfigError, OutboxError

_PART = "configuration"
_PYTHON = (3, 10)
_SQLITE = (3, 38)  # has JSON built in


def configuration(target: Target) -> Iterator[Finding]:
    """All findings on it; nothing is asked over a network."""
    config = target.config
    enabled = [destination for destination in config.destinations if destination.enabled]
    yield file_mode(config.path, config.path.stat().st_mode)
    yield secrets(config.warnings)
    names = ", ".join(destination.name for destination in enabled)
    said = names or "none is enabled: rows are captured, and wait"
    yield well(_PART, "destinations", said)
    yield duplicates(enabled)
    yield _log_file(config.log.file)
    yield python(sys.version_info[:2])
    yield sqlite(sqlite3.sqlite_version)


def file_mode(path: Path, mode: int) -> Finding:
    """Who may change the configuration. Pure."""
    if mode & stat.S_IWOTH:
        said = f"{path}: everyone on this machine can change it"
        return warned(_PART, "file", said, f"chmod o-w {path}")
    return well(_PART, "file", str(path))


def secrets(warnings: Sequence[str]) -> Finding:
    """What loading the configuration said of its secrets. Pure."""
    told = [warning for warning in warnings if "holds a secret" in warning]
    if not told:
        return well(_PART, "secrets", "only their owner and group can read them")
    hint = "\n".join(f"chmod 640 {warning.split(' holds a secret')[0]}" for warning in told)
    return warned(_PART, "secrets", "; ".join(told), hint)


def duplicates(enabled: Sequence[DestinationConfig]) -> Finding:
    """Destinations of one address. Pure."""
    often = Counter(destination.url for destination in enabled)
    for url, times in often.items():
        if times > 1:
            names = [destination.name for destination in enabled if destination.url == url]
            hint = f"[destination {names[-1]}] enabled = no"
            return warned(_PART, "duplicates", f"{' and '.join(names)} are both {url}", hint)
    return well(_PART, "duplicates", "each destination has an address of its own")


def _log_file(path: Path | None) -> Finding:
    if path is None:
        return well(_PART, "log file", "standard error")
    if os.access(path if path.exists() else path.parent, os.W_OK):
        return well(_PART, "log file", str(path))
    hint = f"install -d -o {os.geteuid()} {path.parent}"
    return failed(_PART, "log file", f"{path} cannot be written", hint, ConfigError.exit_code)


def python(version: tuple[int, ...]) -> Finding:
    """Pure."""
    shown = ".".join(map(str, version))
    if version >= _PYTHON:
        return well(_PART, "python", shown)
    hint = "apt-get install python3; Debian 12 has 3.11"
    return failed(_PART, "python", f"{shown} is too old", hint, ConfigError.exit_code)


def sqlite(version: str) -> Finding:
    """Pure."""
    if tuple(int(part) for part in version.split(".")[:2]) >= _SQLITE:
        return well(_PART, "sqlite", version)
    hint = "apt-get install libsqlite3-0; Debian 12 has 3.40"
    return failed(_PART, "sqlite", f"{version} is too old", hint, OutboxError.exit_code)
