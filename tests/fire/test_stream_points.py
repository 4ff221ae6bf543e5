"""Dies at every step of capture into a stream, and of reading it, and so does the NATS server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.natsd import PrivateNats
from tests.fire.field import Case, Field
from tests.fire.points import STREAM_POINTS
from tests.fire.streamed import streamed

_LONG = bool(os.environ.get("FIRE_LONG"))
_TIMES = None if _LONG else 1
_POINTS = [
    (name, point, who)
    for name, points in STREAM_POINTS.items()
    for point in points
    for who in ("command", "server")
    if _LONG or who == "command" or point in ("NATS end", "NATS purge")
]


@pytest.fixture(scope="module")
def mortal_nats() -> Iterator[PrivateNats]:
    """A server for these tests one after the other: it is killed, and started again."""
    with PrivateNats() as server:
        yield server


@pytest.fixture
def number(_stream_numbers: Iterator[int]) -> Iterator[int]:
    """Numbers of streams that no other case has."""
    return _stream_numbers


@pytest.mark.parametrize("name", STREAM_POINTS)
def test_every_step_has_a_name(
    field: Field, tmp_path: Path, mortal_nats: PrivateNats, number: Iterator[int], name: str
) -> None:
    stream = f"S{next(number)}"
    with streamed(field, mortal_nats, name, tmp_path / "case", stream) as case:
        ended = case.run(_command(name), "--once", hurry=20)
        assert ended.code == 0, ended.err
        found = {step for step in ended.steps if step.startswith("NATS")}
        assert found == {point for point in STREAM_POINTS[name] if point.startswith("NATS")}
        _judge(case)


@pytest.mark.parametrize(("name", "point", "who"), _POINTS)
def test_dies_before(
    field: Field,
    tmp_path: Path,
    mortal_nats: PrivateNats,
    number: Iterator[int],
    name: str,
    point: str,
    who: str,
) -> None:
    for time in itertools.count(1) if _TIMES is None else range(1, _TIMES + 1):
        stream = f"S{next(number)}"
        with streamed(field, mortal_nats, name, tmp_path / f"{time}", stream) as case:
            victim = mortal_nats.pid if who == "server" else 0
            ended = case.run(_command(name), "--once", die=(point, time), hurry=20, victim=victim)
            if ended.steps.count(point) < time:
                assert time > 1, "it never came to this point"
                return
            if who == "server":
                assert ended.code in (0, 12), ended.err
                assert "Traceback" not in ended.err
                mortal_nats.kill()
                mortal_nats.start()
            else:
                assert ended.killed
                assert ended.steps[-1] == point
            _judge(case)


def _command(name: str) -> str:
    return name.split(maxsplit=1)[0]


def _judge(case: Case) -> None:
    case.finish("tail", "ship")
    case.judge()
