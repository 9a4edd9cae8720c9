"""How long a request stands at its job, and what polls make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.errors import Refused, Unreachable
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import (
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
    gone_event,
    status_event,
)
from slurper_tui.monitor.polling.job_tracker import (
    GIVEN_UP_POLLS,
    NOTHING_YET,
    NOTHING_YET_POLLS,
    Awaited,
)

KEY = JobKey("acc", "job")
SENT = ActionRequest(Action.PAUSE, 100.0, RequestState.SENT)
LOST = ActionRequest(Action.PAUSE, 100.0, RequestState.UNDECIDED, Unreachable("no answer"))
DELETED = ActionRequest(Action.DELETE, 100.0, RequestState.SENT)
REFUSED = ActionRequest(Action.PAUSE, 100.0, RequestState.REFUSED, Refused("no"))
MOOT = ActionRequest(Action.PAUSE, 100.0, RequestState.MOOT, news="it completed meanwhile")


def bearing(request: ActionRequest, *, polling: bool = False) -> Awaited:
    awaited = Awaited()
    awaited.begin(request, polling=polling)
    return awaited


def standing(awaited: Awaited) -> RequestState | None:
    return awaited.request.standing if awaited.request else None


@pytest.mark.parametrize("request_", [SENT, LOST])
def test_a_poll_that_shows_it_makes_it_done(request_: ActionRequest) -> None:
    awaited = bearing(request_)
    awaited.polled("running", ended=False)
    assert awaited.open
    awaited.polled("paused", ended=False)
    assert awaited.request == ActionRequest(Action.PAUSE, 100.0, RequestState.DONE)


@pytest.mark.parametrize("request_", [SENT, LOST])
def test_polls_that_do_not_show_it_are_told_and_then_it_is_given_up(
    request_: ActionRequest,
) -> None:
    awaited = bearing(request_)
    for number in range(1, GIVEN_UP_POLLS):
        awaited.polled("running", ended=False)
        assert awaited.request is not None
        assert awaited.request.standing is request_.standing
        assert awaited.request.news == (NOTHING_YET if number >= NOTHING_YET_POLLS else "")
    awaited.polled("running", ended=False)
    assert awaited.request is None


def test_a_poll_that_began_before_the_request_proves_nothing_against_it() -> None:
    awaited = bearing(SENT, polling=True)
    for _ in range(NOTHING_YET_POLLS):
        awaited.polled("running", ended=False)
    assert awaited.request == SENT
    awaited.polled("running", ended=False)
    assert awaited.request is not None
    assert awaited.request.news == NOTHING_YET


def test_what_a_poll_has_shown_is_not_unsaid_by_a_late_answer() -> None:
    awaited = bearing(SENT)
    awaited.polled("paused", ended=False)
    awaited.begin(LOST, polling=False)
    assert standing(awaited) is RequestState.DONE
    later = ActionRequest(Action.PAUSE, 200.0, RequestState.SENT)
    awaited.begin(later, polling=False)
    assert awaited.request == later


def test_a_job_that_ended_in_another_way_leaves_nothing_to_wait_for() -> None:
    awaited = bearing(SENT)
    awaited.polled("completed", ended=True)
    assert awaited.request is None


def test_what_was_resumed_may_be_completed_by_the_next_poll() -> None:
    awaited = bearing(ActionRequest(Action.RESUME, 100.0, RequestState.SENT))
    awaited.polled("completed", ended=True)
    assert standing(awaited) is RequestState.DONE


def test_a_deletion_is_done_when_the_job_is_not_there_any_more() -> None:
    awaited = bearing(DELETED)
    awaited.polled("completed", ended=True)
    assert awaited.open
    awaited.left()
    assert standing(awaited) is RequestState.DONE
    other = bearing(SENT)
    other.left()
    assert other.request is None


@pytest.mark.parametrize(("request_", "rounds"), [(REFUSED, 12), (MOOT, 2)])
def test_the_end_of_a_request_is_news_for_a_while(request_: ActionRequest, rounds: int) -> None:
    awaited = bearing(request_)
    for _ in range(rounds):
        awaited.round_begins()
        assert awaited.request == request_
    awaited.round_begins()
    assert awaited.request is None


def test_what_is_done_stands_two_rounds_from_when_it_was_shown() -> None:
    awaited = bearing(SENT)
    for _ in range(9):
        awaited.round_begins()
    assert awaited.request == SENT
    awaited.polled("paused", ended=False)
    for _ in range(2):
        awaited.round_begins()
        assert standing(awaited) is RequestState.DONE
    awaited.round_begins()
    assert awaited.request is None


@given(
    st.sampled_from([SENT, LOST, DELETED]),
    st.lists(st.sampled_from(["running", "paused", "aborted", "completed", None, "left", "round"])),
)
def test_whatever_is_polled_a_request_is_open_until_it_ends_and_never_again(
    request_: ActionRequest, polls: list[str | None]
) -> None:
    awaited = bearing(request_)
    was_open = True
    for poll in polls:
        if poll == "left":
            awaited.left()
        elif poll == "round":
            awaited.round_begins()
        else:
            awaited.polled(poll, ended=poll in ("aborted", "completed"))
        assert was_open or not awaited.open
        was_open = awaited.open
        assert standing(awaited) in (request_.standing, RequestState.DONE, None)


# What it is called in the event list --------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "request_", "what"),
    [
        (None, "running", None, None),
        ("running", "running", None, None),
        ("running", None, None, None),
        ("running", "paused", None, What.ELSEWHERE),
        ("paused", "running", None, What.ELSEWHERE),
        ("running", "aborted", None, What.ELSEWHERE),
        ("aborted", "running", None, What.ELSEWHERE),
        ("running", "completed", None, What.ITSELF),
        ("running", "errored", None, What.ITSELF),
        ("running", "paused", SENT, What.HERE),
        ("running", "paused", LOST, What.HERE),
        ("running", "aborted", SENT, What.ELSEWHERE),
        ("running", "completed", SENT, What.ITSELF),
        ("running", "paused", REFUSED, What.ELSEWHERE),
        ("running", "paused", MOOT, What.ELSEWHERE),
        ("running", "paused", ActionRequest(Action.PAUSE, 1.0, RequestState.DONE), What.ELSEWHERE),
        ("running", "aborted", ActionRequest(Action.ABORT_ALL, 1.0, RequestState.SENT), What.HERE),
    ],
)
def test_who_changed_a_status(
    before: str | None, after: str | None, request_: ActionRequest | None, what: What | None
) -> None:
    event = status_event(KEY, before, after, request_, 7.0)
    assert event == (None if what is None else Event(KEY, 7.0, what, after or ""))


@pytest.mark.parametrize(
    ("request_", "what", "detail"),
    [
        (None, What.ELSEWHERE, "gone"),
        (SENT, What.ELSEWHERE, "gone"),
        (DELETED, What.HERE, "deleted"),
    ],
)
def test_who_took_a_job_away(request_: ActionRequest | None, what: What, detail: str) -> None:
    assert gone_event(KEY, request_, 7.0) == Event(KEY, 7.0, what, detail)
