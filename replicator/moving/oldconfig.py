"""What synchronise.conf says, as values; and replicator.ini made from it. Pure.

Facts, from the old pusher's own reading of it: ``[general] localurl`` is SQLAlchemy's URL of the
station's database; ``[locations]`` names the destinations, each on (1) or off (0), and each has a
section of its own with ``resturl``, which ends with ``rest/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qs, unquote, urlsplit

from replicator.moving.oldfile import OldSection, OldSetting, parse

_FLAGS: Mapping[str, bool] = MappingProxyType(
    {"1": True, "true": True, "yes": True, "on": True}
    | {"0": False, "false": False, "no": False, "off": False}
)
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_RESERVED = "outbox"
_UNUSED = ("pushlimit", "synctime")


@dataclass(frozen=True, slots=True)
class OldSource:
    """The station's database. ``unix_socket`` "": by host and port."""

    host: str
    port: int
    unix_socket: str
    user: str
    password: str = field(repr=False)
    database: str


@dataclass(frozen=True, slots=True)
class OldDestination:
    """``name``: fit for us; ``rest_url``: as the mapping file names it; ``url``: the root."""

    name: str
    enabled: bool
    rest_url: str
    url: str


@dataclass(frozen=True, slots=True)
class OldConfig:
    """``notes``: what has no counterpart, or is another here, a sentence each."""

    source: OldSource
    destinations: Sequence[OldDestination]
    notes: Sequence[str]


def read(text: str, file: str) -> tuple[OldConfig | None, list[str]]:
    """The configuration, or every mistake in it: "FILE:LINE: …", never a value (a secret)."""
    root, found = parse(text)
    mistakes = [f"{file}:{line}: {sentence}" for line, sentence in found]
    notes: list[str] = []
    source = _source(root, file, mistakes, notes)
    destinations = _destinations(root, file, mistakes, notes)
    if mistakes or source is None:
        return None, mistakes
    return OldConfig(source, destinations, notes), []


def _source(root: OldSection, file: str, mistakes: list[str], notes: list[str]) -> OldSource | None:
    general = root.sections.get("general", OldSection())
    local = general.get("localurl")
    if local is None:
        mistakes.append(f"{file}:{general.line or 1}: [general] has no localurl")
        return None
    notes += [
        f"[general] {name} is not needed: rows go out as they come, in batches that fit the link"
        for name in _UNUSED
        if general.get(name)
    ]
    try:
        source = _database(local.value)
    except ValueError as error:
        mistakes.append(f"{file}:{local.line}: [general] localurl: {error}")
        return None
    if source.host == "localhost" and not source.unix_socket:
        notes.append(
            "localhost meant the server's Unix socket to the old one; here it is TCP: where the"
            " server has none, set [source] unix_socket"
        )
    return source


def _database(url: str) -> OldSource:
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb"):
        raise ValueError("not a mysql:// URL; only MySQL and MariaDB have a log to follow")
    database = unquote(parts.path.removeprefix("/"))
    if not database or not parts.hostname:
        raise ValueError("not mysql://USER:PASSWORD@HOST/DATABASE")
    socket = parse_qs(parts.query).get("unix_socket", [""])[0]
    return OldSource(
        host=parts.hostname,
        port=parts.port or 3306,
        unix_socket=socket,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
    )


def _destinations(
    root: OldSection, file: str, mistakes: list[str], notes: list[str]
) -> list[OldDestination]:
    locations = root.sections.get("locations")
    if locations is None or not locations.settings:
        mistakes.append(
            f"{file}:{locations.line if locations else 1}: no destination in [locations]"
        )
        return []
    found: list[OldDestination] = []
    for old_name, flag in locations.settings.items():
        where = f"{file}:{flag.line}: [locations] {old_name}"
        enabled = _FLAGS.get(flag.value.lower())
        section = root.sections.get(old_name)
        if enabled is None:
            mistakes.append(f"{where}: neither 0 nor 1")
        elif section is None and not enabled:
            notes.append(f"{old_name} is off and has no section: left out")
        elif section is None:
            mistakes.append(f"{where}: there is no section [{old_name}]")
        else:
            destination = _destination(old_name, section, f"{file}:", enabled=enabled)
            if isinstance(destination, str):
                mistakes.append(destination)
            else:
                found.append(_told_apart(destination, old_name, found, notes))
    return found


def _destination(
    name: str, section: OldSection, file: str, *, enabled: bool
) -> OldDestination | str:
    rest: OldSetting | None = section.get("resturl")
    if rest is None:
        return (
            f"{file}{section.line}: [{name}] has no resturl: it is older than the REST contract;"
            " give it the central server's address"
        )
    where = f"{file}{rest.line}: [{name}] resturl"
    try:
        parts = urlsplit(rest.value)
        _ = parts.port
    except ValueError:
        return f"{where}: not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        return f"{where}: not an address such as http://central.example.org/rest/"
    if parts.username is not None or parts.password is not None:
        return f"{where}: holds a user or password, which no server of ours takes; take it out"
    root = re.sub(r"(?<=/)rest/*$", "", rest.value)
    if root == rest.value:
        return f"{where}: does not end with rest/"
    return OldDestination(name, enabled, rest.value, root)


def _told_apart(
    destination: OldDestination, old_name: str, others: Iterable[OldDestination], notes: list[str]
) -> OldDestination:
    """With a name that we take and nobody has."""
    name = _UNFIT.sub("-", old_name).strip("-.") or "central"
    taken = {other.name for other in others} | {_RESERVED}
    while name in taken:
        name += "-2"
    if name != old_name:
        notes.append(f"[{old_name}] is [destination {name}] now")
    return OldDestination(name, destination.enabled, destination.rest_url, destination.url)


def ini_text(old: OldConfig, password_file: str, origin: str) -> str:
    """replicator.ini, without any secret. ``password_file`` "": the database asks for none."""
    source = old.source
    place = (
        [f"unix_socket = {source.unix_socket}"]
        if source.unix_socket
        else [f"host = {source.host}", f"port = {source.port}"]
    )
    lines = [
        f"# Made from {origin} by `replicator import-legacy`; `replicator init` shows every key.",
        "",
        "[source]",
        *place,
        *([f"user = {source.user}"] if source.user else []),
        *([f"password_file = {password_file}"] if password_file else []),
        f"database = {source.database}",
    ]
    for destination in old.destinations:
        lines += ["", f"[destination {destination.name}]"]
        lines += [] if destination.enabled else ["enabled = no"]
        lines += [f"url = {destination.url}"]
    return "\n".join(lines) + "\n"
