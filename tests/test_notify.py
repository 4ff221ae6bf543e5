"""What the service manager is told, and when it is told that we go on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.notify import Roll, Service
from replicator.serving import goes_on


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """The other end: a datagram socket of each kind."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract = request.param == "an abstract name"
    listener.bind(f"\0replicator-{os.getpid()}-{id(listener)}" if abstract else f"{tmp_path}/n")
    listener.setblocking(False)
    yield listener
    listener.close()


def address(listener: socket.socket) -> str:
    """As in $NOTIFY_SOCKET."""
    name = listener.getsockname()
    return f"@{name[1:].decode()}" if isinstance(name, bytes) else str(name)


def told(listener: socket.socket) -> list[str]:
    """What has come since."""
    found = []
    while True:
        try:
            found.append(listener.recv(65536).decode())
        except BlockingIOError:
            return found


def test_ready_once_all_are_up_and_words_of_each(systemd: socket.socket) -> None:
    service = Service(["home", "work"], {"NOTIFY_SOCKET": address(systemd)})
    home, work = service.duty("home"), service.duty("work")
    home.up()
    assert told(systemd) == []
    work.say("waiting: the link\nis down")
    both = "STATUS=home starting; work waiting: the link is down"
    assert told(systemd) == [both, f"READY=1\n{both}"]
    home.up()
    home.say("running")
    service.stopping()
    running = "STATUS=home running; work waiting: the link is down"
    assert told(systemd) == [running, "STOPPING=1"]
    home.alive()
    assert told(systemd) == [], "no watchdog was asked for"


def test_a_status_line_has_an_end(systemd: socket.socket) -> None:
    Service(["x"], {"NOTIFY_SOCKET": address(systemd)}).duty("x").say("ü" * 100_000)
    (first, _) = told(systemd)
    assert 900 < len(first.encode()) <= 1000


def test_the_watchdog_is_fed_while_everyone_goes_on_and_not_too_often(
    systemd: socket.socket,
) -> None:
    now = [100.0]
    environ = {"NOTIFY_SOCKET": address(systemd), "WATCHDOG_USEC": "50000000"}
    service = Service(["a", "b"], {**environ, "WATCHDOG_PID": str(os.getpid())}, lambda: now[0])
    a, b = service.duty("a"), service.duty("b")
    a.alive()
    a.alive()
    assert told(systemd) == [], "nothing from b"
    b.alive()
    assert told(systemd) == ["WATCHDOG=1\nEXTEND_TIMEOUT_USEC=50000000"], "a start that goes on"
    a.up()
    b.up()
    assert [said.partition("\n")[0] for said in told(systemd)] == ["READY=1"]
    a.alive()
    b.alive()
    assert told(systemd) == [], "a fifth of the time has to pass"
    now[0] += 10.0
    for _ in range(100):
        a.alive()
    assert told(systemd) == [], "b hangs"
    b.leave()
    a.alive()
    assert told(systemd)[-1] == "WATCHDOG=1", "b has ended well; a goes on"


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}],
    ids=["none", "another process", "no number"],
)
def test_no_watchdog_where_none_is_wanted(systemd: socket.socket, environ: dict[str, str]) -> None:
    Service(["a"], {"NOTIFY_SOCKET": address(systemd), **environ}).duty("a").alive()
    assert told(systemd) == []


@pytest.mark.parametrize("name", ["", "no-path", "/nowhere/at/all", "@nobody-is-there"])
def test_nobody_listens(name: str) -> None:
    service = Service(["a"], {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
    duty = service.duty("a")
    duty.say("running")
    duty.alive()
    service.stopping()
    duty.leave()


_NAMES = st.sampled_from("abc")
_DOINGS = st.lists(st.tuples(st.sampled_from(["answer", "leave"]), _NAMES), max_size=40)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(_DOINGS)
def test_a_round_ends_exactly_when_everybody_there_has_answered_in_it(
    doings: list[tuple[str, str]],
) -> None:
    roll, there, answered = Roll("abc"), set("abc"), set[str]()
    for what, name in doings:
        if what == "leave":
            there.discard(name)
            roll.leave(name)
            continue
        answered.add(name)
        ended = bool(there) and there <= answered
        assert roll.answer(name) == ended
        if ended:
            answered.clear()


def test_a_server_goes_on_while_what_waits_is_answered() -> None:
    assert goes_on(waiting=0, before=5, served=5)
    assert goes_on(waiting=3, before=5, served=6)
    assert not goes_on(waiting=3, before=5, served=5)
