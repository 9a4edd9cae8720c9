"""The API clients and the history of one run: those of the configured accounts, or the demo's.

Reading credentials, accounts and the base URL raises CliError before the first request. Opening the
history never fails: without a usable file, it is in memory.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slurper_tui.api.client import SlurperClient, without_click
from slurper_tui.api.credentials import (
    token_credentials,
)
from slurper_tui.api.errors import BadBaseUrl, BadSetting
from slurper_tui.api.models import DEFAULT_BASE_URL, Job, parse
from slurper_tui.api.scrub import Scrubber
from slurper_tui.cli.credentials import (
    WHERE_ACCOUNT,
    Source,
    credential_of,
    read_credentials,
    stop_commands,
    variable_words,
)
from slurper_tui.cli.errors import CliError
from slurper_tui.config import (
    ACCOUNT_VARIABLE,
    BASE_URL_VARIABLE,
    CREDENTIAL_KEYS,
    Config,
    ConfigError,
    check_accounts,
    nearest,
    place_before,
)
from slurper_tui.format import parse_time
from slurper_tui.monitor.history.codecs import BaseUrls
from slurper_tui.monitor.history.files import FILE, reason_at_start
from slurper_tui.monitor.history.opening import memory_store, open_history
from slurper_tui.monitor.model.base import JobKey, Moment, is_too_early
from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.model.samples import HistoryView, Keeping, Recorded, StoredJob

if TYPE_CHECKING:
    import httpx

    from slurper_tui.cli.commands.history import Replay
    from slurper_tui.monitor.history.recorder import Recorder
    from slurper_tui.monitor.history.store import Store
    from slurper_tui.monitor.polling.history_sync import StoredHistory
    from slurper_tui.simulated.account import SimulatedAccount
    from slurper_tui.simulated.jobs import Course


_FOR_HTTPX = frozenset({"https_proxy", "all_proxy", "ssl_cert_file", "ssl_cert_dir"})
"""Environment variables, in lower case, whose values only httpx can check."""


class Login(NamedTuple):
    """A credential in use.

    accounts: the ids of its accounts. base_url: the address of the API. words: which credential it
    is, without any part of it. is_token: it is an API token, not a global key.
    """

    client: SlurperClient
    accounts: tuple[str, ...]
    base_url: str
    words: str
    is_token: bool = True


class Connection(msgspec.Struct, frozen=True):
    """The API clients of the accounts to query.

    logins: the accounts of one credential and address share one. accounts: all ids, in their order.
    base_urls: the addresses of the API, "demo" for the demo.
    names: account id to name, of the named accounts.
    demo: the simulated account, None for the real API.
    replay: the recorded history that is shown instead of the present; None without one.
    """

    logins: Sequence[Login]
    accounts: Sequence[str]
    base_urls: BaseUrls
    names: Mapping[str, str] = {}
    demo: SimulatedAccount | None = None
    replay: Replay | None = None

    @property
    def clients(self) -> Mapping[str, SlurperClient]:
        """The client of each account, in the order of the accounts."""
        made = {id: login.client for login in self.logins for id in login.accounts}
        return {id: made[id] for id in self.accounts}

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each environment setting that the clients skip, see `SlurperClient`."""
        return tuple(dict.fromkeys(note for login in self.logins for note in login.client.notes))

    def open(self) -> None:
        """Open the clients, which imports httpx. Raises CliError when a setting is invalid."""
        try:
            for login in self.logins:
                login.client.open()
        except BadSetting as error:
            raise setting_error(error) from None

    async def close(self) -> None:
        """Close every connection, and end the programs that were to print a token."""
        stop_commands()
        for login in self.logins:
            await login.client.close()


