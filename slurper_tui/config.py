"""The settings of one run as a frozen value: defaults, then file, environment, and flags.

A later layer overrides an earlier one: `load` puts them together, `origins` says which one won, and
`mistakes_in` lists what is wrong with a file. To add a setting, add a field to `File` and one of
the same name to `Config`; a table of its own is a struct, whose unknown keys are found too.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import fields

MIN_INTERVAL = 2.0
MAX_INTERVAL = 86_400.0
ACCOUNT_VARIABLE = "CLOUDFLARE_ACCOUNT_ID"
BASE_URL_VARIABLE = "CLOUDFLARE_BASE_URL"

MOST_BYTES = 2**20
"""Larger files are rejected."""

MOST_MISTAKES = 50
"""More mistakes of a file are not told."""

MOST_PARTS = 600
"""A key with more parts is rejected: tomllib's time is quadratic in them."""

_ACCOUNT_ID = r"[A-Za-z0-9._~-]+"

# Values that Python itself sets LC_CTYPE to when the locale is C (PEP 538).
_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})


class ConfigError(Exception):
    """An invalid setting. The message is one line."""


class Account(msgspec.Struct, frozen=True):
    """A named account of the file, and where its credential is. One credential is given.

    id: the account id.
    base_url: None for the one of the environment.
    token_env, email_env, key_env: variables.
    token_file: a file that only its owner can read; the token is its first line.
    token_command: a program with its arguments; the token is the first line that it prints.
    """

    id: str
    base_url: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    token_command: tuple[str, ...] | None = None
    email_env: str | None = None
    key_env: str | None = None

    @property
    def credential(self) -> tuple[object, ...]:
        """What identifies the credential: accounts with an equal one belong to one user."""
        return tuple(getattr(self, name) for name in CREDENTIAL_KEYS)


CREDENTIAL_KEYS = ("token_env", "token_file", "token_command", "email_env", "key_env")
_ONE_CREDENTIAL = "exactly one of token_env, token_file, token_command, or email_env with key_env"


EVENTS = ("end", "job", "failing", "stall", "outage", "back", "token", "deadline")
"""The kinds of events that a user can be told about."""

_USUAL_EVENTS = tuple(event for event in EVENTS if event not in ("job", "back"))


class Notify(msgspec.Struct, frozen=True):
    """How the user is told about events.

    events: the kinds to tell. title: the state of all jobs as the terminal's title; None: on the
    screen alone. bell: ring once. osc: a notification of the terminal, OSC 9 or 777; None for none.
    progress: on the terminal's tab. command: words of a program that gets the event; empty for
    none. url: of a webhook; None for none.
    """

    events: tuple[str, ...] = _USUAL_EVENTS
    title: bool | None = None
    bell: bool = False
    osc: int | None = None
    progress: bool = False
    command: tuple[str, ...] = ()
    url: str | None = None


class Config(msgspec.Struct, frozen=True):
    """All settings of one run.

    interval: seconds between rounds of polling.
    columns: names of the columns of the list, in their order; empty for all.
    sort: name of the column that sorts the list, with `-` in front to invert it.
    window: the period of the charts.
    ascii_only: draw letters instead of symbols.
    utc: show times in UTC instead of local time.
    keys: binding id to key.
    named: name to account, of the file.
    accounts: ids of the accounts to follow.
    base_url: None for Cloudflare's own.
    file: the file that was read; None if there was none.
    accounts_from: the variable or flag that the accounts come from, for messages.
    notice: a clause about a default file that exists and cannot be read; "" without one.
    """

    theme: str | None = None
    interval: float = 5.0
    columns: tuple[str, ...] = ()
    sort: str | None = None
    window: str | None = None
    ascii_only: bool = False
    mouse: bool = False
    utc: bool = False
    keys: Mapping[str, str] = msgspec.field(default_factory=dict)
    named: Mapping[str, Account] = msgspec.field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    base_url: str | None = None
    file: Path | None = None
    accounts_from: str = ACCOUNT_VARIABLE
    notice: str = ""
    notify: Notify = Notify()

    @property
    def names(self) -> Mapping[str, str]:
        """Account id to name, of the named accounts."""
        return {account.id: name for name, account in self.named.items()}

    @property
    def credential_variables(self) -> frozenset[str]:
        """The variables that the credentials of the named accounts are in."""
        named = self.named.values()
        variables = ((one.token_env, one.email_env, one.key_env) for one in named)
        return frozenset(name for each in variables for name in each if name is not None)


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
    text = _text(flags, default_file)
    layers = _layers(flags, environ, text)
    merged = {name: value for _, layer in layers for name, value in layer.items()}
    merged["accounts"] = _ids(merged.get("accounts"), merged.get("named", {}))
    return Config(**merged, file=text.file if text.text else None, notice=text.notice)


