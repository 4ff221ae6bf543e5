"""With a terminal to tell progress to, findings are whole lines of standard output."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from replicator.cli import verify

_SHOW = f"""
from replicator.audit.compare import Finding
from replicator.cli.audit_report import Report
from replicator.cli.verify import progress
row = ("2026-03-01T00:00:00", 69, 0, None, 1.5)
with progress() as read:
    read({verify._TOLD_EVERY})
    Report(False).finding(Finding("missing", "Reading", row[:3], row, None))
"""
_LINE = "missing   Reading time=2026-03-01T00:00:00 nodeId=69 type=0; locationId=None value=1.5"


def everything(terminal: int) -> str:
    """What was written to its other end, which is closed."""
    said = b""
    try:
        while more := os.read(terminal, 10_000):
            said += more
    except OSError as error:
        if error.errno != errno.EIO:  # as Linux says that it is closed
            raise
    return said.decode()


@pytest.mark.parametrize("redirected", [True, False])
def test_progress_and_findings_do_not_mix(tmp_path: Path, redirected: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        with (tmp_path / "out").open("wb") as out:
            stdout = out if redirected else theirs
            environ = {**os.environ, "TERM": "xterm"}
            subprocess.run(
                [sys.executable, "-c", _SHOW], stdout=stdout, stderr=theirs, check=True, env=environ
            )
        os.close(theirs)
        told = everything(ours)
    finally:
        os.close(ours)
    written = (tmp_path / "out").read_text()
    assert "reading" in told
    assert written == (f"{_LINE}\n" if redirected else "")
    assert (f"\r\x1b[2K{_LINE}\r\n" in told) is not redirected
