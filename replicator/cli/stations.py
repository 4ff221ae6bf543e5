"""Which stations of a fleet have a folder on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.config import Config
from replicator.naming import name_of, token
from replicator.outbox.files import OUTBOX_FILE


def stations_here(config: Config) -> Iterator[str]:
    """Names, in no order; folders that are no station's are passed over."""
    if not config.outbox.path.is_dir():
        return
    for folder in config.outbox.path.iterdir():
        try:
            name = name_of(folder.name)
        except ValueError:  # not made by us
            continue
        if is_here(config, name):
            yield name


def is_here(config: Config, name: str) -> bool:
    """Whether that station belongs to the fleet, and was worked on here."""
    return config.fleet.has(name) and (config.outbox.path / token(name) / OUTBOX_FILE).is_file()
