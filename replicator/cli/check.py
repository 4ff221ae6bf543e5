"""`replicator check`: can everything be reached, and is it set up right?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from replicator.cli.findings import CHECKS, Finding
from replicator.cli.options import configured
from replicator.config import Config


@click.command(
    epilog="\b\nExamples:\n  replicator check\n"
    "  replicator check --json | jq '.findings[] | select(.ok | not)'"
)
@configured
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, config: Config, as_json: bool) -> None:
    """Look at configuration, source, outbox and destinations, and change nothing.

    Each failure says what is wrong, why, and the SQL or line that mends it. The exit code is that
    of the most basic failure: source, then outbox, then destinations; 0 when all is well.
    """
    findings = [finding for look in CHECKS for finding in look(config)]
    code = exit_code(findings)
    if as_json:
        click.echo(_json(findings, code))
    else:
        click.echo("\n".join(_lines(findings)))
    context.exit(code)


def exit_code(findings: Sequence[Finding]) -> int:
    """The code of the first failure; findings stand in the order of the data's way."""
    return next((finding.exit_code for finding in findings if not finding.ok), 0)


def _json(findings: Sequence[Finding], code: int) -> str:
    fields = [
        {name: value for name, value in asdict(finding).items() if name != "exit_code"}
        for finding in findings
    ]
    return json.dumps({"ok": code == 0, "exit_code": code, "findings": fields}, indent=2)


def _lines(findings: Sequence[Finding]) -> list[str]:
    """A line a finding; the hint below on lines of its own, so that it can be copied whole."""
    part = max(len(finding.part) for finding in findings)
    name = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark = click.style("✓", fg="green") if finding.ok else click.style("✗", fg="red")
        what = f"{finding.part:{part}}  {finding.name:{name}}"
        lines.append(f"{mark} {what}  {finding.message}")
        lines += [f"    {hint}" for hint in finding.hint.splitlines()]
    failed = sum(not finding.ok for finding in findings)
    lines.append("")
    lines.append(f"{failed} of {len(findings)} need mending" if failed else "all is well")
    return lines
