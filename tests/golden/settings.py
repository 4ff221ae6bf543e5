"""Global settings of a server for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from demo.mariadbd import PrivateMariaDB


@contextmanager
def global_settings(server: PrivateMariaDB, settings: Mapping[str, str | int]) -> Iterator[None]:
    """Set, and set back to what they were."""
    before = {name: _value(server, name) for name in settings}
    _set(server, settings)
    try:
        yield
    finally:
        _set(server, before)


def _value(server: PrivateMariaDB, name: str) -> str | int:
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@GLOBAL.{name}")
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    value: str | int = row[0]
    return value


def _set(server: PrivateMariaDB, settings: Mapping[str, str | int]) -> None:
    for name, value in settings.items():
        shown = value if isinstance(value, int) else f"'{value}'"
        server.execute(f"SET GLOBAL {name} = {shown}")
