"""The replicator.ini that `replicator init` writes, made from the table of keys."""

from __future__ import annotations

import textwrap

from replicator.config.schema import DESTINATION, KEYS, SECTIONS, Key

_HEAD = (
    "Configuration of replicator. `replicator check` tells what is missing or wrong.",
    "A key that stands behind a # has the value shown. Sizes: 512 MiB, 2 GiB, or plain bytes."
    " Durations: 30 (seconds), 10 min, 7 days. Yes or no: yes, no, on, off, true, false. Relative"
    " paths start at this file's folder. A # or ; behind a value belongs to the value.",
    "Each key can also come from the environment, which wins: REPLICATOR_SOURCE_PASSWORD for"
    " password in [source], REPLICATOR_DESTINATION_CENTRAL_TOKEN for token in"
    " [destination central].",
)
_WIDTH = 98


def example() -> str:
    """The whole file. It loads as it is: every value is the default, save the destination's."""
    parts = ["\n#\n".join(_comment(paragraph) for paragraph in _HEAD)]
    for section, doc in SECTIONS.items():
        header = f"[{section} central]" if section == DESTINATION else f"[{section}]"
        parts.append("\n".join((_comment(doc), header)))
        parts += [_key(key) for key in KEYS if key.section == section]
    return "\n\n".join(parts) + "\n"


def _key(key: Key) -> str:
    doc = key.doc + (f" Default: {key.computed}." if key.computed else "")
    if key.example:
        return f"{_comment(doc)}\n{key.name} = {key.example}"
    return f"{_comment(doc)}\n#{key.name} = {key.default}".rstrip()


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False))
