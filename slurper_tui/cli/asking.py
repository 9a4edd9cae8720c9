"""Questions at the terminal: a word, or a secret without echo; never where nobody answers."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from slurper_tui.cli.exit_codes import Stop
from slurper_tui.cli.output import Output

INPUT = 0
_MOST = 65_536
_LOCAL_MODES = 3


def can_ask() -> bool:
    """Whether a person sits at standard input."""
    with suppress(OSError):
        return os.isatty(INPUT)
    return False


async def confirmed(question: str, out: Output) -> bool:
    """Ask for a yes; anything else is a no. Raises Stop where nobody can be asked."""
    return (await typed(f"{question} [y/N]", out)).casefold() in ("y", "yes")


async def typed(question: str, out: Output) -> str:
    """Ask for a word; what was typed before the question stood is no answer to it.

    Raises Stop where nobody can be asked, or nobody answers.
    """
    if not can_ask():
        raise Stop(f"{question} nobody is there to be asked: give --yes")
    with suppress(termios.error):
        termios.tcflush(INPUT, termios.TCIFLUSH)
    out.ask(question)
    return (await _line()).strip()


async def secret(prompt: str, out: Output) -> str:
    """Ask for a secret, which is not shown; one in lines, between BEGIN and END, whole."""
    with _unseen():
        out.ask(f"{prompt}:")  # only now: keys are not echoed any more
        lines = [await _line()]
        if lines[0].startswith("-----BEGIN"):
            while not lines[-1].startswith("-----END"):
                lines.append(await _line())
    out.newline()
    return "\n".join(lines)


async def _line() -> str:
    """One line of standard input. Raises Stop at its end."""
    try:
        await readable(INPUT)
        read = os.read(INPUT, _MOST)
    except OSError:
        read = b""
    if not read:
        raise Stop("no answer was given")
    return read.decode("utf-8", "replace").rstrip("\r\n")


async def readable(file: int) -> None:
    """Wait until something, or the end, is there to be read; the loop hears signals meanwhile.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(file, ready.set)
    except PermissionError:
        return  # an ordinary file, which lets nobody wait
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)


@contextmanager
def _unseen() -> Iterator[None]:
    """Show nothing of what is typed, and leave the terminal as it was, whatever happens."""
    before = termios.tcgetattr(INPUT)
    silent = [*before]
    silent[_LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(INPUT, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(INPUT, termios.TCSADRAIN, before)
