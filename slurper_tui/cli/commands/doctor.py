"""The `doctor` command: check what is configured, reachable and supported here; change nothing.

Each check is one line: ok, a warning or a failure, with advice. The API is asked for the token's
status and one job of each account, all at once and within `SECONDS`. The history is opened
read-only, and is not created.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from slurper_tui import format as fmt
from slurper_tui.api.errors import (
    ApiError,
    NoCredential,
    RateLimit,
    RateLimited,
    Rejected,
    Unreachable,
)
from slurper_tui.cli.connect import (
    Connection,
    Login,
    base_urls,
    make_connection,
)
from slurper_tui.cli.context import zone_works
from slurper_tui.cli.credentials import WHERE_ACCOUNT, secrets_in
from slurper_tui.cli.errors import PERMISSION, CliError, ExitCode, exit_code
from slurper_tui.cli.notify import FOR_TMUX
from slurper_tui.cli.output import Output
from slurper_tui.cli.signals import run_guarded
from slurper_tui.cli.terminal import colours_of
from slurper_tui.config import Config, ConfigError, Flags, load
from slurper_tui.monitor.history.files import FILE, is_kept, reason_of
from slurper_tui.monitor.history.opening import read_store
from slurper_tui.monitor.history.schema import HistoryError
from slurper_tui.monitor.model.job import EXPIRES_SOON

if TYPE_CHECKING:
    from slurper_tui.api.models import Answer, TokenStatus
    from slurper_tui.cli.context import Process

SECONDS = 10.0
"""Time limit for all requests together; a program that prints the token has its own before."""

SLOW_SECONDS = 1.0
"""How long such a program took is told from here on."""

TMUX_SECONDS = 2.0
"""Time limit for tmux's answer."""

MOST_SKEW = 30.0
"""A clock that differs by more seconds is a warning."""

LEAST_FREE = 50 * 2**20
"""Less free space in bytes for the history is a warning."""

_ESCAPE_MS = 100
"""Milliseconds: a longer escape-time of tmux delays the Esc key noticeably."""


