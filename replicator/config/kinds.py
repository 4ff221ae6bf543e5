"""Kinds of value a key can have: how its text is read, and what the documentation says of it.

Every ``parse`` takes the text behind the equals sign, stripped and not empty, and raises ValueError
with a sentence for the user: what was expected, never the value itself (it may be a secret).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from replicator.allowance import Window
from replicator.config.types import Listen, StreamUrl

_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}
_SECONDS = {
    unit: seconds
    for units, seconds in (
        (("ms",), 0.001),
        (("", "s", "sec", "second", "seconds"), 1.0),
        (("m", "min", "minute", "minutes"), 60.0),
        (("h", "hour", "hours"), 3600.0),
        (("d", "day", "days"), 86400.0),
        (("w", "week", "weeks"), 604800.0),
    )
    for unit in units
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_WINDOW = re.compile(r"(?P<opens>\d\d:\d\d)\s*-\s*(?P<closes>\d\d:\d\d)", re.ASCII)
_MOST_WINDOWS = 24
_DATABASE_URL = re.compile(r"[a-z0-9+_]+://(?:[^:/@]*(?::(?P<password>[^@]*))?@)?.*", re.ASCII)
_SQLITE = "sqlite:///"
_NATS_URL = re.compile(
    r"(?P<scheme>nats|tls)://(?P<login>[^@/,]+@)?(?P<hosts>[^@/?#]+)/(?P<stream>[A-Za-z0-9_-]{1,64})",
    re.ASCII,
)
_BOOLEANS = {"yes": True, "true": True, "on": True, "1": True} | {
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """``label``: for the documentation ("size", "yes or no"); ``parse``: text to value."""

    label: str
    parse: Callable[[str], object]


def _quantity(text: str, units: dict[str, int] | dict[str, float], expected: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2].lower() not in units:
        raise ValueError(f"not {expected}")
    return float(match[1]) * units[match[2].lower()]


def size(least: int = 1) -> Kind:
    """Bytes as int: ``2 GiB``, ``512 MiB``, ``10 MB``, ``262144``."""

    def parse(text: str) -> int:
        value = _quantity(text, _BYTES, "a size such as 512 MiB, 2 GiB or 262144")
        if not least <= value <= 1 << 60:
            raise ValueError(f"not a size from {least} bytes to 1 EiB")
        return int(value)

    return Kind("size", parse)


def duration(least: float = 0.001) -> Kind:
    """Seconds as float: ``60``, ``10 min``, ``1.5 hours``, ``7 days``."""

    def parse(text: str) -> float:
        value = _quantity(text, _SECONDS, "a duration such as 30, 10 min or 7 days")
        if not least <= value <= 1e10:
            raise ValueError(f"not a duration from {least:g} seconds to 300 years")
        return value

    return Kind("duration", parse)


def whole(least: int, most: int) -> Kind:
    """A whole number in a range, ends included."""

    def parse(text: str) -> int:
        if _WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
            raise ValueError(f"not a whole number from {least} to {most}")
        return int(text)

    return Kind(f"whole number, {least} to {most}", parse)


def choice(*words: str) -> Kind:
    """One of these words; upper and lower case count as the same."""

    def parse(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise ValueError(f"not one of: {', '.join(words)}")

    return Kind(" or ".join(f"`{word}`" for word in words), parse)


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("not yes or no") from None


def _url(text: str) -> str:
    parts = urlsplit(text)  # raises ValueError for a broken IPv6 address
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address such as https://central.example.org/")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user or password belongs into a URL; use token or token_file")
    if parts.query or parts.fragment:
        raise ValueError("a URL of a server's root has no ? and no #")
    _ = parts.port  # raises ValueError when it is no port
    return text.rstrip("/") + "/"


def _listen(text: str) -> Listen:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or _WHOLE.fullmatch(port) is None or int(port) > 65535:
        raise ValueError("not an address such as 127.0.0.1:8080 or [::1]:8080")
    return Listen(host, int(port))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(","))
    if any(_NAME.fullmatch(name) is None for name in names):
        raise ValueError("not host names such as station.example.org, without a port")
    return names


def _patterns(text: str) -> tuple[str, ...]:
    patterns = tuple(pattern.strip() for pattern in text.split(","))
    if not all(patterns):
        raise ValueError("not names or patterns such as *, north-*")
    return patterns


def password_of(url: str) -> str:
    """The password inside a database URL as it stands there, "" where there is none."""
    match = _DATABASE_URL.fullmatch(url)
    return match["password"] or "" if match else ""


def _database_url(text: str) -> str:
    if _DATABASE_URL.fullmatch(text) is None:
        raise ValueError("not a database URL such as sqlite:///central.db")
    return text


def outbox_url(text: str) -> StreamUrl | Path:
    """Where the outbox is: a folder, or a stream on NATS servers."""
    expected = ValueError("not sqlite:///FOLDER or nats://HOST[,HOST]/STREAM (tls:// too)")
    if text.startswith(_SQLITE) and len(text) > len(_SQLITE):
        return Path(text.removeprefix(_SQLITE))
    match = _NATS_URL.fullmatch(text)
    if match is None:
        raise expected
    login = match["login"] or ""
    hosts = match["hosts"].split(",")
    for host in hosts:
        parts = urlsplit(f"nats://{host}")  # raises ValueError for a broken IPv6 address
        if not parts.hostname or parts.port == 0:  # raises ValueError when it is no port
            raise expected
    servers = tuple(f"{match['scheme']}://{login}{host}" for host in hosts)
    return StreamUrl(servers, match["stream"], match["scheme"] == "tls")


def _windows(text: str) -> tuple[Window, ...]:
    found = [_WINDOW.fullmatch(part.strip()) for part in text.split(",")]
    expected = ValueError("not windows such as 01:00-05:30, 22:00-23:00")
    if len(found) > _MOST_WINDOWS:
        raise ValueError(f"more than {_MOST_WINDOWS} windows")
    windows = []
    for match in found:
        if match is None:
            raise expected
        try:
            first, last = (time.fromisoformat(match[name]) for name in ("opens", "closes"))
        except ValueError:
            raise expected from None
        if first == last:
            raise ValueError("a window that closes when it opens")
        windows.append(Window(first, last))
    return tuple(windows)


TEXT = Kind("text", str)
SECRET = Kind("secret text", str)
PATH = Kind("path", Path)
SECRET_FILE = Kind("path of a file that holds the secret", Path)
BOOLEAN = Kind("`yes` or `no`", _boolean)
URL = Kind("URL", _url)
PATTERNS = Kind("names or patterns, separated by commas", _patterns)
NAMES = Kind("host names, separated by commas", _names)
LISTEN = Kind("host:port", _listen)
WINDOWS = Kind("windows of the day in UTC: `01:00-05:30, 22:00-23:00`", _windows)
OUTBOX_URL = Kind("`sqlite:///FOLDER` or `nats://HOST[,HOST]/STREAM`", outbox_url)
DATABASE_URL = Kind("SQLAlchemy database URL", _database_url)
