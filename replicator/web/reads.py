"""What the pages read from the outbox's files: bounded, a page at a time, nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from replicator.backlog import Alarm, Backlog, alarms_of, read_backlog
from replicator.backlog.read import Detail
from replicator.outbox import clock
from replicator.outbox.files import destination_file, open_file, translated
from replicator.outbox.history import read_captures, read_history
from replicator.outbox.mappings import KeptMapping, mapping_page
from replicator.outbox.parking import Held, Parking, Wanted
from replicator.web.series import SPANS, Column, columns
from replicator.web.settings import PAGE_ROWS, WebSettings

_HOUSES = """
SELECT id, coalesce(json_extract(row, '$.address'), '') FROM reference
 WHERE table_name = 'House' AND deleted = 0 ORDER BY 2, 1 LIMIT 500
"""


def look(settings: WebSettings, detail: Detail = "none") -> tuple[Backlog, Sequence[Alarm]]:
    """The backlog now, and its alarms. Raises OutboxError."""
    at = clock.now()
    found = read_backlog(
        settings.folder,
        settings.destinations,
        at,
        clock.text(at),
        budget=settings.budget,
        shares=detail,
    )
    return found, alarms_of(found, settings.limits)


def parked_page(settings: WebSettings, name: str, wanted: Wanted) -> tuple[list[Held], bool]:
    """The first rows of those wanted, and whether there are more. Raises OutboxError."""
    with _destination(settings, name) as found:
        if found is None:
            return [], False
        rows = Parking(*found).rows(wanted, PAGE_ROWS + 1)
    return rows[:PAGE_ROWS], len(rows) > PAGE_ROWS


def mappings(
    settings: WebSettings, name: str, table: str | None, after: tuple[str, int]
) -> tuple[list[KeptMapping], bool]:
    """A page of mappings behind one, and whether there are more. Raises OutboxError."""
    with _destination(settings, name) as found:
        if found is None:
            return [], False
        database, path = found
        with translated(path):
            rows = mapping_page(database.conn, table, after, PAGE_ROWS + 1)
    return rows[:PAGE_ROWS], len(rows) > PAGE_ROWS


def houses(settings: WebSettings) -> list[tuple[int, str]]:
    """(id, address) of the station's houses, the first 500 by address. Raises OutboxError."""
    path = settings.folder / "outbox.db"
    with closing(open_file(path, "outbox")) as connection, translated(path):
        return connection.execute(_HOUSES).fetchall()


def history(settings: WebSettings, name: str, span: str) -> Mapping[str, Column]:
    """Columns to plot of one destination over a day or a month. Raises OutboxError."""
    since = clock.now() - SPANS[span]
    captured = read_captures(settings.folder, since)
    return columns(span, captured, read_history(settings.folder, name, since))


@contextmanager
def _destination(settings: WebSettings, name: str) -> Iterator[tuple[Database, Path] | None]:
    path = settings.folder / destination_file(name)
    if not path.exists():
        yield None  # nothing was ever sent there
        return
    with closing(open_file(path, "destination")) as connection:
        yield Database(connection), path
