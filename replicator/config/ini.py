"""Reading the text of an ini file: sections, keys, values, and every mistake with its line.

The grammar is the plain part of what configparser reads: ``[section]``, ``key = value`` or
``key: value``, comment lines starting with ``#`` or ``;``. Without its surprises: no interpolation,
no DEFAULT section, no comments behind a value (passwords contain # and ;), no continuation lines
(an indented line would silently become part of the value above it). And it does not stop at the
first mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"\[([^\[\]]*)\]")
_SETTING = re.compile(r"([^=:\s]+)\s*[=:]\s*(.*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value as it stands in the file, stripped, and its line number (from 1)."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of one section by key, in lower case."""

    line: int
    settings: dict[str, Setting]


@dataclass(frozen=True, slots=True)
class Document:
    """``sections`` by name, spaces in the name made single; ``mistakes``: (line, sentence)."""

    sections: dict[str, Section]
    mistakes: list[tuple[int, str]]


def parse(text: str) -> Document:
    """Read a whole file's text. Never raises: what cannot be read is in ``mistakes``."""
    document = Document({}, [])
    section: Section | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if header := _HEADER.fullmatch(line):
            section = _open(document, " ".join(header[1].split()), number)
        else:
            _set(document, section, line, number)
    return document


def _open(document: Document, name: str, number: int) -> Section:
    earlier = document.sections.get(name)
    if earlier is not None:
        document.mistakes.append((number, f"[{name}] is there twice, first on line {earlier.line}"))
        return Section(number, {})
    return document.sections.setdefault(name, Section(number, {}))


def _set(document: Document, section: Section | None, line: str, number: int) -> None:
    setting = _SETTING.fullmatch(line)
    if setting is None:
        document.mistakes.append((number, "neither [section] nor key = value"))
    elif section is None:
        document.mistakes.append((number, f"{setting[1]}: before the first [section]"))
    elif (key := setting[1].lower()) in section.settings:
        first = section.settings[key].line
        document.mistakes.append((number, f"{key} is there twice, first on line {first}"))
    else:
        section.settings[key] = Setting(setting[2], number)