def origins(
    flags: Flags, environ: Mapping[str, str], default_file: Path | None
) -> Mapping[str, str]:
    """Return where the value of each setting comes from: a variable, a flag or `FILE`.

    A default is left out. The arguments are those of `load`. Raises ConfigError.
    """
    layers = _layers(flags, environ, _text(flags, default_file))
    return {name: origin for origin, layer in layers for name in layer}


FILE = "file"


class _Text(NamedTuple):
    """The text of a configuration file, "" without one; file: None where there is no place for it.

    notice: as in `Config`.
    """

    file: Path | None
    text: str = ""
    notice: str = ""


def _text(flags: Flags, default_file: Path | None) -> _Text:
    if flags.file is not None:
        return _Text(Path(flags.file), read_text(Path(flags.file)))
    return (
        _Text(None) if default_file is None else _Text(default_file, *_read_default(default_file))
    )


def _layers(
    flags: Flags, environ: Mapping[str, str], text: _Text
) -> list[tuple[str, dict[str, Any]]]:
    """Return the layers with their origins; a later one overrides an earlier one.

    The locale only supplies a default, so the file overrides it.
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if not speaks_utf8(environ):
        locale = next((name for name in _LOCALE if environ.get(name)), _LOCALE[-1])
        layers.append((locale, {"ascii_only": True}))
    layers.append((FILE, _from_file(text.text, str(text.file))))
    if ids := accounts([environ.get(ACCOUNT_VARIABLE, "")]):
        layers.append((ACCOUNT_VARIABLE, {"accounts": ids, "accounts_from": ACCOUNT_VARIABLE}))
    if base_url := environ.get(BASE_URL_VARIABLE, "").strip():
        layers.append((BASE_URL_VARIABLE, {"base_url": base_url}))
    chosen = accounts(flags.accounts) or None
    given: dict[str, tuple[str, Any]] = {
        "theme": ("--theme", flags.theme),
        "ascii_only": ("--ascii", flags.ascii_only),
        "mouse": ("--mouse", flags.mouse),
        "utc": ("--utc", flags.utc),
        "accounts": ("--account", chosen),
        "accounts_from": ("--account", "--account" if chosen else None),
        "interval": ("--interval", None if flags.interval is None else interval(flags.interval)),
    }
    return layers + [
        (flag, {name: value}) for name, (flag, value) in given.items() if value is not None
    ]


_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")


def _ids(chosen: Sequence[str] | None, named: Mapping[str, Account]) -> tuple[str, ...]:
    """Return the ids of accounts that were chosen by name or id; without a choice, all named."""
    if chosen is None:
        return tuple(account.id for account in named.values())
    return tuple(dict.fromkeys(named[each].id if each in named else each for each in chosen))


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
        raise ConfigError(_not_seconds(value))
    if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
        raise ConfigError(
            f"interval must be at least {MIN_INTERVAL:.0f} s and at most a day, not {value}"
        )
    return seconds


def _not_seconds(value: object) -> str:
    shown = f", not {value!r}" if isinstance(value, bool | int | float | str) else ""
    return f"interval must be a number of seconds{shown}"


def accounts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the account ids or names of comma-separated texts, without repetitions."""
    ids = (part.strip() for text in texts for part in text.split(","))
    return tuple(dict.fromkeys(part for part in ids if part))


def check_accounts(config: Config) -> None:
    """Raise ConfigError for an invalid account id.

    The message does not quote the id: a user who mixes up variables may have put a token there.
    """
    for account_id in config.accounts:
        if odd := _odd_in(account_id):
            raise ConfigError(
                f"{config.accounts_from}: an account id is made of letters and digits, "
                f"and one of these holds {odd}"
            )


def _odd_in(account_id: str) -> str:
    """Return the name of a character that no account id holds; "" if there is none."""
    if re.fullmatch(_ACCOUNT_ID, account_id):
        return ""
    odd = re.sub(_ACCOUNT_ID, "", account_id)[:1]
    return {"": "nothing", " ": "a blank", "\n": "a line break", "\t": "a tab"}.get(odd, ascii(odd))


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


def read_text(file: Path) -> str:
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
        return "", f"{file}: {error.strerror or error}; continuing without it"
    except ValueError:
        pass  # the content is invalid: `read_text` raises the ConfigError
    return read_text(file), ""


