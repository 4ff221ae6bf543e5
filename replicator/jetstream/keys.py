"""Reading keys of the bucket beside the stream, as its leader has them.

Not by a watcher: one may be served by a server that is behind, and waits in vain for its end when a
key is removed meanwhile.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

_WINDOW = 64  # reads on their way at once
_GONE = frozenset({"DEL", "PURGE"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key says; ``at``: when it was written, by the servers' clock, aware."""

    value: bytes
    revision: int
    at: datetime


async def entry(js: JetStreamContext, bucket: str, key: str) -> Entry | None:
    """One key; None where it is not there, or was deleted."""
    try:
        found = await js.get_last_msg(f"KV_{bucket}", f"$KV.{bucket}.{key}")
    except NotFoundError:
        return None
    if (found.headers or {}).get("KV-Operation") in _GONE:
        return None
    assert found.seq is not None
    assert found.time is not None
    return Entry(found.data or b"", found.seq, found.time)


async def entries(js: JetStreamContext, bucket: str, pattern: str) -> dict[str, Entry]:
    """All that fit a pattern (``*`` one token, ``>`` the rest) and are there, by key."""
    prefix = f"$KV.{bucket}."
    info = await js.stream_info(f"KV_{bucket}", subjects_filter=f"{prefix}{pattern}")
    keys = [subject.removeprefix(prefix) for subject in info.state.subjects or ()]
    window = asyncio.Semaphore(_WINDOW)

    async def read(key: str) -> Entry | None:
        async with window:
            return await entry(js, bucket, key)

    found = zip(keys, await asyncio.gather(*map(read, keys)), strict=True)
    return {key: each for key, each in found if each is not None}
