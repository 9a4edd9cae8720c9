"""Proxy and certificate settings of the environment, valid and invalid."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.connection import choose_proxy, is_excepted, tls_context
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import NotSent

NAMES = [
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
    *("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


EXCEPTED: list[tuple[str, str, bool]] = [
    ("*", "api.example", True),
    ("a.example, * ", "api.example", True),
    ("api.example", "api.example", True),
    ("API.Example.", "api.example", True),
    (".example", "api.example", True),
    ("*.example", "api.example", True),
    ("example", "api.example", True),
    ("i.example", "api.example", False),
    ("api.example:443", "api.example", True),
    ("api.example:8443", "api.example", False),
    ("https://api.example", "api.example", True),
    ("::1", "::1", True),
    ("[::1]", "::1", True),
    ("localhost,[::1]:443", "::1", True),
    ("[::1]:80", "::1", False),
    ("fd00::/8", "fd12::9", True),
    ("[fd00::]/8", "fd12::9", True),
    ("fe80::/10", "fd12::9", False),
    ("localhost,127.0.0.1,::1,fd00:1234::/64", "10.1.2.3", False),
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.9.9.9/8", "10.1.2.3", True),
    ("10.1.2.3:443", "10.1.2.3", True),
    ("10.0.0.0/8", "10.example", False),
    ("192.168.0.0/16 10.0.0.0/8", "10.1.2.3", True),
    ("", "api.example", False),
    (" , ,, ", "api.example", False),
    ("[::/99999,:::,[,],%,://,999.1.1.1/40,x:y:z", "api.example", False),
]


@pytest.mark.parametrize(("no_proxy", "host", "excepted"), EXCEPTED)
def test_no_proxy_excepts_hosts(no_proxy: str, host: str, excepted: bool) -> None:
    assert is_excepted(host, 443, no_proxy) is excepted


@given(st.text(), st.sampled_from(["api.example", "10.1.2.3", "::1"]))
def test_any_text_is_accepted_as_no_proxy(text: str, host: str) -> None:
    assert is_excepted(host, 443, text) in (True, False)


USABLE: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
    ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
    ({"HTTPS_PROXY": "user:pass@proxy:3128"}, "http://proxy:3128"),
    ({"HTTPS_PROXY": " http://proxy/ "}, "http://proxy"),
    ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
    ({"all_proxy": "http://a:1", "ALL_PROXY": "http://b:1"}, "http://a:1"),
    ({"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://b:1"}, "http://a:1"),
    ({"HTTP_PROXY": "nonsense://"}, None),
    ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "api.example"}, None),
    ({"HTTPS_PROXY": "nonsense://", "NO_PROXY": "*"}, None),
    ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "::1,fd00::/8,[::1]"}, "http://a:1"),
]


@pytest.mark.parametrize(("variables", "proxy"), USABLE)
def test_choose_proxy(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    choice = choose_proxy("api.example", 443)
    url = choice.proxy and choice.proxy.url
    shown = url and f"{url.scheme.decode()}://{url.host.decode()}" + (
        f":{url.port or ''}".rstrip(":")
    )
    assert (shown, choice.notes) == (proxy, ())


def test_a_proxy_password_is_decoded_and_registered_as_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass%2Fword%3F@proxy:3128")
    choice = choose_proxy("api.example", 443)
    assert choice.proxy is not None
    assert choice.proxy.auth == (b"me", b"pass/word?")
    assert choice.secrets == ("pass/word?",)


UNUSABLE = [
    "socks://127.0.0.1:1080",
    "socks4://127.0.0.1:1080",
    "nonsense://x",
    "http://127.0.0.1:99999",
    "http://[::",
    "http://user:SENTINEL/rest@proxy:3128",
    "http://user:SENTINEL#rest@proxy:3128",
    "http://user:SENTINEL?rest@proxy:3128",
    "http://user:123/SENTINEL@proxy:3128",
    "user:SENTINEL/rest@proxy:3128",
    "http://user:SENTINEL@@@:x",
    "http://SENTINEL\x00",
    "http://",
]


@pytest.mark.parametrize("value", UNUSABLE)
def test_an_invalid_proxy_is_reported_without_its_value(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_message(text: str, name: str) -> None:
        assert name in text
        assert "\n" not in text
        for part in ("SENTINEL", "user", "socks://", "nonsense", "99999", "rest"):
            assert part not in text.replace("in its user name", "")

    monkeypatch.setattr("os.environ", {})
    monkeypatch.setitem(__import__("os").environ, "HTTPS_PROXY", value)
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: ") as refused:
        choose_proxy("api.example", 443)
    check_message(str(refused.value), "HTTPS_PROXY")
    # If another proxy works, this one is skipped with a note.
    for broken, working in (("HTTPS_PROXY", "ALL_PROXY"), ("ALL_PROXY", "HTTPS_PROXY")):
        environ = {broken: value, working: "http://works:1"}
        monkeypatch.setattr("os.environ", environ)
        choice = choose_proxy("api.example", 443)
        assert choice.proxy is not None
        assert choice.proxy.url.host == b"works"
        [note] = choice.notes
        check_message(note, f"{broken} is not used: ")
    # ALL_PROXY may be meant for other programs: an invalid one is skipped with a note.
    monkeypatch.setattr("os.environ", {"all_proxy": value})
    choice = choose_proxy("api.example", 443)
    assert choice.proxy is None
    check_message(choice.notes[0], "all_proxy is not used: ")


def test_socks_without_its_package_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    [note] = choose_proxy("api.example", 443).notes
    assert note.startswith("ALL_PROXY is not used: SOCKS needs the package socksio")


@contextlib.asynccontextmanager
async def spying_proxy() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run a proxy that refuses its requests and records them."""
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], seen


