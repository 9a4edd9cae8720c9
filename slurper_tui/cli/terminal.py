"""The terminal: its saved settings, size, title and tab, and the environment that Textual may read.

Nothing here imports Textual: the environment is cleaned before that.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from slurper_tui.cli.errors import CliError
from slurper_tui.format import safe

KEYBOARD = 0
"""The file descriptor that Textual reads keys from."""

SCREEN = 1
"""The file descriptor that the screen is written to."""

_MOST_COLUMNS, _MOST_ROWS = 1000, 500

# Textual's environment variables that are kept, with their allowed values. The others press keys,
# write typed keys or screenshots to files, connect to a debugger or load another driver; some
# values crash it at the start.
_HARMLESS = (
    "TEXTUAL_(DISABLE_KITTY_KEY|SMOOTH_SCROLL|SPEEDUPS)=[01]"
    "|TEXTUAL_COLOR_SYSTEM=(auto|standard|256|truecolor)|ESCDELAY=[0-9]{1,5}"
)

_TRIES = 40

# Turn off synchronised output, kitty keys, and mouse, focus, paste and size reports; turn on
# wrapping; reset colours; leave the alternate screen; show the cursor.
LEAVE = (
    "\x1b[?2026l\x1b[<u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[0m\x1b[?1049l\x1b[?25h"
)

SHOW_CURSOR = "\x1b[?25h"
"""Shows the cursor, which Textual hides: it stands on the highlighted row, for screen readers."""


BELL = "\x07"

_MOST_TITLE = 120
_MOST_TEXT = 240
"""Characters of a title and of a notification, at most."""

_WITHOUT_TITLE = ("linux", "vt", "dumb", "unknown", "cons")
"""Beginnings of TERM for terminals that have no title and may print what they do not know."""


BACKGROUND = "\x1b]11;?\x1b\\"
"""Asks for the background colour."""


def answers(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal may be asked by OSC; others may print what they do not know."""
    return not _term(environ).startswith(_WITHOUT_TITLE)


def _term(environ: Mapping[str, str]) -> str:
    """Return TERM; `unknown` where it is not set."""
    return environ.get("TERM", "").strip() or "unknown"


def colours_of(environ: Mapping[str, str]) -> str:
    """Return the number of colours that the screen uses, by rich's rules."""
    chosen = environ.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if chosen in ("standard", "256", "truecolor"):
        return {"standard": "16"}.get(chosen, chosen)
    term = environ.get("TERM", "").strip().lower()
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "none" if term in ("dumb", "unknown") else "truecolor"
    ending = term.rpartition("-")[2]
    by_ending = {"kitty": "256", "256color": "256", "dumb": "none", "unknown": "none"}
    return by_ending.get(ending, "16")


class Marks:
    """The terminal's title and the progress on its tab, as they are and as they were found.

    write: writes to the terminal; None while that is not possible. Nothing is written before the
    first title or progress, and only what has changed. `leave` may be called from any thread.
    ascii_only: write letters instead of symbols.
    """

    def __init__(self, environ: Mapping[str, str], *, ascii_only: bool = False) -> None:
        self.write: Callable[[str], None] | None = None
        self._ascii_only = ascii_only
        self._term = _term(environ)
        self._in_tmux = bool(environ.get("TMUX"))
        self._title = ""
        self._progress = ""
        self._shown = ("", "")

    def set_title(self, text: str) -> None:
        """Set the title; in tmux, that is the title of the pane."""
        if not self._term.startswith(_WITHOUT_TITLE):
            self._title = f"\x1b]2;{self._plain(text, _MOST_TITLE)}\x1b\\"
            self.show()

    def set_progress(self, state: int, percent: int) -> None:
        """Set the progress on the tab (OSC 9;4): state 0 to 4, 0 to 100 percent."""
        self._progress = f"\x1b]9;4;{state};{percent}\x1b\\" if state else _NO_PROGRESS
        self.show()

    def show(self) -> None:
        """Write what the terminal does not show yet; on the first title, save the one found."""
        if self.write is None:
            return
        title, progress = self._shown
        text = ""
        if self._title != title:
            text += self._title if title else f"{_SAVE_TITLE}{self._title}"
        if self._progress != progress and (progress or self._progress != _NO_PROGRESS):
            text += self._progress
        self._shown = (self._title, self._progress)
        if text:
            self.write(text)

    def show_again(self) -> None:
        """Write title and progress again, after output was lost."""
        if self.write is not None and any(self._shown):
            self.write("".join(self._shown))

    def leave(self) -> str:
        """Return the sequences that restore the title and clear the progress; "" if none is set."""
        (title, progress), self._shown = self._shown, ("", "")
        cleared = _NO_PROGRESS if progress not in ("", _NO_PROGRESS) else ""
        return f"{_RESTORE_TITLE if title else ''}{cleared}"

    def notification(self, code: int, text: str) -> str:
        """Return a notification of the terminal, OSC 9 or 777; tmux is told to pass it on."""
        plain = self._plain(text, _MOST_TEXT)
        body = f"777;notify;slurper-tui;{plain}" if code == 777 else f"9;slurper-tui: {plain}"
        sequence = f"\x1b]{body}{BELL if self._in_tmux else _END}"
        return f"\x1bPtmux;\x1b{sequence}{_END}" if self._in_tmux else sequence

    def _plain(self, text: str, most: int) -> str:
        """Return a text without control characters, in at most `most` characters."""
        signs = text.translate(_LETTERS) if self._ascii_only else text
        plain = safe(signs, ascii_only=self._ascii_only)
        return plain if len(plain) <= most else f"{plain[: most - 3]}..."


