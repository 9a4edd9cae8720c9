"""What earlier runs have left: the history of this user's accounts, opened for a command."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.cli.session import Session
from slurper_tui.monitor.history.opening import open_history, open_store
from slurper_tui.monitor.history.place import FILE
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.history.trouble import reason_of
from slurper_tui.monitor.recorded import HistoryView, Keeping, Past, Remembered

if TYPE_CHECKING:
    from slurper_tui.monitor.history.noting import Noting
    from slurper_tui.monitor.history.recorder import Recorder

ABSENCE = 600.0
"""Seconds without anybody looking after which a person wants to be told what happened."""


class Opened:
    """A history in use. remembered: every job as it last stood.

    away_since: when somebody last looked, UTC seconds, if that was long ago; else None.
    """

    def __init__(
        self, store: Store, view: HistoryView, remembered: Sequence[Remembered], now: float
    ) -> None:
        self.remembered = remembered
        last = max((known.last.at for known in remembered if known.last), default=now)
        self.away_since = last if now - last > ABSENCE else None
        self._store = store
        self._view = view
        self._recorder: Recorder | None = None
        self._noting: Noting | None = None

    def past(self, *, shown: bool = True) -> Past:
        """What the monitor is to know; from now on the history is kept in a thread of its own."""
        from slurper_tui.monitor.history.noting import Noting  # no first picture needs them
        from slurper_tui.monitor.history.recorder import Recorder

        self._recorder = self._recorder or Recorder(self._store, self._view)
        self._noting = self._noting or Noting(self._recorder)
        return Past(self._recorder, self.remembered, shown, self.away_since, self._noting)

    async def close(self) -> None:
        """Write what waits, and let go of the file."""
        if self._recorder is None:
            self._store.close()
        else:
            await self._recorder.close()


def open_past(session: Session, options: argparse.Namespace, state: Path, now: float) -> Opened:
    """Open the history that belongs to a session. now: UTC seconds. Raises nothing.

    One that can be opened and not be read is off: this session is kept in memory until it can be.
    """
    store, view = open_history(
        None if session.demo else state / FILE,
        session.base_url,
        wanted=not options.no_history,
    )
    try:
        _fill(store, session, now)
        return Opened(store, view, store.remembered(session.accounts), now)
    except (OSError, sqlite3.Error) as error:
        with suppress(sqlite3.Error):
            store.close()
        memory = open_store(None, session.base_url)
        memory.wanted_path = store.path
        return Opened(memory, HistoryView(Keeping.OFF, reason_of(error)), (), now)


def _fill(store: Store, session: Session, now: float) -> None:
    """Give the demo a past."""
    if session.demo is not None:
        from slurper_tui.cli.demo import fill_for_demo  # only where it is asked for

        fill_for_demo(store, session.demo, now)
