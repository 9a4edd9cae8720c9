"""How polls change a job's samples, its state and an open request."""

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
from slurper_tui.monitor.model.job import Counts, Phase, State, Total
from slurper_tui.monitor.model.logs import BROKE_TYPE, LogCounts
from slurper_tui.monitor.model.samples import Recorded, StoredJob
from slurper_tui.monitor.polling.job_tracker import (
    GIVEN_UP_POLLS,
    NOTHING_YET,
    NOTHING_YET_POLLS,
    JobTrack,
    PollMode,
    RequestTracker,
)
from tests.tui.jobs import iso

KEY = JobKey("acc", "job")
SENT = ActionRequest(Action.PAUSE, 100.0, RequestState.SENT)
LOST = ActionRequest(Action.PAUSE, 100.0, RequestState.UNDECIDED, Unreachable("no answer"))
DELETED = ActionRequest(Action.DELETE, 100.0, RequestState.SENT)
REFUSED = ActionRequest(Action.PAUSE, 100.0, RequestState.REFUSED, Refused("no"))
UNSENT = ActionRequest(Action.PAUSE, 100.0, RequestState.POINTLESS, detail="it completed meanwhile")


def tracker_of(request: ActionRequest, *, polling: bool = False) -> RequestTracker:
    tracker = RequestTracker()
    tracker.begin(request, polling=polling)
    return tracker


def state(tracker: RequestTracker) -> RequestState | None:
    return tracker.request.state if tracker.request else None


@pytest.mark.parametrize("request_", [SENT, LOST])
def test_a_poll_with_the_expected_status_completes_the_request(request_: ActionRequest) -> None:
    tracker = tracker_of(request_)
    tracker.polled("running", ended=False)
    assert tracker.open
    tracker.polled("paused", ended=False)
    assert tracker.request == ActionRequest(Action.PAUSE, 100.0, RequestState.DONE)


@pytest.mark.parametrize("request_", [SENT, LOST])
def test_polls_without_the_expected_status_are_noted_then_the_request_is_dropped(
    request_: ActionRequest,
) -> None:
    tracker = tracker_of(request_)
    for number in range(1, GIVEN_UP_POLLS):
        tracker.polled("running", ended=False)
        assert tracker.request is not None
        assert tracker.request.state is request_.state
        assert tracker.request.detail == (NOTHING_YET if number >= NOTHING_YET_POLLS else "")
    tracker.polled("running", ended=False)
    assert tracker.request is None


def test_a_poll_that_began_before_the_request_is_not_counted() -> None:
    tracker = tracker_of(SENT, polling=True)
    for _ in range(NOTHING_YET_POLLS):
        tracker.polled("running", ended=False)
    assert tracker.request == SENT
    tracker.polled("running", ended=False)
    assert tracker.request is not None
    assert tracker.request.detail == NOTHING_YET


def test_a_late_answer_does_not_reopen_a_confirmed_request() -> None:
    tracker = tracker_of(SENT)
    tracker.polled("paused", ended=False)
    tracker.begin(LOST, polling=False)
    assert state(tracker) is RequestState.DONE
    later = ActionRequest(Action.PAUSE, 200.0, RequestState.SENT)
    tracker.begin(later, polling=False)
    assert tracker.request == later


def test_a_request_is_dropped_when_the_job_ends_in_another_way() -> None:
    tracker = tracker_of(SENT)
    tracker.polled("completed", ended=True)
    assert tracker.request is None


def test_a_resume_is_confirmed_by_a_completed_job() -> None:
    tracker = tracker_of(ActionRequest(Action.RESUME, 100.0, RequestState.SENT))
    tracker.polled("completed", ended=True)
    assert state(tracker) is RequestState.DONE


def test_a_deletion_is_confirmed_when_the_job_is_gone() -> None:
    tracker = tracker_of(DELETED)
    tracker.polled("completed", ended=True)
    assert tracker.open
    tracker.left()
    assert state(tracker) is RequestState.DONE
    other = tracker_of(SENT)
    other.left()
    assert other.request is None


@pytest.mark.parametrize(("request_", "rounds"), [(REFUSED, 12), (UNSENT, 2)])
def test_a_closed_request_is_shown_for_some_rounds(request_: ActionRequest, rounds: int) -> None:
    tracker = tracker_of(request_)
    for _ in range(rounds):
        tracker.round_begins()
        assert tracker.request == request_
    tracker.round_begins()
    assert tracker.request is None


