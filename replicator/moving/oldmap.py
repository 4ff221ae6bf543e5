"""What the old pusher's mapping files say. Pure.

Facts: beside synchronise.conf it kept ``HOST-DATABASE_map.conf`` (older: ``_Map.conf``): a section
for each ``resturl``, inside it ``[[deployment]]``, ``[[house]]``, ``[[location]]``, ``[[room]]``
with ``local id = remote id``, and ``[[lastupdate]]`` with the time up to which it believed a house
to be sent. It believed what stands there without asking; here it is only a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from replicator.moving.oldfile import OldSection, parse

_TABLES: Mapping[str, str] = MappingProxyType(
    {name.lower(): name for name in ("Deployment", "House", "RoomType", "Room", "Location")}
)
_ID = re.compile(r"\d{1,10}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)


@dataclass(slots=True)
class OldMap:
    """Of one destination. ``ids``: (table, local id) → remote id; ``sent_to``: house → ISO time."""

    ids: dict[tuple[str, int], int] = field(default_factory=dict)
    sent_to: dict[int, str] = field(default_factory=dict)


def read(text: str, file: str) -> tuple[dict[str, OldMap], list[str]]:
    """By REST URL; and every line that cannot be used ("FILE:LINE: …"), which is left out."""
    root, found = parse(text)
    mistakes = [f"{file}:{line}: {sentence}" for line, sentence in found]
    maps: dict[str, OldMap] = {}
    for url, section in root.sections.items():
        known = maps.setdefault(url, OldMap())
        for name, inner in section.sections.items():
            if name == "lastupdate":
                _times(inner, known)
            elif name in _TABLES:
                _ids(_TABLES[name], inner, known, file, mistakes)
            else:
                mistakes.append(f"{file}:{inner.line}: [[{name}]] is no table that was mapped")
    return maps, mistakes


def _ids(table: str, section: OldSection, known: OldMap, file: str, mistakes: list[str]) -> None:
    for local, setting in section.settings.items():
        if _ID.fullmatch(local) and _ID.fullmatch(setting.value):
            known.ids[table, int(local)] = int(setting.value)
        else:
            mistakes.append(f"{file}:{setting.line}: [[{table.lower()}]] not an id = an id")


def _times(section: OldSection, known: OldMap) -> None:
    """A house that was never sent has None there."""
    for house, setting in section.settings.items():
        time = _TIME.match(setting.value)
        if _ID.fullmatch(house) and time:
            known.sent_to[int(house)] = time[0].replace(" ", "T")
