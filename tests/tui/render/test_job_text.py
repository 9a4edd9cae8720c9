"""The words of a request whose effect no poll has shown, and when it may be repeated."""

from __future__ import annotations

from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.reports.wording import request_words
from slurper_tui.tui.availability import why_unavailable
from tests.tui.jobs import NOW, view

SENT = ActionRequest(Action.PAUSE, NOW, RequestState.SENT)
UNSEEN = ActionRequest(
    Action.PAUSE, NOW, RequestState.UNDECIDED, detail="no poll has shown it so far"
)


def test_a_missing_effect_is_added_to_a_sent_request() -> None:
    assert request_words(SENT) == "pause sent, waiting for the API to confirm"
    assert request_words(UNSEEN) == f"{request_words(SENT)}; no poll has shown it so far"


def test_a_request_may_be_repeated_once_its_effect_is_missing() -> None:
    assert "sent already" in why_unavailable(view(request=SENT), Action.PAUSE)
    assert why_unavailable(view(request=SENT), Action.ABORT) == ""
    assert why_unavailable(view(request=UNSEEN), Action.PAUSE) == ""
