"""The NATS server's files are damaged: what the stream has lost comes back from the binlog."""

from __future__ import annotations

import shutil

import pytest

from demo.natsd import PrivateNats
from replicator.errors import OutboxError
from tests.contract.backends import JetStream, nodes, place, readings, write

_GROUPS = 6
_ROWS = 40


def damage(server: PrivateNats, how: str) -> None:
    """To a server that does not run."""
    data = server.folder / "data"
    if how == "emptied":
        shutil.rmtree(data)
        return
    (block,) = [each for each in data.rglob("S/msgs/*.blk") if each.stat().st_size]
    size = block.stat().st_size
    with block.open("r+b") as file:
        if how == "truncated":
            file.truncate(size // 2)
        else:
            file.seek(size // 2)
            file.write(b"\xff" * 64)


@pytest.mark.parametrize("read_before", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("how", ["emptied", "truncated", "overwritten"])
def test_damaged_files(own: JetStream, own_nats: PrivateNats, how: str, read_before: bool) -> None:
    with own.open() as outbox:
        outbox.begin_at(place(0), None)
        for number in range(1, _GROUPS + 1):
            write(outbox, number, readings(_ROWS, _ROWS * (number - 1)))
            outbox.flush()
    if read_before:
        own.read()
    own_nats.kill()
    damage(own_nats, how)
    own_nats.start()
    if how == "overwritten":  # the server's own indexes disagree then: told, and nothing is hidden
        with pytest.raises(OutboxError):
            _go_on(own)
        return
    _go_on(own)
    assert set(nodes(own.read())) == set(range(_ROWS * (_GROUPS + 2)))


def _go_on(own: JetStream) -> None:
    """As tail does: from where the stream says that it ends."""
    with own.open() as outbox:
        if outbox.position is None:
            outbox.begin_at(place(0), None)
        assert outbox.position is not None
        for number in range(outbox.position.offset + 1, _GROUPS + 3):
            write(outbox, number, readings(_ROWS, _ROWS * (number - 1)))
            outbox.flush()
