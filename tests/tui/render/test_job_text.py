"""How a request that polls do not show is told, and when the person may ask anew."""

from __future__ import annotations

from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.reports.wording import request_words
from slurper_tui.tui.availability import why_unavailable
from tests.tui.jobs import NOW, view

SENT = ActionRequest(Action.PAUSE, NOW, RequestState.SENT)
UNSEEN = ActionRequest(
    Action.PAUSE, NOW, RequestState.UNDECIDED, detail="no poll has shown it so far"
)


def test_what_no_poll_shows_is_said_behind_that_it_was_sent() -> None:
    assert request_words(SENT) == "pause sent, waiting for the API to confirm"
    assert request_words(UNSEEN) == f"{request_words(SENT)}; no poll has shown it so far"


def test_what_no_poll_shows_may_be_asked_for_anew_and_nothing_before() -> None:
    assert "sent already" in why_unavailable(view(request=SENT), Action.PAUSE)
    assert why_unavailable(view(request=SENT), Action.ABORT) == ""
    assert why_unavailable(view(request=UNSEEN), Action.PAUSE) == ""
