"""How long `replicator backlog` takes, as the process that somebody at a keyboard starts."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.figures import seconds
from benchmarks.scene import Scene

_LOOKS = 9


def backlog_seconds(scene: Scene, waiting: int) -> float:
    """Median of a few, the interpreter's start included; by house and table as well."""
    command = [sys.executable, "-m", "replicator", "--config", str(scene.ini), "backlog"]
    said: list[str] = []

    def look() -> None:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        said.append(done.stdout)

    look()  # compiles what is imported, once
    took = [seconds(look) for _ in range(_LOOKS)]
    if not all(f"{waiting:,}" in text and "by house" in text for text in said):
        raise RuntimeError(f"backlog did not say what waits: {said[0]}")
    return float(statistics.median(took))
