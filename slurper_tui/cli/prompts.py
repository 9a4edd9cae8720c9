"""Questions at the terminal, and the secrets of the buckets.

Secrets come from a file, environment variables, or input without echo; they are never stored. No
error message repeats a secret, or a name from the file, which might be a misplaced secret. Every
question raises CliError when standard input is not a terminal or ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import termios
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.models import Secret
from slurper_tui.cli.errors import CliError, ExitCode
from slurper_tui.config import MOST_PARTS, long_key
from slurper_tui.monitor.model.plans import Secrets, secret_parts

if TYPE_CHECKING:
    from slurper_tui.api.scrub import Scrubber
    from slurper_tui.cli.output import Output

INPUT = 0
NOBODY_TO_ASK = "not a terminal: add --yes to run without asking"
_MOST_ANSWER_BYTES = 65_536
_LOCAL_MODES = 3


def can_ask() -> bool:
    """Whether standard input is a terminal."""
    return os.isatty(INPUT)


async def confirmed(question: str, out: Output) -> bool:
    """Ask a yes/no question; any answer except y or yes is a no. Raises CliError like `typed`."""
    return (await typed(f"{question} [y/N]", out)).casefold() in ("y", "yes")


async def agree_to_cost(words: str, refusal: str, out: Output, *, yes: bool) -> None:
    """Tell what something costs, and ask whether to go on unless `yes`. Raises CliError on a no.

    refusal: the message of that error, whose exit code is 0.
    """
    if yes:
        out.note(words)
    elif not await confirmed(f"{words}: go on?", out):
        raise CliError(refusal, ExitCode.OK)


async def typed(question: str, out: Output) -> str:
    """Ask for a word; discard input that was typed before the question.

    Raises CliError when standard input is not a terminal, or ends.
    """
    if not can_ask():
        raise CliError(f"{question} {NOBODY_TO_ASK}")
    with suppress(termios.error):
        termios.tcflush(INPUT, termios.TCIFLUSH)
    out.ask(question)
    return (await _line()).strip()


async def secret(prompt: str, out: Output) -> str:
    """Ask for a secret without echo; read a PEM block from its BEGIN line to its END line."""
    before = termios.tcgetattr(INPUT)
    silent = [*before]
    silent[_LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(INPUT, termios.TCSADRAIN, silent)
    try:
        out.ask(f"{prompt}:")  # after echo is off, so that an early answer is not shown
        lines = [await _line()]
        if lines[0].startswith("-----BEGIN"):
            while not lines[-1].startswith("-----END"):
                lines.append(await _line())
    finally:
        termios.tcsetattr(INPUT, termios.TCSADRAIN, before)
    out.newline()
    return "\n".join(lines)


async def _line() -> str:
    """Read one line of standard input. Raises CliError at its end."""
    try:
        await readable(INPUT)
        read = os.read(INPUT, _MOST_ANSWER_BYTES)
    except OSError:
        read = b""
    if not read:
        raise CliError("no answer was given")
    return read.decode("utf-8", "replace").rstrip("\r\n")


async def readable(file: int) -> None:
    """Wait until a descriptor is readable or at its end, without blocking the event loop.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(file, ready.set)
    except PermissionError:
        return  # epoll refuses regular files, which are always readable
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)


_MOST_BYTES = 2**20
_ENDS = ("source", "target")
_PARTS = ("access_key_id", "secret_access_key", "client_email", "private_key")


class Part(NamedTuple):
    """One part of one bucket's credentials. end: "source" or "target"; name: one of `_PARTS`."""

    end: str
    name: str

    @property
    def variable(self) -> str:
        """The environment variable for this part."""
        return f"SLURPER_{self.end}_{self.name}".upper()

    @property
    def words(self) -> str:
        """The name of this part in a prompt."""
        return f"{self.end} {self.name.replace('_', ' ')}"


async def read_secrets(
    vendor: str,
    file: str | None,
    environ: Mapping[str, str],
    out: Output,
    scrubber: Scrubber | None = None,
    r2: Secret | None = None,
) -> Secrets:
    """Read the secrets from the file, else the variables, else the terminal. Raises CliError.

    file: None if --secrets is not given. scrubber: receives all secrets. r2: the keys to R2 buckets
    that win over the variables; None if they are not known.
    """
    parts = [
        Part(end, name)
        for end, kind in (("source", vendor), ("target", "r2"))
        for name in secret_parts(kind)
    ]
    given = _from_variables(parts, environ)
    if r2 is not None:
        given |= {p: getattr(r2, p.name) for p in parts if p.end == "target" or vendor == "r2"}
    given |= {} if file is None else _from_file(file)
    await _ask_for([part for part in parts if part not in given], given, out)
    if scrubber is not None:
        scrubber.add(*given.values())
    return _secrets_of({part: given[part] for part in parts})


