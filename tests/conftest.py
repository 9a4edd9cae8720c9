"""Settings and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from slurper_tui.cli.context import enable_garbage_collection
from slurper_tui.simulated.account import SimulatedAccount
from tests.server import LoopbackServer, serve

# No deadline: the duration of an example depends on the load of the machine.
settings.register_profile(
    "searching", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples in every run, so that only a change of the code causes a failure.
settings.register_profile(
    "default", settings.get_profile("searching"), derandomize=True, max_examples=50
)
settings.load_profile("default")

# Without bytecode files, every worker rewrites and every program compiles all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# nohup, or a script's background job, ignores signals; the programs that tests start would inherit
# that.
for _number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# With the settings of Python the garbage collector takes a quarter of the CPU time of the tests.
# So it rests while they are collected, and then works as it does in the program.
gc.disable()


def pytest_collection_finish() -> None:
    """Turn the garbage collector on."""
    enable_garbage_collection()


def pytest_xdist_auto_num_workers() -> int | None:
    """Return three workers more than cores for `-n auto`: many tests wait for a program."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return (os.cpu_count() or 1) + 3


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop the measurement that pytest-cov begins in a worker before the worker's own.

    It has no use, and it would go on while the worker's own is paused.
    """
    if not hasattr(session.config, "workerinput") or (own := _coverage(session.config)) is None:
        return
    own.stop()
    while (other := Coverage.current()) is not None:
        other.stop()
    own.start()


def _coverage(config: pytest.Config) -> Coverage | None:
    """Return what measures in this process; None without --cov."""
    plugin = config.pluginmanager.get_plugin("_cov")
    return getattr(getattr(plugin, "cov_controller", None), "cov", None)


COVERED_SECONDS = 0.1
"""CPU seconds of each test that coverage measures: it takes three times as long meanwhile, and what
a long test runs later is mostly what it ran before."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Switch coverage off when a test has used `COVERED_SECONDS`."""
    coverage = _coverage(item.config)
    if coverage is None or item.get_closest_marker("no_cover"):
        return (yield)
    paused = False

    def pause(*_: object) -> None:
        nonlocal paused
        paused = True
        coverage.stop()  # the plugin's own `pause` would leave the test's working directory

    before = signal.signal(signal.SIGVTALRM, pause)
    signal.setitimer(signal.ITIMER_VIRTUAL, COVERED_SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if paused:
            coverage.start()


@pytest.fixture
def server(account: SimulatedAccount) -> Iterator[LoopbackServer]:
    """Serve the test's account on loopback."""
    with serve(account) as running:
        yield running
