"""Plain data as YAML text for people: blocks of mappings and lists, scalars as in JSON. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

# What every YAML reader takes for the text that it is: no colon, no sign, no digit in front.
_PLAIN = re.compile(r"[A-Za-z/][\w./ {}()-]*[\w./})]|[A-Za-z]")
_OTHERWISE = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


def yaml(value: Mapping[str, object]) -> str:
    """A document; it reads back as the same data (lists, mappings, text, numbers, None)."""
    return "\n".join(_block(value, "")) + "\n"


def _block(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", item, indent + "  ")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            lines = list(_block(item, indent + "  "))
            yield f"{indent}- {lines[0].lstrip()}"
            yield from lines[1:]
    else:
        yield f"{indent}{_scalar(value)}"


def _entry(head: str, item: object, indent: str) -> Iterator[str]:
    if _is_short(item):
        yield f"{head} {_scalar(item)}"
        return
    yield head
    yield from _block(item, indent)


def _is_short(item: object) -> bool:
    if isinstance(item, Mapping):
        return not item or (len(item) == 1 and all(map(_is_leaf, item.values())))
    if isinstance(item, Sequence) and not isinstance(item, str):
        return all(map(_is_leaf, item))
    return True


def _is_leaf(item: object) -> bool:
    return not isinstance(item, (Mapping, list, tuple))


def _scalar(value: object) -> str:
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and not _OTHERWISE.fullmatch(value):
            return value
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(k)}: {_scalar(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_scalar(part) for part in value)}]"
    return json.dumps(value)
