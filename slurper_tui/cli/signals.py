"""End the program in time on a signal, a closed stdout or a shutdown that hangs."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

from slurper_tui.cli.errors import ExitCode

GRACE = 2.0
"""Seconds that an orderly shutdown may take before the process is ended by force."""

SIGNALS = {
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HANGUP,
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGQUIT: ExitCode.QUIT,
}


class Guard:
    """A thread that requests an orderly shutdown when one is due, and enforces it after `GRACE`.

    The interpreter writes each signal's number into a pipe (`signal.set_wakeup_fd`) even while the
    main thread is busy; this thread reads the pipe. It also notices when the reader of stdout or
    the terminal goes away. A signal that was ignored at the start stays ignored.

    ending: the exit code of the end that is due; None until then. restore: called before the
    process is ended by force, to restore the terminal.
    """

    def __init__(self, restore: Callable[[], None] = lambda: None) -> None:
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
        # The interpreter writes to the wake-up pipe only for signals with a Python handler.
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, lambda *_: None)
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
        """Set the function that requests an orderly shutdown.

        It is called once, in the guard's thread, or here if the end is already due.
        """
        with self._lock:
            self._ask = ask
            due = self.ending
        if due is not None:
            ask(due)

    def ends_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for an end to become due; return whether it is."""
        return self._due.wait(seconds)

    def enforce(self, code: ExitCode, seconds: float = GRACE) -> None:
        """End the process with `code` after `seconds` unless the guard was exited by then."""
        threading.Thread(target=self._end_late, args=(code, seconds), daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        output_watched = False
        with suppress(OSError):  # where there is no stdout
            os.fstat(OUTPUT)
            poll.register(OUTPUT, 0)  # for hang-ups alone
            output_watched = True
        while not self._finished.is_set():
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    for number in os.read(self._wake_read, 64):
                        if number in SIGNALS:
                            self._end(SIGNALS[signal.Signals(number)])
                elif output_watched:
                    output_watched = False
                    poll.unregister(descriptor)
                    self._end(ExitCode.HANGUP if _is_terminal(descriptor) else ExitCode.OK)

    def _end(self, code: ExitCode) -> None:
        with self._lock:
            if self.ending is not None:
                return
            self.ending = code
            ask = self._ask
        self._due.set()
        self.enforce(code)
        if ask is not None:
            with suppress(RuntimeError):  # the event loop is closed: shutdown is under way
                ask(code)

    def _end_late(self, code: ExitCode, seconds: float) -> None:
        # Several threads may wait here; the lock lets only one restore and end the process.
        if not self._finished.wait(seconds) and self._last_word.acquire(blocking=False):
            self._restore()
            os._exit(code)


def run_guarded(
    work: Callable[[], Awaitable[ExitCode]], restore: Callable[[], None] = lambda: None
) -> ExitCode:
    """Run a command as a task that a signal cancels; return its exit code, or the signal's.

    restore: see `Guard`.
    """

    async def guarded() -> ExitCode:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        guard.when_ending(lambda _: loop.call_soon_threadsafe(task.cancel))
        code = await work()
        # A DNS lookup that hangs in a thread would block the shutdown of the event loop.
        guard.enforce(code)
        return code

    with Guard(restore) as guard:
        try:
            return asyncio.run(guarded())
        except asyncio.CancelledError:
            if guard.ending is None:
                raise
            return guard.ending


OUTPUT = 1


def _is_terminal(descriptor: int) -> bool:
    """Whether the descriptor is, or was, a terminal.

    A pipe without a reader can still be identified; fstat fails on a terminal that has hung up.
    """
    import stat

    with suppress(OSError):
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    return True
