"""The `config` command: the file's path, every setting with its origin, a first file, mistakes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurper_tui.api.credentials import check_base_url
from slurper_tui.api.errors import BadBaseUrl
from slurper_tui.api.models import DEFAULT_BASE_URL
from slurper_tui.cli.credentials import EMAIL, KEY, TOKEN, WHERE_ACCOUNT, credential_of
from slurper_tui.cli.errors import PERMISSION, CliError, ExitCode
from slurper_tui.cli.output import Output
from slurper_tui.cli.settings import mistakes_of_notify, mistakes_of_screen
from slurper_tui.config import (
    FILE,
    Account,
    Config,
    ConfigError,
    Flags,
    Notify,
    load,
    locate,
    mistakes_in,
    origins,
    place_before,
    read_text,
)
from slurper_tui.new_file import new_file

if TYPE_CHECKING:
    from slurper_tui.cli.context import Process

HIDDEN = "***"

FIRST_FILE = f"""\
# slurper-tui: see `slurper-tui help config`. Every line is optional; a # in front switches it off.

# theme = "auto"              # or slurper-dark, slurper-light, any of Textual's themes
# interval = 5                # seconds between rounds, at least 2
# columns = ["status", "account", "migration", "done", "percent", "eta"]
# sort = "-percent"           # a column; - in front inverts its order
# window = "1 h"              # of the charts: 10 min, 1 h, 6 h, 24 h, all
# ascii = false               # letters instead of symbols
# mouse = false
# utc = false                 # times in UTC

# [keys]                      # any key by its id: slurper-tui help keys
# "list.filter" = "f"

# [notify]                    # being told: slurper-tui help notify
# events = ["end", "failing", "stall", "outage", "token", "deadline"]
# title = true                # of the terminal
# bell = false
# osc = 9                     # a notification of the terminal: 9 or 777
# progress = false            # on the terminal's tab
# command = ["notify-send", "slurper-tui"]  # the event is JSON on its stdin
# url = "https://ntfy.example.com/migrations"  # a webhook

# An account: {PERMISSION};
# {WHERE_ACCOUNT}.
# The credential is named here, never written here: exactly one of the four forms.

# [accounts.prod]
# id = "0123456789abcdef0123456789abcdef"
# token_env = "PROD_TOKEN"                            # a variable
# token_file = "~/.config/slurper-tui/prod-token"     # a file that only you can read
# token_command = ["pass", "show", "cloudflare/prod"] # a password manager; no shell
# email_env = "CLOUDFLARE_EMAIL"                      # the older scheme, both
# key_env = "CLOUDFLARE_API_KEY"
# base_url = "{DEFAULT_BASE_URL}"
"""


def configure(options: argparse.Namespace, flags: Flags, process: Process) -> ExitCode:
    """Perform one of the four actions. Raises CliError where there is no place for a file."""
    out = Output(process.out, process.err, ascii_only=False)
    file = Path(flags.file) if flags.file is not None else process.config_file
    if file is None:
        raise CliError("there is no home folder, so there is no configuration file: give --config")
    if options.action == "path":
        out.line(str(file))
        return ExitCode.OK
    if options.action == "init":
        _write_first(file)
        out.line(str(file))
        return ExitCode.OK
    if options.action == "check":
        return _check(file, flags, process, out)
    try:
        config = load(flags, process.environ, process.config_file)
        came_from = origins(flags, process.environ, process.config_file)
        rows = list(_rows(config, came_from, process, file))
    except ConfigError as error:
        raise CliError(str(error)) from None
    if config.notice:
        out.note(config.notice)
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        out.line(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}".rstrip())
    return ExitCode.OK


def _write_first(file: Path) -> None:
    """Write the commented file. Raises CliError if a file is there or it cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with new_file(file, 0o666) as new:
            new.write(FIRST_FILE.encode())
    except FileExistsError:
        raise CliError(f"{file}: there is a file already; it is left as it is") from None
    except OSError as error:
        raise CliError(f"{file}: {error.strerror or error}") from None


def _check(file: Path, flags: Flags, process: Process, out: Output) -> ExitCode:
    """Print each mistake of the file and of the settings that the screen defines."""
    if flags.file is None and not os.path.lexists(file):
        out.line(f"{file}: there is no file, so the defaults count")
        return ExitCode.OK
    try:
        mistakes = mistakes_in(read_text(file), str(file))
        if not mistakes:
            config = load(flags, process.environ, process.config_file)
            mistakes = [*_bad_addresses(config), *mistakes_of_notify(config)]
            mistakes += mistakes_of_screen(config)
            mistakes += _bad_credentials(config, process.environ)
    except ConfigError as error:
        mistakes = [str(error)]
    for mistake in mistakes:
        out.line(mistake)
    if not mistakes:
        out.line(f"{file}: no mistakes")
    return ExitCode.USAGE if mistakes else ExitCode.OK


