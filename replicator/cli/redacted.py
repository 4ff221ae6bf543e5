"""Texts without secrets: what a support bundle may hold. Pure.

Secrets are known in two ways: by the configuration that loads, and, where it does not, by the names
of keys. Either way a secret is replaced wherever it stands, also as JSON or a URL writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4  # replacing every "ch" or "a" would only spoil the text
_SECRET_KEY = re.compile(
    r"^(?P<head>\s*[#;]*\s*[\w. -]*?(?:pass(?:word|wd)?|token|secret)\w*\s*[=:]\s*)(?P<value>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_FILE_KEY = re.compile(r"_file\s*[=:]\s*$", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<head>://[^/\s:@]*:)(?P<value>[^\s/]*)(?=@)")
_BEARER = re.compile(r"(?P<head>\b(?:Bearer|Basic)\s+)(?P<value>[\w.~+/=-]{8,})")
_NKEY_SEED = re.compile(r"\bS[ACNOUX][A-Z2-7]{56}\b")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
_SECRET_VARIABLE = re.compile(r"PASSWORD|TOKEN|SECRET", re.IGNORECASE)


def secrets_in(text: str, environ: Mapping[str, str]) -> Iterator[str]:
    """What stands behind keys, in URLs and in variables that hold secrets, in any text."""
    for pattern in (_SECRET_KEY, _IN_URL):
        for found in pattern.finditer(text):
            if not _FILE_KEY.search(found["head"]):
                yield found["value"].strip()
    for name, value in environ.items():
        if name.startswith("REPLICATOR_") and _SECRET_VARIABLE.search(name):
            if not name.endswith("_FILE"):
                yield value
        elif name.startswith("REPLICATOR_"):
            yield from (found["value"] for found in _IN_URL.finditer(value))


def secret_files(text: str) -> list[str]:
    """Paths that a configuration names as files with a secret."""
    lines = (found for found in _SECRET_KEY.finditer(text) if _FILE_KEY.search(found["head"]))
    return [found["value"].strip() for found in lines]


class Redactor:
    """``redact`` takes every known secret out of a text, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for secret in secrets
            for form in (
                secret,
                json.dumps(secret)[1:-1],
                json.dumps(secret, ensure_ascii=False)[1:-1],
                quote(secret, safe=""),
                quote_plus(secret),
                repr(secret)[1:-1],
            )
            if len(secret) >= _SHORTEST
        }
        self._forms = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text, each secret in it as ***."""
        for form in self._forms:
            text = text.replace(form, MASK)
        text = _SECRET_KEY.sub(_masked, text)
        text = _IN_URL.sub(rf"\g<head>{MASK}", text)
        text = _JWT.sub(MASK, _NKEY_SEED.sub(MASK, text))
        return _BEARER.sub(rf"\g<head>{MASK}", text)


def _masked(found: re.Match[str]) -> str:
    if _FILE_KEY.search(found["head"]) or not found["value"].strip():
        return found[0]
    return f"{found['head']}{MASK}"
