"""Command lines in the documents: the command, its options and the make target are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import pytest

from replicator.cli.main import main

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(
    r"(?:^|[;&|(]\s*|\bExecStart=|\bsudo (?:-u \S+ )?)(?:[\w./~-]*/)?(replicator [a-z-].*)"
)
_MAKE = re.compile(r"(?:^|[\s;&|(])make ([a-z]+)\b")
_BEHIND = re.compile(r"\s(?:#|\||>|&|;|2>|<).*|\)+$")  # a comment, a pipe, another command
_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def snippets(text: str) -> Iterator[str]:
    """Lines of code blocks, those that go on behind a backslash as one, and code inside text."""
    for block in _FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from _INLINE.findall(_FENCE.sub("", text))


def command_lines(text: str) -> list[str]:
    """Those that call replicator, each alternative of ``a|b`` by itself."""
    found = []
    for snippet in snippets(text):
        match = _COMMAND.search(snippet.strip().removeprefix("$ "))
        if match is not None:
            found += alternatives(_BEHIND.sub("", match[1].replace("\\|", "|")))
    return found


def alternatives(line: str) -> list[str]:
    """``parked list|show`` → ``parked list``, ``parked show``."""
    words = [
        word.split("|") if re.fullmatch(r"[a-z|-]+", word) else [word] for word in line.split()
    ]
    return [" ".join(chosen) for chosen in product(*words)]


def complaint(line: str) -> str | None:
    """What click says against a command line; None where nothing. Values are not looked at."""
    words = [*shlex.split(line)[1:], "…"]  # a last option may be named without its value
    command: click.Command = main
    context = click.Context(main, info_name="replicator")
    while True:
        try:
            _, rest, _ = command.make_parser(context).parse_args(words)
        except click.UsageError as error:
            return error.format_message()
        if not isinstance(command, click.Group) or rest in ([], ["…"]):
            return None
        below = command.get_command(context, rest[0])
        if below is None:
            return f"no command {rest[0]}"
        command, words = below, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_line_is_one(document: Path) -> None:
    lines = command_lines(document.read_text())
    assert {line: said for line in lines if (said := complaint(line))} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_is_there(document: Path) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    named = {name for line in snippets(document.read_text()) for name in _MAKE.findall(line)}
    assert named - targets == set()


def test_command_lines_are_found_where_they_stand() -> None:
    block = "```\n$ sudo -u replicator /opt/bin/replicator check # now\n$ useradd replicator\n```"
    text = f"See `replicator parked list|show`.\n{block}"
    assert command_lines(text) == [
        "replicator check",
        "replicator parked list",
        "replicator parked show",
    ]
    assert sum(len(command_lines(path.read_text())) for path in DOCUMENTS) > 100


@pytest.mark.parametrize(
    "line",
    ["replicator chek", "replicator check --jsno", "replicator map sett X:1", "replicator --x"],
)
def test_a_wrong_one_is_noticed(line: str) -> None:
    assert complaint(line) is not None
