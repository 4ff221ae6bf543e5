"""replicator.ini and the environment → a Config, or one ConfigError that lists every mistake."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from replicator.config import ini
from replicator.config.kinds import password_of
from replicator.config.raw import (
    CONFIG_VARIABLE,
    CREDENTIALS_VARIABLE,
    Raw,
    Sources,
    collect,
)
from replicator.config.schema import DESTINATION, SECRET_FILES, section_keys
from replicator.config.types import (
    AlarmConfig,
    CentralConfig,
    DestinationConfig,
    FleetConfig,
    LogConfig,
    OutboxConfig,
    SourceConfig,
    StationConfig,
    WebConfig,
)
from replicator.errors import ConfigError
from replicator.naming import token

PLACES = (Path("replicator.ini"), Path("/etc/replicator/replicator.ini"))
_MOST_BYTES = 1 << 20
_HINT = "every key is described in docs/configuration.md; `replicator init` writes an example"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. ``path``: its file; ``warnings``: sentences to log at the start."""

    station: StationConfig
    source: SourceConfig
    outbox: OutboxConfig
    destinations: tuple[DestinationConfig, ...]
    log: LogConfig
    alarm: AlarmConfig
    central: CentralConfig
    web: WebConfig
    fleet: FleetConfig
    path: Path
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path | None, environ: Mapping[str, str]) -> Config:
        """Read ``path``, else $REPLICATOR_CONFIG, else the first of ``PLACES`` that exists.

        Relative paths in the file are relative to its folder. Raises ConfigError: no file, or
        every mistake in it and in the environment, one a line.
        """
        file = locate(path, environ)
        sources = collect(ini.parse(_read(file)), file.name, environ)
        return _Builder(file, sources, environ.get(CREDENTIALS_VARIABLE, "")).build()

    def at_station(self, name: str) -> Config:
        """Of one station of the fleet, as if it were the only one: its folder, its name.

        Raises ConfigError for one that [fleet] stations leaves out.
        """
        if not self.fleet.has(name):
            raise ConfigError(
                f"station {name} is not one of this fleet",
                f"[fleet] stations = {', '.join(self.fleet.stations)}",
                "check its name, or add it there",
            )
        source = self.source.at_station(name, server_id(name))
        outbox = replace(self.outbox, path=self.outbox.path / token(name))
        fleet = replace(self.fleet, stations=(), member=True)
        station = StationConfig(name)
        return replace(self, station=station, source=source, outbox=outbox, fleet=fleet)

    def secrets(self) -> tuple[str, ...]:
        """Everything that must appear in no log."""
        database = password_of(self.central.database)
        tokens = (destination.token for destination in self.destinations)
        servers = self.outbox.url.servers if self.outbox.url else ()
        logins = {password_of(server) for server in servers}
        logins |= {unquote(login) for login in logins}
        found = {self.source.password, database, unquote(database), self.web.token, *tokens}
        found |= logins
        return tuple(sorted(found - {""}, key=len, reverse=True))


