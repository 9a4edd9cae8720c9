"""What earlier runs have left: the history of this user's accounts, opened for a command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from slurper_tui.cli.session import Session
from slurper_tui.monitor.history.opening import open_history
from slurper_tui.monitor.history.place import FILE
from slurper_tui.monitor.history.recorder import Recorder
from slurper_tui.monitor.recorded import Past

_NOTHING_OLD = frozenset({"jobs", "progress"})
"""Commands that print nothing but what the API says now."""

ABSENCE = 600.0
"""Seconds without anybody looking after which a person wants to be told what happened."""


class Opened(NamedTuple):
    """A history in use, and what the monitor is to know of it."""

    recorder: Recorder
    past: Past


def open_past(session: Session, options: argparse.Namespace, state: Path, now: float) -> Opened:
    """Open the history that belongs to a session. now: UTC seconds. Raises nothing."""
    store, view = open_history(
        None if session.demo else state / FILE,
        session.base_url,
        wanted=not options.no_history,
    )
    if session.demo is not None:
        from slurper_tui.cli.demo import fill_for_demo  # only where it is asked for

        fill_for_demo(store, session.demo, now)
    remembered = store.remembered(session.accounts)
    last = max((known.last.at for known in remembered if known.last), default=None)
    away = last if last is not None and now - last > ABSENCE else None
    recorder = Recorder(store, view)
    return Opened(recorder, Past(recorder, remembered, options.command not in _NOTHING_OLD, away))