class Health(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


_SIGNS = {Health.OK: ("✔", "+"), Health.WARNING: ("▲", "!"), Health.FAILURE: ("✖", "x")}


class Check(NamedTuple):
    """One line. advice: what to do, or what else to know; "" for nothing.

    code: the exit code of a failure.
    """

    name: str
    health: Health
    text: str
    advice: str = ""
    code: ExitCode = ExitCode.OK


def _ok(name: str, text: str, advice: str = "") -> Check:
    return Check(name, Health.OK, text, advice)


def _warning(name: str, text: str, advice: str = "") -> Check:
    return Check(name, Health.WARNING, text, advice)


def _failure(name: str, text: str, advice: str, code: ExitCode) -> Check:
    return Check(name, Health.FAILURE, text, advice, code)


def doctor(options: argparse.Namespace, flags: Flags, process: Process) -> ExitCode:
    """Check everything and print it; return the exit code of the first failure."""
    process.scrubber.add(*secrets_in(process.environ))
    if options.log is not None:
        from slurper_tui.cli.diagnostics import open_log

        open_log(options.log, process.scrubber)
    config, configured = _configuration(flags, process)
    out = Output(process.out, process.err, ascii_only=config.ascii_only)
    clean = process.scrubber.clean

    async def run() -> ExitCode:
        checks = [
            configured,
            *await _remote(options, process, config),
            _history(options, process.state, config),
            *_terminal(process.environ, out),
            _time_zone(config),
        ]
        checks = [c._replace(text=clean(c.text), advice=clean(c.advice)) for c in checks]
        code = next((check.code for check in checks if check.health is Health.FAILURE), ExitCode.OK)
        _print(checks, code, out, as_json=options.json)
        return code

    return run_guarded(run)


def _print(checks: Sequence[Check], code: ExitCode, out: Output, *, as_json: bool) -> None:
    if as_json:
        worst = max((check.health for check in checks), key=list(Health).index)
        named = [
            {"name": c.name, "health": c.health, "text": c.text, "advice": c.advice or None}
            for c in checks
        ]
        out.line(fmt.as_json({"health": worst, "exitCode": int(code), "checks": named}))
        return
    names = max(len(check.name) for check in checks)
    for check in checks:
        start = f"{_SIGNS[check.health][out.ascii_only]} {check.health:<7}  {check.name:<{names}}  "
        text = f"{check.text} {out.arrow} {check.advice}" if check.advice else check.text
        for line in _wrapped(start, text, out):
            out.line(line)
    healths = [check.health for check in checks]
    failures, warnings = healths.count(Health.FAILURE), healths.count(Health.WARNING)
    out.line(
        f"{failures or 'no'} failure{'' if failures == 1 else 's'}, "
        f"{warnings or 'no'} warning{'' if warnings == 1 else 's'}"
    )


def _wrapped(start: str, text: str, out: Output) -> Sequence[str]:
    """Return the text after its start, wrapped with an indent on a terminal; else in one line."""
    if out.width is None:
        return [start + text]
    from textwrap import wrap

    indent = " " * (len(start) if out.width >= 2 * len(start) else 2)
    return wrap(
        text,
        out.width,
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


# Configuration and network


def _configuration(flags: Flags, process: Process) -> tuple[Config, Check]:
    """Return the settings, without those of an unusable file or flag, and the check of them."""
    name, path = "configuration", process.config_file
    try:
        config = load(flags, process.environ, path)
    except ConfigError as error:
        lenient = msgspec.structs.replace(flags, interval=None, file=None)
        config = load(lenient, process.environ, None)
        advice = "correct it; the other checks are made without it"
        return config, _failure(name, str(error), advice, ExitCode.USAGE)
    if config.notice:
        return config, _warning(name, config.notice, "correct the access to it, or remove it")
    if config.file is not None:
        return config, _ok(name, str(config.file))
    return config, _ok(name, f"no file; {path} is optional" if path else "no file, no home folder")


class _Asked(NamedTuple):
    """What came of a request: the answer, an error, or neither if the time limit was reached.

    began, ended: UTC seconds.
    """

    answer: Answer[Any] | None
    error: ApiError | None
    began: float
    ended: float

    @property
    def problem(self) -> str:
        """Why there is no answer."""
        return str(self.error or f"no answer within {SECONDS:.0f} s")

    @property
    def limit(self) -> RateLimit | None:
        """What the API told about the rate limit; None if nothing."""
        return self.answer.limit if self.answer else self.error.limit if self.error else None

    @property
    def skew(self) -> float | None:
        """By how many seconds the API's clock is ahead; None if unknown.

        The header holds for any time during the request, and up to a second after what it says.
        """
        if self.answer is None:
            return None
        try:
            date = parsedate_to_datetime(self.answer.date or "").timestamp()
        except (ValueError, OverflowError):
            return None
        if date > self.ended:
            return date - self.ended
        return min(0.0, date + 1 - self.began)


async def _remote(options: argparse.Namespace, process: Process, config: Config) -> list[Check]:
    """Return the checks of the network settings, the credential, the accounts, clock, budget."""
    try:
        connection = make_connection(
            config,
            process.environ,
            demo=options.demo,
            transport=process.transport,
            scrubber=process.scrubber,
        )
    except CliError as error:
        return _unconnected(error)
    try:
        connection.open()
    except CliError as error:
        used = _failure("network", error.line, "correct or unset it", ExitCode.USAGE)
        untried = [
            _warning("credential", f"{login.words}: not tried") for login in connection.logins
        ]
        return [*untried, used]
    try:
        asked = await asyncio.gather(*map(_ask, connection.logins))
    finally:
        await connection.close()
    checks: list[Check] = []
    every: list[_Asked] = []
    for login, (token, accounts, seconds) in zip(connection.logins, asked, strict=True):
        which = login.words
        if seconds >= SLOW_SECONDS:
            which = f"{which} (read in {seconds:.0f} s)"
        checks.append(_check_credential(token, accounts, which))
        for id, answer in accounts.items():
            checks.append(_check_account(connection.names.get(id, id), answer))
        of_login = [*([token] if token else []), *accounts.values()]
        checks.append(_check_budget(of_login))
        every += of_login
    return [*checks, _check_clock(every), *_network(connection)]


def _unconnected(error: CliError) -> list[Check]:
    """Return the checks where no client can be made."""
    if error.code == ExitCode.CREDENTIALS:
        advice = "correct that, or make a token in the dashboard: My Profile, API Tokens"
        return [
            _failure("credential", error.line, advice, error.code),
            _warning("account", "not tried without a credential"),
        ]
    return [
        _warning("credential", "not tried"),
        _failure("account", error.line, "", error.code),
    ]


async def _ask(login: Login) -> tuple[_Asked | None, dict[str, _Asked], float]:
    """Ask for the token's status (None for a global key), and for one job of each account.

    Also return how many seconds the credential took to be read.
    """
    client, began = login.client, time.monotonic()
    try:
        await client.read_credentials()
    except NoCredential as error:
        unread = _Asked(None, error, time.time(), time.time())
        return unread, dict.fromkeys(login.accounts, unread), time.monotonic() - began
    seconds = time.monotonic() - began
    requests = {id: client.list_jobs(id, limit=1) for id in login.accounts}
    asks = [client.verify_token()] if login.is_token else []
    asked = await asyncio.gather(*map(_within_limit, (*asks, *requests.values())))
    token = asked.pop(0) if login.is_token else None
    return token, dict(zip(requests, asked, strict=True)), seconds


async def _within_limit(request: Any) -> _Asked:
    began = time.time()
    answer, error = None, None
    try:
        async with asyncio.timeout(SECONDS):
            answer = await request
    except ApiError as raised:
        error = raised
    except TimeoutError:
        pass
    return _Asked(answer, error, began, time.time())


def _check_credential(token: _Asked | None, accounts: Mapping[str, _Asked], which: str) -> Check:
    name = "credential"
    if token is not None and isinstance(token.error, NoCredential):
        advice = "run that program: its first line has to be the token"
        return _failure(name, f"{which}: {token.problem}", advice, ExitCode.CREDENTIALS)
    works = any(asked.answer for asked in accounts.values())
    rejected = [a.problem for a in accounts.values() if isinstance(a.error, Rejected)]
    if token is not None and token.answer is not None:
        return _check_status(token.answer.value, which)
    if works and token is None:
        return _ok(name, f"{which}: accepted", "it allows all that its user may; a token is safer")
    if works:
        return _ok(name, f"{which}: accepted", "the API does not say when it expires")
    if rejected:
        return _failure(name, f"{which}: {rejected[0]}", PERMISSION, ExitCode.CREDENTIALS)
    return _warning(name, f"{which}: not tried, because the API does not answer")


def _check_status(token: TokenStatus, which: str) -> Check:
    """Check the status and the expiry that the API tells of a token."""
    now, expires = time.time(), fmt.parse_time(token.expires_on)
    status = token.status or "status unknown"
    renew = "make a new token in the dashboard, and set it here"
    if token.status not in (None, "active") or (expires is not None and expires <= now):
        return _failure("credential", f"{which}: {status}", renew, ExitCode.CREDENTIALS)
    begins = fmt.parse_time(token.not_before)
    if begins is not None and begins > now:
        text = f"{which}: {status}, but not before {fmt.utc(begins)}"
        return _failure("credential", text, "wait, or make a new token", ExitCode.CREDENTIALS)
    if expires is None:
        never = "its expiry is not known" if token.expires_on else "never expires"
        return _ok("credential", f"{which}: {status}, {never}")
    text = f"{which}: {status}, expires in {fmt.duration(expires - now)}, {fmt.utc(expires)}"
    if expires - now < EXPIRES_SOON:
        return _warning("credential", text, renew)
    return _ok("credential", text)


def _check_account(account_id: str, asked: _Asked) -> Check:
    if asked.answer is not None:
        took = f"{asked.ended - asked.began:.1f} s"
        advice = "whether they may be changed shows only when one is"
        return _ok("account", f"{account_id}: its jobs can be listed ({took})", advice)
    if isinstance(asked.error, NoCredential):
        return _warning("account", f"{account_id}: not tried without a credential")
    code = exit_code(asked.error.exit_code) if asked.error else ExitCode.API
    text = f"{account_id}: {asked.problem}"
    if isinstance(asked.error, Rejected):
        return _failure("account", text, f"{PERMISSION} for this account", code)
    if asked.error is None or isinstance(asked.error, Unreachable):
        advice = "check the network, and the proxy below"
    elif isinstance(asked.error, RateLimited):
        advice = "wait; all tools of this user share the limit"
    else:
        advice = WHERE_ACCOUNT if asked.error.status in (400, 404) else "try again later"
    return _failure("account", text, advice, code)


def _check_clock(every: Sequence[_Asked]) -> Check:
    """Compare the clock with the Date header, which is given in whole seconds."""
    skews = [skew for asked in every if (skew := asked.skew) is not None]
    if not skews:
        return _warning("clock", "unknown: no answer with a Date header")
    skew = min(skews, key=abs)
    if abs(skew) <= 1:
        return _ok("clock", "agrees with the API's")
    text = f"{fmt.duration(abs(skew))} {'behind' if skew > 0 else 'ahead of'} the API's"
    if abs(skew) <= MOST_SKEW:
        return _ok("clock", text)
    advice = "set the clock (Linux: timedatectl set-ntp true); times and forecasts are wrong by it"
    return _warning("clock", text, advice)


def _check_budget(every: Sequence[_Asked]) -> Check:
    limits = [asked.limit for asked in every if asked.limit and asked.limit.remaining is not None]
    if any(isinstance(asked.error, RateLimited) for asked in every):
        return _warning("budget", "spent", "wait; all tools of this user share the limit")
    if not limits:
        return _ok("budget", "unknown: no answer with a Ratelimit header")
    limit = min(limits, key=lambda limit: limit.remaining or 0)
    left, quota = limit.remaining or 0, limit.quota
    text = f"{left:,} of {quota:,} requests left" if quota else f"{left:,} requests left"
    if limit.reset is not None:
        text = f"{text}, anew in {fmt.duration(limit.reset)}"
    if quota and left < quota / 10:
        advice = "another tool or the dashboard uses it too: poll less often, with --interval"
        return _warning("budget", text, advice)
    return _ok("budget", text)


def _network(connection: Connection) -> Iterator[Check]:
    """Yield the checks of proxy and certificates, for a client that could be opened."""
    url = urlsplit(connection.logins[0].base_url)
    if url.scheme != "https":
        where = "the demo" if connection.demo else "plain http to this machine"
        yield _ok("network", f"{where}: no proxy, no certificates")
        return
    from slurper_tui.api.connection import choose_proxy  # httpx

    proxy = choose_proxy(url.hostname or "", url.port or 443)
    text = f"the one of {proxy.variable}" if proxy.proxy else "none"
    if proxy.notes:
        yield _warning("proxy", f"{text}; {'; '.join(proxy.notes)}", "correct or unset it")
    else:
        yield _ok("proxy", text)
    named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)][:1]
    yield _ok("certificates", f"of {named[0]}" if named else "the usual ones (certifi)")


