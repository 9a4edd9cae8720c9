"""The settings of one run as a frozen value: defaults, then file, environment, and flags.

A later layer overrides an earlier one; `load` puts them together.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, fields

MIN_INTERVAL = 2.0
MAX_INTERVAL = 86_400.0
ACCOUNT_VARIABLE = "CLOUDFLARE_ACCOUNT_ID"
BASE_URL_VARIABLE = "CLOUDFLARE_BASE_URL"

MOST_BYTES = 2**20
"""Larger files are rejected."""

_ACCOUNT_ID = r"[A-Za-z0-9._~-]+"

# Values that Python itself sets LC_CTYPE to when the locale is C (PEP 538).
_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})


class ConfigError(Exception):
    """An invalid setting. The message is one line."""


class Config(msgspec.Struct, frozen=True):
    """All settings of one run.

    interval: seconds between rounds of polling.
    ascii_only: draw letters instead of symbols.
    utc: show times in UTC instead of local time.
    keys: binding id to key.
    base_url: None for Cloudflare's own.
    file: the file that was read; None if there was none.
    accounts_from: the variable or flag that the accounts come from, for messages.
    notice: a clause about a default file that exists and cannot be read; "" without one.
    """

    theme: str | None = None
    interval: float = 5.0
    ascii_only: bool = False
    mouse: bool = False
    utc: bool = False
    keys: Mapping[str, str] = msgspec.field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    base_url: str | None = None
    file: Path | None = None
    accounts_from: str = ACCOUNT_VARIABLE
    notice: str = ""


class Flags(msgspec.Struct, frozen=True):
    """The values of the command line's options; None or empty for an option that was not given."""

    theme: str | None = None
    interval: str | None = None
    ascii_only: bool | None = None
    mouse: bool | None = None
    utc: bool | None = None
    accounts: Sequence[str] = ()
    file: str | None = None


def load(flags: Flags, environ: Mapping[str, str], default_file: Path | None) -> Config:
    """Return the settings of all layers. default_file: None where there is no home folder.

    A file named by a flag must exist; the default file need not. Raises ConfigError.
    """
    chosen, text, notice = default_file, "", ""
    if flags.file is not None:
        chosen = Path(flags.file)
        text = _read(chosen)
    elif default_file is not None:
        text, notice = _read_default(default_file)
    in_file = _from_file(text, str(chosen))
    given: dict[str, Any] = {
        "theme": flags.theme,
        "ascii_only": flags.ascii_only,
        "mouse": flags.mouse,
        "utc": flags.utc,
        "accounts": accounts(flags.accounts) or None,
        "accounts_from": "--account" if accounts(flags.accounts) else None,
        "interval": None if flags.interval is None else interval(flags.interval),
    }
    layers = {
        "ascii_only": not speaks_utf8(environ),
        "accounts": accounts([environ.get(ACCOUNT_VARIABLE, "")]),
        "base_url": environ.get(BASE_URL_VARIABLE, "").strip() or None,
        **in_file,
        **{name: value for name, value in given.items() if value is not None},
    }
    return Config(**layers, file=chosen if text else None, notice=notice)


def speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Return whether the locale that the user chose uses UTF-8."""
    if value := environ.get("LC_ALL"):
        return _is_utf8(value)
    language, ctype = environ.get("LANG", ""), environ.get("LC_CTYPE", "")
    if ctype in _COERCED and language in ("", "C", "POSIX"):
        return False
    return _is_utf8(ctype or language)


def _is_utf8(locale: str) -> bool:
    return "utf8" in locale.lower().replace("-", "")


def interval(value: object) -> float:
    """Convert a text or a number to seconds between rounds. Raises ConfigError."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(value, bool) or math.isnan(seconds):
        raise ConfigError(f"interval must be a number of seconds, not {value!r}")
    if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
        raise ConfigError(
            f"interval must be at least {MIN_INTERVAL:.0f} s and at most a day, not {value}"
        )
    return seconds


def accounts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the account ids of comma-separated texts, without repetitions."""
    ids = (part.strip() for text in texts for part in text.split(","))
    return tuple(dict.fromkeys(part for part in ids if part))


def check_accounts(config: Config) -> None:
    """Raise ConfigError for an invalid account id.

    The message does not quote the id: a user who mixes up variables may have put a token there.
    """
    for account_id in config.accounts:
        if not re.fullmatch(_ACCOUNT_ID, account_id):
            odd = re.sub(_ACCOUNT_ID, "", account_id)[0]
            name = {" ": "a blank", "\n": "a line break", "\t": "a tab"}.get(odd, ascii(odd))
            raise ConfigError(
                f"{config.accounts_from}: an account id is made of letters and digits, "
                f"and one of these holds {name}"
            )


def read_bytes(file: Path) -> bytes:
    """Read a small regular file. Raises OSError.

    A pipe or a device of that name is rejected without waiting for it.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    with open(os.open(file, flags), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Is a directory or a device, not a file")
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"Larger than {MOST_BYTES // 1024:,} kB")
    return data