def test_a_confirmed_request_is_shown_for_two_rounds() -> None:
    tracker = tracker_of(SENT)
    for _ in range(9):
        tracker.round_begins()
    assert tracker.request == SENT
    tracker.polled("paused", ended=False)
    for _ in range(2):
        tracker.round_begins()
        assert state(tracker) is RequestState.DONE
    tracker.round_begins()
    assert tracker.request is None


@given(
    st.sampled_from([SENT, LOST, DELETED]),
    st.lists(st.sampled_from(["running", "paused", "aborted", "completed", None, "left", "round"])),
)
def test_a_closed_request_never_opens_again(
    request_: ActionRequest, polls: list[str | None]
) -> None:
    tracker = tracker_of(request_)
    was_open = True
    for poll in polls:
        if poll == "left":
            tracker.left()
        elif poll == "round":
            tracker.round_begins()
        else:
            tracker.polled(poll, ended=poll in ("aborted", "completed"))
        assert was_open or not tracker.open
        was_open = tracker.open
        assert state(tracker) in (request_.state, RequestState.DONE, None)


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
        ("running", "paused", UNSENT, What.ELSEWHERE),
        ("running", "paused", ActionRequest(Action.PAUSE, 1.0, RequestState.DONE), What.ELSEWHERE),
        ("running", "aborted", ActionRequest(Action.ABORT_ALL, 1.0, RequestState.SENT), What.HERE),
    ],
)
def test_the_cause_of_a_status_change(
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
def test_the_cause_of_a_disappearance(
    request_: ActionRequest | None, what: What, detail: str
) -> None:
    assert gone_event(KEY, request_, 7.0) == Event(KEY, 7.0, what, detail)


CREATED = "2026-03-19T12:00:00.000Z"
EPOCH = parse_time(CREATED) or 0.0


def at(mono: float) -> Moment:
    """Return the moment that many seconds after the creation of the job."""
    return Moment(mono, EPOCH + mono)


def is_closed(track: JobTrack) -> bool:
    return track.mode is PollMode.CLOSED


def make(status: str | None = "running", finished_at: str | None = None) -> JobTrack:
    return JobTrack("acc", Job(id="j", status=status, created_at=CREATED, finished_at=finished_at))


def answer(
    done: int | None, status: str | None = "running", *, objects: int = 1000, created: str = CREATED
) -> Progress:
    return Progress("j", status, created, objects, done, 0, 0)


def feed(track: JobTrack, mono: float, progress: Progress) -> bool:
    return track.update(progress, at(mono), interval=5.0)


def fail(track: JobTrack, mono: float, error: ApiError | None = None) -> None:
    track.failed(error or Unreachable("no answer"), at(mono), 5.0)


def test_a_listed_job_has_the_values_of_its_row() -> None:
    view = make().view
    assert (view.status, view.phase, view.state, view.live) == (
        "running",
        None,
        State.RUNNING,
        True,
    )
    assert (view.counts, view.percent, view.as_of, view.rate) == (Counts(), None, None, None)


def test_an_answer_updates_the_view() -> None:
    track = make()
    assert not feed(track, 100.0, answer(100))
    feed(track, 110.0, answer(150))
    view = track.view
    assert view.counts == Counts(1000, 150, 0, 0)
    assert (view.percent, view.provisional, view.phase) == (15, True, Phase.RUNNING)
    assert view.rate == pytest.approx(5)
    assert view.lifetime_rate == pytest.approx(150 / 110)
    assert view.as_of == EPOCH + 110


@pytest.mark.parametrize("seconds", [5, 60, 600])
def test_a_completed_job_is_closed(seconds: float) -> None:
    track = make()
    feed(track, 0.0, answer(10))
    assert feed(track, seconds, answer(1000, "completed"))
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


def test_an_aborted_job_is_polled_until_two_answers_a_minute_apart_agree() -> None:
    track = make()
    feed(track, 0.0, answer(500))
    assert feed(track, 5.0, answer(510, "aborted"))
    assert track.view.ended
    for mono, done in ((10.0, 512), (40.0, 512), (65.0, 513), (70.0, 513), (124.0, 513)):
        feed(track, mono, answer(done, "aborted"))
        assert not is_closed(track)
        assert track.period(5.0, False) == 5.0
    feed(track, 125.0, answer(513, "aborted"))
    assert is_closed(track)
    assert track.view.counts.done == 513


def test_an_ended_job_without_counts_is_polled_once_a_minute() -> None:
    track = make()
    feed(track, 0.0, answer(500))
    feed(track, 5.0, Progress(status="completed"))
    assert (track.mode, track.period(5.0, False)) == (PollMode.LAZY, 60.0)
    feed(track, 65.0, Progress(status="completed"))
    assert not is_closed(track)
    feed(track, 125.0, answer(1000, status="completed"))
    assert is_closed(track)


def test_an_undocumented_end_is_polled_for_another_minute() -> None:
    track = make("errored", finished_at="2026-01-01T00:00:00Z")
    for second in range(0, 61, 5):
        assert not is_closed(track)
        feed(track, float(second), answer(500, status="errored"))
    assert is_closed(track)
    assert (track.view.phase, track.view.word) == (Phase.ENDED, "errored")


def test_an_aborted_job_that_is_resumed_is_polled_on() -> None:
    track = make()
    feed(track, 0.0, answer(500, "aborted"))
    feed(track, 30.0, answer(500, "running"))
    feed(track, 31.0, answer(500, "aborted"))
    feed(track, 70.0, answer(500, "aborted"))
    assert not is_closed(track)
    feed(track, 91.0, answer(500, "aborted"))
    assert is_closed(track)


@pytest.mark.parametrize("status", ["completed", "aborted"])
def test_jobs_that_had_ended_at_the_start_are_polled_lazily(status: str) -> None:
    track = make(status)
    assert (track.mode, track.over, track.view.live) == (PollMode.LAZY, False, False)
    for mono in (1.0, 2.0, 3.0, 4.0):
        fail(track, mono)
    assert (track.view.stale, track.view.missed) == (False, 0)
    feed(track, 10.0, answer(500, status))
    assert is_closed(track) is (status == "completed")
    feed(track, 70.0, answer(500, status))
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
def test_an_undocumented_status_has_ended_if_the_list_has_an_end_time(
    status: str | None, finished_at: str | None, ended: bool
) -> None:
    track = make(status, finished_at)
    assert track.view.ended is ended
    feed(track, 100.0, answer(5, status))
    assert track.view.ended is ended
    assert track.view.verdict is None
    assert track.view.word == (status or "unknown")


ABSENT = NotFound("the API answered 404")
BROKEN = BadAnswer("the API answered 500", status=500)


@given(
    st.lists(st.sampled_from(["listed", "lacking", "answers", "404", "500", "503", "no answer"]))
)
@example(["lacking", "lacking", "404", "listed", "lacking", "lacking"])
def test_a_job_is_gone_if_two_lists_in_a_row_lack_it_and_its_poll_fails(events: list[str]) -> None:
    track, lacking, denied = make(), 0, False
    for place, event in enumerate(events):
        mono, was_gone = 5.0 * place, track.view.gone
        if event == "listed":
            track.listed(track.view.job)
        elif event == "lacking":
            track.unlisted()
        elif event == "answers":
            feed(track, mono, answer(500 + place))
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


def test_a_gone_job_keeps_its_values_and_returns_with_the_list() -> None:
    track = make()
    feed(track, 0.0, answer(500))
    feed(track, 5.0, answer(505))
    track.unlisted()
    assert not track.doubted
    fail(track, 10.0, ABSENT)
    track.unlisted()
    view = track.view
    assert (view.state, view.live, view.rate, track.over) == (State.GONE, False, None, True)
    assert (view.counts.done, view.as_of) == (505, EPOCH + 5)
    assert math.isinf(track.period(5.0, True))
    stored = track.to_store()
    assert stored is not None
    assert stored.gone
    track.listed(track.view.job)
    assert (track.view.gone, track.over, track.view.state) == (False, False, State.RUNNING)
    stored = track.to_store()
    assert stored is not None
    assert not stored.gone
    feed(track, 15.0, answer(510))
    assert (track.view.gone, track.view.problem, track.view.missed) == (False, None, 0)


def test_three_missed_polls_in_a_row_make_a_job_stale() -> None:
    track = make()
    feed(track, 0.0, answer(500))
    for place, mono in enumerate((5.0, 10.0, 15.0, 20.0), start=1):
        fail(track, mono, BadAnswer("HTML"))
        assert (track.view.missed, track.view.stale) == (place, place >= 3)
        assert track.failing_since == 5.0
    assert track.view.counts.done == 500
    assert track.view.as_of == EPOCH
    feed(track, 25.0, answer(600))
    assert (track.view.missed, track.view.stale, track.failing_since) == (0, False, None)
    assert track.view.rate == pytest.approx(4)
    fail(track, 30.0)
    track.missed()
    assert not track.view.stale


def test_another_creation_time_restarts_the_estimate() -> None:
    track = make()
    for n in range(4):
        feed(track, n * 5.0, answer(500 + n))
    assert track.view.rate is not None
    feed(track, 20.0, answer(900, created="2026-03-20T12:00:00.000Z"))
    assert track.series.estimate.restarts == 1
    assert track.view.rate is None
    assert track.view.lifetime_rate is None
    feed(track, 25.0, answer(905, created="2026-03-20T12:00:00.000Z"))
    assert track.series.estimate.restarts == 1
    assert track.view.rate == pytest.approx(1)


@pytest.mark.parametrize("zero", ["", "0001-01-01T00:00:00Z", "yesterday", "1970-01-01T00:00:00Z"])
def test_without_a_creation_time_there_is_no_lifetime_rate(zero: str) -> None:
    track = JobTrack("acc", Job(id="j", status="running", created_at=zero))
    feed(track, 100.0, answer(500, created=zero))
    assert track.view.lifetime_rate is None


def test_a_missing_status_is_taken_from_the_list() -> None:
    track = make("paused")
    feed(track, 0.0, answer(5, None))
    assert (track.view.status, track.view.phase) == ("paused", Phase.PAUSED)


def test_a_changed_row_makes_the_job_due_and_an_equal_one_keeps_the_view() -> None:
    track = make("completed")
    feed(track, 0.0, answer(1000, "completed"))
    track.polled_at = 0.0
    track.listed(Job(id="j", status="running", created_at=CREATED))
    assert (track.mode, track.polled_at) == (PollMode.ACTIVE, -math.inf)
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
    feed(track, 0.0, answer(5, status))
    assert track.period(5.0, highlighted) == period


def test_missing_counts_are_unknown() -> None:
    track = make()
    feed(track, 0.0, answer(None))
    assert (track.view.counts.done, track.view.percent) == (None, None)
    assert track.view.counts.objects == 1000
    assert track.view.lifetime_rate is None


def test_another_notation_of_the_creation_time_restarts_nothing() -> None:
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


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_job_whose_listing_was_interrupted_keeps_the_plus_of_its_total(status: str) -> None:
    start = 1_774_000_000.0
    listed = [Recorded(start + 5 * n, Counts(1000 + n, n, 0, 0), "running") for n in range(20)]
    last = Recorded(start + 100, Counts(1019, 19, 0, 0), status)
    job = Job(id="j", status=status, created_at=iso(start - 60))
    remembered = JobTrack.from_history(StoredJob("acc", job, last))
    assert (remembered.view.total, remembered.view.from_history) == (Total.PROVISIONAL, True)
    remembered.seed([*listed, last], Moment(0.0, start + 105))
    assert (remembered.view.total, remembered.view.from_history) == (Total.GROWING, True)
    for n in range(200):
        answered = Progress("j", status, iso(start - 60), 1019, 19, 0, 0)
        remembered.update(answered, Moment(5.0 * n, start + 105 + 5 * n), interval=5.0)
        assert remembered.view.total is Total.GROWING
    assert remembered.view.state is (State.PAUSED if status == "paused" else State.STALLED)


ARCHIVED = "importSkippedStorageClass"


def test_the_verdict_includes_the_log_counts_in_either_order() -> None:
    counts = LogCounts({ARCHIVED: 30}, whole=True, read_at=2e9)
    early, late = make(), make()
    early.set_log_counts(counts)
    assert early.view.verdict is None
    assert early.view.not_copied is None
    feed(early, 10.0, answer(1000, "completed"))
    feed(late, 10.0, answer(1000, "completed"))
    assert late.view.verdict is not None
    assert late.view.verdict.text == "completed · 0 failed · 0 unaccounted"
    late.set_log_counts(counts)
    for track in (early, late):
        assert track.view.verdict is not None
        assert track.view.verdict.not_copied == track.view.not_copied == 30
        assert "30 not copied (30 archive tier)" in track.view.verdict.text


def test_a_partly_read_log_gives_no_number_but_a_broken_listing() -> None:
    track = make()
    feed(track, 10.0, answer(1000, "completed"))
    track.set_log_counts(LogCounts({ARCHIVED: 30, BROKE_TYPE: 1}))
    assert track.view.not_copied is None
    assert track.view.listing_broke
    assert track.view.state is State.COMPLETED_WITH_LOSS
