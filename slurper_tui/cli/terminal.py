"""The terminal as it was found, and how it gets that way again.

Writes the screen in a thread of its own, so that a slow terminal holds nothing up.

Textual's driver for POSIX terminals with better manners.

It writes to stdout, so that stderr may be a file, and never waits for a terminal that takes
nothing; it reads keys through `Keyboard`; it takes the terminal's size from the kernel; it stops
the whole job on Ctrl-Z, as a shell expects; it comes back right from a stop that it was not asked
about; and it tells `Terminal` whether the screen is open.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from textual import constants
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import MouseEvent, Resize
from textual.geometry import Size
from textual.message import Message

from slurper_tui.cli.errors import Stop, exit_code
from slurper_tui.cli.keyboard import Keyboard
from slurper_tui.cli.signals import Guard

KEYBOARD = 0
"""The descriptor that Textual reads keys from."""

SCREEN = 1
"""The descriptor that the screen is written to."""

_MOST_COLUMNS, _MOST_ROWS = 1000, 500

# Variables of Textual's that are obeyed. The others press keys, write typed keys or pictures of the
# screen to files, connect to a debugger, or load another driver; some values end it at once.
_HARMLESS = (
    "TEXTUAL_(DISABLE_KITTY_KEY|SMOOTH_SCROLL|SPEEDUPS)=[01]"
    "|TEXTUAL_COLOR_SYSTEM=(auto|standard|256|truecolor)|ESCDELAY=[0-9]{1,5}"
)

_TRIES = 40

# Synchronised output, kitty keys, mouse, focus, paste and size reports off; wrapping on; plain
# colours; then the alternate screen is left and the cursor shown.
LEAVE = (
    "\x1b[?2026l\x1b[<u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[0m\x1b[?1049l\x1b[?25h"
)


class Terminal:
    """Remembers the terminal's settings and restores them, from any thread and more than once.

    screen_open: the alternate screen and its modes are on, as the driver tells.
    """

    def __init__(self) -> None:
        self.screen_open = False
        self._attributes = termios.tcgetattr(KEYBOARD)

    def restore(self) -> None:
        """Leave the alternate screen if it is open, and put the settings back."""
        if self.screen_open:
            self.screen_open = False
            _write_without_waiting(LEAVE.encode())
        if not in_background():
            with suppress(termios.error):
                termios.tcsetattr(KEYBOARD, termios.TCSANOW, self._attributes)


def terminal_size() -> tuple[int, int]:
    """Columns and rows as the kernel knows them; COLUMNS and LINES only where it says 0."""
    columns, rows = kernel_size()
    if columns and rows:
        return columns, rows
    assumed = shutil.get_terminal_size()
    return columns or min(assumed.columns, _MOST_COLUMNS), rows or min(assumed.lines, _MOST_ROWS)


def kernel_size() -> tuple[int, int]:
    """Columns and rows of the screen; 0 where the kernel does not know them."""
    try:
        return os.get_terminal_size(SCREEN)
    except OSError:
        return 0, 0


def clean_environment() -> None:
    """Remove the variables that would mislead Textual. To be called before it is imported.

    It sizes its first picture by COLUMNS and LINES, and obeys developers' switches of its own that
    this program does not offer.
    """
    columns, rows = kernel_size()
    if columns and rows:
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
    for name, value in list(os.environ.items()):
        obeyed = name == "ESCDELAY" or name.startswith("TEXTUAL")
        if obeyed and not re.fullmatch(_HARMLESS, f"{name}={value}"):
            del os.environ[name]


def in_background() -> bool:
    """Whether the terminal listens to another job, a shell for example, and not to this one."""
    try:
        return os.tcgetpgrp(KEYBOARD) not in (0, os.getpgrp())
    except OSError:
        return False


def wait_for_foreground() -> None:
    """Stop, as a program does that reads keys in the background, until the shell's `fg`.

    Raises Stop when nothing stops us: no shell is there that could.
    """
    for _ in range(_TRIES):
        if not in_background():
            return
        os.killpg(os.getpgrp(), signal.SIGTTIN)
        time.sleep(0.05)  # the signal is on its way, or ignored
    raise Stop("another program is using this terminal")


def take_keyboard() -> None:
    """Make standard input the terminal, whatever it was. Raises Stop where there is none."""
    if _is_terminal(KEYBOARD):
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise Stop("there is no terminal to read keys from") from None
    if terminal != KEYBOARD:
        os.dup2(terminal, KEYBOARD)
        os.close(terminal)
    if sys.__stdin__ is None or sys.__stdin__.closed:
        # The interpreter found no standard input at its start; Textual takes it for granted.
        stream = os.fdopen(KEYBOARD, closefd=False)
        setattr(sys, "__stdin__", stream)  # noqa: B010  # declared final, yet it is missing


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _write_without_waiting(data: bytes) -> None:
    """Write to the terminal even where somebody holds it up; what does not fit is lost."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(terminal, data)
        finally:
            os.close(terminal)


