"""What every destination has settled."""

from __future__ import annotations

from pathlib import Path

from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.retention import acknowledged_by_all


def test_a_destination_whose_file_is_just_being_made_has_settled_nothing(tmp_path: Path) -> None:
    ready = Deliveries(tmp_path, "ready")
    ready.rewind(Cursor(5, 0, "", 0))
    ready.close()
    assert acknowledged_by_all(tmp_path, ["ready"]) == 5
    (tmp_path / "made.db").touch()  # as SQLite leaves it until the first commit
    assert acknowledged_by_all(tmp_path, ["ready", "made"]) == 0
