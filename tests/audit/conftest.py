"""A furnished station beside a central server of each kind, with rows of which some are odd."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.central.conftest import running
from replicator.central.settings import CentralSettings
from tests.faults.centres import Centre
from tests.faults.conftest import _server_ids, centre, furnish, others, world
from tests.faults.world import Run, World

__all__ = ["_server_ids", "centre", "world"]
