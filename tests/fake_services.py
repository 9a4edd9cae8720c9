"""Services with parts that a test sets one by one, and logs with given answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

from slurper_tui.api.errors import NotFound
from slurper_tui.api.models import Job, LogRow
from slurper_tui.monitor.jobs.actions import JobControl
from slurper_tui.monitor.jobs.plan_runner import JobCreation
from slurper_tui.monitor.logs.reader import LogReader
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import FailuresView, LogView
from slurper_tui.monitor.model.plans import PlanView
from slurper_tui.monitor.reports.receipt import ReceiptMaker
from slurper_tui.monitor.reports.verifications import Verifications
from slurper_tui.monitor.session import Services
from slurper_tui.monitor.verify.buckets import Buckets
from tests.patience import PATIENCE

T = TypeVar("T")


class Missing:
    """A part that the test does not expect to be used."""

    def __init__(self, part: str) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"this test gave the services no {self._part}: {name} was asked for")


class NoControl(Missing):
    """A control that can be locked and unlocked and expects no requests."""

    def __init__(self) -> None:
        super().__init__("control")
        self.unlocked = False

    def unlock(self) -> None:
        self.unlocked = True

    def lock(self) -> None:
        self.unlocked = False


class NoCreation(Missing):
    """A creation service without plans that expects no new jobs."""

    def __init__(self) -> None:
        super().__init__("creation")

    async def details(self, key: JobKey) -> Job:
        """Raise NotFound for every job."""
        raise NotFound(f"no job {key.job_id}")

    waiting = ()

    async def plans(self) -> tuple[PlanView, ...]:
        return ()

    async def earlier_retries(
        self, key: JobKey, keys: Collection[str], log_types: Collection[str]
    ) -> tuple[str, ...]:
        return ()


class FakeServices:
    """Services made of the parts that are set; the use of any other part fails the test.

    The calls that the screen makes by itself have answers: locked, and no plans.
    """

    def __init__(self) -> None:
        self.logs: LogReader | Any = Missing("logs")
        self.control: JobControl | Any = NoControl()
        self.creation: JobCreation | Any = NoCreation()
        self.receipts: ReceiptMaker | Any = Missing("receipts")
        self.verifications: Verifications | Any = Missing("verifications")
        self.buckets: Buckets | Any = Missing("buckets")

    @property
    def services(self) -> Services:
        parts = (self.logs, self.control, self.creation, self.receipts)
        return Services(*parts, self.verifications, self.buckets)


class Pushed(Generic[T]):
    """Values that the test pushes to readers. open: number of readers that are not closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | Exception | None] = asyncio.Queue()
        self.open = 0

    def push(self, *values: T | Exception) -> None:
        for value in values:
            self._queue.put_nowait(value)

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def taken(self) -> None:
        """Wait until every pushed value is processed."""
        await asyncio.wait_for(self._queue.join(), PATIENCE)

    async def read(self) -> AsyncIterator[T]:
        self.open += 1
        try:
            while (value := await self._queue.get()) is not None:
                if isinstance(value, Exception):
                    self._queue.task_done()
                    raise value
                yield value
                self._queue.task_done()
            self._queue.task_done()
        finally:
            self.open -= 1


class FakeFailures:
    """A reader of failures. named: the keys by log type."""

    def __init__(self, named: Mapping[str, Sequence[str]] | None = None) -> None:
        self.pushed: Pushed[FailuresView] = Pushed()
        self.named = dict(named or {})

    def views(self) -> AsyncIterator[FailuresView]:
        return self.pushed.read()

    def keys(self, log_types: Collection[str], job: JobKey | None = None) -> tuple[str, ...]:
        found = (key for type in self.named if type in log_types for key in self.named[type])
        return tuple(dict.fromkeys(found))

    def inexact_keys(self, log_types: Collection[str]) -> tuple[str, ...]:
        return ()

    def without_key(self, log_types: Collection[str], job: JobKey | None = None) -> int:
        return 0


class FakeLogs:
    """The same logs for all jobs. asked: the calls in order, each with its jobs."""

    def __init__(self) -> None:
        self.pushed: Pushed[LogView] = Pushed()
        self.reading = FakeFailures()
        self.all_rows: tuple[LogRow, ...] = ()
        self.asked: list[tuple[str, *tuple[JobKey, ...]]] = []

    def follow(self, keys: Sequence[JobKey]) -> AsyncIterator[LogView]:
        self.asked.append(("follow", *keys))
        return self.pushed.read()

    async def rows(
        self, keys: Sequence[JobKey], *, follow: bool = False, on_progress: object = None
    ) -> AsyncIterator[LogRow]:
        self.asked.append(("rows", *keys))
        for row in self.all_rows:
            yield row

    def failures(self, keys: Sequence[JobKey], *, preview: bool = True) -> FakeFailures:
        self.asked.append(("failures", *keys))
        return self.reading
