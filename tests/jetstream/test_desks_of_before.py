"""Desks that earlier folders of a station have kept: a move heeds the newer, and leaves none."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from replicator.desk import StationDesk
from replicator.errors import OutboxError
from replicator.jetstream.desks import Desks
from replicator.jetstream.shelf import Shelf
from tests.contract.backends import JetStream


def test_a_folder_that_is_behind_is_told_and_a_move_removes_all(
    jetstream: JetStream, tmp_path: Path
) -> None:
    bus, stream = jetstream.connection()
    with closing(bus):
        desks = Desks(bus, stream.name, stream.station, "ship", 1)
        other = Desks(bus, stream.name, "another", "ship", 1)
        shelf = Shelf(bus, stream.name, stream.station, "ship", 1)
        desk = StationDesk(desks, stream, tmp_path, ["home"], 15.0)
        shelf.clear_desks()  # of none
        desk.ensure_newest()
        desk.begin(7)
        desks.keep(7, b"its own")
        desk.ensure_newest()
        desks.keep(9, b"a later holding's")
        other.keep(1, b"not touched")
        with pytest.raises(OutboxError, match="another folder has worked"):
            desk.ensure_newest()
        shelf.clear_desks()
        desk.ensure_newest()
        assert desks.newest() is None
        assert other.newest() is not None