def _read(file: Path) -> str:
    """Return the text of a file, without a byte order mark. Raises ConfigError."""
    try:
        return _text_of(file)
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from None


def _read_default(file: Path) -> tuple[str, str]:
    """Return the text of a file that need not exist, and a notice if it cannot be read."""
    try:
        _text_of(file)
    except (FileNotFoundError, NotADirectoryError):
        return "", ""
    except OSError as error:
        return "", f"{file}: {error.strerror or error}; going on without it"
    except ValueError:
        pass  # the content is invalid: `_read` raises the ConfigError
    return _read(file), ""


def _text_of(file: Path) -> str:
    text = read_bytes(file).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


class _File(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"ascii_only": "ascii"}
):
    """The keys of the file; a field is UNSET if the file does not have the key."""

    theme: str | UnsetType = UNSET
    interval: Any = UNSET  # a number or a text, see the function `interval`
    ascii_only: bool | UnsetType = UNSET
    mouse: bool | UnsetType = UNSET
    utc: bool | UnsetType = UNSET
    keys: dict[str, str] | UnsetType = UNSET

    def settings(self) -> dict[str, Any]:
        """Return the fields that are set, by their names in `Config`. Raises ConfigError."""
        found = {name: value for name, value in asdict(self).items() if value is not UNSET}
        return found if self.interval is UNSET else {**found, "interval": interval(self.interval)}


_TYPES = {"bool": "true or false", "str": "a text", "object": "a table"}
"""The types in msgspec's messages and their names in ours."""


def _from_file(text: str, name: str) -> dict[str, Any]:
    """Return the file's settings. Raises ConfigError with file, line and column."""
    if not text:
        return {}
    import tomllib  # 9 ms, only where there is a file

    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: brackets are nested too deeply") from None
    except ValueError as error:
        raise ConfigError(_syntax(name, text, str(error))) from None
    layer: dict[str, Any] = {}
    for key, value in table.items():
        try:
            layer |= msgspec.convert({key: value}, _File).settings()
        except (msgspec.ValidationError, ConfigError) as error:
            path, mistake = _mistake(key, value, str(error))
            place = _place(text, path) or "1:1"
            raise ConfigError(f"{name}:{place}: {mistake}") from None
    return layer


def _mistake(key: str, value: object, message: str) -> tuple[tuple[str, ...], str]:
    """Return the path of the invalid key and what is wrong with it. message: the error's."""
    known = [field.encode_name for field in fields(_File)]
    if key not in known:
        return (key,), f"unknown key {key!r}{nearest(key, known)}"
    expected = re.match(r"Expected `(\w+)", message)
    if expected is None:
        return (key,), message
    if not isinstance(value, dict) or key != "keys":
        return (key,), f"{key} must be {_TYPES[expected[1]]}"
    entry, inner = next((name, each) for name, each in value.items() if not isinstance(each, str))
    mistake = _unquoted(entry, inner) if isinstance(inner, dict) else f"{entry} must be a text"
    return (key, entry), mistake


def _unquoted(key: str, value: Mapping[str, object]) -> str:
    """Explain that a key with dots needs quotes, because TOML made nested tables of it."""
    inner: object = value
    while isinstance(inner, dict) and inner:
        name, inner = next(iter(inner.items()))
        key += f".{name}"
    text = f'"{inner}"' if isinstance(inner, str) and '"' not in inner else "..."
    return f'a name with dots is written in quotes: "{key}" = {text}'


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the most similar known word; "" if none is similar."""
    import difflib  # 4 ms, only for a mistake

    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def locate(file: Path, path: tuple[str, ...]) -> str | None:
    """Return `file:line:column` of a key in a file; None if the key or the file cannot be found."""
    try:
        place = _place(_text_of(file), path)
    except (OSError, ValueError):
        return None
    return f"{file}:{place}" if place else None


def _syntax(name: str, text: str, message: str) -> str:
    """Return a TOML error with its position in front; an error without one is at the file's end."""
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if found:
        return f"{name}:{found[1]}:{found[2]}: {message[: found.start()]}"
    lines = text.split("\n")
    return (
        f"{name}:{len(lines)}:{len(lines[-1]) + 1}: {message.removesuffix(' (at end of document)')}"
    )


# Strings, so that they are compiled only for a mistake.
_HEADER = r"\s*\[+\s*([^\]]+?)\s*\]"
_ASSIGNMENT = r"\s*([^=#\[]+?)\s*="
_PART = r"\"[^\"]*\"|'[^']*'|[^.\s]+"


def _place(text: str, path: tuple[str, ...]) -> str | None:
    """Return `line:column` of a key, which tomllib does not report; None if it is not found.

    For a key in an inline table, return the position of the table.
    """
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, assignment = re.match(_HEADER, line), re.match(_ASSIGNMENT, line)
        if header:
            table = _parts(header[1])
        found = header or assignment
        here = table if header else (*table, *_parts(assignment[1])) if assignment else ()
        inline = assignment is not None and here == path[: len(here)]
        if found and (here[: len(path)] == path or inline):
            return f"{number}:{found.start(1) + 1}"
    return None


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
