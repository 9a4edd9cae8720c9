"""A server on loopback, and a user's environment that points at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurper_tui.simulated.account import SimulatedAccount
from tests.server import LoopbackServer
from tests.terminal.pty_program import environment


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(jobs=8)


@pytest.fixture
def environ(server: LoopbackServer, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, **server.environment())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Switch coverage off: the program runs in a process of its own, which is not measured."""
    item.add_marker(pytest.mark.no_cover)