def make_connection(
    config: Config,
    environ: Mapping[str, str],
    *,
    demo: bool,
    transport: httpx.AsyncBaseTransport | None = None,
    scrubber: Scrubber | None = None,
) -> Connection:
    """Make the clients of the configured accounts; they are not open yet.

    scrubber: receives every secret that the clients are given or send. Raises CliError when
    credentials or the account id are missing or invalid, or a base URL is.
    """
    if demo:
        return _demo(config.accounts if config.accounts_from == "--account" else (), scrubber)
    unnamed = tuple(id for id in config.accounts if id not in config.names)
    if unnamed and config.named:
        _refuse_mistyped(config, unnamed)
    credentials = read_credentials(environ) if unnamed or not config.accounts else None
    if not config.accounts:
        raise CliError(
            f"no account id: set {ACCOUNT_VARIABLE} or give --account ID; {WHERE_ACCOUNT}"
        )
    try:
        check_accounts(config)
    except ConfigError as error:
        raise CliError(f"{error}; {WHERE_ACCOUNT}") from None
    make = partial(_client, transport=transport, scrubber=scrubber or Scrubber())
    urls, logins = base_urls(config), []
    if credentials is not None:
        try:
            client = make(Source(credentials), urls[""])
        except BadBaseUrl as error:
            raise setting_error(error) from None
        words, is_token = variable_words(environ)
        logins.append(Login(client, unnamed, urls[""], words, is_token))
    for names in _by_credential(config):
        url = urls[config.named[names[0]].id]
        try:
            user = config.named[names[0]].credential
            client = make(credential_of(config, names[0], environ), url, user=user)
        except BadBaseUrl as error:
            raise _bad_address(config, names[0], error) from None
        ids = tuple(config.named[name].id for name in names)
        key = next(key for key in CREDENTIAL_KEYS if getattr(config.named[names[0]], key))
        words = f"{key} of {', '.join(names)}"
        logins.append(Login(client, ids, url, words, key != "email_env"))
    return Connection(logins, config.accounts, urls, config.names)


def _demo(chosen: Sequence[str], scrubber: Scrubber | None) -> Connection:
    """Return the connection of the demo. Raises CliError if an account of another id is chosen."""
    with without_click():
        from slurper_tui.simulated.account import SimulatedAccount  # httpx: 60 ms

    account = SimulatedAccount(free_listing=True)
    client = SlurperClient(
        token_credentials(account.token), transport=account.transport(), scrubber=scrubber
    )
    ids = (account.account_id,)
    if not set(chosen) <= set(ids):
        raise CliError(f"--account: the demo has one account alone, {account.account_id}")
    login = Login(client, ids, "demo", "the demo's own token")
    return Connection([login], ids, "demo", demo=account)


def _client(
    source: Source,
    url: str,
    user: object = None,
    *,
    transport: httpx.AsyncBaseTransport | None,
    scrubber: Scrubber,
) -> SlurperClient:
    """Make a client. Raises BadBaseUrl."""
    scrubber.add(*(source.credentials.secrets if source.credentials else ()))
    return SlurperClient(
        source.credentials,
        url,
        read=source.read,
        transport=transport,
        user=user,
        scrubber=scrubber,
    )


def _by_credential(config: Config) -> Sequence[Sequence[str]]:
    """Group the names of the accounts to follow by credential and address."""
    groups: dict[object, list[str]] = {}
    for id in config.accounts:
        if name := config.names.get(id):
            account = config.named[name]
            groups.setdefault((account.credential, account.base_url), []).append(name)
    return [*groups.values()]


def _refuse_mistyped(config: Config, unnamed: Sequence[str]) -> None:
    """Raise CliError for a word that resembles the name of an account.

    The message does not quote the word, which may be a token in a wrong variable.
    """
    for word in unnamed:
        if near := nearest(word, config.named):
            raise CliError(f"{config.accounts_from}: no account has one of these names{near}")


def base_urls(config: Config) -> dict[str, str]:
    """Return the address of the API for each account of the file, and as "" for all others."""
    general = config.base_url or DEFAULT_BASE_URL
    own = {account.id: account.base_url or general for account in config.named.values()}
    return {"": general, **own}


def _bad_address(config: Config, name: str, error: BadBaseUrl) -> CliError:
    if config.named[name].base_url is None:
        return setting_error(error)
    where = place_before(config, "accounts", name, "base_url")
    return CliError(f"{where}accounts.{name}: {error}")


def setting_error(error: BadSetting) -> CliError:
    """Return the error that ends the program for a setting of the client that cannot be used."""
    where = f"{BASE_URL_VARIABLE}: " if isinstance(error, BadBaseUrl) else ""
    return CliError(f"{where}{error}")


