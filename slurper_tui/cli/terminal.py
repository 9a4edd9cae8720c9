"""The terminal as it was found, and how it gets that way again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import termios
import time
from contextlib import suppress

from slurper_tui.cli.exit_codes import Stop

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
