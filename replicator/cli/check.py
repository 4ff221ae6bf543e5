"""`replicator check`: can everything be reached, and is it set up right?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from replicator.checks.finding import Finding
from replicator.checks.listed import why
from replicator.cli.findings import CHECKS
from replicator.cli.options import configured
from replicator.config import Config

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failure": ("✗", "red")}


@click.command(
    epilog="\b\nExamples:\n  replicator check\n"
    "  replicator check --json | jq '.findings[] | select(.ok | not)'\n"
    "  replicator check --fix-sql | mariadb     # read it first"
)
@configured
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--fix-sql",
    is_flag=True,
    help="Print only the SQL that mends the station's database, for its administrator to run.",
)
@click.pass_context
def check(context: click.Context, config: Config, as_json: bool, fix_sql: bool) -> None:
    """Look at configuration, source, outbox and destinations, and change nothing.

    Each failure (✗) and warning (!) says what is wrong, why, and the SQL or line that mends it. The
    exit code is that of the most basic failure: source, then outbox, then destinations; 0 when
    nothing fails.
    """
    if as_json and fix_sql:
        raise click.UsageError("--json or --fix-sql, not both")
    findings = [finding for look in CHECKS for finding in look(config)]
    code = exit_code(findings)
    if as_json:
        click.echo(_json(findings, code))
    else:
        lines = _fixes(findings) if fix_sql else _lines(findings)
        click.echo("\n".join(lines))
    context.exit(code)


def exit_code(findings: Sequence[Finding]) -> int:
    """The code of the first failure; findings stand in the order of the data's way."""
    return next((finding.exit_code for finding in findings if not finding.ok), 0)


def _json(findings: Sequence[Finding], code: int) -> str:
    told = {"ok": code == 0, "exit_code": code, "findings": [_object(one) for one in findings]}
    return json.dumps(told, indent=2)


def _object(finding: Finding) -> dict[str, Any]:
    return {
        "part": finding.part,
        "name": finding.name,
        "check": finding.check,
        "ok": finding.ok,
        "status": finding.status,
        "message": finding.message,
        "why": why(finding.part, finding.check),
        "hint": finding.hint,
        "sql": finding.statements(),
    }


def _fixes(findings: Sequence[Finding]) -> list[str]:
    """Each statement once, below what it mends; comments alone where nothing is to be mended."""
    lines: list[str] = []
    done: set[str] = set()
    for finding in findings:
        new = [one for one in finding.statements() if one not in done]
        if new:
            lines += ["", f"-- {finding.name}: {' '.join(finding.message.split())}", *new]
            done.update(new)
    return lines[1:] or ["-- nothing to mend at the station's database"]


def _lines(findings: Sequence[Finding]) -> list[str]:
    """A line a finding; why and the hint below, each its own, so that it can be copied whole."""
    part = max(len(finding.part) for finding in findings)
    name = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        sign, colour = _MARKS[finding.status]
        what = f"{finding.part:{part}}  {finding.name:{name}}"
        lines.append(f"{click.style(sign, fg=colour)} {what}  {finding.message}")
        if finding.status != "ok":
            lines.append(f"    why: {why(finding.part, finding.check)}")
            lines += [f"    {hint}" for hint in finding.hint.splitlines()]
    failed = sum(finding.status == "failure" for finding in findings)
    warned = sum(finding.status == "warning" for finding in findings)
    lines += ["", _summed_up(failed, warned, len(findings))]
    return lines


def _summed_up(failed: int, warned: int, total: int) -> str:
    more = f", {warned} warning{'s' if warned > 1 else ''}" if warned else ""
    return f"{failed} of {total} need mending{more}" if failed else f"all is well{more}"