def _bad_addresses(config: Config) -> Iterator[str]:
    for name, account in config.named.items():
        if reason := _address_fault(account.base_url):
            yield f"{place_before(config, 'accounts', name, 'base_url')}{reason}"


def _bad_credentials(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable that is not set and each file that cannot be used.

    Programs are not run.
    """
    for name in config.named:
        try:
            credential_of(config, name, environ)
        except CliError as error:
            yield error.line


def _address_fault(base_url: str | None) -> str:
    """Return what is wrong with a base URL; "" for a good one or none."""
    try:
        check_base_url(base_url or DEFAULT_BASE_URL)
    except BadBaseUrl as error:
        return str(error)
    return ""


def _rows(
    config: Config, came_from: Mapping[str, str], process: Process, file: Path
) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the origin of each setting. file: of the configuration."""

    def origin(name: str, *path: str) -> str:
        found = came_from.get(name, "default")
        if found == FILE and config.file is not None:
            place = locate(config.file, path or (name,))
            return place.rpartition(":")[0] if place else str(config.file)
        return found if found == "default" or found.startswith("--") else f"variable {found}"

    yield "file", str(config.file or process.config_file or "none"), "" if config.file else "none"
    yield "theme", config.theme or "auto", origin("theme")
    yield "interval", f"{config.interval:g}", origin("interval")
    yield "columns", ", ".join(config.columns) or "all", origin("columns")
    yield "sort", config.sort or "the worst first", origin("sort")
    yield "window", config.window or "1 h", origin("window")
    yield "ascii", str(config.ascii_only).lower(), origin("ascii_only", "ascii")
    yield "mouse", str(config.mouse).lower(), origin("mouse")
    yield "utc", str(config.utc).lower(), origin("utc")
    for id, bound in config.keys.items():
        yield f"keys.{id}", bound, origin("keys", "keys", id)
    for key, value in _notify_rows(config.notify):
        is_default = getattr(config.notify, key) == getattr(Notify(), key)
        came = "default" if is_default else origin("notify", "notify", key)
        yield f"notify.{key}", value, came
    yield "base_url", _shown_address(config.base_url), origin("base_url")
    shown = (config.names.get(id, id) for id in config.accounts)
    yield "accounts", ", ".join(shown) or "none", origin("accounts", "accounts")
    for name, account in config.named.items():
        for key, value in _account_rows(account, process.environ, file.parent):
            yield f"accounts.{name}.{key}", value, origin("named", "accounts", name, key)
    for variable in (TOKEN, EMAIL, KEY):
        if process.environ.get(variable, "").strip():
            yield variable, HIDDEN, f"variable {variable}"


def _notify_rows(notify: Notify) -> Iterator[tuple[str, str]]:
    """Yield the ways of being told that are on. A webhook's URL and arguments may be secret."""
    yield "events", ", ".join(notify.events)
    if notify.title is not None:
        yield "title", str(notify.title).lower()
    if notify.bell:
        yield "bell", "true"
    if notify.osc is not None:
        yield "osc", str(notify.osc)
    if notify.progress:
        yield "progress", "true"
    if notify.command:
        yield "command", _program(notify.command)
    if notify.url is not None:
        yield "url", HIDDEN


def _shown_address(base_url: str | None) -> str:
    """Return a base URL, unless it is a bad one, which may hold a password."""
    return HIDDEN if _address_fault(base_url) else base_url or DEFAULT_BASE_URL


def _account_rows(
    account: Account, environ: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, str]]:
    """Yield the keys of an account that are set, without any secret.

    folder: what the name of a file starts from.
    """
    yield "id", account.id
    if account.base_url is not None:
        yield "base_url", _shown_address(account.base_url)
    for key in ("token_env", "email_env", "key_env"):
        if variable := getattr(account, key):
            is_set = environ.get(variable, "").strip()
            yield key, f"{variable} ({HIDDEN if is_set else 'not set'})"
    if account.token_file is not None:
        there = os.path.exists(folder / os.path.expanduser(account.token_file))
        yield "token_file", f"{account.token_file} ({HIDDEN if there else 'no such file'})"
    if account.token_command is not None:
        yield "token_command", _program(account.token_command)


def _program(command: Sequence[str]) -> str:
    return f"{command[0]} {HIDDEN}" if command[1:] else command[0]
