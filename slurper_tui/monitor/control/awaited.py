"""What was asked of a job from here, until polls have shown what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from slurper_tui.monitor.control.rules import expected
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState

NOTHING_YET_POLLS = 3
"""After so many polls that do not show it, that is said."""

GIVEN_UP_POLLS = 12
"""After so many it is not waited for any more, and the person may ask for it anew."""

NOTHING_YET = "no poll has shown it so far"

_STANDS: Mapping[RequestState, int] = {
    RequestState.DONE: 2,
    RequestState.MOOT: 2,
    RequestState.REFUSED: 12,
}
"""For so many rounds the end of a request is news."""


class Awaited:
    """Mutable, and private to the job's track. request: what the job bears, None when nothing."""

    def __init__(self) -> None:
        self.request: ActionRequest | None = None
        self._polls = 0
        self._rounds = 0
        self._early = False

    @property
    def open(self) -> bool:
        """Polls are still to show what came of it."""
        return self.request is not None and self.request.standing.open

    def begin(self, request: ActionRequest, *, polling: bool) -> None:
        """Bear a request, or what has become of it.

        polling: a poll is under way, and what it brings may be older than the request. What a poll
        has shown already needs no later answer.
        """
        if self._shown_already(request):
            return
        self.request = request
        self._polls = self._rounds = 0
        self._early = polling

    def _shown_already(self, request: ActionRequest) -> bool:
        known = self.request
        same = known is not None and (known.act, known.at) == (request.act, request.at)
        return same and not self.open and request.standing.open

    def polled(self, status: str | None, *, ended: bool) -> None:
        """Take in that the job is there, and its status.

        One that ended in another way leaves nothing to wait for.
        """
        if self.request is None or not self.open:
            return
        early, self._early = self._early, False
        if _shows(self.request.act, status):
            self._done(self.request)
        elif ended and self.request.act is not Action.DELETE:
            self.request = None
        elif not early:
            self._polls += 1
            self._count(self.request)

    def left(self) -> None:
        """Take in that the job is not there any more."""
        if self.request is None or not self.open:
            return
        if self.request.act is Action.DELETE:
            self._done(self.request)
        else:
            self.request = None

    def round_begins(self) -> None:
        """Forget what is no news any more."""
        if self.request is None or self.open:
            return
        self._rounds += 1
        if self._rounds > _STANDS[self.request.standing]:
            self.request = None

    def _done(self, request: ActionRequest) -> None:
        self.request = replace(request, standing=RequestState.DONE, error=None, news="")
        self._rounds = 0

    def _count(self, request: ActionRequest) -> None:
        if self._polls >= GIVEN_UP_POLLS:
            self.request = None
        elif self._polls == NOTHING_YET_POLLS:
            self.request = replace(request, news=NOTHING_YET)


def _shows(act: Action, status: str | None) -> bool:
    """Whether this status comes of the act; what was resumed may be completed by now."""
    return status is not None and (
        status == expected(act) or (act is Action.RESUME and status == "completed")
    )
