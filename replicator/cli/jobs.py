"""Jobs of one process at once, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from replicator.cli.signals import Stop


def side_by_side(jobs: Sequence[Callable[[], None]], stop: Stop) -> None:
    """Run jobs at once, the last in this thread; the first failure stops all and is raised."""
    failures: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001  # raised again below, in the main thread
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs[:-1]]
    for thread in threads:
        thread.start()
    for job in jobs[-1:]:
        run(job)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
