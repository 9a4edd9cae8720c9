"""The installed program in a real terminal: a PTY, read by pyte, typed at and signalled."""

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

# What pyte would print as text: private key modes and questions about modes.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][\d;]*[a-z]|\x1b\[\?[\d;]*\$p")
# pyte has one screen only, so going to the other one is an empty one here.
_OTHER_SCREEN = re.compile(rb"\x1b\[\?1049[hl]")
_UNFINISHED = re.compile(rb"\x1b(\[[^a-zA-Z]*)?$")
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_KITTY = re.compile(rb"\x1b\[([<>])\d*u")

NOT_AT_REST = frozenset({9, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 1049, 2004, 2026, 2048})


class PtyProgram:
    """A program whose controlling terminal is ours. `raw` is all that it ever wrote."""

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
        # The leader of a session gets the first terminal that it opens as its own.
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
        """What stands on the screen now."""
        with self._news:
            return "\n".join(self.screen.display)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, and let the program know."""
        with self._news:
            self.screen.resize(rows, columns)
            fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is true, looking whenever the program writes."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"{what} did not come:\n{self.text}\n{self.raw[-400:]!r}"
            with self._news:
                self._news.wait(min(left, 0.05))

    def see(self, text: str) -> None:
        """Wait until a text stands on the screen."""
        self.wait_for(lambda: text in self.text, repr(text))

    def see_no(self, text: str) -> None:
        """Wait until a text has left the screen."""
        self.wait_for(lambda: text not in self.text, f"the end of {text!r}")

    def ended(self) -> int:
        """Wait for the end, and take in the last words; the exit code."""
        code = self.process.wait(PATIENCE)
        mark = f"\x1b[8;{os.getpid()}~".encode()
        os.write(self.slave, mark)
        self.wait_for(lambda: mark in self.raw, "the end of the output")
        return code

    def vanish(self) -> None:
        """Close the terminal's other end, as a lost connection does."""
        if self.master >= 0:
            master, self.master = self.master, -1
            # Another program's terminal may get the same number, and be read by who reads ours.
            os.write(self._end_asked, b".")
            self._reading.set()
            self._reader.join()
            for file in (master, self._end, self._end_asked):
                os.close(file)

    def stop_reading(self) -> None:
        """Behave like a connection that has stalled."""
        self._reading.clear()

    def read_again(self) -> None:
        """Behave like a connection that goes on after it has stalled."""
        self._reading.set()

    def assert_as_found(self) -> None:
        """The terminal is exactly as the program found it."""
        assert termios.tcgetattr(self.slave) == self.settings
        assert not NOT_AT_REST & self.modes()
        assert {7, 25} <= self.modes()
        pushed, popped = (sum(k == sign for k in _KITTY.findall(self.raw)) for sign in (b">", b"<"))
        assert pushed <= popped

    def modes(self) -> set[int]:
        """The private modes that are on, after all that was written."""
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
    """A plain person's environment."""
    fixed = {"HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    return {"PATH": os.environ["PATH"], **fixed, **more}