# History


def _history(options: argparse.Namespace, state: Path | None, config: Config) -> Check:
    """Check the history's file and folder, read-only."""
    name = "history"
    if options.demo:
        return _ok(name, "in memory: the demo's")
    if options.no_history:
        return _ok(name, "off (--no-history)")
    if state is None:
        return _warning(name, "in memory only: there is no home folder", "set HOME")
    path = state / FILE
    if not os.path.lexists(path):
        folder = next((each for each in path.parents if each.exists()), path.parent)
        if not os.access(folder, os.W_OK | os.X_OK):
            return _warning(name, f"{folder} cannot be written to", "it stays in memory")
        return _ok(name, f"{path}: not begun yet")
    try:
        with closing(read_store(path, base_urls(config), unlocked=True)) as store:
            times = [job.last.at for job in store.jobs(()) if job.last]
        size = path.stat().st_size
        free = os.statvfs(path.parent)
    except (HistoryError, OSError, ValueError, sqlite3.Error) as error:
        return _warning(name, f"{path}: {reason_of(error)}", "move it away, or give it back")
    newest = f"newest sample {fmt.utc(max(times))}" if times else "no samples of this API address"
    shared = ", in use by another slurper-tui" if is_kept(path) else ""
    text = f"{path}: {size / 1e6:.1f} MB, {newest}{shared}"
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        return _warning(name, f"{text}; it cannot be written to", "new samples stay in memory")
    if free.f_bavail * free.f_frsize < LEAST_FREE:
        return _warning(name, f"{text}; the disk is almost full", "make room")
    return _ok(name, text)