def locate(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration file to read. Raises ConfigError when there is none."""
    if path is not None:
        return path
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(
        "there is no configuration",
        f"looked for {' and '.join(f'{place}' for place in PLACES)}",
        "`replicator init` writes one; --config or $REPLICATOR_CONFIG name another place",
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "the configuration cannot be read",
            f"{path}: {error.strerror}",
            "`replicator init --config PATH` writes one; check the path and its permissions",
        ) from error
    if len(data) > _MOST_BYTES:
        raise ConfigError("the configuration is too large", f"{path}: more than 1 MiB", _HINT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("the configuration is not UTF-8", f"{path}:{line}", _HINT) from error


def _free(values: Mapping[str, Any]) -> dict[str, Any]:
    """A destination's limits, where none are set."""
    return {
        "daily_bytes": values["daily_bytes"] or 0,
        "windows": values["windows"] or (),
    }


class _Builder:
    """Turns texts into values, section by section, and keeps what goes wrong."""

    def __init__(self, file: Path, sources: Sources, credentials: str) -> None:
        self._credentials = credentials
        self._file = file
        self._folder = file.absolute().parent
        self._sources = sources
        self._mistakes = sources.mistakes
        self._warnings = list(sources.warnings)

    def build(self) -> Config:
        station = self._section("station")
        station["name"] = station["name"] or socket.gethostname()
        source = self._section("source")
        source["password"] = source["password"] or ""
        source["server_id"] = source["server_id"] or server_id(station["name"])
        outbox, alarm, log, central = (
            self._section(name) for name in ("outbox", "alarm", "log", "central")
        )
        outbox = self._place_outbox(outbox)
        outbox["hub"] = outbox["hub"] or ""
        self._look_at_keys(outbox)
        web = self._web()
        fleet = self._fleet(outbox)
        destinations = [self._destination(name) for name in self._sources.destinations]
        self._stop_on_mistakes()
        self._warn_of_readers()
        return Config(
            StationConfig(**station),
            SourceConfig(**source),
            OutboxConfig(**outbox),
            tuple(DestinationConfig(**values) for values in destinations),
            LogConfig(**log),
            AlarmConfig(**alarm),
            CentralConfig(**central),
            WebConfig(**web),
            FleetConfig(**fleet),
            self._file,
            tuple(self._warnings),
        )

    def _place_outbox(self, values: dict[str, Any]) -> dict[str, Any]:
        """A folder in ``url`` is the same as one in ``path``."""
        url = values["url"]
        if not isinstance(url, Path):
            return values
        given = self._sources.values["outbox"]
        if "path" in given and given["path"].text:
            where = given["url"].where
            self._mistakes.append(f"{where}: [outbox] url and path both name a folder; keep one")
        return {**values, "path": url, "url": None}

    def _look_at_keys(self, values: dict[str, Any]) -> None:
        """Certificate and key go together; what is secret is for its owner alone."""
        given = self._sources.values["outbox"]
        for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if values[name] is not None and values[other] is None:
                self._mistakes.append(f"{given[name].where}: [outbox] {name} needs {other}")
        for name in ("key_file", "credentials_file"):
            path = values[name]
            if path is not None and path.exists():  # one that is not: said by whoever connects
                self._warn_if_readable(path)

    def _web(self) -> dict[str, Any]:
        values = self._section("web")
        return {**values, "token": values["token"] or "", "hosts": values["hosts"] or ()}

    def _fleet(self, outbox: Mapping[str, Any]) -> dict[str, Any]:
        values = self._section("fleet")
        if values["stations"] and outbox["url"] is None:
            where = self._sources.values["fleet"]["stations"].where
            self._mistakes.append(f"{where}: [fleet] stations needs [outbox] url = nats://…")
        return {**values, "stations": values["stations"] or ()}

    def _destination(self, name: str) -> dict[str, Any]:
        values = self._section(f"{DESTINATION} {name}")
        return {**values, "name": name, "token": values["token"] or "", **_free(values)}

    def _section(self, section: str) -> dict[str, Any]:
        """Values by key; None where nothing is set. Secrets' files are read into the secret."""
        values: dict[str, Any] = {}
        given = self._sources.values[section]
        for name, key in section_keys(section.partition(" ")[0]).items():
            raw = given.get(name, Raw("", ""))
            values[name] = self._value(section, name, raw if raw.text else Raw(key.default, ""))
            where = raw.where or self._sources.lines.get(section, "")
            if key.required and not raw.text:
                self._mistakes.append(f"{where}: [{section}] needs {name}")
        for secret, file in SECRET_FILES.items():
            if file in values:
                path = values.pop(file)
                values[secret] = self._secret(section, secret, file, values[secret], path)
        return values

    def _value(self, section: str, name: str, raw: Raw) -> Any:
        if not raw.text:
            return None
        try:
            value = section_keys(section.partition(" ")[0])[name].kind.parse(raw.text)
        except ValueError as error:
            self._mistakes.append(f"{raw.where}: [{section}] {name}: {error}")
            return None
        if isinstance(value, Path):
            return self._credential(name, value) or self._folder / value
        return value

    def _credential(self, name: str, path: Path) -> Path | None:
        """Where systemd has put a relative secret's file: of a folder, FOLDER_FILE."""
        if not self._credentials or name not in SECRET_FILES.values() or path.is_absolute():
            return None
        given = Path(self._credentials, "_".join(path.parts))
        return given if os.access(given, os.R_OK) else None

    def _secret(
        self, section: str, name: str, file_key: str, value: str | None, path: Path | None
    ) -> str | None:
        if path is None:
            return value
        given = self._sources.values[section]
        if value is not None and given[name].variable != given[file_key].variable:
            return value if given[name].variable else self._read_secret(given[file_key], path)
        if value is not None:
            where = given[file_key].where
            self._mistakes.append(f"{where}: [{section}] has both {name} and {file_key}; keep one")
            return None
        return self._read_secret(given[file_key], path)

    def _read_secret(self, raw: Raw, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8").rstrip("\r\n")
        except OSError as error:
            self._mistakes.append(f"{raw.where}: {path}: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self._mistakes.append(f"{raw.where}: {path}: not UTF-8")
            return None
        self._warn_if_readable(path)
        return text

    def _warn_of_readers(self) -> None:
        """A secret in a file that everyone on the machine can read is worth a word."""
        for values in self._sources.values.values():
            for name, raw in values.items():
                secret = raw.text if name in SECRET_FILES else password_of(raw.text)
                if secret and not raw.variable:
                    self._warn_if_readable(self._file)
                    return

    def _warn_if_readable(self, path: Path) -> None:
        if path.stat().st_mode & stat.S_IROTH:
            self._warnings.append(f"{path} holds a secret and everyone can read it: chmod 640")

    def _stop_on_mistakes(self) -> None:
        if self._mistakes:
            count = len(self._mistakes)
            raise ConfigError(
                f"{count} mistakes in the configuration"
                if count > 1
                else "a mistake in the configuration",
                "\n".join(sorted(self._mistakes, key=_line)),
                _HINT,
            )


def _line(mistake: str) -> int:
    """The line of "replicator.ini:12: …"; what is not in the file comes last."""
    match = re.match(r"[^:]*:(\d+):", mistake)
    return int(match[1]) if match else sys.maxsize


def server_id(station: str) -> int:
    """A replica number that stays the same for a station and is unlikely to be taken."""
    return (1 << 30) + zlib.crc32(station.encode()) % (1 << 30)
