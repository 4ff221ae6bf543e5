"""Reading the text of the old pusher's files: ConfigObj's format, sections inside sections. Pure.

``[name]`` opens a section, ``[[name]]`` one inside it; ``key = value``; ``#`` begins a comment,
also behind a value; keys and values may stand in quotes. Values over several lines and inserted
values (``%(name)s``) the old pusher never wrote: they are mistakes here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEADER = re.compile(r"(?P<open>\[+)\s*(?P<name>.*?)\s*(?P<close>\]+)\s*(?:#.*)?")
_SETTING = re.compile(
    r"""(?P<key>"[^"]*"|'[^']*'|[^=\s][^=]*?)\s*=\s*(?P<value>"[^"]*"|'[^']*'|[^"'#][^#]*|)\s*(?:\#.*)?"""
)
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class OldSetting:
    """A value without its quotes, and its line number (from 1)."""

    value: str
    line: int


@dataclass(slots=True)
class OldSection:
    """``settings`` by key as written; ``sections``: those inside it."""

    line: int = 0
    settings: dict[str, OldSetting] = field(default_factory=dict)
    sections: dict[str, OldSection] = field(default_factory=dict)

    def get(self, key: str) -> OldSetting | None:
        """By its key; upper and lower case count as the same, as versions differ in it."""
        wanted = key.lower()
        return next((s for name, s in self.settings.items() if name.lower() == wanted), None)


def parse(text: str) -> tuple[OldSection, list[tuple[int, str]]]:
    """The whole file as a section, and its mistakes (line, sentence); never raises."""
    root = OldSection()
    open_sections = [root]
    mistakes: list[tuple[int, str]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        problem = (
            _open(open_sections, line, number)
            if line[0] == "["
            else _set(open_sections[-1], line, number)
        )
        if problem:
            mistakes.append((number, problem))
    return root, mistakes


def _open(open_sections: list[OldSection], line: str, number: int) -> str:
    header = _HEADER.fullmatch(line)
    depth = len(header["open"]) if header else 0
    if header is None or depth != len(header["close"]) or not header["name"]:
        return "neither [section] nor [[section]]"
    if depth > _DEEPEST or depth > len(open_sections):
        return "a section inside none"
    del open_sections[depth:]
    above, name = open_sections[-1], _bare(header["name"])
    if name in above.sections:
        return f"[{name}] is there twice, first on line {above.sections[name].line}"
    section = above.sections[name] = OldSection(number)
    open_sections.append(section)
    return ""


def _set(section: OldSection, line: str, number: int) -> str:
    setting = _SETTING.fullmatch(line)
    if setting is None:
        return "neither [section] nor key = value"
    key, value = _bare(setting["key"]), _bare(setting["value"].strip())
    if "%(" in value or value.startswith(("'''", '"""')):
        return f"{key}: values that are inserted or take several lines are not read"
    if key in section.settings:
        return f"{key} is there twice, first on line {section.settings[key].line}"
    section.settings[key] = OldSetting(value, number)
    return ""


def _bare(text: str) -> str:
    """Without the quotes around it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
