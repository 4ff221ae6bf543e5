"""What --help says of every command, as data: for docs/commands.md and the man page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

_COMMON = frozenset({"--config", "--log-level", "--help"})  # of every command


@dataclass(frozen=True, slots=True)
class Paragraph:
    """``lines``: one for flowing text; as they stand where it is ``verbatim``."""

    lines: Sequence[str]
    verbatim: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One command.

    ``name``      as it is called, ``replicator parked list``
    ``usage``     what follows the name
    ``options``   (``--limit INTEGER``, what it does), without those that every command has
    ``examples``  whole command lines, perhaps with words behind them
    """

    name: str
    summary: str
    usage: str
    text: Sequence[Paragraph]
    options: Sequence[tuple[str, str]]
    examples: Sequence[str]


def pages(program: click.Command, name: str = "replicator") -> Iterator[Page]:
    """The program itself, then every command below it in the order of the names."""
    yield _page(program, click.Context(program, info_name=name))
    if isinstance(program, click.Group):
        for below, command in sorted(program.commands.items()):
            yield from pages(command, f"{name} {below}")


def common(program: click.Command) -> list[tuple[str, str]]:
    """The options that every command has."""
    context = click.Context(program, info_name="replicator")
    options = [option for option in program.get_params(context) if _COMMON & {*option.opts}]
    return [record for option in options if (record := option.get_help_record(context))]


def paragraphs(text: str) -> list[Paragraph]:
    """Click's text: blank lines between paragraphs, a line of ``\\b`` before one as it stands.

    What is marked so only for its line breaks, flows here.
    """
    found: list[Paragraph] = []
    for part in inspect.cleandoc(text.partition("\f")[0]).split("\n\n"):
        lines = [line for line in part.split("\n") if line.strip()]
        marked = bool(lines) and lines[0].strip() == "\b"
        lines = lines[marked:]
        if marked and any("  " in line for line in lines):  # columns or indented
            found.append(Paragraph(lines, verbatim=True))
        elif lines:
            found.append(Paragraph([" ".join(line.strip() for line in lines)], verbatim=False))
    return found


def _page(command: click.Command, context: click.Context) -> Page:
    told = paragraphs(command.help or "")
    given = [*told, *paragraphs(command.epilog or "")]
    examples = [line.strip() for part in given if _is_examples(part) for line in part.lines[1:]]
    options = [option for option in command.get_params(context) if not _COMMON & {*option.opts}]
    records = [record for option in options if (record := option.get_help_record(context))]
    return Page(
        str(context.info_name),
        command.get_short_help_str(200),
        " ".join(command.collect_usage_pieces(context)),
        [part for part in told if not _is_examples(part)],
        records,
        examples,
    )


def _is_examples(part: Paragraph) -> bool:
    return part.verbatim and part.lines[0].strip() in ("Example:", "Examples:")
