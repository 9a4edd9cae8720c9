"""A verification whose process is killed goes on, and tells what one without a kill tells."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from slurper_tui.monitor.model.verification import Outcome
from tests.monitor.verify.migration import FAULTS, PAGE, known_differences
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[3]
OBJECTS = 20_000


def verified(*options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.monitor.verify.migration", str(OBJECTS), *options]
    return subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_killed_in_the_middle_it_goes_on_and_tells_every_key_exactly(tmp_path: Path) -> None:
    work = ["--work", str(tmp_path / "work"), "--workers", "3", "--keep-at-once"]
    for page in (9, 14):
        killed = verified(*work, "--die-at", str(page))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = verified(*work)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["differences"] == known_differences(OBJECTS)
    same = OBJECTS - sum(FAULTS.values())
    assert told["counts"] == {Outcome.SAME: same} | FAULTS
    assert told["faults_by_prefix"] == sum(FAULTS.values())
    assert told["problem"] is None
    assert told["pages"] < 2 * OBJECTS / PAGE
