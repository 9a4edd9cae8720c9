"""Make the API client from credentials and account ids, or the demo's client.

Reading credentials, accounts and the base URL raises CliError before the first request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.client import SlurperClient, without_click
from slurper_tui.api.credentials import Credentials, key_credentials, token_credentials
from slurper_tui.api.errors import BadBaseUrl, BadSetting
from slurper_tui.api.models import DEFAULT_BASE_URL
from slurper_tui.cli.errors import PERMISSION, CliError, ExitCode
from slurper_tui.config import (
    ACCOUNT_VARIABLE,
    BASE_URL_VARIABLE,
    Config,
    ConfigError,
    check_accounts,
)

if TYPE_CHECKING:
    import httpx

    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.simulated.account import SimulatedAccount


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


class Connection(msgspec.Struct, frozen=True):
    """The API client and the account ids to query.

    base_url: the API's address, "demo" for the demo. demo: the simulated account, None for the
    real API.
    """

    client: SlurperClient
    accounts: Sequence[str]
    base_url: str
    demo: SimulatedAccount | None = None

    def open(self) -> None:
        """Open the client, which imports httpx. Raises CliError when a setting is invalid."""
        try:
            self.client.open()
        except BadSetting as error:
            raise setting_error(error) from None


def make_connection(
    config: Config,
    environ: Mapping[str, str],
    *,
    demo: bool,
    transport: httpx.AsyncBaseTransport | None = None,
    scrubber: Scrubber | None = None,
) -> Connection:
    """Make the client of the configured accounts; it is not open yet.

    scrubber: receives every secret that the client is given or sends. Raises CliError when
    credentials or the account id are missing or invalid, or the base URL is.
    """
    if demo:
        with without_click():
            from slurper_tui.simulated.account import SimulatedAccount  # httpx: 60 ms

        account = SimulatedAccount()
        client = SlurperClient(
            token_credentials(account.token), transport=account.transport(), scrubber=scrubber
        )
        return Connection(client, (account.account_id,), "demo", account)
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
    try:
        client = SlurperClient(credentials, base_url, transport=transport, scrubber=scrubber)
    except BadBaseUrl as error:
        raise setting_error(error) from None
    return Connection(client, config.accounts, base_url)


def setting_error(error: BadSetting) -> CliError:
    """Return the error that ends the program for a setting of the client that cannot be used."""
    where = f"{BASE_URL_VARIABLE}: " if isinstance(error, BadBaseUrl) else ""
    return CliError(f"{where}{error}")


def has_network_settings(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a proxy or certificates, which only httpx can check."""
    return not _FOR_HTTPX.isdisjoint(map(str.lower, environ))


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