# Terminal


def _terminal(environ: Mapping[str, str], out: Output) -> Iterator[Check]:
    """Yield the checks of the terminal, its colours, the clipboard and tmux."""
    yield _check_terminal(environ, out)
    if out.ascii_only:
        advice = "set LANG=C.UTF-8, or another locale with UTF-8, without --ascii"
        yield _warning("characters", "ASCII: letters instead of symbols", advice)
    else:
        yield _ok("characters", "UTF-8")
    yield _check_colours(environ)
    tmux = _tmux_options(environ) if environ.get("TMUX") else None
    yield _check_clipboard(environ, tmux)
    if tmux is not None:
        yield from check_tmux(tmux)


def _check_terminal(environ: Mapping[str, str], out: Output) -> Check:
    name, term = "terminal", environ.get("TERM", "")
    if not out.on_terminal:
        return _ok(name, f"none on standard output, TERM={term}: plain lines there")
    columns, rows = out.size
    text = f"TERM={term}, {columns} x {rows}"
    if term in ("", "dumb", "unknown"):
        return _warning(
            name, text, "set TERM as the terminal's documentation says: plain lines now"
        )
    if columns < 30 or rows < 6:
        return _warning(name, text, "below 30 x 6 the screen is one line: enlarge it")
    if columns < 80 or rows < 24:
        return _ok(name, text, "from 80 x 24 everything that matters is on one screen")
    return _ok(name, text)


