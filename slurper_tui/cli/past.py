"""Open the history of the connection's accounts for a command, and close it at the end."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.cli.connect import Connection
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.files import FILE, reason_at_start
from slurper_tui.monitor.history.opening import open_history, open_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import is_too_early
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Remembered

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.polling.history_sync import StoredHistory

ABSENCE = 600.0
"""Seconds without a running monitor after which the changes meanwhile are shown."""


class Opened:
    """An open history. remembered: the last recorded state of every job.

    away_since: time of the last sample, UTC seconds; None if it is at most `ABSENCE` old.
    """

    def __init__(
        self,
        store: Store,
        view: HistoryView,
        remembered: Sequence[Remembered],
        now: float,
        *,
        healed: bool = False,
    ) -> None:
        self.remembered = remembered
        last = max(filter(None, map(_seen_at, remembered)), default=now)
        self.away_since = last if now - last > ABSENCE else None
        self._store = store
        self._view = view
        self._healed = healed
        self._report: Callable[[str], None] | None = None
        self._recorder: Recorder | None = None

    def past(self, *, shown: bool = True) -> StoredHistory:
        """Start the recorder, which owns the store from now on, and return it for the monitor.

        shown: whether data of earlier runs is shown.
        """
        from slurper_tui.monitor.history.recorder import Recorder  # not before the first frame
        from slurper_tui.monitor.polling.history_sync import StoredHistory

        self._recorder = self._recorder or Recorder(self._store, self._view)
        return StoredHistory(self._recorder, self.remembered, shown, self.away_since, self._healed)

    def when_closed(self, report: Callable[[str], None]) -> None:
        """Set a function that `close` calls with the history's note; "" when the history is on."""
        self._report = report

    async def close(self) -> None:
        """Write pending samples, close the file, and report the final note."""
        if self._recorder is None:
            self._store.close()
        else:
            await self._recorder.close()
        if self._report is not None:
            self._report((self._recorder.view if self._recorder else self._view).note)


def open_past(
    connection: Connection, options: argparse.Namespace, state: Path | None, now: float
) -> Opened:
    """Open the history of a connection. now: UTC seconds. Never raises for an unusable file.

    state: the history's folder, None without a home folder. If the file can be opened but not read,
    the history is off and this run is recorded in memory.
    """
    store, view = open_history(
        None if connection.demo or state is None else state / FILE,
        connection.base_url,
        wanted=not options.no_history,
    )
    if state is None and not connection.demo and not options.no_history:
        view = HistoryView(Keeping.OFF, "there is no home folder to keep it in")
    try:
        if connection.demo is not None:
            from slurper_tui.cli.demo import fill_for_demo  # only the demo needs it

            fill_for_demo(store, connection.demo, now)
        healed = False
        with suppress(sqlite3.Error):  # such as a locked file
            healed = store.heal(now)
        return Opened(store, view, store.remembered(connection.accounts), now, healed=healed)
    except (OSError, sqlite3.Error) as error:
        with suppress(sqlite3.Error):
            store.close()
        memory = open_store(None, connection.base_url)
        return Opened(memory, HistoryView(Keeping.OFF, reason_at_start(error)), (), now)


def _seen_at(known: Remembered) -> float | None:
    """Return the time of a job's last sample, UTC seconds.

    None without a sample, or if its time is impossible: too early, or before the job's creation.
    """
    if known.last is None or is_too_early(known.last.at, parse_time(known.job.created_at)):
        return None
    return known.last.at
