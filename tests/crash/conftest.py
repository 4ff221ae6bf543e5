"""A rig of processes for each test alone."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.crash.centres import start_centre
from tests.crash.rig import DURABLE, Rig
from tests.faults.centres import Kind
from tests.faults.proxy import FaultProxy

MakeRig = Callable[[Kind], Rig]


@pytest.fixture
def make_rig(private_mariadb: Callable[..., PrivateMariaDB], tmp_path: Path) -> Iterator[MakeRig]:
    """A rig with a centre of a kind; its seed is in the output of a test that fails."""
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**9))
    with ExitStack() as stack:

        def make(kind: Kind) -> Rig:
            centre = start_centre(kind, tmp_path)
            stack.callback(centre.kill)
            proxy = stack.enter_context(FaultProxy(centre.url))
            rig = Rig(kind, tmp_path, private_mariadb(*DURABLE), centre, proxy, seed)
            stack.callback(rig.close)
            return rig

        yield make
