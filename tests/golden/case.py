"""A golden case: a directory with what is run, what capture must make of it, and what is known.

``case.sql``       statements, each ended by ";" at the end of a line; `-- session NAME` goes on in
                   another connection, `-- capture from here` is where capture begins to read
                   (without it: at the first statement). The station's tables are there, empty.
``expected.json``  what capture gives: transactions, and what stops it. ``python -m tests.golden``
                   writes it anew, for a person to review the difference.
``case.json``      only where something is special: see ``Known``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
HERE = "-- capture from here"
_SESSION = re.compile(r"-- session (\w+)")


@dataclass(frozen=True, slots=True)
class Known:
    """What a case's ``case.json`` says.

    ``globals``  global settings of the server while it runs
    ``library``  why mysql-replication is wrong: "*" about all of it, or by "Table.column"
    ``select``   why a table is not what the log makes of it: by table, or by "Table.column"
    """

    globals: Mapping[str, str | int] = field(default_factory=dict)
    library: Mapping[str, str] = field(default_factory=dict)
    select: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """``session``: the connection's name; ``sql`` HERE: capture begins."""

    session: str
    sql: str


@dataclass(frozen=True, slots=True)
class Case:
    """One directory."""

    folder: Path

    @property
    def name(self) -> str:
        """The directory's."""
        return self.folder.name

    @property
    def known(self) -> Known:
        """Read from ``case.json``, if it is there."""
        file = self.folder / "case.json"
        return Known(**json.loads(file.read_text())) if file.exists() else Known()

    @property
    def expected(self) -> Path:
        """The file with what capture must give."""
        return self.folder / "expected.json"

    def statements(self) -> Iterator[Statement]:
        """In order; HERE first where the script does not say."""
        text = (self.folder / "case.sql").read_text()
        if HERE not in text:
            yield Statement("main", HERE)
        session = "main"
        lines: list[str] = []
        for line in text.splitlines():
            if match := _SESSION.fullmatch(line):
                session = match[1]
            elif line == HERE:
                yield Statement(session, HERE)
            elif line and not line.startswith("--"):
                lines.append(line)
                if line.endswith(";"):
                    yield Statement(session, "\n".join(lines)[:-1])
                    lines = []
        assert not lines, f"{self.name}: a statement without its ;"


CASES = [Case(file.parent) for file in sorted(FOLDER.glob("*/case.sql"))]


def written(content: Mapping[str, Any]) -> str:
    """As JSON that people read and compare: one row a line."""
    transactions = ",\n".join(
        "  [\n" + ",\n".join(_change(change) for change in transaction) + "\n  ]"
        for transaction in content["transactions"]
    )
    body = f"[\n{transactions}\n ]" if transactions else "[]"
    return f'{{\n "transactions": {body},\n "stops": {_json(content["stops"])}\n}}\n'


def _change(change: Mapping[str, Any]) -> str:
    rows = ",\n".join(f"     {_json(row)}" for row in change["rows"])
    head = f'"table": {_json(change["table"])}, "op": {_json(change["op"])}'
    return f'   {{{head}, "rows": [\n{rows}\n   ]}}'


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
