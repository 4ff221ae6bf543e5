"""A station's name where only plain letters may stand: in a subject, in a key, as a folder."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+", re.ASCII)


def token(name: str) -> str:
    """A name as one token of a subject, also of a key: "Höhe 3" → "H=C3=B6he=203"."""
    return _PLAIN.sub(lambda found: "".join(f"={b:02X}" for b in found[0].encode()), name)


def name_of(written: str) -> str:
    """Inverse of ``token``. Raises ValueError for what is none."""
    name = _ESCAPED.sub(lambda found: bytes.fromhex(found[0].replace("=", "")).decode(), written)
    if token(name) != written:
        raise ValueError(f"not a name as a token: {written!r}")
    return name
