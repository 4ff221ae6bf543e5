"""A connection to NATS servers for code that waits: a loop in a thread, and errors of ours.

A call that was not answered may have happened or not: whoever wrote asks what is there. Each answer
has its time; how long all of them take is for the link to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from replicator.errors import OutboxError, OutboxFull, OutboxUnavailable
from replicator.jetstream.security import Security, Shut, client_of, distrust, options

WRONG_LAST_SEQUENCE = 10071
_NO_STREAM = 10059
NO_ROOM = frozenset({10023, 10077})
_NO_PEERS = 10005
_TOO_LARGE = 10047
ANSWER_SECONDS = 10.0
_CONNECT_SECONDS = 3
_GIVE_UP_SECONDS = 0.5  # a broken TLS connection may not close at all
_PING_SECONDS = 5  # after two unanswered it is given up: a server cut off says nothing

_NOT_THERE = (
    nats.errors.Error,
    OSError,
    asyncio.TimeoutError,
    FutureTimeout,
    CancelledError,
)

T = TypeVar("T")
Call = Callable[[JetStreamContext], Awaitable[T]]


class Bus:
    """One connection, made when it is first needed, and again when it was lost."""

    def __init__(
        self, servers: Sequence[str], security: Security | None = None, domain: str = ""
    ) -> None:
        self._servers = list(servers)
        self._security = security or Security()
        self._domain = domain or None  # of JetStream: whose servers are asked through a leaf
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._listeners: list[tuple[str, Callable[[], None]]] = []
        self._connecting: asyncio.Lock | None = None
        self._doing: set[asyncio.Future[Any]] = set()
        self._lost = False
        self._made = 0  # connections

    def call(self, make: Call[T]) -> T:
        """Do it and wait for it. Raises OutboxUnavailable, OutboxFull, OutboxError."""
        return self.result(self.start(make))

    def start(self, make: Call[T]) -> Future[T]:
        """Begin it; ``result`` waits."""
        return asyncio.run_coroutine_threadsafe(self._do(make), self._running())

    def result(self, doing: Future[T]) -> T:
        """What came of it. Raises as ``call``."""
        with translated():
            return doing.result()

    def listen(self, subject: str, told: Callable[[], None]) -> None:
        """Call ``told``, in the connection's thread, at messages there; some may be missed.

        From the next connection on.
        """
        self._listeners.append((subject, told))

    @property
    def max_payload(self) -> int:
        """Bytes of a message, headers included. Raises as ``call``."""
        self.call(_nothing)
        assert self._client is not None
        return self._client.max_payload

    @property
    def version(self) -> str:
        """Of the server that answers. Raises as ``call``."""
        self.call(_nothing)
        assert self._client is not None
        return str(self._client.connected_server_version)

    def subjects(self, stream: str) -> int:
        """How many subjects have messages in a stream; they are not listed. Raises as ``call``.

        The client's own answer leaves the number out.
        """

        async def count(_js: JetStreamContext) -> int:
            said = await self.ask(f"STREAM.INFO.{stream}")
            return int(said["state"].get("num_subjects", 0))

        return self.call(count)

    async def ask(self, what: str, **words: object) -> dict[str, Any]:
        """JetStream's API itself, where the client leaves something out; within a ``call``.

        Raises the client's errors.
        """
        assert self._client is not None
        api = f"$JS.{self._domain}.API" if self._domain else "$JS.API"
        asked = json.dumps(words).encode() if words else b""
        try:
            reply = await self._client.request(f"{api}.{what}", asked, timeout=ANSWER_SECONDS)
        except nats.errors.NoRespondersError:
            raise nats.js.errors.ServiceUnavailableError from None
        said: dict[str, Any] = json.loads(reply.data)
        if "error" in said:
            raise nats.js.errors.APIError.from_error(said["error"])
        return said

    def close(self) -> None:
        """Close the connection."""
        if self._loop is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            if not self._thread.is_alive():
                self._loop.close()
        except FutureTimeout:  # the thread is a daemon: what it still does ends with the process
            pass
        finally:
            self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                loop.set_exception_handler(_unheard)
                self._connecting = asyncio.Lock()
                self._thread = threading.Thread(target=loop.run_forever, daemon=True, name="nats")
                self._thread.start()
                self._loop = loop
            return self._loop

    async def _do(self, make: Call[T]) -> T:
        assert self._connecting is not None
        async with self._connecting:  # of several that find it lost, one makes it anew
            js = await self._stream()
        doing = asyncio.ensure_future(make(js))
        self._doing.add(doing)
        try:
            return await doing
        except asyncio.CancelledError:
            if self._lost:
                raise nats.errors.ConnectionClosedError from None
            raise
        finally:
            self._doing.discard(doing)

    def _ending(self, number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        """What a connection calls when it is closed: nothing, when there is a newer one."""

        async def ended() -> None:
            if number == self._made:
                await self._ended()

        return ended

    async def _ended(self) -> None:
        """The connection is gone: nothing that was asked on it is answered any more."""
        self._lost = True
        for each in self._doing:
            each.cancel()

    async def _stream(self) -> JetStreamContext:
        if self._client is None or not self._client.is_connected:
            await self._ended()  # a dead link may say so itself much later
            await self._shut_client()
            self._made += 1
            ended = self._ending(self._made)
            self._client = await _connected(self._servers, self._security, ended)
            self._lost = False
            self._js = self._client.jetstream(timeout=ANSWER_SECONDS, domain=self._domain)
            for subject, told in self._listeners:
                await self._client.subscribe(subject, cb=_telling(told))
        assert self._js is not None
        return self._js

    async def _shut_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.close()

    async def _shut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await self._shut_client()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _connected(
    servers: Sequence[str], security: Security, ended: Callable[[], Awaitable[None]]
) -> Client:
    client = client_of(security)
    connecting = client.connect(
        list(servers),
        connect_timeout=_CONNECT_SECONDS,
        allow_reconnect=False,  # we do, so that nothing of before is sent later
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        ping_interval=_PING_SECONDS,
        error_cb=_quiet,
        closed_cb=ended,
        name="replicator",
        **options(security),
    )
    try:
        await asyncio.wait_for(connecting, ANSWER_SECONDS)
    except BaseException as error:
        with contextlib.suppress(nats.errors.Error, OSError, asyncio.TimeoutError):
            await asyncio.wait_for(client.close(), _GIVE_UP_SECONDS)
        if security.tls and isinstance(error, ConnectionError):
            raise Shut from error
        raise
    return client


def _telling(told: Callable[[], None]) -> Callable[[Msg], Coroutine[Any, Any, None]]:
    async def heard(_message: Msg) -> None:
        told()

    return heard


async def _quiet(_error: Exception) -> None:
    """Every call says by itself what went wrong."""


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The client's own tasks end with a broken link, which every call says by itself."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


def _nothing(_stream: JetStreamContext) -> Coroutine[Any, Any, None]:
    return asyncio.sleep(0)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except nats.js.errors.APIError as error:
        raise _refused(error) from error
    except _NOT_THERE as error:
        if (told := distrust(error)) is not None:
            raise told from error
        raise OutboxUnavailable(
            "the NATS servers that hold the outbox cannot be reached",
            f"{type(error).__name__}: {error}",
            "start them, or check [outbox] url; what is not stored there is read again",
        ) from error


def _refused(error: nats.js.errors.APIError) -> OutboxError:
    away = isinstance(error, nats.js.errors.ServiceUnavailableError)
    said = f"{error.description} ({error.err_code})" if error.err_code else "no responders"
    if error.err_code in NO_ROOM:
        return OutboxFull(
            "the stream is full; capture pauses, the binlog is the overflow",
            said,
            "let ship deliver, or give the stream or its servers more room",
        )
    if error.err_code == _TOO_LARGE:
        return OutboxFull(
            "the NATS servers have no room for a stream of that size",
            said,
            "lower [outbox] max_size, or raise max_file_store there",
        )
    if error.err_code == _NO_PEERS:
        return OutboxUnavailable(
            "there are not as many NATS servers as [outbox] replicas wants",
            said,
            "start the others; where there are no more, lower replicas",
        )
    if error.err_code == _NO_STREAM:
        return OutboxUnavailable(
            "the stream of the outbox is not there", said, "`replicator tail` makes it"
        )
    if (
        away or error.code == 503
    ):  # no leader, its link is down, or none of the servers answers for the stream
        return OutboxUnavailable(
            "the NATS servers do not answer for the outbox now", said, "wait, or start more of them"
        )
    return OutboxError("the NATS servers refuse", said, "docs/scaling.md says what they must allow")
