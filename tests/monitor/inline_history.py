"""A history whose tasks run in the calling thread, for tests in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from slurper_tui.monitor.history.files import OneThread
from slurper_tui.monitor.history.opening import memory_store
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.polling.history_sync import StoredHistory

T = TypeVar("T")


class CallingThread(OneThread):
    """Runs each task at once."""

    def __init__(self) -> None:
        super().__init__("none")

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        return future

    def end(self) -> None:
        pass


class InlineHistory(Recorder):
    """A recorder of a store, by default in memory, that passes for a file.

    writes: number of calls of `record`.
    """

    on_disk = True

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or memory_store("https://example.com")
        super().__init__(self.store, thread=CallingThread())
        self.writes = 0

    def record(self, jobs: Sequence[StoredJob], samples: Sequence[tuple[JobKey, Recorded]]) -> None:
        self.writes += 1
        super().record(jobs, samples)

    def stored(self, account_id: str, away_since: float | None = None) -> StoredHistory:
        """Return the state that the next run begins with."""
        return StoredHistory(self, self.store.jobs([account_id]), away_since=away_since)
