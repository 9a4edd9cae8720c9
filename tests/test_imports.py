"""Who may import whom: the contracts, and what a running program has really loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = "from importlinter.cli import lint_imports_command; lint_imports_command()"


LATER = [
    *("slurper_tui.tui.log_page", "slurper_tui.tui.failures_page", "slurper_tui.tui.create_form"),
    *("slurper_tui.tui.confirm_dialog", "slurper_tui.tui.receipt_page", "slurper_tui.monitor.logs"),
    *("slurper_tui.monitor.creation", "slurper_tui.monitor.receipts", "slurper_tui.api.requests"),
]
"""What no first picture needs."""


def contracts_hold(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package that lies in a folder."""
    command = [sys.executable, "-c", CHECK, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("slurper_tui/format.py", ""),
        ("slurper_tui/tui/glyphs.py", "import httpx"),
        ("slurper_tui/tui/glyphs.py", "import slurper_tui.config"),
        ("slurper_tui/tui/glyphs.py", "import slurper_tui.api.exchange"),
        ("slurper_tui/monitor/loop.py", "import slurper_tui.api.credentials"),
        ("slurper_tui/simulated/jobs.py", "import slurper_tui.api.judge"),
        ("slurper_tui/monitor/loop.py", "import textual"),
        ("slurper_tui/monitor/loop.py", "import slurper_tui.api.client"),
        ("slurper_tui/api/client.py", "import slurper_tui.monitor.view"),
        ("slurper_tui/format.py", "import slurper_tui.api.models"),
        ("slurper_tui/simulate.py", "import slurper_tui.monitor.view"),
    ],
)
def test_a_broken_contract_is_found(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "slurper_tui", tmp_path / "slurper_tui")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / module
    broken.write_text(f"{broken.read_text()}\n{line}\n")
    result = contracts_hold(tmp_path)
    assert (result.returncode == 0) == (line == ""), result.stdout


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("slurper_tui.cli.main", ["httpx", "msgspec", "textual", "asyncio", "dataclasses"]),
        ("slurper_tui.format", ["httpx", "msgspec", "textual"]),
        ("slurper_tui.api.models", ["httpx", "textual"]),
        ("slurper_tui.monitor.loop", ["httpx", "textual", "sqlite3"]),
        ("slurper_tui.tui.options", ["textual", "httpx"]),
        ("slurper_tui.tui.app", ["httpx", "sqlite3", "slurper_tui.config", *LATER]),
        ("slurper_tui.simulate", ["textual", "slurper_tui.monitor.view"]),
        ("slurper_tui.eta", ["httpx", "msgspec", "textual"]),
        ("slurper_tui.when", ["httpx", "msgspec", "textual"]),
        ("slurper_tui.monitor.known", ["httpx", "sqlite3", "textual", "slurper_tui.monitor.loop"]),
        ("slurper_tui.cli.past", ["httpx", "textual", "slurper_tui.monitor.loop"]),
        ("slurper_tui.cli.screen", ["httpx", "slurper_tui.monitor.loop", "slurper_tui.simulate"]),
    ],
)
def test_importing_a_module_loads_nothing_it_should_not(module: str, never: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {never!r} if m in sys.modules])"
    # Without what measures coverage, which imports a lot itself.
    env = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE")}
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
