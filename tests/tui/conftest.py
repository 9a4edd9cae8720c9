"""Every test with a Pilot waits for the event loop."""

from __future__ import annotations

import inspect

import pytest

from tests import pilot_wait

pilot_wait.install()

_measured: set[str] = set()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measure the coverage of the first case of a test that runs the app, for its cost doubles."""
    test = item.nodeid.partition("[")[0]
    runs_app = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
    if runs_app and test in _measured:
        item.add_marker(pytest.mark.no_cover)
    _measured.add(test)
