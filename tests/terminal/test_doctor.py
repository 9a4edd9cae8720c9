"""`doctor` in a real terminal, alone and inside tmux."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.terminal.pty_program import PtyProgram, environment

DOCTOR = (sys.executable, "-m", "slurper_tui", "doctor")


def test_the_lines_fit_the_terminal_and_tell_its_size(environ: dict[str, str]) -> None:
    with PtyProgram(DOCTOR, environ, size=(60, 60)) as program:
        assert program.ended() == 0
        program.see("TERM=xterm-256color, 60 x 60")
        program.see("plain http to this machine")
        program.see("✔ ok       colours        256")
        rows = [row.rstrip() for row in program.screen.display]
        assert max(map(len, rows)) <= 60


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_inside_tmux_its_settings_are_read(tmp_path: Path) -> None:
    settings = tmp_path / "tmux.conf"
    settings.write_text(
        "set -s default-terminal screen\nset -s escape-time 400\nset -s set-clipboard external\n"
        "set -s focus-events on\nset -gw allow-passthrough off\n"
    )
    out = tmp_path / "out"
    tmux = ("tmux", "-S", str(tmp_path / "socket"), "-f", str(settings))
    line = f"{' '.join(DOCTOR)} --demo > {out}; tmux wait-for -S done"
    env = environment(tmp_path)
    try:
        subprocess.run([*tmux, "new-session", "-d", line], env=env, check=True, timeout=PATIENCE)
        subprocess.run([*tmux, "wait-for", "done"], env=env, check=True, timeout=PATIENCE)
        text = out.read_text(encoding="utf-8")
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, capture_output=True, check=False)
    for expected in (
        "▲ warning  tmux           default-terminal screen: few colours → in ~/.tmux.conf: set -s",
        "▲ warning  tmux           escape-time 400 ms: Esc is as late as that",
        "✔ ok       tmux           focus-events on\n",
        "✔ ok       tmux           allow-passthrough off → ",
        "✔ ok       tmux           set-clipboard external\n",
        "✔ ok       clipboard      through tmux, where the terminal takes OSC 52",
    ):
        assert expected in text
