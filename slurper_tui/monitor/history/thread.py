"""One thread that does one thing after another, and keeps no process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Task = tuple["Future[Any]", Callable[[], Any]]


class OneThread:
    """Does what it is given in the order in which it was given. The thread begins with the first.

    Unlike an executor's, it is not waited for when the program ends: a disk that hangs must not
    hang the program.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do it after all that was given before; its result, or what it raised, is the future's."""
        future: Future[T] = Future()
        self._tasks.put((future, work))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    def end(self) -> None:
        """Let the thread end after all that was given."""
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            _do(*task)


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
