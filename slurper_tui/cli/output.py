"""Lines for a person or another program: data to stdout, narration to stderr."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from slurper_tui import format as fmt
from slurper_tui.api.models import escape_invalid_bytes
from slurper_tui.cli.exit_codes import ExitCode, Stop


class OutputClosed(Stop):
    """Nobody reads stdout any more: a quiet end."""

    def __init__(self) -> None:
        super().__init__("", ExitCode.OK)


def unwritable(error: OSError) -> Stop:
    """The end that a failure to write to stdout brings: a quiet one where nobody reads it."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed()
    code = ExitCode.HANGUP if error.errno == errno.EIO else ExitCode.USAGE
    return Stop(f"cannot write to standard output: {error.strerror}", code)


class Output:
    """Where lines go. No control character passes in a line, whoever made the text."""

    def __init__(self, out: TextIO | None, err: TextIO | None, *, ascii_only: bool) -> None:
        self._out = out
        self._err = err
        self.ascii_only = ascii_only or not _utf8(out)

    @property
    def arrow(self) -> str:
        """What stands between a source and its target."""
        return "->" if self.ascii_only else "→"

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads stdout."""
        return self._out is not None and self._out.isatty()

    def line(self, text: str) -> None:
        """Write one line of data at once. Raises Stop when that is impossible."""
        with self._writing() as out:
            out.write(self.plain(text) + "\n")
            out.flush()

    def exact(self, text: str) -> None:
        """Write text just as it is, in UTF-8 wherever this is, for another program.

        Half a surrogate pair, which no UTF-8 holds, becomes the three bytes that would be it.
        """
        with self._writing() as out:
            out.flush()
            out.buffer.write(text.encode("utf-8", "surrogatepass"))
            out.buffer.flush()

    @contextmanager
    def _writing(self) -> Iterator[TextIO]:
        """Let stdout be written to. Raises Stop when that is impossible."""
        if self._out is None:
            raise OutputClosed
        try:
            yield self._out
        except OSError as error:
            raise unwritable(error) from None

    def say(self, text: str) -> None:
        """Write one line of narration, or nothing where it cannot be written."""
        say(self._err, self.plain(text))

    def ask(self, text: str) -> None:
        """Write a question, and leave the cursor behind it."""
        self._write(f"slurper-tui: {self.plain(text)} ")

    def newline(self) -> None:
        """End a line whose answer was not shown."""
        self._write("\n")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            if self._err is not None:
                self._err.write(text)
                self._err.flush()

    def plain(self, text: str) -> str:
        """The text as it may be written here."""
        text = escape_invalid_bytes(text)
        plain = text.replace(fmt.DASH, "-") if self.ascii_only else text
        return fmt.safe(plain, ascii_only=self.ascii_only)


def say(err: TextIO | None, text: str) -> None:
    """Write one line to stderr, harmless and in its encoding; a closed stderr is no fault."""
    if err is None:
        return
    plain = fmt.safe(text, ascii_only=not _utf8(err))
    with suppress(OSError, ValueError):
        err.write(f"slurper-tui: {plain}\n")
        err.flush()


def _utf8(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None) or ""
    return encoding.lower().replace("-", "") == "utf8"
