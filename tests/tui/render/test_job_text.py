"""The words of a request whose effect no poll has shown, and when it may be repeated."""

from __future__ import annotations

import pytest

from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.reports.wording import request_words
from slurper_tui.tui.availability import Change, affected
from tests.tui.jobs import NOW, snapshot, view

SENT = ActionRequest(Action.PAUSE, NOW, RequestState.SENT)
UNSEEN = ActionRequest(
    Action.PAUSE, NOW, RequestState.UNDECIDED, detail="no poll has shown it so far"
)


def test_a_missing_effect_is_added_to_a_sent_request() -> None:
    assert request_words(SENT) == "pause sent, waiting for the API to confirm"
    assert request_words(UNSEEN) == f"{request_words(SENT)}; no poll has shown it so far"


@pytest.mark.parametrize(
    ("request_", "action", "reason"),
    [
        (SENT, Action.PAUSE, "pause was sent already, waiting for the API to confirm"),
        (SENT, Action.ABORT, ""),
        (UNSEEN, Action.PAUSE, ""),
    ],
)
def test_a_request_may_be_repeated_once_its_effect_is_missing(
    request_: ActionRequest, action: Action, reason: str
) -> None:
    job = view(request=request_)
    assert affected(Change(action, (job.key,)), snapshot(job)) == [(job, reason)]
