"""The history of a connection: recorded, damaged, and that of the demo."""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Job
from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.connect import Connection, fill_for_demo, history_of, make_connection
from slurper_tui.config import Config
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import memory_store, open_file
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded, StoredJob
from slurper_tui.simulated.account import SimulatedAccount
from tests.cli.program import environment, perform
from tests.monitor.history.samples import ACCOUNT, key
from tests.monitor.history.test_damage import DAMAGE, damage, fill, tables

URL, NOW = "https://api.example/v4", 1_790_000_000.0
CONNECTION = Connection(SlurperClient(token_credentials("t"), URL), ("acc0",), URL)
OPTIONS = argparse.Namespace(no_history=False)


async def test_the_history_is_off_for_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    open_file(tmp_path / FILE, URL)[0].close()
    file = sqlite3.connect(tmp_path / FILE)
    file.execute("ALTER TABLE jobs DROP COLUMN closed")
    file.close()
    opened = history_of(CONNECTION, OPTIONS, tmp_path, NOW)
    assert (opened.jobs, opened.away_since) == ((), None)
    history = opened.stored().recorder
    assert history.view == HistoryView(Keeping.OFF, "no such column: closed")
    sample = Recorded(NOW, Counts(9, 1, 0, 0), "running")
    history.record([StoredJob("acc0", Job("job0"))], [(JobKey("acc0", "job0"), sample)])
    assert await history.samples(JobKey("acc0", "job0")) == (sample,)
    await opened.close()


async def test_recorded_jobs_are_remembered(tmp_path: Path) -> None:
    store, _ = open_file(tmp_path / FILE, URL)
    sample = Recorded(NOW - 3600.0, Counts(9, 1, 0, 0), "running")
    store.write([StoredJob("acc0", Job("job0"))], [(JobKey("acc0", "job0"), sample)])
    store.close()
    opened = history_of(CONNECTION, OPTIONS, tmp_path, NOW)
    assert ([job.last for job in opened.jobs], opened.away_since) == ([sample], sample.at)
    await opened.close()


COMMANDS = ("jobs", "history --json", "history", "history --csv", "digest", "create --go-on")


@pytest.mark.parametrize("name", DAMAGE)
def test_no_command_crashes_on_damaged_rows(tmp_path: Path, name: str) -> None:
    account = SimulatedAccount(account_id=ACCOUNT, jobs=1)
    columns = tables()
    store = memory_store(URL)
    for number, _ in enumerate(columns):
        fill(store, key(f"bad{number}"))
    connection = store._connection
    for number, (table, column) in enumerate(columns):
        damage(connection, table, column, key(f"bad{number}"), DAMAGE[name])
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_bytes(connection.serialize())
    for command in COMMANDS:
        environ = environment(account, CLOUDFLARE_BASE_URL=URL)
        ran = perform(account, *command.split(), environ=environ, folder=tmp_path)
        assert ran.code != 70, (command, ran.err)
        assert not any("damaged" in line for line in ran.err)


def test_a_demo_at_a_clock_of_1970_records_no_time_before_it(tmp_path: Path) -> None:
    store = open_file(tmp_path / "history.sqlite3", "https://example.test")[0]
    fill_for_demo(store, SimulatedAccount(0, lambda: 60.0), 60.0)
    times = [row.at for _, row in store.every()]
    store.close()
    assert times
    assert min(times) > 0


async def test_the_secrets_of_a_demo_are_scrubbed_too() -> None:
    scrubber = Scrubber()
    demo = make_connection(Config(), {}, demo=True, scrubber=scrubber)
    demo.open()
    assert demo.demo is not None
    assert demo.demo.token not in scrubber.clean(f"Bearer {demo.demo.token}")
    await demo.client.close()
