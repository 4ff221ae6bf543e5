"""From the configuration to what the rooms want to be told: they do not know replicator.ini."""

from __future__ import annotations

from replicator.central.settings import CentralSettings
from replicator.config import CentralConfig, Listen


def central_settings(central: CentralConfig, listen: Listen | None = None) -> CentralSettings:
    """What the central server is told; ``listen`` goes before the configured address."""
    address = listen or central.listen
    return CentralSettings(
        database_url=central.database,
        host=address.host,
        port=address.port,
        authentication=central.authentication,
        max_body=central.max_body,
        max_inflated=central.max_inflated,
        threads=central.threads,
    )