def _text_of(file: Path) -> str:
    text = read_bytes(file).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


class File(
    msgspec.Struct,
    frozen=True,
    rename={"ascii_only": "ascii", "named": "accounts"},
):
    """The keys of the file; a field is UNSET if the file does not have the key."""

    theme: str | UnsetType = UNSET
    interval: float | str | UnsetType = UNSET  # see the function `interval`
    columns: tuple[str, ...] | UnsetType = UNSET
    sort: str | UnsetType = UNSET
    window: str | UnsetType = UNSET
    ascii_only: bool | UnsetType = UNSET
    mouse: bool | UnsetType = UNSET
    utc: bool | UnsetType = UNSET
    keys: dict[str, str] | UnsetType = UNSET
    named: dict[str, Account] | UnsetType = UNSET
    notify: Notify | UnsetType = UNSET

    def settings(self) -> dict[str, Any]:
        """Return the fields that are set, by their names in `Config`."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        found = {name: value for name, value in found.items() if value is not UNSET}
        return found if self.interval is UNSET else {**found, "interval": interval(self.interval)}


class Mistake(NamedTuple):
    """Something wrong in a file. path: the keys that lead to it."""

    path: tuple[str, ...]
    text: str


def _from_file(text: str, name: str) -> dict[str, Any]:
    """Return the file's settings. Raises ConfigError with file, line and column."""
    if not text:
        return {}
    if mistakes := mistakes_in(text, name):
        raise ConfigError(mistakes[0])
    return msgspec.convert(_table(text, name), File).settings()


def mistakes_in(text: str, name: str) -> list[str]:
    """Return `name:line:column: what is wrong` for the first mistakes in the text of a file."""
    try:
        table = _table(text, name)
    except ConfigError as error:
        return [str(error)]
    found = islice(chain(_mistakes(table, File, ()), _shared_ids(table)), MOST_MISTAKES)
    return [f"{name}:{_place(text, mistake.path) or '1:1'}: {mistake.text}" for mistake in found]


def _table(text: str, name: str) -> dict[str, Any]:
    """Parse the text of a file. Raises ConfigError with file, line and column."""
    import tomllib  # 9 ms, only where there is a file

    if line := long_key(text):
        raise ConfigError(f"{name}:{line}:1: a key of more than {MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: brackets are nested too deeply") from None
    except ValueError as error:
        raise ConfigError(_syntax(name, text, str(error))) from None


