"""The import contracts, and the modules that a running program loads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECK = "from importlinter.cli import lint_imports_command; lint_imports_command()"


LATER = [
    "slurper_tui.tui.screens.log",
    "slurper_tui.tui.screens.failures",
    "slurper_tui.tui.screens.create_form",
    "slurper_tui.tui.screens.confirm",
    "slurper_tui.tui.screens.reports",
    "slurper_tui.monitor.logs",
    "slurper_tui.monitor.jobs",
]
"""Modules that must not be imported before the first picture."""


BROKEN = (
    ("slurper_tui.tui.render.glyphs", "httpx"),
    ("slurper_tui.tui.render.glyphs", "slurper_tui.config"),
    ("slurper_tui.tui.render.glyphs", "slurper_tui.api.transport"),
    ("slurper_tui.monitor.polling.poller", "slurper_tui.api.credentials"),
    ("slurper_tui.simulated.jobs", "slurper_tui.api.envelope"),
    ("slurper_tui.monitor.polling.poller", "textual"),
    ("slurper_tui.monitor.polling.poller", "slurper_tui.api.connection"),
    ("slurper_tui.api.client", "slurper_tui.monitor.model.job"),
    ("slurper_tui.format", "slurper_tui.api.models"),
    ("slurper_tui.simulated.account", "slurper_tui.monitor.model.job"),
    ("slurper_tui.cli.commands.jobs", "prometheus_client"),
)
"""Imports that a contract forbids: (importer, imported module)."""


def test_forbidden_imports_break_the_contracts(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "slurper_tui", tmp_path / "slurper_tui")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, forbidden in BROKEN:
        file = tmp_path / f"{module.replace('.', '/')}.py"
        file.write_text(f"{file.read_text()}\nimport {forbidden}\n")
    command = [sys.executable, "-c", CHECK, "--no-cache"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    for module, forbidden in BROKEN:
        assert re.search(rf"-\s+{re.escape(module)} -> {re.escape(forbidden)} ", found.stdout)


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("slurper_tui.cli.main", ["httpx", "msgspec", "textual", "asyncio", "dataclasses"]),
        ("slurper_tui.format", ["httpx", "msgspec", "textual"]),
        ("slurper_tui.api.models", ["httpx", "textual"]),
        ("slurper_tui.api.client", ["httpx", "textual", "minio"]),
        ("slurper_tui.api.s3", ["httpx", "minio"]),
        ("slurper_tui.monitor.polling.poller", ["httpx", "textual", "sqlite3"]),
        ("slurper_tui.tui.app", ["httpx", "sqlite3", "slurper_tui.config", *LATER]),
        ("slurper_tui.simulated.account", ["textual", "slurper_tui.monitor.model.job"]),
        ("slurper_tui.eta_format", ["httpx", "msgspec", "textual"]),
        ("slurper_tui.timeparse", ["httpx", "msgspec", "textual"]),
        (
            "slurper_tui.monitor.model.samples",
            ["httpx", "sqlite3", "textual", "slurper_tui.monitor.polling"],
        ),
        ("slurper_tui.cli.connect", ["httpx", "textual", "slurper_tui.monitor.polling.poller"]),
        (
            "slurper_tui.cli.screen",
            [
                "httpx",
                "slurper_tui.monitor.logs",
                "slurper_tui.monitor.estimate.estimator",
                "slurper_tui.monitor.polling",
                "slurper_tui.monitor.reports.receipt",
                "slurper_tui.monitor.reports.records",
                "slurper_tui.simulated.account",
            ],
        ),
    ],
)
def test_importing_a_module_loads_no_forbidden_module(module: str, never: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {never!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
