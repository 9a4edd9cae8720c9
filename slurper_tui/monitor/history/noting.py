"""Notes that are kept off the event loop, whatever the disk does. Implements `Notebook`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from slurper_tui.monitor.history.notes import Notes
from slurper_tui.monitor.history.opening import open_store
from slurper_tui.monitor.history.plans import memory_id
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Plan, Step, StepState

T = TypeVar("T")

MOST = 5_000
"""So many events wait at most; of more, the oldest are lost."""


class _Batch(NamedTuple):
    events: list[Event]
    counts: dict[JobKey, LogCounts]


class Noting:
    """Writes and reads in a recorder's thread. Nothing here raises.

    What cannot be written waits in memory: events and counts as they are, ties and plans in a
    store of their own, where they can be read and moved on until the disk takes them.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._waiting = _Batch([], {})
        self._spare: Store | None = None
        recorder.also(self._settle)

    @property
    def durable(self) -> bool:
        """What is noted survives this program."""
        behind = self._spare is not None or self._waiting.events or self._waiting.counts
        return self._recorder.on_disk and not behind

    def note(self, events: Sequence[Event]) -> None:
        """Keep events. Returns at once."""
        self._wait(events, {})

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Keep what a log holds, in place of what was kept before. Returns at once."""
        self._wait((), {key: counts})

    def _wait(self, events: Sequence[Event], counts: Mapping[JobKey, LogCounts]) -> None:
        with self._lock:
            self._waiting = _Batch(
                [*self._waiting.events, *events][-MOST:], {**self._waiting.counts, **counts}
            )
        self._recorder.write_soon()

    # What is noted -----------------------------------------------------------------------------

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        kept = await self._read(lambda notes: notes.events(key, most))
        waiting = [event for event in self._waiting.events if event.key == key]
        found = dict.fromkeys(event for told in (*kept, waiting) for event in told)
        return tuple(sorted(found, key=lambda event: event.at)[-most:])

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Give every retry of these accounts, in the order in which they were made."""
        kept = await self._read(lambda notes: notes.ties(accounts))
        return tuple(dict.fromkeys(tie for told in kept for tie in told))

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        kept = await self._read(lambda notes: notes.counts(accounts))
        found = {key: counts for told in kept for key, counts in told.items()}
        return {**found, **_of(self._waiting.counts, accounts)}

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Give the plans of these accounts, oldest first; a step that is over has no keys left."""
        kept = await self._read(lambda notes: notes.plans.all(accounts))
        return tuple(sorted((plan for told in kept for plan in told), key=lambda p: p.made_at))

    async def _read(self, read: Callable[[Notes], T]) -> list[T]:
        """What the file tells, then what waits for it; of what cannot be read, nothing."""
        found = [await self._try(lambda: self._on_disk(read))]
        found.append(await self._try(lambda: read(self._spare.notes) if self._spare else None))
        return [told for told in found if told is not None]

    async def _try(self, work: Callable[[], T | None]) -> T | None:
        try:
            return await self._recorder.run(work)
        except Exception:
            return None

    # What is awaited ---------------------------------------------------------------------------

    async def tie(self, tie: Tie) -> None:
        """Keep that one job retries another; written when this returns, if it can be."""
        if not await self._try(lambda: self._on_disk(lambda notes: _tied(notes, tie))):
            await self._try(lambda: _tied(self._spare_notes(), tie))

    async def keep_plan(self, plan: Plan) -> Plan:
        """Keep a new plan, and give it with its id; written when this returns, if it can be."""
        kept = await self._try(lambda: self._recorder.on_store(lambda store: _planned(store, plan)))
        if kept is None:
            kept = await self._try(lambda: self._spare_notes().plans.keep(plan, counted=False))
        return kept or replace(plan, id=memory_id())

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`; False where it does not, or cannot be.

        One transaction, synced to the disk before this returns, so that of several programs, and
        of one that is killed at any moment, only one ever sends a step.
        """
        moved = await self._try(lambda: self._move(plan_id, number, before, after))
        return moved is True

    # In the thread -----------------------------------------------------------------------------

    def _on_disk(self, work: Callable[[Notes], T]) -> T:
        return self._recorder.on_store(lambda store: work(store.notes))

    def _move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Move a step where its plan is kept."""
        spare = self._spare
        if spare is not None and spare.notes.plans.has(plan_id):
            return spare.notes.plans.move(plan_id, number, before, after)
        return self._on_disk(lambda notes: notes.plans.move(plan_id, number, before, after))

    def _spare_notes(self) -> Notes:
        self._spare = self._spare or open_store(None, self._recorder.base_url)
        return self._spare.notes

    def _settle(self, store: Store) -> None:
        """Write what waits. Raises sqlite3.Error, and then all of it waits on."""
        if self._spare is not None:
            self._spare.notes.copy_to(store.notes)
            self._spare.close()
            self._spare = None
        with self._lock:
            batch, self._waiting = self._waiting, _Batch([], {})
        if not batch.events and not batch.counts:
            return
        try:
            store.notes.keep(batch.events, batch.counts)
        except BaseException:
            self._put_back(batch)
            raise

    def _put_back(self, batch: _Batch) -> None:
        with self._lock:
            later = self._waiting
            self._waiting = _Batch(
                [*batch.events, *later.events][-MOST:], {**batch.counts, **later.counts}
            )


def _of(counts: Mapping[JobKey, LogCounts], accounts: Sequence[str]) -> dict[JobKey, LogCounts]:
    return {key: told for key, told in counts.items() if not accounts or key.account_id in accounts}


def _tied(notes: Notes, tie: Tie) -> bool:
    notes.tie(tie)
    return True


def _planned(store: Store, plan: Plan) -> Plan:
    """Keep a plan: with a number that counts on, unless the store may come into a file later."""
    counted = store.path is not None or store.wanted_path is None
    return store.notes.plans.keep(plan, counted=counted)
