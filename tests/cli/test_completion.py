"""Completion in the real bash, zsh and fish, and the words that the history gives them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from slurper_tui.api.models import DEFAULT_BASE_URL, Job, Source, Target
from slurper_tui.cli.parser import COMMANDS, SHELLS
from slurper_tui.monitor.history.files import FILE
from slurper_tui.monitor.history.opening import open_file
from slurper_tui.monitor.model.samples import StoredJob
from tests.cli.program import perform
from tests.patience import PATIENCE
from tests.terminal.pty_program import PtyProgram

JOBS = {
    "4f2a" + "0" * 60: ("photos-prod", "2024/", "media"),
    "4f2b" + "1" * 60: ("logs-eu", None, "archive"),
}
HOSTILE = (
    "$(touch owned)",
    "`touch owned`",
    "a b;touch owned",
    "esc\x1b]0;x\x07",
    "-rf",
    "ü*",
    "a\nb",
)


def write_history(folder: Path) -> Path:
    """Write a history of ordinary and hostile names; return its folder."""
    store, _ = open_file(folder / FILE, DEFAULT_BASE_URL)
    jobs = [
        StoredJob("a", Job(id=id, source=Source("s3", bucket, prefix), target=Target("r2", target)))
        for id, (bucket, prefix, target) in JOBS.items()
    ]
    jobs += [
        StoredJob(
            "a",
            Job(id=name, source=Source("s3", name, name), target=Target("r2", name)),
        )
        for name in HOSTILE
    ]
    store.write(jobs, ())
    store.close()
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a history, the scripts, and the program in `bin`."""
    tmp_path = tmp_path_factory.mktemp("home")
    write_history(tmp_path / "state" / "slurper-tui")
    program = tmp_path / "bin" / "slurper-tui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slurper_tui "$@"\n')
    program.chmod(0o700)
    for shell in SHELLS:
        (tmp_path / shell).write_text(script(shell))
    return tmp_path


def environ(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }


def script(shell: str) -> str:
    """Return the printed script."""
    ran = perform(None, "completion", shell)
    assert (ran.code, ran.err) == (0, [])
    return "\n".join(ran.out) + "\n"


def only_with(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def in_bash(line: str, home: Path) -> list[str]:
    """Return what bash offers at the end of a command line."""
    words = line.split(" ")
    ask = (
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_slurper_tui;"
        " printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return ran(["bash", "--norc", "-c", f". {home}/bash\n{ask}"], home)


def in_fish(line: str, home: Path) -> list[str]:
    """Return what fish offers, without the descriptions."""
    ask = f"source {home}/fish; complete -C {shlex.quote(line)}"
    return [row.split("\t")[0] for row in ran(["fish", "--no-config", "-c", ask], home)]


def ran(command: list[str], home: Path) -> list[str]:
    done = subprocess.run(
        command, env=environ(home), cwd=home, capture_output=True, text=True, timeout=PATIENCE
    )
    assert not (home / "owned").exists()
    return done.stdout.splitlines()


FIRST, SECOND = JOBS

CASES = [
    ("slurper-tui pr", ["progress", "precheck"]),
    ("slurper-tui --dem", ["--demo"]),
    ("slurper-tui jobs --st", ["--status"]),
    ("slurper-tui create --source-bucket logs --pre", ["--prefix", "--prefixes"]),
    ("slurper-tui --account logs-eu jobs --st", ["--status"]),
    ("slurper-tui completion b", ["bash"]),
    ("slurper-tui help fore", ["forecast"]),
    ("slurper-tui digest --he", ["--help"]),
    ("slurper-tui logs 4f2a", [FIRST]),
    ("slurper-tui logs 4f2", [FIRST, SECOND]),
    ("slurper-tui progress --json photos", ["photos-prod/2024/"]),
    ("slurper-tui pause --migration ph", ["photos-prod"]),
    ("slurper-tui create --target-bucket m", ["media"]),
    ("slurper-tui idle --bucket arch", ["archive"]),
    ("slurper-tui jobs --config bi", ["bin"]),
    ("slurper-tui jobs --status pa", ["paused"]),
    ("slurper-tui retry 4f2a --type importSkippedO", ["importSkippedOversized"]),
    ("slurper-tui failures --type importErr", ["importErrorRetryExhaustion"]),
    ("slurper-tui create --source-vendor g", ["gcs"]),
    ("slurper-tui logs tou", []),
    ("slurper-tui logs esc", []),
]


@pytest.mark.parametrize(("line", "offered"), CASES)
@pytest.mark.parametrize(
    "shell",
    [pytest.param("bash", marks=only_with("bash")), pytest.param("fish", marks=only_with("fish"))],
)
def test_a_shell_offers(shell: str, line: str, offered: list[str], home: Path) -> None:
    found = (in_bash if shell == "bash" else in_fish)(line, home)
    found = [word.rstrip("/") if word == "bin/" else word for word in found if word]
    assert sorted(found) == sorted(offered)


@only_with("bash")
def test_bash_offers_every_option_of_a_command(home: Path) -> None:
    assert {"--csv", "--json", "--path", "--demo"} <= set(
        in_bash("slurper-tui --demo history --", home)
    )


@only_with("fish")
def test_fish_shows_what_a_job_is(home: Path) -> None:
    rows = ran(
        ["fish", "--no-config", "-c", f"source {home}/fish; complete -C 'slurper-tui logs 4f2a'"],
        home,
    )
    assert rows == [f"{FIRST}\tphotos-prod/2024/ to media, "]


@only_with("zsh")
@pytest.mark.no_cover
def test_zsh_completes_what_is_typed(home: Path) -> None:
    (home / ".zshrc").write_text(
        f"PS1='> '\nautoload -Uz compinit && compinit -u\nsource {home}/zsh\n"
        f"compdef _shtab_slurper_tui slurper-tui\n"
    )
    with PtyProgram(["zsh", "-i"], environ(home), size=(120, 24), folder=home) as program:
        program.see("> ")
        program.type("slurper-tui logs 4f2a\t")
        program.see(FIRST)
        program.type("\x15slurper-tui pause --migration ph\t")
        program.see("--migration photos-prod ")
        program.type("\x15slurper-tui doc\t--js\t")
        program.see("slurper-tui doctor --json")
        program.type("\x15slurper-tui logs \t")
        program.see("photos-prod/2024/ to media")
        program.see_no("touch")
        program.type("\x15exit\r")
    assert not (home / "owned").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(shell: str) -> None:
    text = script(shell)
    words = set(re.findall(r"[\w-]+", text.replace("-l ", "--")))
    names = [name for c in COMMANDS.values() for a in c.arguments for name in a.names]
    assert set(COMMANDS) <= words
    assert {name for name in names if name.startswith("--")} <= words


# The words


def offered(*words: str, folder: Path | None = None) -> dict[str, str]:
    """The words that are printed, with their descriptions."""
    ran = perform(None, *words, folder=folder)
    assert (ran.code, ran.err) == (0, [])
    return dict(line.split("\t") for line in ran.out)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("jobs", {*JOBS, "photos-prod/2024/", "logs-eu"}),
        ("migrations", {"photos-prod", "logs-eu"}),
        ("buckets", {"photos-prod", "logs-eu", "media", "archive"}),
    ],
)
def test_only_names_without_a_meaning_for_a_shell_are_words(
    kind: str, expected: set[str], tmp_path: Path
) -> None:
    write_history(tmp_path / "state")
    found = offered("completion", kind, folder=tmp_path)
    assert set(found) == expected
    assert all(re.fullmatch("[ -~]*", description) for description in found.values())


