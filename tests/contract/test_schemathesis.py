"""Schemathesis sends valid and invalid requests of a contract to the simulated account.

The contract is the reduced one of this directory, or the file that SLURPER_OPENAPI names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount, SimulatedBudget
from tests.contract.openapi import document
from tests.server import LoopbackServer, serve

pytestmark = pytest.mark.no_cover  # hundreds of requests; tests/simulated covers each kind

_EXAMPLES = 12
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    given = os.environ.get("SLURPER_OPENAPI")
    if given:
        return Path(given)
    written = tmp_path / "openapi.json"
    written.write_text(json.dumps(document()))
    return written


@pytest.fixture
def account() -> SimulatedAccount:
    """An account with slots and a request quota for everything that Schemathesis sends."""
    budget = SimulatedBudget(quota=10**9)
    return SimulatedAccount(seed=3, budget=budget, jobs=90, running=60, slots=10**9)


def test_schemathesis_finds_no_failure(
    account: SimulatedAccount, contract: Path, tmp_path: Path
) -> None:
    with serve(account) as server:
        run = _schemathesis(server, contract, tmp_path, "--exclude-path-regex", "abortAll")
        asked = len(server.requests)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "11 selected / 12 total" in run.stdout
    assert asked > 300
    # Some requests changed jobs, so not all were refused.
    statuses = {course.status(time.time()) for course in account.jobs()}
    assert statuses == {"running", "paused", "aborted", "completed"}


def test_schemathesis_finds_no_failure_in_abort_all(
    account: SimulatedAccount, contract: Path, tmp_path: Path
) -> None:
    with serve(account) as server:
        run = _schemathesis(server, contract, tmp_path, "--include-path-regex", "abortAll")
    assert run.returncode == 0, run.stdout + run.stderr
    assert {course.status(time.time()) for course in account.jobs()} == {"aborted", "completed"}


def test_schemathesis_finds_a_broken_answer(
    account: SimulatedAccount, contract: Path, tmp_path: Path
) -> None:
    account.faults.add(Fault(Kind.WRONG_TYPES, operation="list"))
    with serve(account) as server:
        options = ("--max-failures", "1", "--no-shrink", "--phases", "fuzzing")
        run = _schemathesis(server, contract, tmp_path, "--include-path-regex", "/jobs$", *options)
    assert run.returncode == 1, run.stdout + run.stderr


def _schemathesis(
    server: LoopbackServer, contract: Path, directory: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    config = directory / "schemathesis.toml"
    config.write_text(_config(server, server.accounts[0]))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", str(contract), "--no-color", *options]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.contract.https_only", "PYTHONPATH": str(_ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=directory, env=os.environ | hooks, timeout=300
    )


def _config(server: LoopbackServer, account: SimulatedAccount) -> str:
    jobs = [course.plan.id for course in account.jobs()]
    return f"""
base-url = "{server.url}"
seed = 1
suppress-health-check = ["all"]
[headers]
Authorization = "Bearer {account.token}"
[dictionaries.jobs]
values = {json.dumps(jobs)}
[parameters]
"path.account_id" = "{account.account_id}"
"path.job_id" = {{ dictionary = "jobs", probability = 0.8 }}
[generation]
max-examples = {_EXAMPLES}
database = "none"
"""
