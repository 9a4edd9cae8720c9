"""Proxy and certificate settings of the environment, some of which are meant for other programs.

No message repeats any part of a proxy's address, which may hold a password.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
from contextlib import suppress
from typing import NamedTuple
from urllib.request import getproxies

import httpcore
import httpx

HIGHEST_PORT = 65535

_SOCKS = ("socks5", "socks5h")
_CERTIFICATE = re.compile(r"[0-9a-f]{8}\.\d+")
"""How OpenSSL names certificates in a directory."""


class Choice(NamedTuple):
    """The proxy to use, None for none. secrets: its password. notes: a line for each variable that
    cannot be used and is skipped.
    """

    proxy: httpcore.Proxy | None = None
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_proxy(host: str, port: int) -> Choice:
    """Choose the proxy for https to a host, as curl does; HTTPS_PROXY comes before ALL_PROXY.

    Raises ValueError, one line, where HTTPS_PROXY cannot be used, nor anything in its place. An
    ALL_PROXY that cannot be used is often meant for other programs: it is skipped with a note.
    """
    told = getproxies()
    if is_excepted(host, port, told.get("no", "")):
        return Choice()
    chosen, notes, broken = Choice(), [], ""
    for kind in ("https", "all"):
        value, name = told.get(kind, "").strip(), _variable(kind)
        if not value:
            continue
        try:
            found = _parse_proxy(value)
        except ValueError as error:
            notes.append(f"{name} is not used: {error}")
            broken = broken or (f"{name}: {error}" if kind == "https" else "")
            continue
        chosen = found if chosen.proxy is None else chosen
    if broken and chosen.proxy is None:
        raise ValueError(broken)
    return chosen._replace(notes=tuple(notes))


def _variable(kind: str) -> str:
    """The name under which the environment has it; small letters win, as everywhere."""
    names = (f"{kind}_proxy", f"{kind}_PROXY", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), f"the system's {kind} proxy")


def _parse_proxy(value: str) -> Choice:
    """Raises ValueError, which says what is wrong and repeats nothing."""
    text = value if "://" in value else f"http://{value}"
    rest = text.partition("://")[2]
    if "@" in rest[len(re.split(r"[/?#]", rest, maxsplit=1)[0]) :]:
        raise ValueError("a / ? or # in its user name or password must be written %2F %3F or %23")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("it is not a URL") from None
    _check_proxy(url)
    auth = (url.username, url.password) if url.userinfo else None
    address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
    return Choice(httpcore.Proxy(address, auth=auth), (url.password,) if url.password else ())


def _check_proxy(url: httpx.URL) -> None:
    """Raise ValueError for a proxy that cannot be spoken to."""
    if url.scheme not in ("http", "https", *_SOCKS):
        raise ValueError("its scheme is none of http, https, socks5 and socks5h")
    if url.scheme in _SOCKS and importlib.util.find_spec("socksio") is None:
        raise ValueError("SOCKS needs the package socksio, which is not installed")
    if not url.host:
        raise ValueError("it names no host")
    if (url.port or 0) > HIGHEST_PORT:
        raise ValueError(f"its port is above {HIGHEST_PORT}")


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names a host: by its name, its domain, its address or a network.

    Entries that are none of these are ignored.
    """
    entries = (entry for entry in re.split(r"[\s,]+", no_proxy) if entry)
    return any(_names(entry, host.rstrip(".").lower(), port) for entry in entries)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, wanted = _parted(entry.rpartition("://")[2].lower())
    if wanted not in ("", str(port)):
        return False
    with suppress(ValueError):
        network, address = ipaddress.ip_network(name, strict=False), _address(host)
        return address is not None and address in network
    domain = name.lstrip("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _parted(text: str) -> tuple[str, str]:
    """A name, address or network without brackets, and the port that it holds for, "" for any."""
    if found := re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(\d+))?", text):
        return found[1] + (found[2] or ""), found[3] or ""
    name, _, wanted = text.partition(":")
    return (text, "") if ":" in wanted else (name, wanted)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]"))
    return None


def tls_context() -> ssl.SSLContext:
    """Trust the certificates that the environment names, else those of certifi.

    Raises ValueError, one line with the variable's name, where these cannot be used.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        return _from_file(file)
    if folder:
        _check_folders(folder)
        return ssl.create_default_context(capath=folder)
    return httpx.create_ssl_context(trust_env=False)


def _from_file(file: str) -> ssl.SSLContext:
    try:
        with open(file, "rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"SSL_CERT_FILE: {file} cannot be read: {reason}") from None
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError):
        raise ValueError(f"SSL_CERT_FILE: {file} holds no certificates in PEM format") from None


def _check_folders(folders: str) -> None:
    """Raise ValueError where no certificate can be found in any of them, as OpenSSL looks."""
    reason = ""
    for folder in folders.split(os.pathsep):
        try:
            if any(_CERTIFICATE.fullmatch(name) for name in os.listdir(folder)):
                return
            reason = reason or f"{folder} holds no certificates under names from `openssl rehash`"
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            reason = reason or f"{folder} cannot be read: {why}"
    raise ValueError(f"SSL_CERT_DIR: {reason}")