def _check_colours(environ: Mapping[str, str]) -> Check:
    if environ.get("NO_COLOR"):
        return _ok("colours", "none: NO_COLOR is set")
    colours = colours_of(environ)
    advice = {
        "none": "set TERM as the terminal's documentation says",
        "16": "set TERM to a name with 256color where the terminal has them",
    }.get(colours, "")
    if advice:
        return _warning("colours", colours, advice)
    return _ok("colours", colours)


_TWICE = "pressing y twice shows the text, to select it"


def _check_clipboard(environ: Mapping[str, str], tmux: Mapping[str, str] | None) -> Check:
    """Check whether the terminal may take copies by OSC 52, which it cannot be asked."""
    name = "clipboard"
    if tmux is not None:
        if tmux.get("set-clipboard") == "on" or _tmux_copies(tmux):
            return _ok(name, "through tmux, where the terminal takes OSC 52")
        advice = f"in ~/.tmux.conf: set -s set-clipboard on; {_TWICE}"
        return _warning(name, "tmux does not pass copies on", advice)
    term = environ.get("TERM", "")
    if "STY" in environ or term.startswith(("screen", "tmux")):
        return _warning(name, "GNU screen does not pass copies on", _TWICE)
    if term == "linux" or environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return _warning(name, "this terminal takes no copies", _TWICE)
    return _ok(name, "OSC 52, where the terminal takes it", _TWICE)


def _tmux_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return tmux's server and global window options, and its `version`.

    None of them if it does not answer in time.
    """
    version = ("display-message", "-p", "version #{version}")
    command = ["tmux", "show-options", "-s", ";", "show-options", "-gw", ";", *version]
    try:
        done = subprocess.run(
            command,
            env={name: environ[name] for name in FOR_TMUX if name in environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TMUX_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(" ") for line in lines)
    return {name: value.strip("\"'") for name, _, value in pairs}


def _tmux_copies(options: Mapping[str, str]) -> bool:
    """Whether tmux takes copies from a command (3.2 or newer), whatever its settings."""
    version = re.match(r"(?:next-)?(\d+)\.(\d+)", options.get("version", ""))
    return version is not None and (int(version[1]), int(version[2])) >= (3, 2)


def check_tmux(options: Mapping[str, str]) -> Iterator[Check]:
    """Yield a check of each setting that matters. options: empty if tmux does not answer."""
    if not options:
        yield _warning("tmux", f"does not answer within {TMUX_SECONDS:.0f} s", "try: tmux show -s")
        return
    term = options.get("default-terminal", "")
    if term.endswith(("256color", "-direct")):
        yield _ok("tmux", f"default-terminal {term}")
    else:
        advice = "in ~/.tmux.conf: set -s default-terminal tmux-256color"
        yield _warning("tmux", f"default-terminal {term}: few colours", advice)
    wait = options.get("escape-time", "")
    if wait.isdecimal() and int(wait) > _ESCAPE_MS:
        text = f"escape-time {wait} ms: Esc is as late as that"
        yield _warning("tmux", text, "in ~/.tmux.conf: set -s escape-time 10")
    else:
        yield _ok("tmux", f"escape-time {wait} ms")
    for name, purpose in _TMUX_SWITCHES.items():
        value = options.get(name, "off")
        needless = value == "on" or (name == "set-clipboard" and _tmux_copies(options))
        advice = "" if needless else f"{purpose}: {_TMUX_SET.get(name, 'set -s')} {name} on"
        yield _ok("tmux", f"{name} {value}", advice)


_TMUX_SWITCHES = {
    "focus-events": "to be told which pane is in use",
    "allow-passthrough": "for notifications of the terminal itself",
    "set-clipboard": "to copy with y",
}
"""Options that nothing essential depends on, and what they are for."""

_TMUX_SET = {"allow-passthrough": "set -g"}


# Time zone


def _time_zone(config: Config) -> Check:
    name = "time zone"
    if config.utc:
        return _ok(name, "UTC, as asked")
    if not zone_works():
        text = "TZ is not a valid time zone, so times are in UTC"
        return _warning(name, text, "set TZ to a name such as Europe/Berlin")
    now = time.time()
    return _ok(name, f"{fmt.zone_name(now)}, here it is {fmt.iso(now)}")
