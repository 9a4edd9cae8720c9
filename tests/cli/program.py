"""Run the program in this process over a simulated account, and capture its lines."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import tempfile
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from slurper_tui.cli.context import Process
from slurper_tui.cli.main import run
from slurper_tui.simulated.account import SimulatedAccount


@dataclass(frozen=True)
class Ran:
    """The exit code and the lines of a run."""

    code: int
    out: list[str]
    err: list[str]


def environment(account: SimulatedAccount, **more: str) -> dict[str, str]:
    """The environment of a user of the account in a UTF-8 locale."""
    return {
        "CLOUDFLARE_API_TOKEN": account.token,
        "CLOUDFLARE_ACCOUNT_ID": account.account_id,
        "LANG": "C.UTF-8",
        **more,
    }


class Terminal(io.TextIOWrapper):
    """A stdout whose width is that of a real terminal; what is written is kept as elsewhere."""

    def __init__(self, columns: int, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._ends: tuple[int, ...] = pty.openpty()
        fcntl.ioctl(self._ends[1], termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True

    def fileno(self) -> int:
        """Return the terminal's descriptor."""
        return self._ends[1]

    def close(self) -> None:
        """Close the terminal too."""
        super().close()
        ends, self._ends = self._ends, ()
        for end in ends:
            os.close(end)


def make_process(
    environ: Mapping[str, str],
    folder: Path,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    encoding: str = "utf-8",
    columns: int | None = None,
) -> Process:
    """Make a process with its own streams and folders. columns: of stdout, if it is a terminal."""
    pipe, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    return Process(
        environ=environ,
        out=pipe if columns is None else Terminal(columns, encoding),
        err=err,
        transport=transport,
        config_file=folder / "config.toml",
        state=folder / "state",
    )


def perform(
    account: SimulatedAccount | None,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    folder: Path | None = None,
    encoding: str = "utf-8",
    columns: int | None = None,
) -> Ran:
    """Run one command line to its end.

    folder: None for a temporary one. columns: of stdout, if it is a terminal.
    """
    if account is not None:
        environ = environment(account) if environ is None else environ
        transport = transport or account.transport()
    with tempfile.TemporaryDirectory() as empty:
        place = folder or Path(empty)
        process = make_process(
            environ or {}, place, transport=transport, encoding=encoding, columns=columns
        )
        code = run(arguments, process)
    return Ran(code, _lines(process.out), _lines(process.err))


def _lines(stream: object) -> list[str]:
    assert isinstance(stream, io.TextIOWrapper)
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding).splitlines()