def long_key(text: str) -> int | None:
    """Return the line of the first key with more than `MOST_PARTS` parts; None without one.

    A text with as many dots is taken for such a key; no name of an object has so many.
    """
    part = rf"(?:(?<![\w-])[\w-]++|{_QUOTED})[ \t]*+\.[ \t]*+"
    found = re.search(f"(?:{part}){{{MOST_PARTS}}}", text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def _mistakes(
    table: Mapping[str, Any], kind: type[msgspec.Struct], path: tuple[str, ...]
) -> Iterator[Mistake]:
    """Yield what is wrong with the keys of a table and with their values."""
    known = {field.encode_name: field for field in fields(kind)}
    good = True
    for key, value in table.items():
        here = (*path, key)
        if key not in known:
            found = [Mistake(here, f"unknown key {key!r}{nearest(key, known)}")]
        else:
            found = [*_value_mistakes(value, known[key].type, here)]
        yield from found
        good = good and not found
    for field in known.values():
        if field.required and field.encode_name not in table:
            yield Mistake(path, f"{'.'.join(path)} needs {field.encode_name}")
            good = False
    if good and kind is Account:
        yield from _account_mistakes(msgspec.convert(table, Account), path)
    elif good and kind is Notify:
        yield from _notify_mistakes(table, path)


def _value_mistakes(value: Any, kind: Any, path: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield what is wrong with a value. kind: its type, without UNSET."""
    kinds = [each for each in get_args(kind) or (kind,) if each is not UnsetType]
    within = [each for each in (*kinds, *get_args(kinds[0])) if isinstance(each, type)]
    inner = next((each for each in within if issubclass(each, msgspec.Struct)), None)
    if inner is not None and isinstance(value, dict):
        if inner in kinds:
            yield from _mistakes(value, inner, path)
            return
        for name, table in value.items():
            here = (*path, name)
            if not re.fullmatch(_NAME, name):
                yield Mistake(here, f"a name is made of letters, digits, `.`, `_`, `-`: {name!r}")
            if not isinstance(table, dict):
                yield Mistake(here, f"{name} must be a table")
            else:
                yield from _mistakes(table, inner, here)
        return
    try:
        msgspec.convert(value, kind)
        if path == ("interval",):
            interval(value)
    except msgspec.ValidationError as error:
        yield _wrong_type(value, path, str(error))
    except ConfigError as error:
        yield Mistake(path, str(error))


_NAME = r"[\w.-]+"

_TYPES = {
    "bool": "true or false",
    "str": "a text",
    "object": "a table",
    "int": "a whole number",
    "array": "a list of texts",
    "float": "a number",
}
"""The types in msgspec's messages and their names in ours."""


def _wrong_type(value: Any, path: tuple[str, ...], message: str) -> Mistake:
    """Return the mistake of a value of the wrong type. message: msgspec's."""
    if path == ("interval",):
        return Mistake(path, _not_seconds(value))
    if isinstance(value, dict) and path == ("keys",):
        entry, inner = next((n, each) for n, each in value.items() if not isinstance(each, str))
        is_table = isinstance(inner, dict)
        text = _unquoted(entry, inner) if is_table else f"{entry} must be a text"
        return Mistake((*path, entry), text)
    expected = re.match(r"Expected `(\w+)", message)
    wanted = _TYPES.get(expected[1], expected[1]) if expected else message
    if isinstance(value, list) and "$[" in message:
        wanted = _TYPES["array"]
    return Mistake(path, f"{path[-1]} must be {wanted}")


def _account_mistakes(account: Account, path: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield what is wrong with an account whose keys and types are right."""
    if odd := _odd_in(account.id):
        yield Mistake((*path, "id"), f"an account id is made of letters and digits; it holds {odd}")
    given = [name for name in CREDENTIAL_KEYS if getattr(account, name) is not None]
    for name in given:
        value = getattr(account, name)
        if not value or not value[0]:
            yield Mistake((*path, name), f"{name} must not be empty")
            return
    if given != ["email_env", "key_env"] and (len(given) != 1 or given[0] not in _ALONE):
        where = path if len(given) == 0 else (*path, given[-1])
        yield Mistake(where, f"{'.'.join(path)} needs {_ONE_CREDENTIAL}")


def _notify_mistakes(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Mistake]:
    """Yield what is wrong with the ways of being told, whose keys and types are right."""
    for event in table.get("events", ()):
        if event not in EVENTS:
            kinds = f"the kinds are: {', '.join(EVENTS)}"
            text = f"unknown kind {event!r}{nearest(event, EVENTS)}; {kinds}"
            yield Mistake((*path, "events"), text)
    if table.get("osc") not in (None, 9, 777):
        yield Mistake((*path, "osc"), "osc must be 9 or 777")
    command = table.get("command")
    if command is not None and not (command and command[0]):
        yield Mistake((*path, "command"), "command names no program")


_ALONE = ("token_env", "token_file", "token_command")


def _shared_ids(table: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield a mistake for each account whose id is another's id or name."""
    named = table.get("accounts")
    owners: dict[object, str] = {}
    for name, account in named.items() if isinstance(named, dict) else ():
        id = account.get("id") if isinstance(account, dict) else None
        if not isinstance(id, str):
            continue
        if (owner := owners.setdefault(id, name)) != name:
            yield Mistake(("accounts", name, "id"), f"the id is {owner}'s already")
        elif id != name and isinstance(named, dict) and id in named:
            yield Mistake(("accounts", name, "id"), "the id is another account's name")


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


def place_before(config: Config, *path: str) -> str:
    """Return `file:line:column: ` of a key, before a message; "" if it is not in the file."""
    place = locate(config.file, path) if config.file else None
    return f"{place}: " if place else ""


def _syntax(name: str, text: str, message: str) -> str:
    """Return a TOML error with its position in front; an error without one is at the file's end."""
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if found:
        return f"{name}:{found[1]}:{found[2]}: {message[: found.start()]}"
    lines = text.split("\n")
    return (
        f"{name}:{len(lines)}:{len(lines[-1]) + 1}: {message.removesuffix(' (at end of document)')}"
    )


# Strings, so that they are compiled only for a mistake. Possessive: quick on long lines.
_HEADER = r"\s*+\[++\s*+([^\]]++)\]"
_ASSIGNMENT = r"\s*+([^=#\[]++)="
_QUOTED = r"\"[^\"\n]*+\"|'[^'\n]*+'"
_PART = rf"{_QUOTED}|[^.\s]+"


def _place(text: str, path: tuple[str, ...]) -> str | None:
    """Return `line:column` of a key, which tomllib does not report; None if it is not found.

    For a key in an inline table, return the position of the table.
    """
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
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
