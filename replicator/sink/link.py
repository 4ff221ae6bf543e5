"""A central server as the sink sees it: which kind it is, and whether it is well."""

from __future__ import annotations

from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink.dialect import PROBE_TABLE, Dialect, probed, recognised
from replicator.sink.judge import Bad, Denied, Failure, Reply, Wait, rows_of
from replicator.sink.rest import Rest

_ONE_ROW = {"Range": "items=0-1"}


class Link:
    """Asks at its first use which kind of server it talks to; a new Link asks again."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self._dialect: Dialect | None = None

    @property
    def is_known(self) -> bool:
        """Whether the server has said already of which kind it is."""
        return self._dialect is not None

    @property
    def dialect(self) -> Dialect:
        """Raises DestinationUnavailable; DestinationRefused where it is no central server."""
        if self._dialect is None:
            found = recognised(self.rest.call("GET", "capabilities/"))
            if found is None:
                found = probed(self._probe())
            if isinstance(found, Wait | Denied):
                raise self.error(found)
            self._dialect = found
            self.rest.speaker.fenced = found.turns
        return self._dialect

    def ensure_well(self) -> None:
        """Tell "the server is ill" from "this row is bad": raises DestinationUnavailable."""
        reply = self._probe()
        rows = rows_of(reply, PROBE_TABLE)
        if not isinstance(rows, list):
            raise self.error(rows)

    def _probe(self) -> Reply:
        return self.rest.call("GET", f"{PROBE_TABLE.lower()}/", headers=_ONE_ROW)

    def error(self, failed: Failure) -> DestinationUnavailable | DestinationRefused:
        """The exception for a failure that no row is to blame for."""
        where = self.rest.address.url
        match failed:
            case Denied():
                return DestinationRefused(failed.message, f"{where}: {failed.detail}", failed.hint)
            case Wait():
                return DestinationUnavailable(failed.reason, where, after=failed.after)
        said = failed.words if isinstance(failed, Bad) else "413"
        return DestinationUnavailable("the central server is ill", f"{where}: {said}")

    def close(self) -> None:
        """Close the connection."""
        self.rest.close()
