"""What earlier runs have left: the history of this user's accounts, opened for a command."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.cli.connect import Session
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.files import FILE, reason_of
from slurper_tui.monitor.history.opening import open_history, open_store
from slurper_tui.monitor.history.store import Store
from slurper_tui.monitor.model.base import is_too_early
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Past, Remembered

if TYPE_CHECKING:
    from slurper_tui.monitor.history.recorder import Noting, Recorder

ABSENCE = 600.0
"""Seconds without anybody looking after which a person wants to be told what happened."""


class Opened:
    """A history in use. remembered: every job as it last stood.

    away_since: when somebody last looked, UTC seconds, if that was long ago; else None.
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
        self._say: Callable[[str], None] | None = None
        self._recorder: Recorder | None = None
        self._noting: Noting | None = None

    def past(self, *, shown: bool = True) -> Past:
        """What the monitor is to know; from now on the history is kept in a thread of its own."""
        from slurper_tui.monitor.history.recorder import (
            Noting,  # no first picture needs them
            Recorder,
        )

        self._recorder = self._recorder or Recorder(self._store, self._view)
        self._noting = self._noting or Noting(self._recorder)
        noting, healed = self._noting, self._healed
        return Past(self._recorder, self.remembered, shown, self.away_since, noting, healed)

    def when_closed(self, say: Callable[[str], None]) -> None:
        """Have somebody told in the end how the history stands, in a clause; "" when it is on."""
        self._say = say

    async def close(self) -> None:
        """Write what waits, and let go of the file."""
        if self._recorder is None:
            self._store.close()
        else:
            await self._recorder.close()
        if self._say is not None:
            self._say((self._recorder.view if self._recorder else self._view).note)


def open_past(
    session: Session, options: argparse.Namespace, state: Path | None, now: float
) -> Opened:
    """Open the history that belongs to a session. now: UTC seconds. Raises nothing.

    state: the folder where it is, None where there is no home folder. A history that can be opened
    and not be read is off: this session is kept in memory until it can be.
    """
    store, view = open_history(
        None if session.demo or state is None else state / FILE,
        session.base_url,
        wanted=not options.no_history,
    )
    if state is None and not session.demo and not options.no_history:
        view = HistoryView(Keeping.OFF, "there is no home folder to keep it in")
    try:
        _fill(store, session, now)
        healed = _heal(store, now)
        return Opened(store, view, store.remembered(session.accounts), now, healed=healed)
    except (OSError, sqlite3.Error) as error:
        with suppress(sqlite3.Error):
            store.close()
        memory = open_store(None, session.base_url)
        memory.wanted_path = store.path
        return Opened(memory, HistoryView(Keeping.OFF, reason_of(error)), (), now)


def _seen_at(known: Remembered) -> float | None:
    """When somebody last looked at a job, UTC seconds; None where its clock was never set."""
    if known.last is None or is_too_early(known.last.at, parse_time(known.job.created_at)):
        return None
    return known.last.at


def _heal(store: Store, now: float) -> bool:
    """Whether samples of the future were dated back; a file that is locked is left as it is."""
    with suppress(sqlite3.Error):
        return store.heal(now)
    return False


def _fill(store: Store, session: Session, now: float) -> None:
    """Give the demo a past."""
    if session.demo is not None:
        from slurper_tui.cli.demo import fill_for_demo  # only where it is asked for

        fill_for_demo(store, session.demo, now)
