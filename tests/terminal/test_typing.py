"""Keys that arrive in one burst, as over a slow connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.pty_program import PROGRAM, PtyProgram, environment


@pytest.fixture
def program(tmp_path: Path) -> Iterator[PtyProgram]:
    with PtyProgram([PROGRAM, "--demo"], environment(tmp_path), size=(120, 30)) as running:
        running.see("880,112")
        yield running
        assert running.process.poll() is None
        running.type("\x03")
        assert running.ended() == 0
        running.assert_restored()


@pytest.mark.parametrize(
    ("keys", "seen"),
    [("/quick", " / quick"), ("/azz:?", " / azz:?"), ("/photos\r", "/photos"), (":xyz", "xyz")],
)
def test_input_after_a_slash_or_a_colon_is_text(program: PtyProgram, keys: str, seen: str) -> None:
    program.type(keys)
    program.see(seen)
    assert program.process.poll() is None  # no letter was handled as a key binding


def below_its_migration(text: str, bucket: str) -> bool:
    """Return whether the cursor is on a job below its unfolded migration."""
    lines = text.splitlines()
    rows = [number for number, line in enumerate(lines) if "▌" in line]
    return len(rows) == 1 and any(f"▾ {bucket}" in line for line in lines[: rows[0]])


def test_a_job_is_opened_by_one_burst_of_keys(program: PtyProgram) -> None:
    program.type(":go to photos-prod/2022\r")
    program.wait_for(lambda: "photos-prod/2022" in program.text.splitlines()[2][82:], "its details")
    program.wait_for(lambda: below_its_migration(program.text, "photos-prod"), "its row")
    assert program.text.splitlines()[2][82:].startswith("photos-prod/2022")
