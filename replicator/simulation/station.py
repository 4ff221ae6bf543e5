"""A station of the simulation: ship's loop over a modelled link. Pure.

It does what cli/stepping.py does, with the same parts: hold → due → connect → ask for capabilities
→ send → learn → settle, or wait and begin again. Rows are numbers here, sent in order: a station
that has ``acknowledged`` 100 sends row 101 next.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

from replicator.allowance import held
from replicator.simulation.agenda import Agenda
from replicator.simulation.centre import Centre
from replicator.simulation.load import Load, Standing
from replicator.simulation.plan import Plan
from replicator.simulation.retries import batching, waiting
from replicator.sink.beat import next_beat

_HEARTBEAT_BYTES = 688
_ANSWER_BYTES = 300


class Station:
    """``caught_up_too``: called once: after the outage all that waited is acknowledged."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        agenda: Agenda,
        centre: Centre,
        load: Load,
        caught_up_too: Callable[[], None],
    ) -> None:
        self._name = name
        self._plan = plan
        self._line = plan.line
        self._agenda = agenda
        self._centre = centre
        self._load = load
        self._caught_up_too = caught_up_too
        self._chance = random.Random(f"{plan.seed} {name}")  # noqa: S311  # not a secret
        self._waiting = waiting(plan, name, self._chance, lambda: agenda.now)
        self._pace = batching(plan)
        self._connected = False
        self._began = 0.0
        self._all = False  # that waited is in the request under way
        self._spent: Counter[date] = Counter()
        self._first_packet = agenda.now + self._chance.random() * plan.interval
        self._packets = 0
        self.acknowledged = 0
        self.stored = 0
        self.caught_up: float | None = None
        agenda.at(self._first_packet, partial(self._news, 1))
        self._beat_next()

    def standing(self) -> Standing:
        """How it stands now."""
        captured = self._captured()
        return Standing(self._name, captured, self.acknowledged, self.stored, self.caught_up)

    def _captured(self) -> int:
        since = self._agenda.now - self._first_packet
        if since >= 0:  # a packet whose moment has come counts, whatever the floats say
            self._packets = max(self._packets, int(since / self._plan.interval) + 1)
        return self._packets * self._plan.packet_rows

    def _news(self, packets: int) -> None:
        self._packets = max(self._packets, packets)
        self._look()

    def _look(self) -> None:
        hold = self._held_until()
        if hold is not None:
            self._connected = False
            self._agenda.at(hold, self._look)
            return
        due = self._captured() - self.acknowledged
        rows = min(due, self._pace.limit())
        if not rows:
            self._note_caught_up()
            news = self._first_packet + self._packets * self._plan.interval
            self._agenda.at(news, partial(self._news, self._packets + 1))
            return
        self._began = self._agenda.now
        self._all = rows == due
        if self._connected:
            self._send(rows)
        else:
            self._agenda.after(self._line.to_connect(self._luck()), partial(self._ask, rows))

    def _held_until(self) -> float | None:
        shipping = self._plan.shipping
        if not shipping.windows and not shipping.daily_bytes:
            return None
        now = self._clock()
        hold = held(now, shipping.windows, self._spent[now.date()], shipping.daily_bytes)
        return None if hold is None else (hold.until - self._plan.begins).total_seconds()

    def _note_caught_up(self) -> None:
        over = self._agenda.now - self._plan.outage
        if over >= 0 and self.caught_up is None:
            self.caught_up = over
            self._caught_up_too()

    def _ask(self, rows: int) -> None:
        """What kind of server it is: once a connection."""
        self._exchange(rows, 0, self._plan.request_bytes, partial(self._known, rows))

    def _known(self, rows: int) -> None:
        self._connected = True
        self._send(rows)

    def _send(self, rows: int) -> None:
        body = round(rows * self._plan.row_bytes)
        settled = partial(self._settled, rows, body)
        self._exchange(rows, rows, self._plan.request_bytes + body, settled)

    def _exchange(self, trying: int, rows: int, size: int, answered: Callable[[], None]) -> None:
        """One request with so many rows. ``trying``: what is learnt from where it fails."""
        if self._plan.shipping.daily_bytes:
            self._spent[self._clock().date()] += size + _ANSWER_BYTES
        failed = partial(self._failed, trying)
        seconds = self._line.to_send(size, self._luck())
        timeout = self._plan.shipping.timeout
        if seconds > timeout:
            self._agenda.after(timeout, failed)
        else:
            self._agenda.after(seconds, partial(self._arrived, rows, size, answered, failed))

    def _arrived(
        self, rows: int, size: int, answered: Callable[[], None], failed: Callable[..., None]
    ) -> None:
        now = self._agenda.now
        answer = self._centre.arrive(now, rows, size)
        if answer.stored:
            self.stored = max(self.stored, self.acknowledged + rows)
        back = answer.moment + self._line.rtt / 2
        if back > now + self._plan.shipping.timeout:
            self._agenda.at(now + self._plan.shipping.timeout, failed)
        elif answer.stored:
            self._agenda.at(back, answered)
        else:
            self._agenda.at(back, partial(failed, answer.retry_after))

    def _settled(self, rows: int, body: int) -> None:
        self._pace.learn(rows, body, self._agenda.now - self._began, failed=False)
        self._waiting.reset()
        self.acknowledged += rows
        self._load.count("acknowledged", self._agenda.now, rows)
        if self._all:
            self._note_caught_up()
        self._agenda.after(self._plan.own_seconds, self._look)

    def _failed(self, rows: int, retry_after: float | None = None) -> None:
        self._pace.learn(rows, 0, self._agenda.now - self._began, failed=True)
        self._connected = False
        self._agenda.after(self._waiting.wait(retry_after), self._look)

    def _beat_next(self) -> None:
        interval = self._plan.shipping.heartbeat
        if interval:
            now = self._clock().timestamp()
            self._agenda.after(next_beat(now, interval, self._name) - now, self._beat)

    def _beat(self) -> None:
        """Beside delivery, on a connection of its own; nobody waits for it."""
        self._centre.arrive(self._agenda.now, 0, _HEARTBEAT_BYTES)
        self._beat_next()

    def _luck(self) -> float:
        return self._chance.random() if self._line.loss else 1.0

    def _clock(self) -> datetime:
        return self._plan.begins + timedelta(seconds=self._agenda.now)
