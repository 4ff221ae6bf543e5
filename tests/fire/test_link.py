"""A hostile link and a hostile server: every fault, on every kind of request, to both kinds.

Each case starts from the same full outbox, strikes one request, lets the command end however it
may, and judges after a clean run. A fault that stays must move nothing, park nothing, and be told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.faults.centres import KINDS, Kind
from tests.faults.proxy import (
    Fault,
    answer_twice,
    ask_twice,
    garbage,
    hang,
    html,
    lose_reply,
    lose_request,
    reset,
    say,
    stall,
    swallow,
    truncate,
)
from tests.faults.slow import MOBILE, SlowLink
from tests.fire.field import Field

_AGES = 60.0  # longer than any client here waits
_SHORT = 0.25  # seconds: what such a client waits
STATUSES = (401, 403, 404, 408, 413, 429, 500, 502, 503, 504)
LINK: Mapping[str, Fault] = MappingProxyType(
    {
        "request lost": lose_request(),
        "request swallowed": swallow(_AGES),
        "request late": hang(_SHORT * 1.5),
        "request repeated": ask_twice(),
        "answer lost": lose_reply(),
        "answer never": stall(_AGES),
        "answer late": stall(_SHORT * 1.5),
        "answer slow": stall(_SHORT / 5),
        "answer twice": answer_twice(),
        "answer truncated": truncate(),
        "answer reset": reset(),
        "page": html(),
        "page, stored": html(after_store=True),
        "garbage": garbage(),
        "garbage, stored": garbage(after_store=True),
    }
)
ANSWERS: Mapping[str, Fault] = MappingProxyType(
    {
        f"{status}{', stored' if stored else ''}": say(
            status, b"no", after_store=stored, retry_after=3 if status == 429 else None
        )
        for status in STATUSES
        for stored in (False, True)
    }
)
FAULTS = {**LINK, **ANSWERS}
HARMLESS = ("request repeated", "answer slow", "answer twice")
# The original makes a row of every create that reaches it; of the two the first one counts.
_MADE_TWICE = ("request late", "request repeated")
# What --once may end with: all delivered, the link or server failed, or it turned us away.
ENDINGS = (0, 10, 11)


@dataclass(frozen=True)
class Target:
    """One kind of request. ``skip``: so many of them go well before."""

    method: str
    path: str
    skip: int = 0


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "which server": Target("GET", "capabilities/"),
        "look-up": Target("GET", "house/"),
        "create": Target("POST", "house/"),
        "update": Target("PUT", "house/"),
        "batch": Target("POST", "bulk/", skip=1),
    }
)


def _combinations() -> Iterator[tuple[str, str]]:
    for target, asked in TARGETS.items():
        for name in FAULTS:
            stores = name.endswith("stored") or name in ("answer twice",)
            if asked.method != "GET" or not stores:
                yield target, name


def _timeout(name: str) -> float:
    patient = name in ANSWERS or not name.startswith(("request", "answer"))
    return 10 if patient else _SHORT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("target", "name"), list(_combinations()))
def test_one_request_goes_wrong(
    field: Field, tmp_path: Path, kind: Kind, target: str, name: str
) -> None:
    asked = TARGETS[target]
    with field.case("due", kind, tmp_path / "case", batch_rows=20, timeout=_timeout(name)) as case:
        case.proxy.plan(FAULTS[name], path=asked.path, method=asked.method, skip=asked.skip)
        ended = case.run("ship", "--once", hurry=20)
        assert case.proxy.struck == 1
        assert ended.code in ENDINGS, ended.err
        if name.startswith("429"):
            assert "wait 3.00" in ended.steps
        case.proxy.calm()
        case.configure(case.proxy.url, batch_rows=20)
        case.finish("ship")
        doubled = kind == "original" and target == "create" and name in _MADE_TWICE
        case.judge(doubled=["House"] if doubled else ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in FAULTS if not name.endswith("late")])
def test_no_batch_goes_right(field: Field, tmp_path: Path, kind: Kind, name: str) -> None:
    timeout = 10.0 if name in HARMLESS else _timeout(name) / 2.5
    with field.case("due", kind, tmp_path / "case", batch_rows=20, timeout=timeout) as case:
        before = case.waiting()
        case.proxy.plan(FAULTS[name], path="bulk/", times=None)
        ended = case.run("ship", "--once", hurry=20)
        assert case.proxy.struck
        after = case.waiting()
        if name in HARMLESS:
            assert ended.code == 0
        else:
            assert ended.code in ENDINGS[1:], ended.err
            assert after.cursor == before.cursor
            assert after.parked_rows == 0
        case.proxy.calm()
        case.configure(case.proxy.url, batch_rows=20)
        case.finish("ship")
        case.judge()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listens(field: Field, tmp_path: Path, kind: Kind) -> None:
    with field.case("due", kind, tmp_path / "case") as case:
        with case.proxy.refusing():
            ended = case.run("ship", "--once", hurry=20)
            assert ended.code == 10, ended.err
        case.finish("ship")
        case.judge()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mobile_network(field: Field, tmp_path: Path, kind: Kind) -> None:
    """RTT 600 ms, 30 kB/s, loss: all times so many times shorter, or in full where asked for."""
    quality = MOBILE if os.environ.get("FIRE_LONG") else MOBILE.times(20)
    with field.case("due", kind, tmp_path / "case") as case:
        with SlowLink(case.proxy.port, quality) as link:
            case.configure(link.url, timeout=30)
            ended = case.run("ship", "--once")
            assert ended.code == 0, ended.err
        assert link.carried > 1_000
        case.judge()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mobile_network_on_which_every_other_batch_is_lost(
    field: Field, tmp_path: Path, kind: Kind
) -> None:
    with field.case("due", kind, tmp_path / "case") as case:
        for place in range(4):
            case.proxy.plan(lose_reply(), path="bulk/", skip=place)
        with SlowLink(case.proxy.port, MOBILE.times(40)) as link:
            case.configure(link.url, timeout=30, batch_rows=10)
            ended = case.run("ship", "--once", hurry=20)
            assert ended.code == 0, ended.err
        assert case.proxy.struck == 4
        case.judge()
