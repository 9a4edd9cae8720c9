"""Make the API client from credentials and account ids, and the demo's client and history.

Reading credentials, accounts and the base URL raises CliError before the first request. httpx is
imported by `_make_client`, which a `late` session calls only when the client is first used.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from slurper_tui.api.credentials import Credentials, key_credentials, token_credentials
from slurper_tui.api.models import DEFAULT_BASE_URL
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.cli.late_client import LateClient
from slurper_tui.config import (
    ACCOUNT_VARIABLE,
    BASE_URL_VARIABLE,
    Config,
    ConfigError,
    check_accounts,
)
from slurper_tui.monitor.source import WholeApi

if TYPE_CHECKING:
    import httpx

    from slurper_tui.api.client import SlurperClient
    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.simulated.account import SimulatedAccount


_ORDINARY = (
    r"(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))"
    r"(:(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}))?(/[A-Za-z0-9._/-]*)?"
)
"""Base URLs that are valid for certain, so httpx is not needed to check them at the start.

httpx checks them too, when the client is made.
"""

TOKEN, EMAIL, KEY = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"

SECRET_VARIABLES = (
    *(TOKEN, KEY, EMAIL),
    *("SLURPER_SOURCE_ACCESS_KEY_ID", "SLURPER_SOURCE_SECRET_ACCESS_KEY"),
    *("SLURPER_SOURCE_CLIENT_EMAIL", "SLURPER_SOURCE_PRIVATE_KEY"),
    *("SLURPER_TARGET_ACCESS_KEY_ID", "SLURPER_TARGET_SECRET_ACCESS_KEY"),
)

_FOR_HTTPX = frozenset({"https_proxy", "all_proxy", "ssl_cert_file", "ssl_cert_dir"})
"""Environment variables, in lower case, whose values only httpx can check."""

WHERE_ACCOUNT = "the account id is in the dashboard's address, dash.cloudflare.com/<account id>"
PERMISSION = "a token needs the permission Workers R2 Storage Read"


class Api(WholeApi, Protocol):
    """The API client that the monitor uses; close it at the end."""

    async def close(self) -> None:
        """Close every connection."""
        ...


class Session(msgspec.Struct, frozen=True):
    """The API client (perhaps made on first use) and the account ids to query.

    base_url: the API's address, "demo" for the demo. demo: the simulated account, None for the
    real API. notes: one line per ignored setting of the environment.
    """

    client: Api
    accounts: Sequence[str]
    base_url: str
    demo: SimulatedAccount | None = None
    notes: Sequence[str] = ()

    def make(self) -> None:
        """Make a late client now. Raises CliError when a setting is invalid."""
        if isinstance(self.client, LateClient):
            self.client.make()


def open_session(
    config: Config,
    environ: Mapping[str, str],
    *,
    demo: bool,
    late: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
    scrubber: Scrubber | None = None,
) -> Session:
    """Make the client; with `late` make it on first use, if the settings are certainly valid.

    scrubber: receives every secret that the client is given or sends. Raises CliError when
    credentials or the account id are missing or invalid. Settings that only httpx can check (an
    unusual base URL, a proxy, TLS files) make the client at once, so errors are raised here.
    """
    if demo:
        return _demo_session()
    credentials = read_credentials(environ)
    if not config.accounts:
        raise CliError(
            f"no account id: set {ACCOUNT_VARIABLE} or give --account ID; {WHERE_ACCOUNT}"
        )
    try:
        check_accounts(config)
    except ConfigError as error:
        raise CliError(f"{error}; {WHERE_ACCOUNT}") from None
    base_url = config.base_url or DEFAULT_BASE_URL
    make = partial(_make_client, credentials, base_url, transport, scrubber)
    ordinary = re.fullmatch(_ORDINARY, base_url) and _FOR_HTTPX.isdisjoint(map(str.lower, environ))
    if late and ordinary:
        return Session(LateClient(make), config.accounts, base_url)
    client = make()
    return Session(client, config.accounts, base_url, notes=client.notes())


def _make_client(
    credentials: Credentials,
    base_url: str,
    transport: httpx.AsyncBaseTransport | None,
    scrubber: Scrubber | None,
) -> SlurperClient:
    """Import httpx and make the client. Raises CliError when a setting is invalid."""
    with _without_click():
        from slurper_tui.api.client import SlurperClient  # httpx: 60 ms
        from slurper_tui.api.transport import check_base_url
    try:
        check_base_url(base_url)
    except ValueError as error:
        raise CliError(f"{BASE_URL_VARIABLE}: {error}") from None
    try:
        return SlurperClient(credentials, base_url, transport=transport, scrubber=scrubber)
    except ValueError as error:
        raise CliError(str(error)) from None


def _demo_session() -> Session:
    with _without_click():
        from slurper_tui.api.client import SlurperClient  # httpx: 60 ms
    from slurper_tui.simulated.account import SimulatedAccount  # only the demo needs it

    account = SimulatedAccount()
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    return Session(client, (account.account_id,), "demo", account)


@contextmanager
def _without_click() -> Iterator[None]:
    """Hide click while httpx is imported: with click, httpx loads its command line, 45 ms more."""
    hidden = "click" not in sys.modules and "httpx" not in sys.modules
    if hidden:
        sys.modules["click"] = None  # type: ignore[assignment]  # how an absent module is marked
    try:
        yield
    finally:
        if hidden:
            del sys.modules["click"]


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in the environment, stripped."""
    values = [environ.get(name, "").strip() for name in SECRET_VARIABLES]
    return tuple(value for value in values if value)


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the token, else the email and key. Raises CliError without any value in it."""
    token, email, key = (environ.get(name, "").strip() for name in (TOKEN, EMAIL, KEY))
    if token:
        return _made(TOKEN, lambda: token_credentials(token))
    if email and key:
        return _made(f"{EMAIL}, {KEY}", lambda: key_credentials(email, key))
    if email or key:
        missing, there = (KEY, EMAIL) if email else (EMAIL, KEY)
        raise CliError(f"{there} is set, but {missing} is not", ExitCode.CREDENTIALS)
    raise CliError(
        f"no credentials: set {TOKEN} ({PERMISSION}), or {EMAIL} and {KEY}; {WHERE_ACCOUNT}",
        ExitCode.CREDENTIALS,
    )


def _made(names: str, make: Callable[[], Credentials]) -> Credentials:
    try:
        return make()
    except ValueError as error:
        raise CliError(f"{names}: {error}", ExitCode.CREDENTIALS) from None
