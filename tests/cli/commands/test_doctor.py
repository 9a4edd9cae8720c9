"""`doctor`: each check with its health and advice, the exit code, and what it must not do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.color import ColorSystem
from rich.console import Console

from slurper_tui.api.connection import choose_proxy
from slurper_tui.cli.commands import doctor
from slurper_tui.cli.context import Process
from slurper_tui.cli.main import run
from slurper_tui.cli.terminal import colours_of
from slurper_tui.monitor.history.files import FILE, Ownership
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.tui.screens.dialogs import terminal_copies
from tests.cli.making import KEYS
from tests.cli.program import Ran, environment, make_process, perform

DAY = 86_400.0


def checked(ran: Ran) -> dict[str, dict[str, Any]]:
    """The checks of a run with --json by name; of several with one name, the first."""
    assert ran.err == []
    [line] = ran.out
    record = json.loads(line)
    assert record["exitCode"] == ran.code
    checks = record["checks"]
    healths = [check["health"] for check in checks]
    assert record["health"] == max(healths, key=["ok", "warning", "failure"].index)
    return {check["name"]: check for check in reversed(checks)}


def of(account: SimulatedAccount, *words: str, **environ: str) -> Ran:
    return perform(account, "doctor", "--json", *words, environ=environment(account, **environ))


def words(check: Mapping[str, Any]) -> str:
    return f"{check['health']}: {check['text']} > {check['advice']}"


# In lines


def test_every_check_is_one_line_with_a_sign_a_word_and_what_to_do() -> None:
    account = SimulatedAccount(clock=lambda: time.time() + 3600)
    ran = perform(account, "doctor")
    assert (ran.code, ran.err) == (0, [])
    [clock] = [line for line in ran.out if " clock " in line]
    assert clock.startswith("▲ warning  clock          ")
    assert "→ set the clock (Linux: timedatectl set-ntp true)" in clock
    assert any(line.startswith("✔ ok       credential ") for line in ran.out)
    assert ran.out[-1].startswith("no failures, ")
    assert {line.split()[1] for line in ran.out[:-1]} == {"ok", "warning"}


def test_in_ascii_signs_and_arrows_are_letters() -> None:
    ran = perform(SimulatedAccount(), "doctor", "--ascii", "--account", "none")
    assert ran.code == 7
    assert any(line.startswith("x failure  account ") and " -> " in line for line in ran.out)
    assert any(line.startswith("! warning  characters ") for line in ran.out)
    assert all(line.isascii() for line in ran.out)
    assert ran.out[-1].startswith("1 failure, ")


def test_in_the_demo_nothing_fails() -> None:
    ran = perform(None, "doctor", "--demo", "--json")
    assert ran.code == 0
    assert (
        words(checked(ran)["credential"])
        == "ok: the demo's own token: active, never expires > None"
    )


# Credential


@pytest.mark.parametrize(
    ("expires", "code", "expected"),
    [
        (None, 0, "ok: API token of CLOUDFLARE_API_TOKEN: active, never expires > None"),
        (40 * DAY, 0, "ok: API token of CLOUDFLARE_API_TOKEN: active, expires in 39 d 23 h, "),
        (2 * DAY, 0, "warning: API token of CLOUDFLARE_API_TOKEN: active, expires in 1 d 23 h, "),
        (-5.0, 3, "failure: API token of CLOUDFLARE_API_TOKEN: expired > make a new token"),
    ],
)
def test_the_expiry_of_the_token(expires: float | None, code: int, expected: str) -> None:
    account = SimulatedAccount()
    account.token_expires = None if expires is None else time.time() + expires
    ran = of(account)
    assert ran.code == code
    assert words(checked(ran)["credential"]).startswith(expected)


def test_an_expiry_that_cannot_be_read_is_not_called_endless() -> None:
    account = SimulatedAccount()

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/tokens/verify"):
            return account.answer(request)
        status = {"id": "1", "status": "active", "expires_on": "next year"}
        return httpx.Response(200, json={"success": True, "result": status})

    transport = httpx.MockTransport(answer)
    ran = perform(account, "doctor", "--json", transport=transport)
    assert words(checked(ran)["credential"]).endswith("active, its expiry is not known > None")


def test_a_token_that_cannot_be_verified_is_fine_where_it_works() -> None:
    account = SimulatedAccount()
    account.verifiable = False
    ran = of(account)
    assert ran.code == 0
    assert words(checked(ran)["credential"]).endswith("the API does not say when it expires")


def test_a_token_beside_a_key_is_the_one_in_use() -> None:
    text = checked(of(SimulatedAccount(), CLOUDFLARE_API_KEY="k" * 37))["credential"]["text"]
    assert "CLOUDFLARE_API_TOKEN (CLOUDFLARE_API_KEY is not used beside it)" in text


def test_a_global_key_is_named_as_such_and_not_verified() -> None:
    account = SimulatedAccount()
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return account.answer(request)

    pair = {"CLOUDFLARE_EMAIL": account.email, "CLOUDFLARE_API_KEY": account.key}
    ran = perform(
        account,
        "doctor",
        "--json",
        environ=environment(account, **pair) | {"CLOUDFLARE_API_TOKEN": ""},
        transport=httpx.MockTransport(answer),
    )
    assert ran.code == 0
    check = checked(ran)["credential"]
    assert check["text"] == "global API key of CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY: accepted"
    assert "a token is safer" in check["advice"]
    assert [path.rsplit("/", 1)[-1] for path in asked] == ["jobs"]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CLOUDFLARE_API_TOKEN": ""}, "no credentials: set CLOUDFLARE_API_TOKEN"),
        ({"CLOUDFLARE_API_TOKEN": "a b"}, "the API token holds a space"),
        ({"CLOUDFLARE_API_TOKEN": "", "CLOUDFLARE_EMAIL": "a@b.c"}, "CLOUDFLARE_API_KEY is not"),
    ],
)
def test_without_a_credential_the_rest_is_checked(environ: dict[str, str], message: str) -> None:
    ran = of(SimulatedAccount(), **environ)
    assert ran.code == 3
    checks = checked(ran)
    assert checks["credential"]["health"] == "failure"
    assert message in checks["credential"]["text"]
    assert words(checks["account"]) == "warning: not tried without a credential > None"
    assert {"history", "terminal", "time zone"} <= set(checks)


def test_a_rejected_token_ends_with_3_and_names_the_permission() -> None:
    ran = of(SimulatedAccount(), CLOUDFLARE_API_TOKEN="of-another-user")
    assert ran.code == 3
    checks = checked(ran)
    assert "10000: Authentication error" in checks["credential"]["text"]
    assert "Workers R2 Storage Read" in checks["credential"]["advice"]


def test_a_slow_program_for_the_token_is_waited_for_and_not_taken_for_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SimulatedAccount()
    monkeypatch.setattr(doctor, "SECONDS", 1.0)
    ran = with_program(tmp_path, account, f"sleep 1.1; echo {account.token}")
    assert (ran.code, words(checked(ran)["account"]).split(":")[0]) == (0, "ok")
    said = r"ok: token_command of prod \(read in \d+ s\): active, never expires > None"
    assert re.fullmatch(said, words(checked(ran)["credential"]))


def test_a_program_without_a_token_is_the_fault_of_the_credential(tmp_path: Path) -> None:
    ran = with_program(tmp_path, SimulatedAccount(), "exit 7")
    assert ran.code == 3
    assert words(checked(ran)["credential"]) == (
        "failure: token_command of prod: token_command: sh: ended with exit code 7 > "
        "run that program: its first line has to be the token"
    )
    assert words(checked(ran)["account"]) == "warning: prod: not tried without a credential > None"


def with_program(folder: Path, account: SimulatedAccount, script: str) -> Ran:
    """Ask with a token that a program of the shell prints."""
    command = json.dumps(["sh", "-c", script])
    text = f'[accounts.prod]\nid = "{account.account_id}"\ntoken_command = {command}\n'
    (folder / "config.toml").write_text(text)
    return perform(account, "doctor", "--json", environ={"LANG": "C.UTF-8"}, folder=folder)


def test_an_active_token_without_the_permission_fails_for_its_account() -> None:
    account = SimulatedAccount()
    account.faults.add(
        Fault(
            Kind.REFUSAL, operation="list", status=403, code=10000, message="Authentication error"
        )
    )
    ran = of(account)
    assert ran.code == 3
    checks = checked(ran)
    assert checks["credential"]["health"] == "ok"
    assert words(checks["account"]).startswith(f"failure: {account.account_id}: ")
    assert "Workers R2 Storage Read for this account" in checks["account"]["advice"]


# Account, network, clock and budget


def test_a_listed_account_says_what_is_not_known() -> None:
    account = SimulatedAccount()
    check = checked(of(account))["account"]
    assert check["text"].startswith(f"{account.account_id}: its jobs can be listed (")
    assert check["advice"] == "whether they may be changed shows only when one is"


def test_each_account_has_its_line() -> None:
    account = SimulatedAccount()
    ran = perform(account, "doctor", "--account", account.account_id, "--account", "other")
    lines = [line for line in ran.out if " account " in line]
    assert [line.split()[1] for line in lines] == ["ok", "failure"]
    assert "7003" in lines[1]
    assert "dash.cloudflare.com/<account id>" in lines[1]
    assert ran.code == 7


def test_no_account_is_a_usage_error() -> None:
    ran = of(SimulatedAccount(), CLOUDFLARE_ACCOUNT_ID="")
    assert ran.code == 2
    assert "no account id" in checked(ran)["account"]["text"]


def dead(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Network is unreachable")


async def silent(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("transport", "reason"),
    [
        (dead, "cannot connect: Network is unreachable"),
        (silent, "no answer within 0 s"),
        (lambda _: httpx.Response(502, html="<html>"), "an HTML page"),
    ],
)
def test_a_dead_network_gives_one_line_each_and_7(
    transport: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SECONDS", 0.3)
    account = SimulatedAccount()
    ran = perform(
        account,
        "doctor",
        "--json",
        environ=environment(account),
        transport=httpx.MockTransport(transport),
    )
    assert ran.code == 7
    checks = checked(ran)
    assert reason in checks["account"]["text"]
    assert "because the API does not answer" in checks["credential"]["text"]
    assert words(checks["clock"]) == "warning: unknown: no answer with a Date header > None"
    assert words(checks["budget"]) == "ok: unknown: no answer with a Ratelimit header > None"
    assert checks["history"]["health"] == "ok"


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, "ok: agrees with the API's > None"),
        (20, "ok: "),
        (125, "warning: 2 min behind the API's > set the clock"),
        (-7200, "warning: 1 h 59 min ahead of the API's > set the clock"),
    ],
)
def test_the_clock_is_compared_with_the_date_header(ahead: float, expected: str) -> None:
    account = SimulatedAccount(clock=lambda: time.time() + ahead)
    assert words(checked(of(account))["clock"]).startswith(expected)


def test_a_date_header_that_is_none_is_no_fault() -> None:
    account = SimulatedAccount()

    def answer(request: httpx.Request) -> httpx.Response:
        response = account.answer(request)
        response.headers["date"] = "yesterday"
        return response

    ran = perform(account, "doctor", "--json", transport=httpx.MockTransport(answer))
    assert checked(ran)["clock"]["text"].startswith("unknown")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"default";r=1100;t=240', "ok: 1,100 of 1,200 requests left, anew in 4 min > None"),
        ('"default";r=50;t=30', "warning: 50 of 1,200 requests left, anew in 30 s > another tool"),
    ],
)
def test_the_budget_that_is_left(header: str, expected: str) -> None:
    account = SimulatedAccount()

    def answer(request: httpx.Request) -> httpx.Response:
        response = account.answer(request)
        response.headers["ratelimit"] = header
        return response

    ran = perform(account, "doctor", "--json", transport=httpx.MockTransport(answer))
    assert words(checked(ran)["budget"]).startswith(expected)


def test_a_spent_budget_is_told_and_ends_with_7() -> None:
    account = SimulatedAccount()
    account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, message="slow down"))
    account.faults.add(Fault(Kind.REFUSAL, status=429, code=971, message="slow down"))
    ran = of(account)
    assert ran.code == 7
    checks = checked(ran)
    assert checks["budget"]["text"] == "spent"
    assert "share the limit" in checks["account"]["advice"]


def test_plain_http_needs_neither_proxy_nor_certificates() -> None:
    ran = of(SimulatedAccount(), CLOUDFLARE_BASE_URL="http://127.0.0.1:1/v4")
    text = checked(ran)["network"]["text"]
    assert text == "plain http to this machine: no proxy, no certificates"


def test_the_proxy_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:hunter2hunter2@proxy.example.com:3128")
    monkeypatch.setenv("ALL_PROXY", "gopher://elsewhere")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/hosts")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert choose_proxy("api.cloudflare.com", 443).variable == "HTTPS_PROXY"
    ran = of(SimulatedAccount())
    checks = checked(ran)
    assert checks["proxy"]["text"].startswith("the one of HTTPS_PROXY; ALL_PROXY is not used")
    assert checks["proxy"]["health"] == "warning"
    assert checks["certificates"]["text"] == "of SSL_CERT_FILE"
    assert "hunter2" not in ran.out[0]


def test_a_setting_of_the_network_that_cannot_be_used_ends_with_2(tmp_path: Path) -> None:
    done = in_process(tmp_path, HTTPS_PROXY="gopher://x", NO_PROXY="")
    assert done.returncode == 2
    line = next(line for line in done.stdout.splitlines() if " network " in line)
    assert line.startswith("✖ failure  network")
    assert "HTTPS_PROXY" in line


# Configuration


def test_an_unusable_configuration_ends_with_2_and_the_rest_is_checked(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("utc = true\nintervall = 3\n")
    account = SimulatedAccount()
    ran = perform(account, "doctor", "--json", environ=environment(account), folder=tmp_path)
    assert ran.code == 2
    checks = checked(ran)
    assert "config.toml:2:1: unknown key 'intervall'" in checks["configuration"]["text"]
    assert checks["account"]["health"] == "ok"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), "ok: no file; "),
        (("--config", "nowhere.toml"), "failure: nowhere.toml: there is no such file"),
        (("--interval", "1"), "failure: interval must be at least 2 s"),
    ],
)
def test_the_configuration(given: tuple[str, ...], expected: str) -> None:
    assert words(checked(of(SimulatedAccount(), *given))["configuration"]).startswith(expected)


def test_a_file_that_is_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("utc = true\n")
    ran = perform(SimulatedAccount(), "doctor", "--json", folder=tmp_path)
    checks = checked(ran)
    assert checks["configuration"]["text"] == str(tmp_path / "config.toml")
    assert checks["time zone"]["text"] == "UTC, as asked"


# History


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def history_of(account: SimulatedAccount, folder: Path, *words: str) -> str:
    before = tree(folder)
    ran = perform(account, "doctor", "--json", *words, folder=folder)
    assert tree(folder) == before
    return str(
        ran.out and checked(ran)["history"]["health"] + ": " + checked(ran)["history"]["text"]
    )


def test_the_history_is_neither_made_nor_changed(tmp_path: Path) -> None:
    account, file = SimulatedAccount(jobs=3), tmp_path / "state" / FILE
    assert history_of(account, tmp_path) == f"ok: {file}: not begun yet"
    assert not file.parent.exists()
    assert history_of(account, tmp_path, "--no-history") == "ok: off (--no-history)"
    perform(account, "jobs", folder=tmp_path)
    told = history_of(account, tmp_path)
    assert told.startswith(f"ok: {file}: 0.1 MB, newest sample 2")
    assert "in use" not in told
    owner = Ownership(file)
    assert owner.claim()
    assert history_of(account, tmp_path).endswith(", in use by another slurper-tui")
    owner.release()


def test_a_history_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    connection = sqlite3.connect(folder / FILE)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    told = history_of(SimulatedAccount(), tmp_path)
    assert told.startswith("warning: ")
    assert told.endswith("its file is not from slurper-tui")
    (folder / FILE).write_bytes(b"nonsense" * 99)
    assert history_of(SimulatedAccount(), tmp_path).endswith("its file is damaged")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_a_warning(tmp_path: Path) -> None:
    perform(SimulatedAccount(), "jobs", folder=tmp_path)
    (tmp_path / "state").chmod(0o500)
    try:
        assert "cannot be written to" in history_of(SimulatedAccount(), tmp_path)
    finally:
        (tmp_path / "state").chmod(0o700)


def test_without_a_home_folder_it_says_so() -> None:
    account = SimulatedAccount()
    with_home = make_process(environment(account), Path("/"), transport=account.transport())
    process = Process(
        environ=with_home.environ,
        out=with_home.out,
        err=with_home.err,
        transport=with_home.transport,
        config_file=None,
        state=None,
    )
    assert run(["doctor"], process) == 0
    assert process.out is not None
    process.out.seek(0)
    text = process.out.read()
    assert "✔ ok       configuration  no file, no home folder" in text
    assert "▲ warning  history        in memory only: there is no home folder → set HOME" in text


# Terminal


COLOURS = [
    {"TERM": "xterm-256color"},
    {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    {"TERM": "xterm", "COLORTERM": "24bit"},
    {"TERM": "xterm"},
    {"TERM": "xterm-kitty"},
    {"TERM": "screen-16color"},
    {"TERM": "linux"},
    {"TERM": "dumb"},
    {"TERM": "dumb", "COLORTERM": "truecolor"},
    {"TERM": ""},
    {},
]


@pytest.mark.parametrize("environ", COLOURS)
def test_the_colours_are_those_that_rich_finds(environ: dict[str, str]) -> None:
    names = {
        None: "none",
        ColorSystem.STANDARD.name.lower(): "16",
        "256": "256",
        "truecolor": "truecolor",
    }
    system = Console(force_terminal=True, _environ=environ).color_system
    assert colours_of(environ) == names[system]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"NO_COLOR": "1"}, "ok: none: NO_COLOR is set > None"),
        ({"TERM": "xterm"}, "warning: 16 > set TERM to a name with 256color"),
        ({"TERM": "dumb"}, "warning: none > set TERM"),
        ({"TEXTUAL_COLOR_SYSTEM": "256", "TERM": "xterm"}, "ok: 256 > None"),
        ({"COLORTERM": "truecolor"}, "ok: truecolor > None"),
    ],
)
def test_the_colours(environ: dict[str, str], expected: str) -> None:
    assert words(checked(of(SimulatedAccount(), **environ))["colours"]).startswith(expected)


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "xterm-256color"},
        {"TERM": "linux"},
        {"TERM": "screen", "STY": "1.pts"},
        {"TERM": "screen-256color"},
        {"TERM": "xterm", "TERM_PROGRAM": "Apple_Terminal"},
        {"TERM": "xterm", "TERM_PROGRAM": "WezTerm"},
    ],
)
def test_the_clipboard_is_judged_as_on_the_screen(environ: dict[str, str]) -> None:
    check = checked(of(SimulatedAccount(), **environ))["clipboard"]
    assert (check["health"] == "ok") is terminal_copies(environ)
    assert "pressing y twice shows the text" in check["advice"]


def test_a_tmux_that_hangs_or_is_missing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "TMUX_SECONDS", 0.2)
    for script in ("#!/bin/sh\nexec sleep 60\n", None):
        if script is not None:
            (tmp_path / "tmux").write_text(script)
            (tmp_path / "tmux").chmod(0o700)
        else:
            (tmp_path / "tmux").unlink()
        path = f"{tmp_path}:/nowhere" if script is None else f"{tmp_path}:{os.environ['PATH']}"
        checks = checked(of(SimulatedAccount(), TMUX="/tmp/none,1,0", PATH=path))
        assert words(checks["tmux"]).startswith("warning: does not answer")
        assert checks["clipboard"]["health"] == "warning"


def test_tmux_gets_no_secret(tmp_path: Path) -> None:
    account = SimulatedAccount()
    (tmp_path / "tmux").write_text(f"#!/bin/sh\nenv > {tmp_path}/environ\n")
    (tmp_path / "tmux").chmod(0o700)
    of(account, TMUX="/tmp/none,1,0", PATH=f"{tmp_path}:{os.environ['PATH']}")
    found = (tmp_path / "environ").read_text()
    assert "TMUX=/tmp/none,1,0" in found
    assert account.token not in found


def test_outside_tmux_it_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "tmux").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    (tmp_path / "tmux").chmod(0o700)
    assert "tmux" not in checked(of(SimulatedAccount(), PATH=f"{tmp_path}:{os.environ['PATH']}"))
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("version", "copies"),
    [
        ("3.1c", False),
        ("3.2", True),
        ("3.3a", True),
        ("next-3.6", True),
        ("10.0", True),
        ("", False),
    ],
)
def test_a_tmux_that_takes_copies_needs_no_setting(version: str, copies: bool) -> None:
    options = {"version": version, "set-clipboard": "external"}
    [check] = [c for c in doctor.check_tmux(options) if c.text.startswith("set-clipboard")]
    assert (check.advice or "").startswith("to copy") is not copies


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("default-terminal screen", "warning: default-terminal screen: few colours > in ~/.tmux"),
        ("default-terminal tmux-256color", "ok: default-terminal tmux-256color > None"),
        ("escape-time 500", "warning: escape-time 500 ms: Esc is as late as that > in ~/.tmux"),
        ("escape-time 10", "ok: escape-time 10 ms > None"),
        ("set-clipboard external", "ok: set-clipboard external > to copy with y: set -s set-"),
        ("set-clipboard on", "ok: set-clipboard on > None"),
        ("focus-events off", "ok: focus-events off > to be told"),
        ("allow-passthrough on", "ok: allow-passthrough on > None"),
    ],
)
def test_the_settings_of_tmux(option: str, expected: str) -> None:
    name, _, value = option.partition(" ")
    found = [f"{c.health}: {c.text} > {c.advice or None}" for c in doctor.check_tmux({name: value})]
    assert any(text.startswith(expected) for text in found)


# Secrets and the process


def test_no_secret_is_shown_though_the_server_echoes_every_one(tmp_path: Path) -> None:
    secrets = {
        "CLOUDFLARE_API_TOKEN": "planted-token-0123456789",
        "CLOUDFLARE_API_KEY": "planted-key-0123456789",
        "CLOUDFLARE_EMAIL": "planted@example.com",
        **{name: f"planted-{name.lower()}" for name in KEYS},
    }
    echo = " ".join(secrets.values())

    def answer(request: httpx.Request) -> httpx.Response:
        rows = [{"code": 10000, "message": f"{echo} {request.headers}"}]
        body = {"success": False, "errors": rows, "messages": [echo], "result": None}
        return httpx.Response(403, json=body, headers={"cf-ray": echo, "date": echo})

    account = SimulatedAccount()
    log = tmp_path / "log"
    for words in (["doctor"], ["doctor", "--json"], ["doctor", "--log", str(log)]):
        ran = perform(
            account,
            *words,
            environ=environment(account, **secrets),
            transport=httpx.MockTransport(answer),
        )
        assert ran.code == 3
        assert "***" in "\n".join(ran.out)
        for text in (*ran.out, *ran.err, log.read_text() if log.exists() else ""):
            assert "planted" not in text
    assert log.exists()


def test_only_get_requests_are_sent() -> None:
    account = SimulatedAccount()
    sent: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, request.url.path.rpartition("/")[2]))
        return account.answer(request)

    perform(account, "doctor", transport=httpx.MockTransport(answer))
    assert sorted(sent) == [("GET", "jobs"), ("GET", "verify")]


def in_process(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `doctor` without any terminal, for an API that no request reaches."""
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "NO_PROXY": "*"}
    return subprocess.run(
        [sys.executable, "-m", "slurper_tui", "doctor"],
        env={
            **base,
            "CLOUDFLARE_API_TOKEN": "t" * 20,
            "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
            "CLOUDFLARE_BASE_URL": "https://127.0.0.1:9/v4",
            **more,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )


def test_without_a_terminal_and_a_network_it_ends_with_7(tmp_path: Path) -> None:
    done = in_process(tmp_path)
    assert (done.returncode, done.stderr) == (7, "")
    assert "✖ failure  account        0000000000" in done.stdout
    assert "Connection refused" in done.stdout
    assert "none on standard output" in done.stdout
    assert list(tmp_path.iterdir()) == []
