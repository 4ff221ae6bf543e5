"""Does the configuration fit the folder? Whoever moved its rows must not go on as before."""

from __future__ import annotations

from sqlite_utils import Database

from replicator.config import Config
from replicator.config.types import StreamUrl
from replicator.outbox.home import refuse_for_folder, refuse_for_stream
from replicator.outbox.store import OUTBOX_FILE, open_store


def plain(url: StreamUrl) -> str:
    """The URL without a login."""
    hosts = [server.removeprefix("nats://").rsplit("@", 1)[-1] for server in url.servers]
    return f"nats://{','.join(hosts)}/{url.stream}"


def refuse_misplaced(config: Config, database: Database) -> None:
    """Raises OutboxError where the folder's rows are elsewhere than [outbox] url says."""
    if config.outbox.url is None:
        refuse_for_folder(database)
    else:
        refuse_for_stream(database, plain(config.outbox.url))


def refuse_misplaced_folder(config: Config) -> None:
    """As ``refuse_misplaced``, of the folder of [outbox] path where there is one."""
    if not (config.outbox.path / OUTBOX_FILE).exists():
        return
    database = open_store(config.outbox.path / OUTBOX_FILE, "outbox", config.outbox.synchronous)
    try:
        refuse_misplaced(config, database)
    finally:
        database.close()
