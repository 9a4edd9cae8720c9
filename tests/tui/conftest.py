"""Every test with a Pilot waits for the event loop."""

from __future__ import annotations

import inspect

import pytest

from tests import pilot_wait

pilot_wait.install()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Switch coverage off while the app runs: its cost would double."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.no_cover)
