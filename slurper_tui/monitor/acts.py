"""What can be asked of jobs that changes them, and how it stands."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from slurper_tui.api.errors import ApiError


class Act(StrEnum):
    """A request that changes a job, or all of an account's."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    DELETE = "delete"
    ABORT_ALL = "abort all"


class Standing(StrEnum):
    """How a request stands.

    SENT: the API took it; no poll shows it yet. UNDECIDED: no answer came, so it may or may not
    have been done; it is not sent again. DONE: a poll shows it. REFUSED: the API declined, or
    nothing could be sent. MOOT: the job was not in a state for it any more, and nothing was sent.
    """

    SENT = "sent"
    UNDECIDED = "undecided"
    DONE = "done"
    REFUSED = "refused"
    MOOT = "moot"

    @property
    def open(self) -> bool:
        """A poll is still to show what came of it."""
        return self in (Standing.SENT, Standing.UNDECIDED)


class Request(msgspec.Struct, frozen=True):
    """One request and how it stands. at: when it was sent, or would have been, UTC seconds.

    error: why it was refused, or why nothing is known. news: in words, why it was moot; or,
    while it is open, that no poll has shown it so far.
    """

    act: Act
    at: float
    standing: Standing
    error: ApiError | None = None
    news: str = ""
