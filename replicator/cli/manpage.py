"""The man page: ``python -m replicator.cli.manpage > replicator.1`` (`make man`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from replicator import __version__
from replicator.cli.main import main
from replicator.cli.manual import Page, Paragraph, common, pages

_FILES = (
    ("./replicator.ini, /etc/replicator/replicator.ini", "The configuration."),
    ("/var/lib/replicator", "The outbox: outbox.db, and a file for each destination."),
)
_ENVIRONMENT = (
    ("REPLICATOR_CONFIG", "The configuration file, where --config names none."),
    ("REPLICATOR_SECTION_KEY", "Any key of the configuration; wins over the file."),
)


def manpage() -> str:
    """The whole program in roff, for section 1 of the manual."""
    program, *commands = pages(main)
    return "\n".join([*_head(program), *_commands(commands), *_foot(program)]) + "\n"


def _head(program: Page) -> Iterator[str]:
    yield f'.TH REPLICATOR 1 "" "replicator {__version__}" "User Commands"'
    yield ".SH NAME"
    yield _text(f"replicator - {program.summary.rstrip('.')}")
    yield ".SH SYNOPSIS"
    yield f".B replicator\n{_text(program.usage)}"
    yield ".SH DESCRIPTION"
    yield from _body(program.text)
    yield ".SH OPTIONS"
    yield "Before or behind the name of any command:"
    yield from _terms([*common(main), *program.options])


def _commands(commands: Iterable[Page]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for page in commands:
        yield f".SS {_text(f'{page.name} {page.usage}')}"
        yield from _body(page.text)
        yield from _terms(page.options)
        yield from _block(page.examples)


def _foot(program: Page) -> Iterator[str]:
    yield ".SH FILES"
    yield from _terms(_FILES)
    yield ".SH ENVIRONMENT"
    yield from _terms(_ENVIRONMENT)
    yield ".SH EXIT STATUS"
    yield "0 when done; every other one is in docs/exit-codes.md."
    yield ".SH EXAMPLES"
    yield from _block(program.examples)


def _body(paragraphs: Iterable[Paragraph]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield ".PP"
        if paragraph.verbatim:
            yield from _block(paragraph.lines)
        else:
            yield from map(_text, paragraph.lines)


def _terms(terms: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in terms:
        yield f".TP\n.B {_text(term)}\n{_text(meaning)}"


def _block(lines: Iterable[str]) -> Iterator[str]:
    found = [_text(line) for line in lines]
    if found:
        yield "\n".join([".PP", ".nf", ".RS 4", *found, ".RE", ".fi"])


def _text(text: str) -> str:
    """One line: no character in it means anything to roff."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    safe = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in safe)
    return f"\\&{safe}" if safe.startswith(".") else safe


if __name__ == "__main__":
    sys.stdout.write(manpage())
