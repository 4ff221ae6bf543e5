"""A configuration, and what the checks find with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from replicator.checks.finding import Finding, Target
from replicator.checks.listed import why
from replicator.cli.findings import target
from replicator.config import Config

Look = Callable[[Target], Iterable[Finding]]
Find = Callable[..., dict[str, Finding]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """``find(look, ini)``: what a part finds, by name; each is listed, and says how to mend it."""

    def found(look: Look, ini: str = "") -> dict[str, Finding]:
        path = tmp_path / "replicator.ini"
        outbox = "" if "[outbox]" in ini else f"[outbox]\npath = {tmp_path / 'box'}\n"
        path.write_text(outbox + ini)
        path.chmod(0o600)
        findings = list(look(target(Config.load(path, {}))))
        for one in findings:
            assert why(one.part, one.check)
            assert one.message
            assert bool(one.hint) == (one.status != "ok")
        return {one.name: one for one in findings}

    return found
