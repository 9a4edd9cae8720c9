"""A real server on loopback, and a person's environment that points at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurper_tui.simulate import SimulatedAccount
from tests.server import LoopbackServer, serve
from tests.terminal.pty_program import environment


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(jobs=8)


@pytest.fixture
def server(account: SimulatedAccount) -> Iterator[LoopbackServer]:
    with serve(account) as running:
        yield running


@pytest.fixture
def environ(server: LoopbackServer, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, **server.environment())