_LETTERS = str.maketrans({"→": "->", "·": "-", "\N{EN DASH}": "-", "≥": ">=", "—": "-"})
_END = "\x1b\\"
_NO_PROGRESS = f"\x1b]9;4;0;0{_END}"
_SAVE_TITLE, _RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"


class Terminal:
    """Saves the terminal's settings; `restore` may be called from any thread, repeatedly.

    screen_open: the alternate screen and its modes are on; set by the driver. marks: its title.
    tell_background: called in the event loop with whether the background is light, if the terminal
    tells it in time; None not to ask.
    """

    def __init__(self, marks: Marks) -> None:
        self.screen_open = False
        self.marks = marks
        self.tell_background: Callable[[bool], None] | None = None
        self._attributes = termios.tcgetattr(KEYBOARD)

    def restore(self) -> None:
        """Leave the alternate screen if it is open, and restore the settings."""
        if self.screen_open:
            self.screen_open = False
            write_without_waiting(f"{LEAVE}{self.marks.leave()}".encode())
        if not in_background():
            with suppress(termios.error):
                termios.tcsetattr(KEYBOARD, termios.TCSANOW, self._attributes)


def terminal_size() -> tuple[int, int]:
    """Return (columns, rows) from the kernel; from COLUMNS and LINES only where that is 0."""
    columns, rows = kernel_size()
    if columns and rows:
        return columns, rows
    import shutil  # with its compressors; seldom needed

    assumed = shutil.get_terminal_size()
    return columns or min(assumed.columns, _MOST_COLUMNS), rows or min(assumed.lines, _MOST_ROWS)


def kernel_size() -> tuple[int, int]:
    """Return the screen's (columns, rows); 0 where the kernel does not know them."""
    try:
        return os.get_terminal_size(SCREEN)
    except OSError:
        return 0, 0


def clean_environment() -> None:
    """Remove environment variables that would mislead Textual. Call before importing it.

    Textual sizes its first frame by COLUMNS and LINES, and obeys developer switches that this
    program does not offer.
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
    """Whether another process group, such as the shell, is in the terminal's foreground."""
    try:
        return os.tcgetpgrp(KEYBOARD) not in (0, os.getpgrp())
    except OSError:
        return False


def wait_for_foreground() -> None:
    """Suspend with SIGTTIN, like any background process that reads keys, until the shell's `fg`.

    Raises CliError when the signal has no effect, because there is no job control.
    """
    for _ in range(_TRIES):
        if not in_background():
            return
        os.killpg(os.getpgrp(), signal.SIGTTIN)
        time.sleep(0.05)  # the signal is not delivered yet, or ignored
    raise CliError("another program is using this terminal")


def take_keyboard() -> None:
    """Make standard input the controlling terminal. Raises CliError if there is none."""
    if os.isatty(KEYBOARD):
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise CliError("there is no terminal to read keys from") from None
    if terminal != KEYBOARD:
        os.dup2(terminal, KEYBOARD)
        os.close(terminal)
    if sys.__stdin__ is None or sys.__stdin__.closed:
        # The interpreter started without standard input; Textual requires sys.__stdin__.
        stream = os.fdopen(KEYBOARD, closefd=False)
        setattr(sys, "__stdin__", stream)  # noqa: B010  # declared final, yet it is missing


def write_without_waiting(data: bytes) -> None:
    """Write to the terminal without blocking, also when its output is stopped; drop the excess."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(terminal, data)
        finally:
            os.close(terminal)
