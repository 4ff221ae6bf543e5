"""Which names stand below rest/, and what each of them takes. Pure data, for the server and its
OpenAPI document alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from replicator.central.schema import BY_PATH

GET, POST, PUT, DELETE = "GET", "POST", "PUT", "DELETE"


def _lists() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {
        name: (GET, POST) if table.stream else (GET, POST, PUT) for name, table in BY_PATH.items()
    }
    found |= {"bulk": (POST,), "digests": (POST,), "heartbeat": (POST,)}
    found |= {
        "stations": (GET,),
        "capabilities": (GET,),
        "lastsync": (GET,),
        "lastnodesync": (GET,),
    }
    return MappingProxyType(found)


def _numbered() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {
        name: (GET, PUT, DELETE) for name, table in BY_PATH.items() if not table.stream
    }
    found |= {"counts": (GET,), "lastnodesync": (GET,)}
    return MappingProxyType(found)


LISTS = _lists()  # name of ``rest/NAME/`` → its methods
NUMBERED = _numbered()  # name of ``rest/NAME/7`` → its methods
OPEN = frozenset({"capabilities"})  # answered without a token


def methods_at(path: str) -> tuple[str, ...]:
    """What a path takes; nothing where there is none, or one that is not of these."""
    match path.split("/"):
        case ["", "rest", name, last]:
            return (NUMBERED if last else LISTS).get(name.lower(), ())
    return ()


def allow(taken: tuple[str, ...]) -> list[str]:
    """The same as an ``Allow`` header says it."""
    return sorted({*taken, "OPTIONS", *(["HEAD"] if GET in taken else [])})
