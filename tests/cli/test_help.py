"""`help` and its topics, the examples in every `--help`, and words that are no command."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slurper_tui.cli.help import FILES, FOLDER
from slurper_tui.cli.parser import COMMANDS, TOPICS, make_parser
from slurper_tui.config import ACCOUNT_VARIABLE, BASE_URL_VARIABLE, EVENTS, File, Notify
from slurper_tui.monitor.model.job import State
from slurper_tui.simulated.account import SimulatedAccount
from tests import keys_topic
from tests.cli.making import KEYS
from tests.cli.program import Ran, environment, perform
from tests.monitor.reports.ended import plan

DASHBOARD = FILES / "dashboard.json"
EXAMPLES = [(name, line) for name, command in COMMANDS.items() for line in command.example]
ENDS = {"watch": {0, 4}, "report": {0, 4}, "failures": {0, 4}, "idle": {1}, "resume": {0, 7}}
ENDS["verify"] = {0, 4}
"""Exit codes of examples that need not be 0: a judged job, and three jobs that already run."""

EMPTY = {"create", "precheck"}
"""Commands that need an account with a free slot, which the demo has not."""


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_printed_from_its_file_and_fits_80_columns(topic: str) -> None:
    ran = perform(None, "help", topic)
    assert (ran.code, ran.err) == (0, [])
    text, written = "\n".join([*ran.out, ""]), (FOLDER / f"{topic}.txt").read_text("utf-8")
    assert text == written or (topic == "metrics" and text.startswith(written))
    assert ran.out[0].startswith(f"{topic.upper()}: ")
    assert max(len(line) for line in ran.out if line.strip() != str(DASHBOARD)) <= 78


def test_the_topic_of_the_metrics_ends_with_the_rules_and_the_file_of_the_dashboard() -> None:
    text = "\n".join(perform(None, "help", "metrics").out)
    rules = (FILES / "rules.yaml").read_text("utf-8")
    assert text.partition("The alert rules:\n\n")[2].startswith(rules)
    assert text.endswith(f"\n  {DASHBOARD}")
    assert DASHBOARD.is_file()


def test_every_topic_has_a_file_and_is_in_the_help_of_the_program() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(TOPICS)
    assert all(topic in make_parser()[0].format_help() for topic in TOPICS)


def test_help_of_nothing_is_that_of_the_program_and_of_a_command_its_own() -> None:
    whole, commands = make_parser()
    assert "\n".join(perform(None, "help").out) + "\n" == whole.format_help()
    for name, parser in commands.items():
        if name not in TOPICS:  # the topic has more
            ran = perform(None, "help", name)
            assert "\n".join(ran.out) + "\n" == parser.format_help()


@pytest.mark.parametrize("state", [state for state in State if state is not State.OTHER])
def test_help_of_a_status_word_explains_all_of_them_and_names_the_topics(state: State) -> None:
    ran = perform(None, "help", state.partition(" ")[0])
    assert (ran.code, ran.err) == (0, [])
    assert "status words" in ran.out[0]
    assert any(re.match(rf"  \S+ \S {re.escape(state)}  +[A-Z]", line) for line in ran.out)
    assert ran.out[-1] == "More: slurper-tui help keys, slurper-tui help forecast"
    assert max(map(len, ran.out)) <= 78


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_80_columns(name: str) -> None:
    whole, commands = make_parser()
    lines = (commands[name] if name else whole).format_help().splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_help_prints_what_the_locale_cannot_as_question_marks() -> None:
    ran = perform(None, "help", "keys", encoding="ascii")
    assert (ran.code, ran.err) == (0, [])
    assert any("? > running" in line for line in ran.out)


@pytest.mark.parametrize(
    "words", [["help"], ["help", "keys"], ["help", "jobs"], ["help", "failing"], ["--help"]]
)
def test_help_pays_for_argparse_alone(words: list[str]) -> None:
    code = (
        "import atexit, os, sys; from slurper_tui.cli.main import run; run(sys.argv[1:]); "
        "print([m for m in ('textual', 'httpx', 'msgspec', 'asyncio', 'difflib', 'dataclasses')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("list", "jobs"),
        ("ls", "jobs"),
        ("status --json", "jobs"),
        ("errors 4f2a", "failures"),
        ("cancel 4f2a", "abort"),
        ("receipt 4f2a", "report"),
        ("jbos", "jobs"),
        ("help jbos", "jobs"),
        ("help key", "keys"),
        ("help configuration", "config"),
        ("help qqq", ""),
    ],
)
def test_a_wrong_word_gets_the_nearest_in_one_line_and_exit_2(words: str, nearest: str) -> None:
    ran = perform(None, *words.split())
    assert (ran.code, ran.out, len(ran.err)) == (2, [], 1)
    assert re.search(rf"; the nearest is '{nearest or '[a-z]+'}' \(see slurper-tui", ran.err[0])


def test_the_keys_topic_is_written_from_the_bindings() -> None:
    written = keys_topic.FILE.read_text(encoding="utf-8")
    assert keys_topic.text() == written, "write it again with: python -m tests.keys_topic"


def test_the_config_topic_names_every_setting_and_variable() -> None:
    text = (FOLDER / "config.txt").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(File):
        assert re.search(rf"^    \[?{field.encode_name}\b", text, re.MULTILINE), field.encode_name
    credentials = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY")
    for name in (*credentials, ACCOUNT_VARIABLE, BASE_URL_VARIABLE, *KEYS):
        assert name in text


def test_the_notify_topic_names_every_setting_and_kind() -> None:
    text = (FOLDER / "notify.txt").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(Notify):
        assert re.search(rf"^    {field.encode_name} = ", text, re.MULTILINE), field.encode_name
    for kind in EVENTS:
        assert re.search(rf"^  {kind} +[a-z-]", text, re.MULTILINE), kind


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_the_example_in_the_help_of_a_command_works_in_the_demo(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"  slurper-tui {line}\n" in make_parser()[1][name].format_help()
    monkeypatch.chdir(tmp_path)
    _write_files(tmp_path)
    words = shlex.split(line)
    assert words[0] == name
    ran = _run(words)
    assert ran.code in ENDS.get(name, {0}), ran.err
    assert (
        ran.out
        or {"--draft", "--textfile", "--export=today.jsonl"} & {*words}
        or name in ("pause", "resume", "abort", "delete")
    )


def _run(words: list[str]) -> Ran:
    """Run a command in the demo, or in an account with a free slot."""
    if words[0] in EMPTY:
        # an ended job, whose source bucket is not empty
        ended = plan(created=1e9, seconds=60.0, objects=5000)
        account = SimulatedAccount(plans=[ended], slots=20)
        return perform(account, *words, environ=environment(account, **KEYS))
    return perform(None, "--demo", *words)


def _write_files(folder: Path) -> None:
    """Write the files that the examples name."""
    epilog = COMMANDS["create"].epilog
    request = re.search(r"JSON:\n(.*?)\n\n", epilog, re.DOTALL)
    assert request is not None
    (folder / "migration.toml").write_text(request[1].replace("...", "s3.example.com"))
    (folder / "r2.toml").write_text(
        '[source]\nvendor = "r2"\nbucket = "photos"\n[target]\nbucket = "media"\n'
    )
    (folder / "prefixes.txt").write_text("2023/\n2024/\n")
    counts = '"objects":9,"transferredObjects":1,"skippedObjects":0,"failedObjects":0'
    (folder / "recording.jsonl").write_text(
        '{"slurper_tui_recording":1}\n'
        '{"at":"2026-11-28T12:00:00Z","accountId":"a","id":"b",' + counts + ',"status":"running"}\n'
    )


SECTIONS = {
    "jobs, progress, watch, wait": ["progress {ended} --json", "progress {running} --json"],
    "jobs --migrations": ["jobs --migrations --json"],
    "idle": ["idle --bucket media --json"],
    "failures": ["failures {lossy} --check-target --yes --json"],
    "logs": ["logs {lossy} --json"],
    "history": ["history --json"],
    "digest": ["digest --json"],
    "report": ["report {lossy} --json"],
    "precheck": ["precheck --file migration.toml --json"],
    "retry, create": ["create --file migration.toml --yes --json"],
}
"""Sections of the json topic, and command lines that print such records."""


@pytest.mark.parametrize("section", SECTIONS)
def test_the_json_topic_names_exactly_the_fields_that_are_printed(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_files(tmp_path)
    printed: set[str] = set()
    for line in SECTIONS[section]:
        words = line.format(ended="6b57", running="4903", lossy="d4d6").split()
        ran = _run(words)
        lines = ran.out[:1] if section == "logs" else ran.out
        printed |= set(_names(json.loads("\n".join(lines))))
    text = (FOLDER / "json.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{section}$\n((?:  .*\n)+)", text, re.MULTILINE)
    assert found is not None
    assert printed <= set(re.findall(r"\w+", text))
    columns = re.findall(r"^ {2,4}(\w.*?)(?: {2,}|$)", found[1], re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(columns))) - NESTED <= printed


NESTED = {"retryOf"}


def _names(value: Any) -> Iterator[str]:
    """Yield the names of all fields, except of a source and a target."""
    for item in value if isinstance(value, list) else ():
        yield from _names(item)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield name
        if name not in ("source", "target") or "connectivityStatus" in inner:
            yield from _names(inner)


def rendered(text: str) -> str:
    """The manual page as `groff` prints it, without any warning."""
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-cbou", "-Kutf8", "-ww", "-rLL=100n"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_has_every_command_option_and_example() -> None:
    ran = perform(None, "help", "--man")
    assert (ran.code, ran.err) == (0, [])
    text = rendered("\n".join(ran.out) + "\n")
    plain = " ".join(re.sub(r"-\n\s+", "-", text).replace("\u2010\n", "").split())
    sections = re.findall(r"^([A-Z][A-Z ]+)$", text, re.MULTILINE)
    assert sections == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "TOPICS"),
        *("ENVIRONMENT", "EXIT CODES"),
    ]
    for name, command in COMMANDS.items():
        assert re.search(rf"^   {name}$", text, re.MULTILINE)
        for argument in command.arguments:
            assert all(option in plain for option in argument.names if option.startswith("-"))
        for line in command.example:
            assert f"slurper-tui {line}" in plain
    for topic, about in TOPICS.items():
        assert f"{topic} {about}" in plain.replace("  ", " ")
    assert "CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL" in plain


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_the_page(tmp_path: Path) -> None:
    page = tmp_path / "slurper-tui.1"
    page.write_text("\n".join(perform(None, "help", "--man").out) + "\n", encoding="utf-8")
    done = subprocess.run(
        ["man", "--warnings", "-l", str(page)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PAGER": "cat"},
    )
    assert done.stderr == ""
    assert done.stdout.startswith("SLURPER-TUI(1)")
    assert "slurper-tui - monitor of Cloudflare R2 Super Slurper jobs" in done.stdout
