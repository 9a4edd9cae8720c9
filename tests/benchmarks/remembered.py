"""Launches with a history: its jobs are on the screen before any answer."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from slurper_tui.monitor.history.opening import open_file
from slurper_tui.simulated.account import SimulatedAccount
from tests.benchmarks.api import Address
from tests.earlier import look_at

FILE = Path(".local/state/slurper-tui/history.sqlite3")
AGE = 3600.0
"""Seconds since the last poll in the history."""


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Run an API that accepts connections and never answers; yield its base URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/client/v4"


@contextlib.contextmanager
def known_account(home: Path, jobs: int) -> Iterator[Address]:
    """Run an API that never answers, with a history of its jobs in `home`; ten are running."""
    now = time.time() - AGE
    account = SimulatedAccount(0, lambda: now, jobs=jobs, running=10)
    with silent() as url:
        file = home / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        store = open_file(file, url)[0]
        store.write(*look_at(account, now))
        store.close()
        try:
            yield Address(url, account.token, account.account_id, ())
        finally:
            for path in file.parent.glob(f"{FILE.name}*"):
                path.unlink()
