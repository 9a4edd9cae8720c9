"""The demo: its history at the start, and its secrets."""

from __future__ import annotations

from pathlib import Path

from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.connect import make_connection
from slurper_tui.cli.demo import fill_for_demo
from slurper_tui.config import Config
from slurper_tui.monitor.history.opening import open_store
from slurper_tui.simulated.account import SimulatedAccount


def test_a_demo_at_a_clock_of_1970_records_no_time_before_it(tmp_path: Path) -> None:
    store = open_store(tmp_path / "history.sqlite3", "https://example.test")
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
