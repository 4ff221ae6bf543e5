"""The list of checks: complete, and the same in docs/check.md."""

from __future__ import annotations

import re
from pathlib import Path

from replicator.checks.listed import CHECKS

TEXT = (Path(__file__).parents[2] / "docs" / "check.md").read_text()
_ROW = re.compile(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", re.MULTILINE)


def test_the_documentation_has_every_check_in_these_words() -> None:
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        part = section.split("\n", 1)[0].lower()
        found |= {(part, name): (looks, why) for name, looks, why in _ROW.findall(section)}
    assert found == {key: (check.looks, check.why) for key, check in CHECKS.items()}


def test_there_are_thirty_at_least() -> None:
    assert len(CHECKS) >= 30