async def test_a_request_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with spying_proxy() as (port, seen):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass@127.0.0.1:{port}")
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
        client = SlurperClient(token_credentials("token"), "https://api.invalid/v4")
        client.open()
        assert len(client.notes) == 1
        with pytest.raises(NotSent, match="the proxy refused: 407"):
            await client.list_jobs("a")
        await client.close()
    assert seen[0].startswith(b"CONNECT api.invalid:443 ")
    assert b"Basic bWU6cGFzcw==" in seen[0]
    assert b"token" not in seen[0]


def test_certificates_from_the_environment_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert tls_context().cert_store_stats()["x509_ca"] > 10
    monkeypatch.delenv("SSL_CERT_FILE")
    (tmp_path / "0a1b2c3d.0").write_text("")
    monkeypatch.setenv("SSL_CERT_DIR", f"/missing:{tmp_path}")
    assert tls_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "empty", "nonsense", "folder", "NUL"])
def test_invalid_certificates_are_reported_by_variable(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kind
    if kind in ("empty", "nonsense"):
        path.write_text("" if kind == "empty" else "-----BEGIN CERTIFICATE-----\nno\n")
    if kind == "folder":
        path.mkdir()
    monkeypatch.setattr("os.environ", {name: str(path) if kind != "NUL" else "a\x00b"})
    with pytest.raises(ValueError, match=rf"^{name}: ") as refused:
        SlurperClient(token_credentials("token"), "https://api.invalid").open()
    assert "\n" not in str(refused.value)


def test_plain_http_on_loopback_ignores_proxy_and_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://")
    client = SlurperClient(token_credentials("token"), "http://127.0.0.1:9")
    client.open()
    assert client.notes == ()


async def test_every_request_raises_the_error_of_an_invalid_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://")
    client = SlurperClient(token_credentials("token"), "https://api.invalid")
    await client.close()
    for _ in range(2):
        with pytest.raises(ValueError, match="HTTPS_PROXY"):
            await client.list_jobs("account")


def test_clients_share_a_tls_context_until_the_environment_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    first = tls_context()
    assert tls_context() is first
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert tls_context() is not first
