"""Reads the credentials: those of the environment, and those that the configuration names.

The configuration names variables, files, and programs that print a token. A file and a program are
read again while the monitor runs, when the API rejects a token. No message contains any part of a
credential or of a program's output.
"""

from __future__ import annotations

import os
import select
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.credentials import (
    CredentialError,
    Credentials,
    ReadCredentials,
    key_credentials,
    token_credentials,
)
from slurper_tui.cli.errors import PERMISSION, CliError, ExitCode
from slurper_tui.config import place_before

if TYPE_CHECKING:
    from slurper_tui.config import Account, Config

TOKEN, EMAIL, KEY = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"

SECRET_VARIABLES = (
    *(TOKEN, KEY, EMAIL),
    *("SLURPER_SOURCE_ACCESS_KEY_ID", "SLURPER_SOURCE_SECRET_ACCESS_KEY"),
    *("SLURPER_SOURCE_CLIENT_EMAIL", "SLURPER_SOURCE_PRIVATE_KEY"),
    *("SLURPER_TARGET_ACCESS_KEY_ID", "SLURPER_TARGET_SECRET_ACCESS_KEY"),
)

WHERE_ACCOUNT = "the account id is in the dashboard's address, dash.cloudflare.com/<account id>"

COMMAND_SECONDS = 30.0
"""Time limit for a program that prints a token; somebody may have to touch a key."""

_LOOK_SECONDS = 0.05
"""Pause between two looks whether a program has ended that prints nothing more."""

MOST_BYTES = 2**16
"""Larger files, and the output after so many bytes, hold no token."""


class Source(NamedTuple):
    """A credential: its value if that is known before the first request, and how to read it again.

    credentials: None for a program, which runs when the first request is sent.
    read: None for variables, which do not change.
    """

    credentials: Credentials | None
    read: ReadCredentials | None = None


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in the environment, stripped."""
    values = [environ.get(name, "").strip() for name in SECRET_VARIABLES]
    return tuple(value for value in values if value)


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the token, else the email and key. Raises CliError without any value in it."""
    token, email, key = (environ.get(name, "").strip() for name in (TOKEN, EMAIL, KEY))
    names = TOKEN if token else f"{EMAIL}, {KEY}"
    try:
        if token:
            return token_credentials(token)
        if email and key:
            return key_credentials(email, key)
    except ValueError as error:
        raise CliError(f"{names}: {error}", ExitCode.CREDENTIALS) from None
    if email or key:
        missing, there = (KEY, EMAIL) if email else (EMAIL, KEY)
        raise CliError(f"{there} is set, but {missing} is not", ExitCode.CREDENTIALS)
    raise CliError(
        f"no credentials: set {TOKEN} ({PERMISSION}), or {EMAIL} and {KEY}; {WHERE_ACCOUNT}",
        ExitCode.CREDENTIALS,
    )


def variable_words(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return which credential the environment has, and whether it is a token."""
    if not environ.get(TOKEN, "").strip():
        return f"global API key of {EMAIL} and {KEY}", False
    ignored = f" ({KEY} is not used beside it)" if environ.get(KEY, "").strip() else ""
    return f"API token of {TOKEN}{ignored}", True


def credential_of(config: Config, name: str, environ: Mapping[str, str]) -> Source:
    """Return the credential of a named account. Raises CliError."""
    folder = config.file.parent if config.file is not None else Path()
    try:
        return source_of(config.named[name], environ, folder)
    except CredentialError as error:
        where = place_before(config, "accounts", name)
        raise CliError(f"{where}accounts.{name}: {error}", ExitCode.CREDENTIALS) from None


def source_of(account: Account, environ: Mapping[str, str], folder: Path) -> Source:
    """Return the credential of an account. folder: what a relative file name starts from.

    Raises CredentialError for a variable that is not set and a file that cannot be used.
    """
    if account.token_command is not None:
        return Source(None, partial(read_command, account.token_command, folder))
    if account.token_file is not None:
        file = folder / os.path.expanduser(account.token_file)
        return Source(read_file(file), partial(read_file, file))
    if account.token_env is not None:
        return Source(_valid("token_env", account.token_env, _value(account.token_env, environ)))
    email, key = (_value(name or "", environ) for name in (account.email_env, account.key_env))
    try:
        return Source(key_credentials(email, key))
    except ValueError as error:
        names = f"{account.email_env}, {account.key_env}"
        raise CredentialError(f"email_env, key_env: {names}: {error}") from None


def _value(variable: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable, "").strip()
    if not value:
        raise CredentialError(f"the variable {variable} is not set")
    return value


def _valid(key: str, where: str | Path, token: str) -> Credentials:
    try:
        return token_credentials(token)
    except ValueError as error:
        raise CredentialError(f"{key}: {where}: {error}") from None


def read_file(file: Path) -> Credentials:
    """Return the token in the first line of a file. Raises CredentialError.

    A file that others can read is refused, and a pipe or a device without waiting for it.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        with open(os.open(file, flags), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CredentialError(f"token_file: {file}: it is not a file")
            if os.name == "posix" and found.st_mode & 0o077:
                raise CredentialError(f"token_file: {file}: others can read it; chmod 600 {file}")
            text = opened.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        if isinstance(error, CredentialError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise CredentialError(f"token_file: {file}: {reason}") from None
    return _valid("token_file", file, _first_line(text))


def read_command(command: Sequence[str], folder: Path) -> Credentials:
    """Return the token in the first line that a program prints. Raises CredentialError.

    The program runs without a shell, without input and apart from the terminal, which it could
    disturb; it is killed with its children after `COMMAND_SECONDS`, and by `stop_commands`.
    """
    name = f"token_command: {command[0]}"
    try:
        running = subprocess.Popen(
            command,
            cwd=folder if folder.is_dir() else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CredentialError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    _running.append(running)
    text = _output(running, time.monotonic() + COMMAND_SECONDS)
    ended = running.poll() is not None
    if not ended:
        _kill(running)
    code = running.wait()
    _running.remove(running)
    if len(text) >= MOST_BYTES:
        raise CredentialError(f"{name}: it prints too much")
    if not ended:
        raise CredentialError(f"{name}: no answer within {COMMAND_SECONDS:.0f} s")
    if code:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise CredentialError(f"{name}: ended with {how}")
    return _valid("token_command", command[0], _first_line(text))


def _output(running: subprocess.Popen[bytes], until: float) -> bytes:
    """Return what a program prints before it ends, until a time of the monotonic clock.

    The end of its output is not waited for: an agent that it starts may hold that open for ever.
    """
    assert running.stdout is not None
    text = b""
    with running.stdout as output:
        while len(text) < MOST_BYTES:
            ended = running.poll() is not None
            if not ended and time.monotonic() >= until:
                break
            ready = select.select([output], [], [], 0 if ended else _LOOK_SECONDS)[0]
            piece = os.read(output.fileno(), MOST_BYTES) if ready else b""
            text += piece
            if ended and not piece:
                break
            if ready and not piece:
                time.sleep(_LOOK_SECONDS)  # it has closed its output and goes on
    return text


_running: list[subprocess.Popen[bytes]] = []


def stop_commands() -> None:
    """Kill the programs that have not printed their token yet: nobody waits for it any more."""
    for running in tuple(_running):
        _kill(running)


def _kill(running: subprocess.Popen[bytes]) -> None:
    """Kill a program and its children, which could hold its output open."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(running.pid, 9)
        else:
            running.kill()


def _first_line(text: bytes) -> str:
    return text.partition(b"\n")[0].decode("utf-8", "replace").strip()
