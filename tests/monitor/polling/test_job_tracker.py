"""What a job's polls make of its samples, its state and an open request."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurper_tui.api.errors import ApiError, BadAnswer, NotFound, Refused, Unreachable
from slurper_tui.api.models import Job, Progress
from slurper_tui.format import parse_time
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.events import (
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
    gone_event,
    status_event,
)
from slurper_tui.monitor.model.job import Counts, Phase, State
from slurper_tui.monitor.model.logs import BROKE_TYPE, LogCounts
from slurper_tui.monitor.polling.job_tracker import (
    GIVEN_UP_POLLS,
    NOTHING_YET,
    NOTHING_YET_POLLS,
    JobTrack,
    PollMode,
    RequestTracker,
)

KEY = JobKey("acc", "job")
SENT = ActionRequest(Action.PAUSE, 100.0, RequestState.SENT)
LOST = ActionRequest(Action.PAUSE, 100.0, RequestState.UNDECIDED, Unreachable("no answer"))
DELETED = ActionRequest(Action.DELETE, 100.0, RequestState.SENT)
REFUSED = ActionRequest(Action.PAUSE, 100.0, RequestState.REFUSED, Refused("no"))
MOOT = ActionRequest(Action.PAUSE, 100.0, RequestState.MOOT, detail="it completed meanwhile")


def bearing(request: ActionRequest, *, polling: bool = False) -> RequestTracker:
    awaited = RequestTracker()
    awaited.begin(request, polling=polling)
    return awaited


def state(awaited: RequestTracker) -> RequestState | None:
    return awaited.request.state if awaited.request else None


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
        assert awaited.request.state is request_.state
        assert awaited.request.detail == (NOTHING_YET if number >= NOTHING_YET_POLLS else "")
    awaited.polled("running", ended=False)
    assert awaited.request is None


def test_a_poll_that_began_before_the_request_proves_nothing_against_it() -> None:
    awaited = bearing(SENT, polling=True)
    for _ in range(NOTHING_YET_POLLS):
        awaited.polled("running", ended=False)
    assert awaited.request == SENT
    awaited.polled("running", ended=False)
    assert awaited.request is not None
    assert awaited.request.detail == NOTHING_YET


def test_what_a_poll_has_shown_is_not_unsaid_by_a_late_answer() -> None:
    awaited = bearing(SENT)
    awaited.polled("paused", ended=False)
    awaited.begin(LOST, polling=False)
    assert state(awaited) is RequestState.DONE
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
    assert state(awaited) is RequestState.DONE


def test_a_deletion_is_done_when_the_job_is_not_there_any_more() -> None:
    awaited = bearing(DELETED)
    awaited.polled("completed", ended=True)
    assert awaited.open
    awaited.left()
    assert state(awaited) is RequestState.DONE
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
        assert state(awaited) is RequestState.DONE
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
        assert state(awaited) in (request_.state, RequestState.DONE, None)


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


CREATED = "2026-03-19T12:00:00.000Z"
EPOCH = parse_time(CREATED) or 0.0


def at(mono: float) -> Moment:
    """A moment so many seconds after the job was created."""
    return Moment(mono, EPOCH + mono)


def is_closed(track: JobTrack) -> bool:
    return track.mode is PollMode.CLOSED


def make(status: str | None = "running", finished_at: str | None = None) -> JobTrack:
    return JobTrack("acc", Job(id="j", status=status, created_at=CREATED, finished_at=finished_at))


def said(
    done: int | None, status: str | None = "running", *, objects: int = 1000, created: str = CREATED
) -> Progress:
    return Progress("j", status, created, objects, done, 0, 0)


def tell(track: JobTrack, mono: float, progress: Progress) -> bool:
    return track.update(progress, at(mono), interval=5.0)


def fail(track: JobTrack, mono: float, error: ApiError | None = None) -> None:
    track.failed(error or Unreachable("no answer"), at(mono), 5.0)


def test_a_listed_job_is_what_the_list_says() -> None:
    view = make().view
    assert (view.status, view.phase, view.state, view.live) == (
        "running",
        None,
        State.RUNNING,
        True,
    )
    assert (view.counts, view.percent, view.as_of, view.rate) == (Counts(), None, None, None)


def test_an_answer_becomes_the_view() -> None:
    track = make()
    assert not tell(track, 100.0, said(100))
    tell(track, 110.0, said(150))
    view = track.view
    assert view.counts == Counts(1000, 150, 0, 0)
    assert (view.percent, view.provisional, view.phase) == (15, True, Phase.RUNNING)
    assert view.rate == pytest.approx(5)
    assert view.lifetime_rate == pytest.approx(150 / 110)
    assert view.as_of == EPOCH + 110


@pytest.mark.parametrize("seconds", [5, 60, 600])
def test_completed_is_the_last_answer(seconds: float) -> None:
    track = make()
    tell(track, 0.0, said(10))
    assert tell(track, seconds, said(1000, "completed"))
    assert (track.mode, track.over) == (PollMode.CLOSED, True)
    assert math.isinf(track.period(5.0, True))
    view = track.view
    assert (view.percent, view.provisional, view.phase, view.rate) == (
        100,
        False,
        Phase.ENDED,
        None,
    )
    assert view.verdict is not None
    assert view.verdict.clean
    assert (view.ended, view.live, view.state) == (True, False, State.COMPLETED)


def test_an_aborted_job_is_asked_until_two_answers_a_minute_apart_agree() -> None:
    track = make()
    tell(track, 0.0, said(500))
    assert tell(track, 5.0, said(510, "aborted"))
    assert track.view.ended
    for mono, done in ((10.0, 512), (40.0, 512), (65.0, 513), (70.0, 513), (124.0, 513)):
        tell(track, mono, said(done, "aborted"))
        assert not is_closed(track)
        assert track.period(5.0, False) == 5.0
    tell(track, 125.0, said(513, "aborted"))
    assert is_closed(track)
    assert track.view.counts.done == 513


def test_an_end_without_counts_is_asked_once_a_minute_until_they_are_known() -> None:
    track = make()
    tell(track, 0.0, said(500))
    tell(track, 5.0, Progress(status="completed"))
    assert (track.mode, track.period(5.0, False)) == (PollMode.LAZY, 60.0)
    tell(track, 65.0, Progress(status="completed"))
    assert not is_closed(track)
    tell(track, 125.0, said(1000, status="completed"))
    assert is_closed(track)


def test_an_end_that_nobody_foresaw_is_asked_a_minute_longer_too() -> None:
    track = make("errored", finished_at="2026-01-01T00:00:00Z")
    for second in range(0, 61, 5):
        assert not is_closed(track)
        tell(track, float(second), said(500, status="errored"))
    assert is_closed(track)
    assert (track.view.phase, track.view.word) == (Phase.ENDED, "errored")


def test_an_aborted_job_that_is_resumed_moves_on() -> None:
    track = make()
    tell(track, 0.0, said(500, "aborted"))
    tell(track, 30.0, said(500, "running"))
    tell(track, 31.0, said(500, "aborted"))
    tell(track, 70.0, said(500, "aborted"))
    assert not is_closed(track)
    tell(track, 91.0, said(500, "aborted"))
    assert is_closed(track)


@pytest.mark.parametrize("status", ["completed", "aborted"])
def test_jobs_met_when_they_have_ended_are_asked_lazily(status: str) -> None:
    track = make(status)
    assert (track.mode, track.over, track.view.live) == (PollMode.LAZY, False, False)
    for mono in (1.0, 2.0, 3.0, 4.0):
        fail(track, mono)
    assert (track.view.stale, track.view.missed) == (False, 0)
    tell(track, 10.0, said(500, status))
    assert is_closed(track) is (status == "completed")
    tell(track, 70.0, said(500, status))
    assert is_closed(track)


@pytest.mark.parametrize(
    ("status", "finished_at", "ended"),
    [
        ("errored", CREATED, True),
        ("errored", None, False),
        ("running", CREATED, False),
        ("paused", CREATED, False),
        (None, CREATED, True),
        (None, None, False),
    ],
)
def test_a_status_nobody_foresaw_has_ended_when_the_list_says_when(
    status: str | None, finished_at: str | None, ended: bool
) -> None:
    track = make(status, finished_at)
    assert track.view.ended is ended
    tell(track, 100.0, said(5, status))
    assert track.view.ended is ended
    assert track.view.verdict is None
    assert track.view.word == (status or "unknown")


ABSENT = NotFound("the API answered 404")
BROKEN = BadAnswer("the API answered 500", status=500)


@given(
    st.lists(st.sampled_from(["listed", "lacking", "answers", "404", "500", "503", "no answer"]))
)
@example(["lacking", "lacking", "404", "listed", "lacking", "lacking"])
def test_a_job_is_gone_only_by_two_lists_in_a_row_and_its_own_word(events: list[str]) -> None:
    track, lacking, denied = make(), 0, False
    for place, event in enumerate(events):
        mono, was_gone = 5.0 * place, track.view.gone
        if event == "listed":
            track.listed(track.view.job)
        elif event == "lacking":
            track.unlisted()
        elif event == "answers":
            tell(track, mono, said(500 + place))
        else:
            errors = {"404": ABSENT, "500": BROKEN, "503": BadAnswer("HTML", status=503)}
            fail(track, mono, errors.get(event, Unreachable("no answer")))
        lacking = 0 if event == "listed" else lacking + (event == "lacking")
        if event != "lacking":  # what was denied before the list named it proves nothing
            denied = event in ("404", "500")
        if event in ("listed", "answers"):
            assert not track.view.gone
        elif lacking >= 2 and denied:
            assert track.view.gone
        elif not was_gone:
            assert not track.view.gone


def test_a_job_that_is_gone_keeps_its_values_and_comes_back_with_the_list() -> None:
    track = make()
    tell(track, 0.0, said(500))
    tell(track, 5.0, said(505))
    track.unlisted()
    assert not track.doubted
    fail(track, 10.0, ABSENT)
    track.unlisted()
    view = track.view
    assert (view.state, view.live, view.rate, track.over) == (State.GONE, False, None, True)
    assert (view.counts.done, view.as_of) == (505, EPOCH + 5)
    assert math.isinf(track.period(5.0, True))
    known = track.to_store()
    assert known is not None
    assert known.gone
    track.listed(track.view.job)
    assert (track.view.gone, track.over, track.view.state) == (False, False, State.RUNNING)
    known = track.to_store()
    assert known is not None
    assert not known.gone
    tell(track, 15.0, said(510))
    assert (track.view.gone, track.view.problem, track.view.missed) == (False, None, 0)


def test_stale_is_three_polls_in_a_row_without_an_answer() -> None:
    track = make()
    tell(track, 0.0, said(500))
    for place, mono in enumerate((5.0, 10.0, 15.0, 20.0), start=1):
        fail(track, mono, BadAnswer("HTML"))
        assert (track.view.missed, track.view.stale) == (place, place >= 3)
        assert track.failing_since == 5.0
    assert track.view.counts.done == 500
    assert track.view.as_of == EPOCH
    tell(track, 25.0, said(600))
    assert (track.view.missed, track.view.stale, track.failing_since) == (0, False, None)
    assert track.view.rate == pytest.approx(4)
    fail(track, 30.0)
    track.missed()
    assert not track.view.stale


def test_another_creation_time_is_another_job_under_the_same_id() -> None:
    track = make()
    for n in range(4):
        tell(track, n * 5.0, said(500 + n))
    assert track.view.rate is not None
    tell(track, 20.0, said(900, created="2026-03-20T12:00:00.000Z"))
    assert track.series.estimate.restarts == 1
    assert track.view.rate is None
    assert track.view.lifetime_rate is None
    tell(track, 25.0, said(905, created="2026-03-20T12:00:00.000Z"))
    assert track.series.estimate.restarts == 1
    assert track.view.rate == pytest.approx(1)


@pytest.mark.parametrize("zero", ["", "0001-01-01T00:00:00Z", "yesterday", "1970-01-01T00:00:00Z"])
def test_without_a_creation_time_there_is_no_lifetime_rate(zero: str) -> None:
    track = JobTrack("acc", Job(id="j", status="running", created_at=zero))
    tell(track, 100.0, said(500, created=zero))
    assert track.view.lifetime_rate is None


def test_a_missing_status_is_the_one_of_the_list() -> None:
    track = make("paused")
    tell(track, 0.0, said(5, None))
    assert (track.view.status, track.view.phase) == ("paused", Phase.PAUSED)


def test_a_change_in_the_list_is_a_reason_to_ask() -> None:
    track = make("completed")
    tell(track, 0.0, said(1000, "completed"))
    track.asked_at = 0.0
    track.listed(Job(id="j", status="running", created_at=CREATED))
    assert (track.mode, track.asked_at) == (PollMode.ACTIVE, -math.inf)
    view = track.view
    track.listed(Job(id="j", status="running", created_at=CREATED))
    assert track.view is view


@pytest.mark.parametrize(
    ("status", "highlighted", "period"),
    [
        ("running", False, 5.0),
        ("running", True, 5.0),
        ("paused", False, 15.0),
        ("paused", True, 5.0),
        ("odd", False, 15.0),
        (None, False, 15.0),
    ],
)
def test_periods(status: str | None, highlighted: bool, period: float) -> None:
    track = make(status)
    tell(track, 0.0, said(5, status))
    assert track.period(5.0, highlighted) == period


def test_counts_nobody_told_are_unknown() -> None:
    track = make()
    tell(track, 0.0, said(None))
    assert (track.view.counts.done, track.view.percent) == (None, None)
    assert track.view.counts.objects == 1000
    assert track.view.lifetime_rate is None


def test_the_same_instant_written_otherwise_restarts_nothing() -> None:
    track = JobTrack("acc", Job(id="j", status="running", created_at="2026-03-19T15:46:20Z"))
    for mono, created in enumerate(("2026-03-19T15:46:20.000Z", "2026-03-19T16:46:20+01:00")):
        track.update(
            Progress(status="running", created_at=created), Moment(mono, mono), interval=5.0
        )
    assert track.view.restarts == 0
    track.update(
        Progress(status="running", created_at="2026-03-20T15:46:20Z"), Moment(9, 9), interval=5.0
    )
    assert track.view.restarts == 1


ARCHIVED = "importSkippedStorageClass"


def test_the_verdict_tells_what_the_log_adds_whichever_comes_first() -> None:
    counts = LogCounts({ARCHIVED: 30}, whole=True)
    early, late = make(), make()
    early.set_log_counts(counts)
    assert early.view.verdict is None
    assert early.view.not_copied is None
    tell(early, 10.0, said(1000, "completed"))
    tell(late, 10.0, said(1000, "completed"))
    assert late.view.verdict is not None
    assert late.view.verdict.text == "completed · 0 failed · 0 unaccounted"
    late.set_log_counts(counts)
    for track in (early, late):
        assert track.view.verdict is not None
        assert track.view.verdict.not_copied == track.view.not_copied == 30
        assert "30 not copied (30 archive tier)" in track.view.verdict.text


def test_a_log_that_was_not_read_to_its_end_gives_no_number_but_what_it_says_broke() -> None:
    track = make()
    tell(track, 10.0, said(1000, "completed"))
    track.set_log_counts(LogCounts({ARCHIVED: 30, BROKE_TYPE: 1}))
    assert track.view.not_copied is None
    assert track.view.listing_broke
    assert track.view.state is State.COMPLETED_WITH_LOSS
