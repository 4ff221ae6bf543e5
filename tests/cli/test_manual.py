"""The man page and docs/commands.md hold everything that --help says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from replicator.cli import reference
from replicator.cli.main import main
from replicator.cli.manpage import manpage
from replicator.cli.manual import Paragraph, pages, paragraphs

README = Path(__file__).parents[2] / "README.md"


def commands(group: click.Group, name: str = "replicator") -> Iterator[tuple[str, click.Command]]:
    for below, command in sorted(group.commands.items()):
        yield f"{name} {below}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {below}")


@pytest.mark.parametrize(("name", "command"), list(commands(main)), ids=str)
def test_every_command_and_option_is_in_both(name: str, command: click.Command) -> None:
    page = next(page for page in pages(main) if page.name == name)
    assert page.summary.endswith(".")
    assert page.examples or isinstance(command, click.Group)
    told = reference.commands()
    assert f"\n## {name}\n" in told
    shown = manpage()
    assert f"\n.SS {name} ".replace("-", "\\-") in shown
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        assert option.help, option.opts
        assert any(f"`{name}" in told for name in option.opts)
        assert any(f"\n.B {name}".replace("-", "\\-") in shown for name in option.opts)


def test_no_text_is_taken_for_a_request() -> None:
    known = {"TH", "SH", "SS", "PP", "TP", "B", "nf", "fi", "RS", "RE"}
    lines = manpage().splitlines()
    requests = {line[1:].split(" ")[0] for line in lines if line.startswith((".", "'"))}
    assert requests == known
    assert all(line.isascii() for line in lines)


def test_what_is_marked_stays_as_it_stands() -> None:
    text = "One\nline.\n\n\b\nA  column\nB  column\n\n\b\nMarked\nprose.\n\fNot for users."
    assert paragraphs(text) == [
        Paragraph(["One line."], verbatim=False),
        Paragraph(["A  column", "B  column"], verbatim=True),
        Paragraph(["Marked prose."], verbatim=False),
    ]
