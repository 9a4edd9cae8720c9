"""Which keys may confirm a change: those that a person pressed for it, and nothing else sent.

The input layer marks each key with what arrived along with it; what asks a question looks at that.
Times are on the clock of `Message.time`, in seconds.
"""

from __future__ import annotations

from textual.events import Key
from textual.message import Message

QUIET_SECONDS = 0.15
"""So long after input that could not be parsed, no key confirms anything."""


def set_context(key: Key, *, after_noise: bool, in_burst: bool) -> None:
    """Mark a key. after_noise: unparsed input arrived with it or within `QUIET_SECONDS` before.

    in_burst: other keys arrived in the same read.
    """
    vars(key).update(after_noise=after_noise, in_burst=in_burst)


def may_confirm(event: Message, asked_at: float | None, *, alone: bool = True) -> bool:
    """Whether an event can be the answer to a question that is visible since `asked_at`.

    asked_at: None while nothing is asked. alone: a key that arrived together with others is none.
    """
    context = vars(event)
    crowded = alone and context.get("in_burst", False)
    noisy = context.get("after_noise", False) or crowded
    return asked_at is not None and event.time > asked_at and not noisy
