"""Something made in a thread of its own, while the main thread does other things."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begun(make: Callable[[], T]) -> Future[T]:
    """Begin to make something; the future holds it, or what was raised instead.

    The thread holds nothing up at the program's end.
    """
    made: Future[T] = Future()
    made.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(make, made), daemon=True).start()
    return made


def _run(make: Callable[[], T], made: Future[T]) -> None:
    try:
        made.set_result(make())
    except BaseException as error:  # whoever waits is to be told of it
        made.set_exception(error)
