"""The Textual driver of the program and the thread that writes the screen.

`ScreenWriter` writes the screen in its own thread, so that a slow terminal does not block the event
loop. `TerminalDriver` changes Textual's POSIX driver: it writes to stdout (stderr may be a file),
reads keys through `Keyboard`, takes the size from the kernel, stops the whole process group on
Ctrl-Z, restores the screen after a SIGSTOP, and records in `Terminal` whether the screen is open.

Both use private names of Textual. `MISSING` names what this version of Textual lacks or has
changed; if anything, `PlainDriver` is used, which is Textual's own driver.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import constants
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import MouseEvent, Resize
from textual.geometry import Size
from textual.message import Message

from slurper_tui.cli.errors import exit_code
from slurper_tui.cli.terminal import (
    BACKGROUND,
    SCREEN,
    SHOW_CURSOR,
    Terminal,
    in_background,
    kernel_size,
    terminal_size,
)
from slurper_tui.tui.render.painted import PrivateName
from slurper_tui.tui.themes import is_light

if TYPE_CHECKING:
    from slurper_tui.cli.signals import Guard

try:
    from slurper_tui.cli.keyboard import PRIVATE, Keyboard
except ImportError as error:  # a private module of Textual, or a name in it
    _UNIMPORTABLE, PRIVATE = [str(error)], ()
else:
    _UNIMPORTABLE = []

_ATTRIBUTES = (
    *("_app", "_loop", "_mouse", "_auto_restart", "_file", "_key_thread", "_must_signal_resume"),
    *("_in_band_window_resize", "_mouse_pixels", "exit_event", "fileno"),
)
_METHODS = {
    "_get_terminal_size": ("self",),
    "_run_input_thread": ("self",),
    "run_input_thread": ("self",),
    "_sigtstp_application": ("self", "_"),
    "_sigcont_application": ("self", "_"),
}
PRIVATE_NAMES = (
    *PRIVATE,
    PrivateName(App, "_handle_exception", ("self", "error")),
    *(PrivateName(LinuxDriver, name) for name in _ATTRIBUTES),
    *(PrivateName(LinuxDriver, *method) for method in _METHODS.items()),
)
MISSING = (*_UNIMPORTABLE, *(str(name) for name in PRIVATE_NAMES if not name.is_as_expected))
"""The private names that are missing or have another signature; checked once, at the import."""

_MOST_PENDING = 131_072
"""The most characters that may wait for the terminal; further strings are dropped."""


_MOST_AT_ONCE = 16_384
"""The most bytes of one write call, which blocks until the terminal has taken all of them."""


class ScreenWriter:
    """Writes strings to a file descriptor in order, in its own thread; `write` never blocks.

    When more than `_MOST_PENDING` characters wait, whole strings are dropped until the queue is
    empty; then `drained` is called in the writer's thread, to request a full repaint. Data that
    cannot be written, because the terminal has gone, is dropped too.
    """

    def __init__(self, descriptor: int, encoding: str, drained: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._drained = drained
        self._news = threading.Condition()
        self._queue: list[str] = []
        self._pending = 0
        self._taken = 0  # completed write calls
        self._dropping = False
        self._finishing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start writing, or continue after `finish`."""
        self._finishing = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="screen-writer", daemon=True)
            self._thread.start()

    def write(self, text: str) -> None:
        """Queue a string; drop it while the queue is over its limit."""
        with self._news:
            full = self._pending > 0 and self._pending + len(text) > _MOST_PENDING
            self._dropping = self._dropping or full
            if not self._dropping or self._finishing:
                self._queue.append(text)
                self._pending += len(text)
                self._news.notify_all()

    def finish(self) -> None:
        """Stop dropping strings, since those that follow restore the terminal.

        If strings were dropped, the queue is discarded too.
        """
        with self._news:
            self._finishing = True
            if self._dropping:
                self._pending -= sum(map(len, self._queue))
                self._queue.clear()

    def wait(self, seconds: float) -> bool:
        """Wait until everything is written; give up after `seconds` without a completed write.

        Return whether everything is written.
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
            with self._news:
                self._pending -= sum(map(len, batch))
                drained = self._dropping and not self._pending
                if drained:
                    self._dropping = False
                self._news.notify_all()
                finishing = self._finishing
            if drained and not finishing:
                self._drained()

    def _write_out(self, text: str) -> None:
        """Write the whole text, however long the terminal blocks."""
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
"""Seconds to pause after an end-of-file read, to avoid a busy loop."""


_LONGEST_ESCAPE = 1.0
"""Upper limit in seconds for the ESCDELAY variable."""


ANSWER_SECONDS = 0.1
"""Seconds within which the terminal must tell its background; a later answer is ignored."""


_CLOSE_SECONDS = 1.0
"""Seconds to wait on closing for a terminal that accepts no output."""


_MOST_KEYS = 4096
"""The most bytes of one read."""


class TerminalDriver(LinuxDriver):
    """Textual's LinuxDriver, bound to one run's terminal and guard by `driver_for`."""

    terminal: Terminal
    guard: Guard

    def __init__(self, app: App[Any], **settings: Any) -> None:
        super().__init__(app, **settings)
        encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
        self._file = sys.__stdout__  # for Textual's own writer, which is never used
        self._screen = ScreenWriter(SCREEN, encoding, self._drained)
        self._busy = False
        self._continued = False
        self._deaf = False
        self._wake = os.pipe()
        self._asked_at: float | None = None

    def write(self, data: str) -> None:
        """Queue a frame or a control sequence; never block."""
        self._screen.write(data)

    def _drained(self) -> None:
        """Request a repaint after dropped frames. Called in the writer's thread."""
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._draw_again)

    def _draw_again(self) -> None:
        self.terminal.marks.show_again()
        self._repaint()

    def _get_terminal_size(self) -> tuple[int, int]:
        return terminal_size()

    def start_application_mode(self) -> None:
        """Open the screen; in the background that happens when the process is continued."""
        self.terminal.screen_open = True
        self._screen.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # untyped there
        self.terminal.screen_open = self._key_thread is not None and self._key_thread.is_alive()
        self.write(SHOW_CURSOR)
        if self.terminal.tell_background is not None and self._asked_at is None:
            self._asked_at = time.monotonic()
            self.write(BACKGROUND)
        _show_marks(self, self.terminal)
        # In the event loop: signal handlers interrupt one another, so an older size could be posted
        # last.
        signal.signal(signal.SIGWINCH, lambda *_: self._loop.call_soon_threadsafe(self._tell_size))

    def _tell_size(self) -> None:
        """Post the size, and repaint where Textual sees no change."""
        size = Size(*self._get_terminal_size())
        # With in-band size reports the Resize was already posted, unless it had an older size.
        if not self._in_band_window_resize or size != self._app.size:
            self._app.post_message(Resize(size, size))
        # `outer_size` is the size of the last layout; `size` is that of the newest message.
        if self._app.screen_stack and size == self._app.screen.outer_size:
            # Back at the old size: Textual sees no change, but the terminal may have cropped rows.
            self._repaint()

    def process_message(self, message: Message) -> None:
        """Pass a message on, except mouse events while the mouse is off.

        Of a size report, keep only the pixels; columns and rows come from the kernel.
        """
        if isinstance(message, MouseEvent) and not self._mouse:
            return  # an earlier program left mouse reports on
        if isinstance(message, Resize) and message.pixel_size is not None and all(kernel_size()):
            pixels = (message.pixel_size.width, message.pixel_size.height)
            message = Resize.from_dimensions(kernel_size(), pixels)
        super().process_message(message)

    def stop_application_mode(self) -> None:
        """Close the screen: queue the sequences that restore the terminal."""
        if not self._busy:
            self.guard.enforce(exit_code(self._app.return_code))
        if self.guard.ending is not None:
            # SIGTTOU would stop a background process that changes the terminal's settings.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        self._screen.finish()
        _take_marks_back(self, self.terminal)
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        super().stop_application_mode()

    def close(self) -> None:
        """Wait until all output is written, at most `_CLOSE_SECONDS` without progress."""
        super().close()
        self.terminal.screen_open = not self._screen.wait(_CLOSE_SECONDS)

    def _run_input_thread(self) -> None:
        """Read keys in Textual's input thread; the guard handles a terminal that has gone."""
        try:
            self.run_input_thread()
        except OSError:
            return
        except Exception as error:
            self._loop.call_soon_threadsafe(self._app._handle_exception, error)

    def run_input_thread(self) -> None:
        """Read keys until input is disabled, without periodic wake-ups.

        Textual's own loop polls ten times a second, which takes a third of the program's CPU.
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
            if keyboard.background is not None:
                self._take_background(keyboard.background, now)
                keyboard.background = None
            if self.fileno in ready and not data:
                self.exit_event.wait(_NO_INPUT_SECONDS)

    def _take_background(self, colour: tuple[float, float, float], now: float) -> None:
        """Tell whether the background is light, once, if the answer is in time."""
        tell, asked = self.terminal.tell_background, self._asked_at
        if tell is not None and asked is not None and now <= asked + ANSWER_SECONDS:
            self.terminal.tell_background = None
            self._loop.call_soon_threadsafe(tell, is_light(*colour))

    def disable_input(self) -> None:
        """End the thread that reads keys, and wait for it."""
        self._deaf = True
        os.write(self._wake[1], b"\0")
        super().disable_input()
        os.read(self._wake[0], 1)
        self._deaf = False

    def _sigtstp_application(self, *_: object) -> None:
        """Stop in the event loop; the code that a handler interrupts may hold a needed lock."""
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        """Restore the terminal, stop the process group, and reopen the screen when continued.

        Without job control, the system ignores the stop signal, so the program continues at once.
        """
        if self._busy or not self._auto_restart:
            return
        self._busy = True
        self.suspend_application_mode()
        _stop_job()
        # Again after a continuation in the background (`bg`): neither in the foreground nor with an
        # end due within 0.2 seconds.
        while not any(not in_background() or self.guard.ends_within(0.05) for _ in range(4)):
            _stop_job()
        self._come_back()

    def _sigcont_application(self, *_: object) -> None:
        """Reopen the screen in the event loop, unless `_stop` is about to do so."""
        self._continued = True
        self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        """Reopen the screen after a SIGSTOP, before which the terminal could not be restored."""
        if self._continued and self._auto_restart and not self._busy:
            self._busy = True
            self._come_back()

    def _come_back(self) -> None:
        """Reopen the screen, again for each SIGCONT that arrives meanwhile.

        A shell changes the terminal's settings before it continues a job, and the signal handler
        may run at any point of this method.
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
        """Repaint everything: the terminal does not show what the app assumes is on it."""
        self._app.call_later(self._app.refresh, repaint=True, layout=True)


