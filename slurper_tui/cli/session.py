"""Who asks, whom, and about which accounts: what a command needs before its first request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from slurper_tui.api.credentials import Credentials, key_credentials, token_credentials
from slurper_tui.cli.exit_codes import ExitCode, Stop
from slurper_tui.config import ACCOUNT_VARIABLE, BASE_URL_VARIABLE, Config

if TYPE_CHECKING:
    import httpx

    from slurper_tui.api.client import SlurperClient

TOKEN, EMAIL, KEY = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"

WHERE_ACCOUNT = "the account id is in the dashboard's address, dash.cloudflare.com/<account id>"
PERMISSION = "a token needs the permission Workers R2 Storage Read"


class Session(msgspec.Struct, frozen=True):
    """A client that is ready, and the accounts to ask about."""

    client: SlurperClient
    accounts: Sequence[str]


def open_session(
    config: Config,
    environ: Mapping[str, str],
    *,
    demo: bool,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Session:
    """Make the client. Raises Stop where credentials or the account id are missing or no use."""
    if demo:
        return _demo_session()
    credentials = read_credentials(environ)
    if not config.accounts:
        raise Stop(f"no account id: set {ACCOUNT_VARIABLE} or give --account ID; {WHERE_ACCOUNT}")
    with _without_click():
        from slurper_tui.api.client import DEFAULT_BASE_URL, SlurperClient  # httpx: 60 ms
        from slurper_tui.api.exchange import check_base_url
    base_url = config.base_url or DEFAULT_BASE_URL
    try:
        check_base_url(base_url)
    except ValueError as error:
        raise Stop(f"{BASE_URL_VARIABLE}: {error}") from None
    try:
        client = SlurperClient(credentials, base_url, transport=transport)
    except ValueError as error:
        raise Stop(str(error)) from None
    return Session(client, config.accounts)


def _demo_session() -> Session:
    with _without_click():
        from slurper_tui.api.client import SlurperClient  # httpx: 60 ms
    from slurper_tui.simulate import SimulatedAccount  # only where it is asked for

    account = SimulatedAccount()
    client = SlurperClient(token_credentials(account.token), transport=account.transport())
    return Session(client, (account.account_id,))


@contextmanager
def _without_click() -> Iterator[None]:
    """Hide click while httpx is imported: where it is found, httpx loads its own command line.

    That would cost another 45 ms, for a program that nobody started.
    """
    hidden = "click" not in sys.modules and "httpx" not in sys.modules
    if hidden:
        sys.modules["click"] = None  # type: ignore[assignment]  # how an absent module is marked
    try:
        yield
    finally:
        if hidden:
            del sys.modules["click"]


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """The token, or else the email with its key. Raises Stop, which names variables only."""
    token, email, key = (environ.get(name, "").strip() for name in (TOKEN, EMAIL, KEY))
    if token:
        return _made(TOKEN, lambda: token_credentials(token))
    if email and key:
        return _made(f"{EMAIL}, {KEY}", lambda: key_credentials(email, key))
    if email or key:
        missing, there = (KEY, EMAIL) if email else (EMAIL, KEY)
        raise Stop(f"{there} is set, but {missing} is not", ExitCode.CREDENTIALS)
    raise Stop(
        f"no credentials: set {TOKEN} ({PERMISSION}), or {EMAIL} and {KEY}; {WHERE_ACCOUNT}",
        ExitCode.CREDENTIALS,
    )


def _made(names: str, make: Callable[[], Credentials]) -> Credentials:
    try:
        return make()
    except ValueError as error:
        raise Stop(f"{names}: {error}", ExitCode.CREDENTIALS) from None
