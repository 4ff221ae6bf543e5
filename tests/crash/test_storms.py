"""SIGKILL at random moments under a live logger: every row arrives, once, in order, unchanged."""

from __future__ import annotations

import pytest

from tests.crash.conftest import MakeRig
from tests.crash.plan import STORMS, Victim, planned
from tests.crash.rig import Killable
from tests.faults.centres import KINDS, Kind


def test_the_plan_has_at_least_fifty_kills() -> None:
    assert planned() >= 50


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STORMS)
def test_killed_again_and_again(make_rig: MakeRig, name: str, kind: Kind) -> None:
    storm = STORMS[name]
    rig = make_rig(kind)
    rig.furnish(readings=2_000, watched=True)
    rig.configure(snapshot_chunk=100)
    victims: dict[Victim, Killable] = {"centre": rig.centre, "database": rig.server}
    with rig.logger() as logger:
        daemons: tuple[Victim, ...] = ("run",) if "run" in storm.victims else ("tail", "ship")
        for daemon in daemons:
            victims[daemon] = rig.daemon(daemon)
        rig.storm([(v, victims[v]) for v in storm.victims], storm.kills, logger)
    rig.settle()
    rig.stop()
    proof, conservation = rig.judge()
    assert proof.holds, proof
    assert conservation.holds, conservation
    assert proof.source == proof.central > 2_300
    assert rig.judged_acts > 50
    assert rig.kills == storm.kills
    assert rig.complaints() == ""
