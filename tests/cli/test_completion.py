"""The completion scripts: bash runs its script; the others are checked for what they name."""

from __future__ import annotations

import subprocess

import pytest

from slurper_tui.cli.parser import COMMANDS
from tests.cli.program import perform


def script(shell: str) -> str:
    """Return the printed script."""
    ran = perform(None, "completion", shell)
    assert (ran.code, ran.err) == (0, [])
    return "\n".join(ran.out)


def completed(line: str) -> list[str]:
    """Return what bash offers at the end of a command line."""
    ask = f"COMP_LINE={line!r}; _slurper_tui slurper-tui {line.split(' ')[-1]!r} x"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script('bash')}\n{ask}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("slurper-tui pr", ["progress", "precheck"]),
        ("slurper-tui --dem", ["--demo"]),
        ("slurper-tui jobs --st", ["--status"]),
        ("slurper-tui jobs --thème", []),
        ("slurper-tui create --source-bucket logs --pre", ["--prefix", "--prefixes"]),
        ("slurper-tui --account logs jobs --st", ["--status"]),
        ("slurper-tui --account jobs dig", ["digest"]),
        ("slurper-tui completion b", ["bash"]),
        ("slurper-tui digest --he", ["--help"]),
        ("slurper-tui --demo history --", None),
    ],
)
def test_bash_completes_commands_and_their_options(line: str, offered: list[str] | None) -> None:
    if offered is None:
        assert {"--csv", "--json", "--path", "--demo"} <= set(completed(line))
    else:
        assert completed(line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(shell: str) -> None:
    words = script(shell).replace("-l ", "--").replace('"', " ").split()
    names = [name for c in COMMANDS.values() for a in c.arguments for name in a.names]
    assert set(COMMANDS) <= set(words)
    assert {name for name in names if name.startswith("--")} <= set(words)


def test_an_unknown_shell_is_refused() -> None:
    ran = perform(None, "completion", "tcsh")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
