"""Textual's driver for POSIX terminals with better manners.

It writes to stdout, so that stderr may be a file, and never waits for a terminal that takes
nothing; it reads keys through `Keyboard`; it takes the terminal's size from the kernel; it stops
the whole job on Ctrl-Z, as a shell expects; it comes back right from a stop that it was not asked
about; and it tells `Terminal` whether the screen is open.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from textual import constants
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import MouseEvent, Resize
from textual.geometry import Size
from textual.message import Message

from slurper_tui.cli.exit_codes import exit_code
from slurper_tui.cli.guard import Guard
from slurper_tui.cli.keyboard import Keyboard
from slurper_tui.cli.screen_writer import ScreenWriter
from slurper_tui.cli.terminal import SCREEN, Terminal, in_background, kernel_size, terminal_size

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
