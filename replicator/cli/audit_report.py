"""How findings and sums of an audit are shown: as lines, or as JSON that is never held whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

from replicator.audit.compare import ELSEWHERE, UNEXPLAINED, UNTOLD, Finding
from replicator.audit.repair import Repaired
from replicator.audit.verify import Sum
from replicator.backlog.words import size_text
from replicator.change import Row
from replicator.cli.auditing import Auditing
from replicator.model import STREAM_TABLES, TABLES

_SHOWN = UNEXPLAINED | {UNTOLD, ELSEWHERE}


@dataclass(slots=True)
class Report:
    """Prints findings as they come: lines, or the inside of a JSON list."""

    as_json: bool
    _comma: bool = field(default=False, init=False)
    _name: str = field(default="", init=False)

    def open(self) -> None:
        """Before the first destination."""
        if self.as_json:
            click.echo("[", nl=False)

    def close(self) -> None:
        """Behind the last one."""
        if self.as_json:
            click.echo("]")

    def begin(self, name: str, *, first: bool) -> None:
        """A destination."""
        self._name = name
        if self.as_json:
            lead = "" if first else ",\n"
            click.echo(f'{lead}{{"destination": {json.dumps(name)}, "findings": [', nl=False)
            self._comma = False

    def finding(self, finding: Finding, repaired: Repaired | None = None) -> None:
        """One row."""
        if self.as_json:
            lead = ",\n " if self._comma else "\n "
            click.echo(lead + json.dumps(as_fields(finding, repaired)), nl=False)
            self._comma = True
        elif finding.kind in _SHOWN:
            click.echo(_over_progress() + line_of(finding, repaired))

    def end(self, summary: dict[str, object]) -> None:
        """What it came to."""
        if self.as_json:
            click.echo(f'],\n"summary": {json.dumps(summary, indent=1)}}}', nl=False)
        else:
            click.echo("\n".join(summary_lines(self._name, summary)))


def _over_progress() -> str:
    """Where one terminal shows both, what wipes the line on which progress is told."""
    return "\r\x1b[2K" if sys.stdout.isatty() and sys.stderr.isatty() else ""


def as_fields(finding: Finding, repaired: Repaired | None = None) -> dict[str, object]:
    """As docs/audit.md has it. Locations are the centre's ids."""
    found: dict[str, object] = {
        "kind": finding.kind,
        "table": finding.table,
        "key": dict(zip(TABLES[finding.table].natural_key, finding.key, strict=True)),
        "here": _cells(finding.table, finding.here),
        "there": _cells(finding.table, finding.there),
        "reason": finding.reason,
    }
    if repaired is not None:
        found |= {"repaired": not repaired.why, "why_not": repaired.why}
    return found


def _cells(table: str, row: Row | None) -> dict[str, object] | None:
    return None if row is None else dict(zip(TABLES[table].columns, row, strict=True))


def line_of(finding: Finding, repaired: Repaired | None = None) -> str:
    """One line: what, where, how it differs, and what was done."""
    names = TABLES[finding.table].natural_key
    key = " ".join(f"{n}={v}" for n, v in zip(names, finding.key, strict=True))
    parts = [f"{finding.kind:9} {finding.table} {key}"]
    here, there = (_cells(finding.table, row) or {} for row in (finding.here, finding.there))
    if finding.here is not None and finding.there is not None:
        parts += [f"{c}: {here[c]} here, {there[c]} there" for c in finding.differing()]
    else:
        cells = {c: v for c, v in (here or there).items() if c not in names}
        parts.append(" ".join(f"{name}={value}" for name, value in cells.items()))
    parts += [finding.reason] if finding.reason else []
    if repaired is not None:
        parts.append(f"not repaired: {repaired.why}" if repaired.why else "repaired")
    return "; ".join(parts)


def summary_of(
    session: Auditing, unexplained: int, repaired: int, seconds: float
) -> dict[str, object]:
    """As docs/audit.md has it."""
    outcome = session.audit.outcome
    return {
        "tables": {table: sum_fields(outcome.of(table)) for table in STREAM_TABLES},
        "found": outcome.found,
        "unexplained": unexplained,
        "repaired": repaired,
        "excused": [
            {"table": table, "kind": kind, "reason": reason, "rows": rows}
            for (table, kind, reason), rows in sorted(outcome.excused.items())
        ],
        "requests": session.rest.requests,
        "bytes_sent": session.rest.sent,
        "bytes_received": session.rest.received,
        "seconds": round(seconds, 3),
    }


def sum_fields(known: Sum) -> dict[str, object]:
    """Counts and digests of the three sides."""
    present = known.present
    return {
        "captured": known.captured.count,
        "acknowledged": known.acknowledged.count,
        "present": known.present_rows,
        "captured_digest": known.captured.to_hex(),
        "acknowledged_digest": known.acknowledged.to_hex(),
        "present_digest": None if present is None else present.to_hex(),
    }


def summary_lines(name: str, summary: dict[str, object]) -> Iterator[str]:
    """For people."""
    tables = summary["tables"]
    assert isinstance(tables, dict)
    for table, known in tables.items():
        present = "not counted" if known["present"] is None else f"{known['present']:,}"
        yield (
            f"{name}: {table}: {known['captured']:,} captured, {known['acknowledged']:,} "
            f"acknowledged, {present} present"
        )
    excused = summary["excused"]
    assert isinstance(excused, list)
    for each in excused:
        yield f"{name}: {each['rows']:,} {each['table']} {each['kind']}: {each['reason']}"
    found = summary["found"]
    assert isinstance(found, dict)
    shown = ", ".join(f"{rows:,} {kind}" for kind, rows in sorted(found.items()))
    mended = f", {summary['repaired']:,} repaired" if summary["repaired"] else ""
    yield f"{name}: {summary['unexplained']:,} unexplained{mended} ({shown or 'no difference'})"
    yield (
        f"{name}: {summary['requests']:,} requests, {_size(summary['bytes_sent'])} sent, "
        f"{_size(summary['bytes_received'])} received, {summary['seconds']} s"
    )


def _size(number: object) -> str:
    assert isinstance(number, int)
    return size_text(number)
