"""Which text each key has, and from where: the environment before the file before the default.

Also finds what belongs to no key at all: unknown sections, keys and variables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replicator.config.ini import Document
from replicator.config.schema import DESTINATION, SECTIONS, section_keys

PREFIX = "REPLICATOR_"
CONFIG_VARIABLE = "REPLICATOR_CONFIG"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd's
_DESTINATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_RESERVED = "outbox"  # a destination's file is NAME.db, and outbox.db is there already


@dataclass(frozen=True, slots=True)
class Raw:
    """``where``: "replicator.ini:12" or a variable's name; ``variable``: from the environment."""

    text: str
    where: str
    variable: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """``values[section][key]``; ``section`` as in the file ("destination home").

    ``destinations``  their names, in the file's order
    ``lines``         where each section starts, "replicator.ini:12"
    """

    values: Mapping[str, Mapping[str, Raw]]
    destinations: tuple[str, ...]
    lines: Mapping[str, str]
    mistakes: list[str]
    warnings: tuple[str, ...]


def variable_name(section: str, key: str) -> str:
    """The environment variable of a key: ("destination up-link", "url") →
    REPLICATOR_DESTINATION_UP_LINK_URL."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{section}_{key}".upper())


def collect(document: Document, file: str, environ: Mapping[str, str]) -> Sources:
    """Bring file and environment together. Pure; mistakes are collected, not raised."""
    mistakes = [f"{file}:{line}: {sentence}" for line, sentence in document.mistakes]
    destinations = []
    values: dict[str, dict[str, Raw]] = {name: {} for name in SECTIONS if name != DESTINATION}
    lines = {name: f"{file}:{section.line}" for name, section in document.sections.items()}
    for name, section in document.sections.items():
        mistake = _section_mistake(name)
        if mistake:
            mistakes.append(f"{lines[name]}: [{name}]: {mistake}")
            continue
        if name not in SECTIONS:
            destinations.append(name.partition(" ")[2])
        keys = section_keys(kind_of(name))
        for key in sorted(section.settings.keys() - keys.keys()):
            where = f"{file}:{section.settings[key].line}"
            mistakes.append(f"{where}: [{name}] has no key {key}{_suggest(key, keys)}")
        values[name] = {
            key: Raw(setting.value, f"{file}:{setting.line}")
            for key, setting in section.settings.items()
            if key in keys
        }
    warnings = _override(values, environ, mistakes)
    return Sources(values, tuple(destinations), lines, mistakes, warnings)


def kind_of(section: str) -> str:
    """The schema's name for a section: "destination home" → "destination"."""
    return section.partition(" ")[0]


def _section_mistake(name: str) -> str:
    kind, _, rest = name.partition(" ")
    if kind == DESTINATION:
        if _DESTINATION_NAME.fullmatch(rest) is None:
            return "give it a name of letters, digits, _ . or -, such as [destination central]"
        return "this name is taken, choose another" if rest == _RESERVED else ""
    return "" if name in SECTIONS else f"there is no such section{_suggest(name, SECTIONS)}"


def _suggest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _override(
    values: dict[str, dict[str, Raw]], environ: Mapping[str, str], mistakes: list[str]
) -> tuple[str, ...]:
    """Lay the environment over ``values``; return warnings about variables nobody reads."""
    owners: dict[str, tuple[str, str]] = {}
    clashes: dict[tuple[str, str], str] = {}
    for section in values:
        for key in section_keys(kind_of(section)):
            variable = variable_name(section, key)
            owner = owners.setdefault(variable, (section, key))[0]
            if owner != section:
                clashes.setdefault((owner, section), variable)
    for (one, other), variable in clashes.items():
        mistakes.append(f"[{one}] and [{other}] would share {variable}: rename one")
    for variable, (section, key) in owners.items():
        if environ.get(variable):
            values[section][key] = Raw(environ[variable], variable, variable=True)
    return _strangers(environ, owners, mistakes)


def _strangers(
    environ: Mapping[str, str], known: Mapping[str, object], mistakes: list[str]
) -> tuple[str, ...]:
    warnings = []
    prefixes = tuple(f"{PREFIX}{section.upper()}_" for section in SECTIONS)
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in (*known, CONFIG_VARIABLE):
            continue
        if variable.startswith(prefixes):
            mistakes.append(f"{variable}: no such key{_suggest(variable, known)}")
        else:
            warnings.append(f"the environment variable {variable} means nothing here")
    return tuple(warnings)