async def listing_keys(
    source_vendor: str | None,
    file: str | None,
    environ: Mapping[str, str],
    out: Output,
    scrubber: Scrubber | None = None,
    r2: Secret | None = None,
) -> Secrets:
    """Read the keys with which buckets are listed, from where `read_secrets` does; for GCS, HMAC
    keys. Raises CliError.

    source_vendor: None if the source is not listed. Keys of R2 buckets are not asked for: without
    them these are listed through the API. r2: their keys; None if they are not known.
    """
    parts = [Part(end, name) for end in _ENDS for name in secret_parts("s3")]
    given = _from_variables(parts, environ)
    if r2 is not None:
        ends = _ENDS if source_vendor == "r2" else ("target",)
        given |= {part: getattr(r2, part.name) for part in parts if part.end in ends}
    if file is not None:
        given |= {part: value for part, value in _from_file(file).items() if part in parts}
    if source_vendor in ("s3", "gcs"):
        await _ask_for([p for p in parts if p.end == "source" and p not in given], given, out)
    for end in _ENDS:
        of_end = [part for part in parts if part.end == end]
        missing = [part for part in of_end if part not in given]
        if missing and len(missing) < len(of_end):
            raise CliError(f"{missing[0].variable} is missing", ExitCode.CREDENTIALS)
    if scrubber is not None:
        scrubber.add(*given.values())
    return _secrets_of(given)


def _from_variables(parts: Sequence[Part], environ: Mapping[str, str]) -> dict[Part, str]:
    """Return the parts whose variables are set."""
    values = {part: _tidy(part, environ.get(part.variable, "")) for part in parts}
    return {part: value for part, value in values.items() if value}


def _secrets_of(given: Mapping[Part, str]) -> Secrets:
    source, target = (
        Secret(**{part.name: value for part, value in given.items() if part.end == end})
        for end in _ENDS
    )
    return Secrets(source, target)


async def _ask_for(missing: Sequence[Part], given: dict[Part, str], out: Output) -> None:
    """Ask for the missing parts. Raises CliError where nobody can answer, or no answer is given."""
    if missing and not can_ask():
        names = ", ".join(part.variable for part in missing)
        raise CliError(
            f"the keys to the buckets are missing: set {names}, or give --secrets FILE",
            ExitCode.CREDENTIALS,
        )
    for part in missing:
        given[part] = _tidy(part, await secret(part.words, out))
        if not given[part]:
            raise CliError(f"no {part.words} was given", ExitCode.CREDENTIALS)


def _tidy(part: Part, value: str) -> str:
    r"""Strip a value; a private key may be on one line, as in JSON, with \n for line ends."""
    plain = value.strip()
    return plain.replace("\\n", "\n") if part.name == "private_key" else plain


def _from_file(name: str) -> dict[Part, str]:
    """Read the secrets in a private file. Raises CliError."""
    found: dict[Part, str] = {}
    for end, table in parse_toml(name, decode(name, _read_private(name))).items():
        if end not in _ENDS or not isinstance(table, dict):
            raise CliError(f"{name}: only the tables [source] and [target] are allowed")
        for given, value in table.items():
            part = next((Part(end, p) for p in _PARTS if _plain(p) == _plain(given)), None)
            if part is None:  # the name is not repeated: it might be a misplaced secret
                allowed = ", ".join(p.replace("_", "-") for p in _PARTS)
                raise CliError(f"{name}: a name in [{end}] is not one of {allowed}")
            if not isinstance(value, str) or not value.strip():
                words = f"{part.name.replace('_', '-')} in [{end}]"
                raise CliError(f"{name}: {words} must be a text that is not empty")
            found[part] = _tidy(part, value)
    return found


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").casefold()


def _read_private(name: str) -> bytes:
    """Read a file. Raises CliError when others have access to it, or it is not a file or pipe."""
    try:
        with Path(name).open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISFIFO(found.st_mode):
                raise CliError(f"{name}: this is not a regular file")
            if found.st_mode & 0o077:
                raise CliError(f"{name}: others can read it; run: chmod 600 {name}")
            return file.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise CliError(f"{name}: {getattr(error, 'strerror', None) or 'no such file'}") from None


def decode(name: str, content: bytes) -> str:
    """Decode a file's content as UTF-8. Raises CliError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{name}: not UTF-8 at byte {error.start}") from None


def parse_toml(name: str, text: str) -> dict[str, object]:
    """Parse TOML. Raises CliError with line and column, never with content of the file."""
    if line := long_key(text):
        raise CliError(f"{name}: a key of more than {MOST_PARTS} parts at line {line}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise CliError(f"{name}: brackets are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line \d+, column \d+", str(error))
        raise CliError(f"{name}: invalid TOML at {place[0] if place else 'its end'}") from None
