"""The installed program in a pseudo-terminal whose output pyte interprets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

from tests.patience import PATIENCE

PROGRAM = str(Path(sys.executable).with_name("slurper-tui"))

# Sequences that pyte would print as text: private key modes and mode queries.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][\d;]*[a-z]|\x1b\[\?[\d;]*\$p")
# pyte has no alternate screen, so entering it clears the screen here.
_OTHER_SCREEN = re.compile(rb"\x1b\[\?1049[hl]")
_UNFINISHED = re.compile(rb"\x1b(\[[^a-zA-Z]*)?$")
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_KITTY = re.compile(rb"\x1b\[([<>])\d*u")

NOT_AT_REST = frozenset({9, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 1049, 2004, 2026, 2048})


class PtyProgram:
    """A program with a pseudo-terminal as its controlling terminal. raw: its whole output."""

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        size: tuple[int, int] = (80, 24),
        redirect: str = "",
        folder: Path | None = None,
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(*size)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._pending = b""
        self._news = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self.resize(*size)
        self.settings = termios.tcgetattr(self.slave)
        # The first terminal that a session leader opens becomes its controlling terminal.
        line = f'exec "$@" 0<>"$0" 1>&0 2>&0 {redirect}'
        self.process = subprocess.Popen(
            ["sh", "-c", line, os.ttyname(self.slave), *arguments],
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._end, self._end_asked = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> PtyProgram:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.vanish()
        os.close(self.slave)

    @property
    def text(self) -> str:
        """The text on the screen."""
        with self._news:
            return "\n".join(self.screen.display)

    def type(self, keys: str) -> None:
        """Send keys."""
        os.write(self.master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, which signals the program."""
        with self._news:
            self.screen.resize(rows, columns)
            fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(
        self, condition: Callable[[], bool], what: str, patience: float = PATIENCE
    ) -> None:
        """Wait for a condition; it is checked whenever the program writes."""
        deadline = time.monotonic() + patience
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"{what} did not come:\n{self.text}\n{self.raw[-400:]!r}"
            with self._news:
                self._news.wait(min(left, 0.05))

    def see(self, text: str, patience: float = PATIENCE) -> None:
        """Wait until a text is on the screen."""
        self.wait_for(lambda: text in self.text, repr(text), patience)

    def see_no(self, text: str) -> None:
        """Wait until a text has left the screen."""
        self.wait_for(lambda: text not in self.text, f"the end of {text!r}")

    def ended(self) -> int:
        """Wait for the program to end, read its last output and return its exit code."""
        code = self.process.wait(PATIENCE)
        mark = f"\x1b[8;{os.getpid()}~".encode()
        os.write(self.slave, mark)
        self.wait_for(lambda: mark in self.raw, "the end of the output")
        return code

    def vanish(self) -> None:
        """Close the master side, as a lost connection does."""
        if self.master >= 0:
            master, self.master = self.master, -1
            # Another terminal may get the same file descriptor, and must not be read as this one.
            os.write(self._end_asked, b".")
            self._reading.set()
            self._reader.join()
            for file in (master, self._end, self._end_asked):
                os.close(file)

    def stop_reading(self) -> None:
        """Stop output, as a stalled connection does."""
        self._reading.clear()

    def read_again(self) -> None:
        """Resume output after `stop_reading`."""
        self._reading.set()

    def assert_restored(self) -> None:
        """Assert that the terminal has the modes and settings that it had at the start."""
        assert termios.tcgetattr(self.slave) == self.settings
        assert not NOT_AT_REST & self.modes()
        assert {7, 25} <= self.modes()
        pushed, popped = (sum(k == sign for k in _KITTY.findall(self.raw)) for sign in (b">", b"<"))
        assert pushed <= popped

    def modes(self) -> set[int]:
        """Return the private modes that are set after all output."""
        on = {7, 25}
        for numbers, state in _MODE.findall(self.raw):
            for number in map(int, numbers.split(b";")):
                (on.add if state == b"h" else on.discard)(number)
        return on

    def _read(self) -> None:
        master, end = self.master, self._end
        while self._reading.wait() and end not in select.select([master, end], [], [])[0]:
            try:
                data = os.read(master, 65_536)
            except OSError:
                return
            with self._news:
                self.raw += data
                self._feed(data)
                self._news.notify_all()

    def _feed(self, data: bytes) -> None:
        data = self._pending + data
        unfinished = _UNFINISHED.search(data)
        cut = unfinished.start() if unfinished else len(data)
        data, self._pending = data[:cut], data[cut:]
        data = _UNKNOWN_TO_PYTE.sub(b"", data)
        self._stream.feed(_OTHER_SCREEN.sub(b"\\g<0>\x1b[2J\x1b[H", data))


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of an ordinary user."""
    fixed = {"HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    return {"PATH": os.environ["PATH"], **fixed, **more}