def test_words_are_those_of_the_accounts_in_use(tmp_path: Path) -> None:
    write_history(tmp_path / "state")
    assert len(offered("--account", "a", "completion", "jobs", folder=tmp_path)) == 4
    assert offered("--account", "b", "completion", "jobs", folder=tmp_path) == {}
    named = '[accounts.far]\nid = "a"\ntoken_env = "T"\nbase_url = "https://example.com/v4"\n'
    (tmp_path / "config.toml").write_text(named)
    assert offered("completion", "jobs", folder=tmp_path) == {}
    (tmp_path / "config.toml").write_text(named.replace('base_url = "https://example.com/v4"', ""))
    assert len(offered("completion", "jobs", folder=tmp_path)) == 4
    (tmp_path / "config.toml").write_text("nonsense")
    assert offered("completion", "jobs", folder=tmp_path) == {}


def test_the_demo_has_words_too() -> None:
    assert "photos-prod" in offered("--demo", "completion", "migrations")


def test_without_a_usable_history_there_are_no_words_and_nothing_is_made(tmp_path: Path) -> None:
    assert offered("completion", "jobs", folder=tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_bytes(b"nonsense" * 99)
    assert offered("completion", "jobs", folder=tmp_path) == {}
    (tmp_path / "state" / FILE).unlink()
    sqlite3.connect(tmp_path / "state" / FILE).execute("CREATE TABLE theirs (a)").connection.close()
    assert offered("completion", "jobs", folder=tmp_path) == {}


def test_words_leave_the_history_as_it_is(tmp_path: Path) -> None:
    folder = write_history(tmp_path / "state")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert offered("completion", "buckets", folder=tmp_path)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_words_need_neither_the_network_nor_the_screen(home: Path) -> None:
    code = (
        "import sys\nfrom slurper_tui.cli.main import run\nrun(['completion', 'jobs'])\n"
        "print([m for m in ('httpx', 'textual', 'shtab') if m in sys.modules])"
    )
    *words, heavy = ran([sys.executable, "-c", code], home)
    assert (len(words), heavy) == (4, "[]")


def test_an_unknown_shell_is_refused() -> None:
    ran = perform(None, "completion", "tcsh")
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
