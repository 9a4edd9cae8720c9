"""Ending in time: signals, a vanished terminal, and whatever would not stop by itself."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from slurper_tui.cli.errors import ExitCode

GRACE = 2.0
"""Seconds that an orderly end may take before the process is ended without it."""

SIGNALS = {
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HANGUP,
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGQUIT: ExitCode.QUIT,
}


def _nothing() -> None:
    pass


class Guard:
    """A thread that asks for an orderly end when one is due, and enforces it after `GRACE`.

    The interpreter writes every signal's number into a pipe at once, whatever the main thread is
    doing; the thread reads it there. It also hears when the other side of stdout goes away.
    A signal that was ignored at the start stays ignored. `ending` is why the end is due, or None.
    """

    def __init__(self, restore: Callable[[], None] = _nothing) -> None:
        self.ending: ExitCode | None = None
        self._restore = restore
        self._ask: Callable[[ExitCode], object] | None = None
        self._lock = threading.Lock()
        self._last_word = threading.Lock()
        self._finished = threading.Event()
        self._due = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)
        self._handlers: dict[int, object] = {}
        self._wakeup_before = -1

    def __enter__(self) -> Guard:
        self._wakeup_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _heard)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finished.set()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal gave
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def when_ending(self, ask: Callable[[ExitCode], object]) -> None:
        """Say how to ask for an orderly end: called once, in the guard's thread or at once here."""
        with self._lock:
            self._ask = ask
            due = self.ending
        if due is not None:
            ask(due)

    def ends_within(self, seconds: float) -> bool:
        """Wait so long for an end to become due; whether one is."""
        return self._due.wait(seconds)

    def enforce(self, code: ExitCode, seconds: float = GRACE) -> None:
        """End the process after so many seconds if the guard has not been left by then."""
        threading.Thread(target=self._end_late, args=(code, seconds), daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        output_watched = _watch_output(poll)
        while not self._finished.is_set():
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    self._hear(os.read(self._wake_read, 64))
                elif output_watched:
                    output_watched = False
                    poll.unregister(descriptor)
                    self._end(ExitCode.HANGUP if _is_terminal(descriptor) else ExitCode.OK)

    def _hear(self, numbers: bytes) -> None:
        for number in numbers:
            if number in SIGNALS:
                self._end(SIGNALS[signal.Signals(number)])

    def _end(self, code: ExitCode) -> None:
        with self._lock:
            if self.ending is not None:
                return
            self.ending = code
            ask = self._ask
        self._due.set()
        self.enforce(code)
        if ask is not None:
            with suppress(RuntimeError):  # the event loop is closed: it is ending already
                ask(code)

    def _end_late(self, code: ExitCode, seconds: float) -> None:
        # Several may be waiting; only one of them ends the process, undisturbed by the others.
        if not self._finished.wait(seconds) and self._last_word.acquire(blocking=False):
            self._restore()
            os._exit(code)


def _heard(*_: object) -> None:
    """A handler has to be there for the interpreter to note the signal at all."""


OUTPUT = 1


def _watch_output(poll: select.poll) -> bool:
    """Have the poll tell when nobody reads stdout any more; False when there is no stdout."""
    try:
        os.fstat(OUTPUT)
    except OSError:
        return False
    poll.register(OUTPUT, 0)
    return True


def _is_terminal(descriptor: int) -> bool:
    """A pipe's descriptor still is a pipe when its reader left; a hung-up terminal is no file."""
    import stat

    with suppress(OSError):
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    return True
