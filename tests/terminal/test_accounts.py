"""Five accounts with three credentials in one list, while one token file is rotated."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from slurper_tui.simulated.account import SimulatedAccount, SimulatedBudget
from tests.server import LoopbackServer, serve
from tests.terminal.pty_program import PROGRAM, PtyProgram, environment

OLD, NEW = "old-token-0123456789", "new-token-0123456789"
OF_COMMAND, OF_VARIABLE = "command-token-01234", "env-token-0123456"
SECRETS = (OLD, NEW, OF_COMMAND, OF_VARIABLE)
NAMES = {
    **dict.fromkeys(("prod", "prod-eu"), OLD),
    "media": OF_COMMAND,
    **dict.fromkeys(("backup", "lab"), OF_VARIABLE),
}


@pytest.fixture
def accounts() -> dict[str, SimulatedAccount]:
    budgets = {token: SimulatedBudget() for token in SECRETS}
    return {
        name: SimulatedAccount(seed, jobs=2, running=2, token=token, budget=budgets[token])
        for seed, (name, token) in enumerate(NAMES.items())
    }


def configure(folder: Path, server: LoopbackServer, accounts: dict[str, SimulatedAccount]) -> Path:
    """Write a configuration of the five accounts; return the token file."""
    token, command = folder / "token", folder / "manager"
    write_private(token, OLD)
    command.write_text(f"#!/bin/sh\necho {OF_COMMAND}\necho a comment\n")
    command.chmod(0o700)
    forms = {
        OLD: 'token_file = "token"',
        OF_COMMAND: f'token_command = ["{command}"]',
        OF_VARIABLE: 'token_env = "BACKUP_TOKEN"',
    }
    tables = [
        f'[accounts.{name}]\nid = "{account.account_id}"\nbase_url = "{server.url}"\n'
        f"{forms[NAMES[name]]}\n"
        for name, account in accounts.items()
    ]
    (folder / "c.toml").write_text("interval = 2\n" + "".join(tables))
    return token


def write_private(file: Path, text: str) -> None:
    """Replace a file as a secret store does: whole, and readable by its owner alone."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text(f"{text}\n")
    os.replace(new, file)


def shown(program: PtyProgram) -> Counter[str]:
    """Return how many rows each account has in the list."""
    words = re.findall(r"(?m)^.{12,20}\s(\S+) +photos-prod/", program.text)
    return Counter(word for word in words if word in NAMES)


def test_five_accounts_with_three_credentials_while_one_token_is_rotated(
    tmp_path: Path, accounts: dict[str, SimulatedAccount]
) -> None:
    accounts["backup"].token_expires = time.time() + 86_400
    with serve([*accounts.values()]) as server:
        token = configure(tmp_path, server, accounts)
        environ = environment(tmp_path, BACKUP_TOKEN=OF_VARIABLE)
        arguments = [PROGRAM, "--config", "c.toml", "--log", "log"]
        with PtyProgram(arguments, environ, size=(140, 50), folder=tmp_path) as program:
            program.see("5 accounts")
            program.type("m")  # single jobs
            program.wait_for(lambda: shown(program) == dict.fromkeys(NAMES, 2), "ten rows")
            for name in ("prod", "prod-eu"):
                accounts[name].token = NEW
            program.see("prod-eu  401 · 10000: Authentication error")
            program.see("2 of 5 accounts do not answer")
            write_private(token, NEW)
            program.see_no("Authentication error")
            program.see_no("accounts do not answer")
            assert shown(program) == dict.fromkeys(NAMES, 2)
            program.see("backup, lab  the API token expires ")
            program.type("q")
            assert program.ended() == 0
            assert not any(secret.encode() in program.raw for secret in SECRETS)
        methods = {seen.method for seen in server.requests}
    assert methods == {"GET"}
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    kept = written.replace(token.read_bytes(), b"").replace(
        (tmp_path / "manager").read_bytes(), b""
    )
    assert b"Authentication error" in kept  # the log
    assert not any(secret.encode() in kept for secret in SECRETS)


def test_a_missing_variable_leaves_the_terminal_untouched(
    tmp_path: Path, accounts: dict[str, SimulatedAccount]
) -> None:
    with serve([*accounts.values()]) as server:
        token = configure(tmp_path, server, accounts)
        arguments = [PROGRAM, "--config", "c.toml"]
        with PtyProgram(arguments, environment(tmp_path), size=(140, 24), folder=tmp_path) as one:
            assert one.ended() == 3
            assert "accounts.backup: the variable BACKUP_TOKEN is not set" in one.text
            assert b"\x1b[?" not in one.raw
        token.chmod(0o644)
        environ = environment(tmp_path, BACKUP_TOKEN=OF_VARIABLE)
        with PtyProgram(arguments, environ, size=(140, 24), folder=tmp_path) as two:
            assert two.ended() == 3
            assert "accounts.prod: token_file: token: others can read it" in two.text
            assert b"\x1b[?" not in two.raw


def test_a_slow_command_does_not_delay_the_first_picture(
    tmp_path: Path, accounts: dict[str, SimulatedAccount]
) -> None:
    with serve([*accounts.values()]) as server:
        configure(tmp_path, server, accounts)
        (tmp_path / "manager").write_text(
            f"#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.05; done\necho {OF_COMMAND}\n"
        )
        environ = environment(tmp_path, BACKUP_TOKEN=OF_VARIABLE)
        arguments = [PROGRAM, "--config", "c.toml"]
        with PtyProgram(arguments, environ, size=(140, 50), folder=tmp_path) as program:
            program.see("5 accounts")
            program.type("m")
            others = {name: 2 for name in NAMES if name != "media"}
            program.wait_for(lambda: shown(program) == others, "the other accounts")
            (tmp_path / "go").touch()
            program.wait_for(lambda: shown(program) == dict.fromkeys(NAMES, 2), "all accounts")
            program.type("q")
            assert program.ended() == 0


def test_every_credential_is_rejected(
    tmp_path: Path, accounts: dict[str, SimulatedAccount]
) -> None:
    with serve([*accounts.values()]) as server:
        configure(tmp_path, server, accounts)
        for account in accounts.values():
            account.token = "another-0123456789"
        environ = environment(tmp_path, BACKUP_TOKEN=OF_VARIABLE)
        arguments = [PROGRAM, "--config", "c.toml"]
        with PtyProgram(arguments, environ, size=(140, 24), folder=tmp_path) as program:
            assert program.ended() == 3
            program.assert_restored()
            assert "the API rejects these credentials" in program.text
