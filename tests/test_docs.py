"""The documents keep their word: links lead somewhere, named tests exist, words are all there."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_ANCHOR = re.compile(r"\]\(([^)#:\s]*)#([^)\s]+)\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_CASE = re.compile(r"`(tests/golden/[\w-]+)`")
_PLACEHOLDER = re.compile(
    r"\b[A-Z]+_[A-Z_]*SESSION\b|\bTODO\b|\bFIXME\b|^INVARIANTS$", re.MULTILINE
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = _LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def headings(document: Path) -> set[str]:
    """Its anchors, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_anchors_lead_to_a_heading(document: Path) -> None:
    links = _ANCHOR.findall(document.read_text())
    wrong = [
        f"{path}#{anchor}"
        for path, anchor in links
        if anchor not in headings(document.parent / path if path else document)
    ]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(document: Path) -> None:
    assert _PLACEHOLDER.findall(document.read_text()) == []


def test_every_invariant_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert len(_TEST.findall(text)) >= 9
    assert missing_tests(text) == []


def test_every_trap_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "traps.md").read_text()
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| T")]
    assert [row[0].strip() for row in rows] == [f"T{number}" for number in range(1, 29)]
    assert [row[0] for row in rows if not (_TEST.search(row[3]) or _CASE.search(row[3]))] == []
    assert missing_tests(text) == []
    cases = _CASE.findall(text)
    assert [case for case in cases if not (ROOT / case / "expected.json").exists()] == []


def missing_tests(text: str) -> list[str]:
    """Of those named in a document."""
    return [
        f"{path}::{name}"
        for path, name in _TEST.findall(text)
        if not (ROOT / path).exists()
        or not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]


def test_every_document_is_listed_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path.name not in readme] == []


ROOMS = (
    "moving",
    "backlog",
    "selftest",
    "audit",
    "repair",
    "source",
    "outbox",
    "sink",
    "simulation",
)


def test_the_architecture_names_every_room_and_module() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text().partition("## Rooms")[2]
    named = set(re.findall(r"\w+", told.partition("Import order")[0]))
    files = [*(ROOT / "replicator").iterdir()]
    files += [path for room in ROOMS for path in (ROOT / "replicator" / room).iterdir()]
    there = {path.stem for path in files if path.suffix in (".py", "") and path.stem[0] != "_"}
    assert there - named == set()


def test_the_architecture_has_the_layers_that_are_enforced() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    told = re.search(r"siblings on a line may not: (.*?)\. import-linter", text, re.DOTALL)
    linter = configparser.ConfigParser()
    linter.read(ROOT / "setup.cfg")
    layers = linter["importlinter:contract:layers"]["layers"].split("\n")
    assert told is not None
    listed = [layer.strip(" `") for layer in " ".join(told[1].split()).split(">")]
    assert listed == [layer for layer in layers if layer not in ("", "__main__")]
