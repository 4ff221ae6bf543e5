"""How the rows of each table map are to be decoded, and when today's catalogue may be believed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from replicator.change import Position
from replicator.errors import Unsupported
from replicator.model import TABLES
from replicator.source.decode import TableDecoder
from replicator.source.endpoint import Endpoint, connect
from replicator.source.lookahead import redefinitions
from replicator.source.place import check_start, log_end
from replicator.source.schema import read_catalogue
from replicator.source.tablemap import TableMap, parse_table_map
from replicator.source.wire import names_of


class LookAhead(Exception):
    """Not an error. A table map without names, and the catalogue is not yet known to fit it:

    ``Definitions.look_ahead`` has to be called, and the transaction to be read again.
    """


class Definitions:
    """Decoders by table map.

    ``position`` is the end of the last transaction read; its reader keeps it up to date.
    """

    def __init__(self, endpoint: Endpoint, start: Position) -> None:
        self._endpoint = endpoint
        self.position = start
        self._decoders: dict[bytes, TableDecoder | None] = {}
        self.load(start)

    def load(self, start: Position | None = None) -> None:
        """Read the catalogue anew; with ``start``, check first that it is a place in this log."""
        with contextlib.closing(connect(self._endpoint)) as connection:
            if start is not None:
                check_start(connection, self._endpoint, start)
            self._catalogue = read_catalogue(connection, self._endpoint)
            self._catalogue.check_complete()
            # Asked afterwards: what the catalogue shows is in the log before this place.
            self._loaded_at = Position("", *log_end(connection, self._endpoint))
        self._redefined: dict[str, str] | None = None
        self._decoders.clear()

    def decoder_for(self, body: bytes) -> TableDecoder | None:
        """The decoder for a table map's body (flags to end); None for a table not replicated.

        Raises Unsupported, LookAhead.
        """
        if body in self._decoders:
            return self._decoders[body]
        schema, table = names_of(body)
        decoder = None
        if schema == self._endpoint.database and table in TABLES:
            mapped = parse_table_map(body, mariadb=self.position.source.startswith("mariadb"))
            if self._catalogue.needs(mapped):
                self._check_catalogue_fits(mapped)
            decoder = self._catalogue.decoder(mapped)
        self._decoders[body] = decoder
        return decoder

    def _check_catalogue_fits(self, mapped: TableMap) -> None:
        """The catalogue describes the table as it is behind the last redefinition in the log."""
        if self._redefined is None and not self.position.has_reached(self._loaded_at):
            raise LookAhead
        statement = (self._redefined or {}).get(mapped.table)
        if statement:
            missing, remedy = "name their columns", "SET GLOBAL binlog_row_metadata = FULL"
            if mapped.is_full:
                missing, remedy = (
                    "tell a BINARY from a UUID or an INET6",
                    "let capture keep up with the log",
                )
            raise Unsupported(
                f"rows from before a table's redefinition, and the log does not {missing}",
                f"{mapped.schema}.{mapped.table}: {statement[:200]}",
                f"{remedy}; -- for what comes; then replicator heal",
            )

    def look_ahead(
        self, server_id: int, heartbeat: float, alive: Callable[[], None] = lambda: None
    ) -> None:
        """Read the log up to where the catalogue was loaded. No other reader may be connected.

        ``alive`` is called as it reads on.
        """
        self._redefined = redefinitions(
            self._endpoint,
            server_id=server_id,
            start=self.position,
            end=self._loaded_at,
            heartbeat=heartbeat,
            alive=alive,
        )