def has_network_settings(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a proxy or certificates, which only httpx can check."""
    return not _FOR_HTTPX.isdisjoint(map(str.lower, environ))


ABSENCE = 600.0
"""Seconds without a running monitor after which the changes meanwhile are shown."""


class OpenHistory:
    """An open history. jobs: the last recorded state of every job.

    away_since: time of the last sample, UTC seconds; None if it is at most `ABSENCE` old.
    """

    def __init__(
        self,
        store: Store,
        view: HistoryView,
        jobs: Sequence[StoredJob],
        now: float,
        *,
        healed: bool = False,
    ) -> None:
        self.jobs = jobs
        # Without the impossible times: too early, or before the job's creation.
        times = [
            job.last.at
            for job in jobs
            if job.last and not is_too_early(job.last.at, parse_time(job.job.created_at))
        ]
        last = max(times, default=now)
        self.away_since = last if now - last > ABSENCE else None
        self._store = store
        self._view = view
        self._healed = healed
        self._report: Callable[[str], None] | None = None
        self._recorder: Recorder | None = None

    def stored(self, *, shown: bool = True) -> StoredHistory:
        """Start the recorder, which owns the store from now on, and return it for the monitor.

        shown: whether data of earlier runs is shown.
        """
        from slurper_tui.monitor.history.recorder import Recorder  # not before the first frame
        from slurper_tui.monitor.polling.history_sync import StoredHistory

        self._recorder = self._recorder or Recorder(self._store, self._view)
        return StoredHistory(self._recorder, self.jobs, shown, self.away_since, self._healed)

    def when_closed(self, report: Callable[[str], None]) -> None:
        """Set a function that `close` calls with the history's note; "" when the history is on."""
        self._report = report

    async def close(self) -> None:
        """Write pending samples, close the file, and report the final note."""
        if self._recorder is None:
            self._store.close()
        else:
            await self._recorder.close()
        if self._report is not None:
            self._report((self._recorder.view if self._recorder else self._view).note)


def history_of(
    connection: Connection, options: argparse.Namespace, state: Path | None, now: float
) -> OpenHistory:
    """Open the history of a connection. now: UTC seconds. Never raises for an unusable file.

    state: the history's folder, None without a home folder. If the file can be opened but not read,
    the history is off and this run is recorded in memory.
    """
    if connection.replay is not None:
        return connection.replay.history()
    store, view = open_history(
        None if connection.demo or state is None else state / FILE,
        connection.base_urls,
        enabled=not options.no_history,
    )
    if state is None and not connection.demo and not options.no_history:
        view = HistoryView(Keeping.OFF, "there is no home folder to keep it in")
    try:
        if connection.demo is not None:
            fill_for_demo(store, connection.demo, now)
        healed = False
        with suppress(sqlite3.Error):  # such as a locked file
            healed = store.heal(now)
        return OpenHistory(store, view, store.jobs(connection.accounts), now, healed=healed)
    except (OSError, sqlite3.Error) as error:
        with suppress(sqlite3.Error):
            store.close()
        memory = memory_store(connection.base_urls)
        return OpenHistory(memory, HistoryView(Keeping.OFF, reason_at_start(error)), (), now)


_HOUR = 3600.0

_EARLIER_RUNS = (
    (30 * _HOUR, 16 * _HOUR, 600.0),
    (3 * _HOUR, 600.0, 60.0),
    (600.0, 5.0, 5.0),
)
"""Simulated earlier runs in the demo's history: (start in seconds ago, end, sample interval)."""


def demo_store() -> Store:
    """Return a history in memory as the demo finds it at its start."""
    from slurper_tui.simulated.account import SimulatedAccount  # httpx

    store = memory_store(DEFAULT_BASE_URL)
    fill_for_demo(store, SimulatedAccount(), time.time())
    return store


def fill_for_demo(store: Store, account: SimulatedAccount, now: float) -> None:
    """Write samples of `_EARLIER_RUNS` for each job that had not ended by the first of them.

    now: UTC seconds.
    """
    from slurper_tui.simulated.api import job_json  # only the demo needs it

    jobs: list[StoredJob] = []
    samples: list[tuple[JobKey, Recorded]] = []
    for course in account.jobs():
        if course.finished(now - _EARLIER_RUNS[0][0]) is None:
            key = JobKey(account.account_id, course.plan.id)
            jobs.append(StoredJob(account.account_id, parse(Job, job_json(course, now))))
            samples.extend((key, sample) for sample in _demo_samples(course, now))
    store.write(jobs, samples)


def _demo_samples(course: Course, now: float) -> Iterator[Recorded]:
    """Yield the samples of a simulated job during `_EARLIER_RUNS`, until its end."""
    from slurper_tui.monitor.estimate.series import Series  # only the demo needs it

    series = Series()
    for begun, until, period in _EARLIER_RUNS:
        for number in range(int((begun - until) / period)):
            at = now - begun + number * period
            if at <= max(0.0, course.plan.created):  # the history keeps no time before 1970
                continue
            seen = course.counters(at)
            yield series.add(
                Counts(seen.objects, seen.transferred, seen.skipped, seen.failed),
                course.status(at),
                Moment(at, at),
                period=period,
                created_at=None,
                clock_jumped=False,
            )
            if course.finished(at) is not None:
                return
