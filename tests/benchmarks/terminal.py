"""A program in a pseudo-terminal: its output with times, its memory and its CPU time.

Bytes get a time when they are read. pyte draws them later, when no output arrives, so that drawing
does not delay the times. Linux only: memory and CPU are read from /proc.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

import pyte

PATIENCE = 30.0
"""Time limit in seconds for expected output."""

SILENCE = 0.08
"""Seconds without output that end a burst."""

_QUESTIONS = re.compile(
    rb"\x1b\[\?(?P<mode>\d+)\$p|\x1b\[(?P<place>6)n|\x1b\[(?P<device>0?)c|\x1b\[\?(?P<keys>u)"
    rb"|\x1b\](?P<colour>1[01]);\?(?:\x07|\x1b\\)"
)
# Sequences that pyte prints as text: private key modes, mode queries and control strings.
_FOREIGN_TO_PYTE = re.compile(
    rb"\x1b\[[<>=][\d;]*[a-z]|\x1b\[\?[\d;]*\$p|\x1bP[^\x1b]*\x1b\\|\x1b\[\?u"
)
_TICKS = os.sysconf("SC_CLK_TCK")


class Chunk(NamedTuple):
    """Bytes of one read. at: seconds of `time.perf_counter`."""

    at: float
    data: bytes


class TerminalRun:
    """One run of a program; the context kills it at the end."""

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], size: tuple[int, int] = (120, 40)
    ) -> None:
        self.chunks: list[Chunk] = []
        self._size = size
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._drawn = 0
        self._tail = b""
        self._open = True
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            self._become(words, environ)
        self._poll = select.poll()
        self._poll.register(self._terminal, select.POLLIN)

    def _become(self, words: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
        columns, rows = self._size
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(words[0], list(words), dict(environ))
        finally:
            os._exit(127)

    def __enter__(self) -> TerminalRun:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.perf_counter() + 5.0
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.perf_counter() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            self._read(0.01)
        os.close(self._terminal)

    @property
    def text(self) -> str:
        """The text on the screen after all output so far."""
        self._draw()
        return "\n".join(self._screen.display)

    def seconds_until(self, shown: Callable[[str], bool]) -> float:
        """Return the seconds from the start to the read that made `shown` true."""
        deadline = self.started + PATIENCE
        while True:
            if not self._read(SILENCE):
                while self._drawn < len(self.chunks):
                    at = self._draw_one()
                    if shown("\n".join(self._screen.display)):
                        return at - self.started
            if time.perf_counter() > deadline or not self._open:
                raise TimeoutError(f"this is all that came:\n{self.text}")

    def watch(self, seconds: float) -> list[Chunk]:
        """Read for some seconds; return the output."""
        mark, end = len(self.chunks), time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._read(left)
        return self.chunks[mark:]

    def press(self, key: bytes) -> float:
        """Send a key when no output arrives; return the seconds to the last byte that it causes."""
        while self._read(SILENCE):
            pass
        mark, pressed = len(self.chunks), time.perf_counter()
        os.write(self._terminal, key)
        if not self._read(PATIENCE):
            raise TimeoutError("a key caused nothing")
        while self._read(SILENCE):
            pass
        return self.chunks[-1].at - pressed if len(self.chunks) > mark else 0.0

    def seconds_to_move(self, key: bytes, sign: str) -> float:
        """Send a key, also during other output; return the seconds until a sign changes its row."""
        self._draw()
        before, pressed = self._row_of(sign), time.perf_counter()
        os.write(self._terminal, key)
        while time.perf_counter() < pressed + PATIENCE:
            self._read(SILENCE)
            while self._drawn < len(self.chunks):
                at = self._draw_one()
                if self._row_of(sign) != before:
                    return at - pressed
        raise TimeoutError(f"{sign} did not move:\n{self.text}")

    def _row_of(self, sign: str) -> int | None:
        return next((y for y, line in enumerate(self._screen.display) if sign in line), None)

    @property
    def resident(self) -> int:
        """Resident memory of the program in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def _read(self, seconds: float) -> bool:
        """Wait some seconds for output; return whether any arrived."""
        if not self._open:
            time.sleep(max(0.0, seconds))
            return False
        if not self._poll.poll(max(0.0, seconds) * 1000):
            return False
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # the program has closed its side
            data = b""
        if not data:
            self._open = False
            return False
        self.chunks.append(Chunk(time.perf_counter(), data))
        self._answer(data)
        return True

    def _answer(self, data: bytes) -> None:
        """Answer queries as a terminal with synchronised output does."""
        received, end = self._tail + data, 0
        for question in _QUESTIONS.finditer(received):
            end = question.end()
            os.write(self._terminal, self._reply(question))
        rest = received[end:]
        start = rest.rfind(b"\x1b", -32)
        self._tail = rest[start:] if start >= 0 else b""

    def _reply(self, question: re.Match[bytes]) -> bytes:
        kind = question.lastgroup
        if kind == "mode":
            state = 2 if question["mode"] == b"2026" else 0
            return b"\x1b[?%b;%d$y" % (question["mode"], state)
        if kind == "colour":
            return b"\x1b]%b;rgb:0000/0000/0000\x1b\\" % question["colour"]
        return {"place": b"\x1b[1;1R", "device": b"\x1b[?62;22c", "keys": b"\x1b[?0u"}[kind or ""]

    def _draw(self) -> None:
        while self._drawn < len(self.chunks):
            self._draw_one()

    def _draw_one(self) -> float:
        chunk = self.chunks[self._drawn]
        self._drawn += 1
        self._stream.feed(_FOREIGN_TO_PYTE.sub(b"", chunk.data))
        return chunk.at


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its ended children so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