class PlainDriver(LinuxDriver):
    """Textual's own driver, for a Textual without the private names that `TerminalDriver` needs.

    It does not mark keys that were pasted or came in a burst, so no job may be changed with it.
    """

    terminal: Terminal

    def start_application_mode(self) -> None:
        """Open the screen."""
        self.terminal.screen_open = True
        super().start_application_mode()  # type: ignore[no-untyped-call]  # untyped there
        self.write(SHOW_CURSOR)
        _show_marks(self, self.terminal)

    def stop_application_mode(self) -> None:
        """Close the screen."""
        _take_marks_back(self, self.terminal)
        super().stop_application_mode()

    def close(self) -> None:
        """Wait until all output is written."""
        super().close()
        self.terminal.screen_open = False


DRIVER: type[LinuxDriver] = PlainDriver if MISSING else TerminalDriver
"""The driver for this version of Textual."""


def driver_for(terminal: Terminal, guard: Guard) -> type[LinuxDriver]:
    """Return a driver class bound to one run; Textual instantiates it without these arguments."""
    return type("BoundDriver", (DRIVER,), {"terminal": terminal, "guard": guard})


def _show_marks(driver: LinuxDriver, terminal: Terminal) -> None:
    """Let the terminal's title and progress be written among the frames."""
    terminal.marks.write = driver.write
    terminal.marks.show()


def _take_marks_back(driver: LinuxDriver, terminal: Terminal) -> None:
    """Restore the terminal's title and clear its progress."""
    terminal.marks.write = None
    if sequences := terminal.marks.leave():
        driver.write(sequences)


def _stop_job() -> None:
    """Stop this process group until the shell continues it."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.killpg(os.getpgrp(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)