_MOST_PENDING = 131_072
"""Characters that may wait for the terminal; what comes on top of them is dropped."""

_MOST_AT_ONCE = 16_384
"""Bytes of one system call, which waits until the terminal has taken all of them."""


class ScreenWriter:
    """Writes strings to a descriptor in order. `write` never waits.

    Once more than `_MOST_PENDING` characters wait, whole strings are dropped until the terminal has
    taken all that waits; then `drained` is called in the writer's thread, to have everything
    painted again. What cannot be written at all (the terminal is gone) is dropped as well.
    """

    def __init__(self, descriptor: int, encoding: str, drained: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._drained = drained
        self._news = threading.Condition()
        self._queue: list[str] = []
        self._pending = 0
        self._taken = 0  # system calls that the terminal has taken
        self._dropping = False
        self._finishing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, or go on after `finish`."""
        self._finishing = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="screen-writer", daemon=True)
            self._thread.start()

    def write(self, text: str) -> None:
        """Queue a string, or drop it while the terminal takes nothing."""
        with self._news:
            full = self._pending > 0 and self._pending + len(text) > _MOST_PENDING
            self._dropping = self._dropping or full
            if not self._dropping or self._finishing:
                self._queue.append(text)
                self._pending += len(text)
                self._news.notify_all()

    def finish(self) -> None:
        """Drop nothing from now on: what follows gives the terminal back."""
        with self._news:
            self._finishing = True
            if self._dropping:
                self._pending -= sum(map(len, self._queue))
                self._queue.clear()

    def wait(self, seconds: float) -> bool:
        """Wait until all is written, as long as the terminal takes something within `seconds`.

        Returns whether all is written.
        """
        with self._news:
            while self._pending:
                taken = self._taken
                if not self._news.wait_for(partial(self._moved, taken), seconds):
                    return False
        return True

    def _moved(self, taken: int) -> bool:
        return not self._pending or self._taken > taken

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._queue)
                batch, self._queue = self._queue, []
            self._write_out("".join(batch))
            self._count_written(sum(map(len, batch)))

    def _count_written(self, characters: int) -> None:
        with self._news:
            self._pending -= characters
            dropped = self._dropping and not self._pending
            if dropped:
                self._dropping = False
            self._news.notify_all()
            finishing = self._finishing
        if dropped and not finishing:
            self._drained()

    def _write_out(self, text: str) -> None:
        """Write all of a text, waiting for the terminal as long as it takes."""
        data = memoryview(text.encode(self._encoding, errors="replace"))
        with suppress(OSError):
            while data:
                try:
                    data = data[os.write(self._descriptor, data[:_MOST_AT_ONCE]) :]
                    with self._news:
                        self._taken += 1
                        self._news.notify_all()
                except BlockingIOError:  # another program has made the terminal non-blocking
                    select.select([], [self._descriptor], [])


_NO_INPUT_SECONDS = 0.1
"""Pause after a read at the end of all input, which would return at once for ever."""

_LONGEST_ESCAPE = 1.0
"""Seconds that ESCDELAY can make Esc wait at most."""

_CLOSE_SECONDS = 1.0
"""Seconds that closing the screen waits for a terminal that takes nothing."""

_MOST_KEYS = 4096
"""Bytes that are read at once."""


class TerminalDriver(LinuxDriver):
    """LinuxDriver, bound to the terminal and the guard of one run by `driver_for`."""

    terminal: Terminal
    guard: Guard

    def __init__(self, app: App[Any], **settings: Any) -> None:
        super().__init__(app, **settings)
        encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
        self._file = sys.__stdout__  # of Textual's own writer, which gets nothing to write
        self._screen = ScreenWriter(SCREEN, encoding, self._drained)
        self._busy = False
        self._continued = False
        self._deaf = False
        self._wake = os.pipe()

    def write(self, data: str) -> None:
        """Queue a frame or a control sequence; never waits."""
        self._screen.write(data)

    def _drained(self) -> None:
        """Repaint after frames were dropped. Called in the writer's thread."""
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._repaint)

    def _get_terminal_size(self) -> tuple[int, int]:
        return terminal_size()

    def start_application_mode(self) -> None:
        """Open the screen; in the background that has to wait until we are continued."""
        self.terminal.screen_open = True
        self._screen.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # untyped there
        self.terminal.screen_open = self._key_thread is not None and self._key_thread.is_alive()
        signal.signal(signal.SIGWINCH, self._resized)

    def _resized(self, *_: object) -> None:
        """Measure in the event loop: handlers interrupt one another, and an old size could win."""
        self._loop.call_soon_threadsafe(self._tell_size)

    def _tell_size(self) -> None:
        size = Size(*self._get_terminal_size())
        # A terminal that reports its size in band has already caused this, unless it was too early.
        if not self._in_band_window_resize or size != self._app.size:
            self._app.post_message(Resize(size, size))

    def process_message(self, message: Message) -> None:
        """Pass a message on, except for a mouse that was not asked for.

        Of a size that the terminal reports, only the pixels are believed.
        """
        if isinstance(message, MouseEvent) and not self._mouse:
            return  # the program before has left its reports on
        if isinstance(message, Resize) and message.pixel_size is not None and all(kernel_size()):
            pixels = (message.pixel_size.width, message.pixel_size.height)
            message = Resize.from_dimensions(kernel_size(), pixels)
        super().process_message(message)

    def stop_application_mode(self) -> None:
        """Close the screen; from here on the writes are under way."""
        if not self._busy:
            self.guard.enforce(exit_code(self._app.return_code))
        if self.guard.ending is not None:
            # A program in the background would be stopped for touching the terminal.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        self._screen.finish()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        super().stop_application_mode()

    def close(self) -> None:
        """Wait until all is written, or until it is clear that the terminal takes nothing."""
        super().close()
        self.terminal.screen_open = not self._screen.wait(_CLOSE_SECONDS)

    def _run_input_thread(self) -> None:
        """Read keys. A terminal that cannot be read any more is the guard's business."""
        try:
            self.run_input_thread()
        except OSError:
            return
        except Exception as error:
            self._loop.call_soon_threadsafe(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Read keys until input is disabled, and wake for nothing else.

        Textual's own loop looks ten times a second, which takes a third of the program's CPU.
        """
        keyboard = Keyboard(min(constants.ESCAPE_DELAY, _LONGEST_ESCAPE))
        while not self._deaf:
            due = keyboard.deadline
            wait = None if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([self.fileno, self._wake[0]], [], [], wait)
            data = os.read(self.fileno, _MOST_KEYS) if self.fileno in ready else b""
            now = time.monotonic()
            for message in keyboard.feed(data, now) if data else keyboard.tick(now):
                self.process_message(message)
            if self.fileno in ready and not data:
                self.exit_event.wait(_NO_INPUT_SECONDS)

    def disable_input(self) -> None:
        """Let the thread that reads keys end."""
        self._deaf = True
        os.write(self._wake[1], b"\0")
        super().disable_input()
        os.read(self._wake[0], 1)
        self._deaf = False

    def _sigtstp_application(self, *_: object) -> None:
        """Stop in the event loop: what a handler interrupts may hold a lock that it needs."""
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        """Give the terminal back, stop the whole job, and take the terminal again afterwards.

        Where nobody could continue us (no job control), the system does not stop us either.
        """
        if self._busy or not self._auto_restart:
            return
        self._busy = True
        self.suspend_application_mode()
        _stop_job()
        while self._is_behind():
            _stop_job()
        self._come_back()

    def _is_behind(self) -> bool:
        """Continued in the background, neither to be told to end nor brought back at once."""
        return not any(not in_background() or self.guard.ends_within(0.05) for _ in range(4))

    def _sigcont_application(self, *_: object) -> None:
        """Come back in the event loop, unless whoever stopped us does so anyway."""
        self._continued = True
        self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        """Come back from a stop that left no chance to give the terminal back."""
        if self._continued and self._auto_restart and not self._busy:
            self._busy = True
            self._come_back()

    def _come_back(self) -> None:
        """Open the screen, and once more whenever we are continued meanwhile.

        A shell sets the terminal to its own taste before it continues a job, and a handler runs
        in the midst of whatever is done here.
        """
        self._continued = True
        while self._continued and self.guard.ending is None:
            self._continued = False
            if self.terminal.screen_open:
                self.suspend_application_mode()
            self._must_signal_resume = True
            self.resume_application_mode()
        self._busy = False
        self._loop.call_soon_threadsafe(self._repaint)

    def _repaint(self) -> None:
        """The screen is empty, whatever the app believes to be on it."""
        self._app.call_later(self._app.refresh, repaint=True, layout=True)


def driver_for(terminal: Terminal, guard: Guard) -> type[TerminalDriver]:
    """The driver's class for one run; Textual makes the driver itself."""
    return type("BoundDriver", (TerminalDriver,), {"terminal": terminal, "guard": guard})


def _stop_job() -> None:
    """Stop this process and those started along with it, until the shell continues them."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.killpg(os.getpgrp(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)
