"""A hostile link and a hostile server: every fault, on every kind of request, to both kinds.

Each case starts from the same full outbox, strikes one request, lets the command end however it may,
and judges after a clean run. A fault that stays must move nothing, park nothing, and be told.
"""

from __future__ import annotations

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
        case.finish()
        case.judge()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAULTS)
def test_no_batch_goes_right(field: Field, tmp_path: Path, kind: Kind, name: str) -> None:
    timeout = _timeout(name) / 2.5
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
        case.finish()
        case.judge()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_listens(field: Field, tmp_path: Path, kind: Kind) -> None:
    with field.case("due", kind, tmp_path / "case") as case:
        with case.proxy.refusing():
            ended = case.run("ship", "--once", hurry=20)
            assert ended.code == 10, ended.err
        case.finish()
        case.judge()
