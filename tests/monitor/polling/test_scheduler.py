"""Which job is polled when, and which requests wait for the budget."""

from __future__ import annotations

import math

import pytest

from slurper_tui.api.errors import BadAnswer, NotFound, Unreachable
from slurper_tui.api.models import Job, Progress
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.job import Problem
from slurper_tui.monitor.polling.account_tracker import AccountTrack
from slurper_tui.monitor.polling.job_tracker import JobTrack
from slurper_tui.monitor.polling.scheduler import (
    BURST,
    LAZY_BURST,
    LAZY_LOOK,
    Focus,
    Pacing,
    Poll,
    Rank,
    demand,
    due_polls,
    focused_polls,
    list_period,
)


def polls(rank: Rank, number: int) -> list[Poll]:
    account = AccountTrack("a")
    return [Poll(rank, 0.0, account) for _ in range(number)]


def chosen(pacing: Pacing, polls: list[Poll], now: float = 0.0, *, eager: bool = False) -> int:
    """Return how many polls are granted, and record them as sent."""
    granted = pacing.choose(polls, now, 5.0, 0, eager=eager)
    for _ in granted:
        pacing.budget.record_request(now)
    return len(granted)


@pytest.mark.parametrize(
    ("rank", "most"),
    [
        (Rank.DUE, BURST),
        (Rank.VISIBLE, BURST),
        (Rank.LAZY, LAZY_BURST),
        # A first reading of the lists leaves room for the highlighted job, and no more than that.
        (Rank.FIRST_LIST, 840),
        (Rank.ASKED_FOR, 900),
    ],
)
def test_requests_allowed_at_once_by_rank(rank: Rank, most: int) -> None:
    assert chosen(Pacing(), polls(rank, 1000)) == most


def test_asks_are_granted_in_their_order() -> None:
    mixed = polls(Rank.DUE, 90) + polls(Rank.LAZY, 50)
    granted = Pacing().choose(mixed, 0.0, 5.0, 0, eager=False)
    assert granted == mixed[:100]


def test_the_burst_is_refilled_at_an_even_rate() -> None:
    pacing = Pacing()
    assert chosen(pacing, polls(Rank.DUE, 1000)) == BURST
    a_minute = [chosen(pacing, polls(Rank.DUE, 1000), 5.0 * n) for n in range(1, 13)]
    rate = pacing.ordinary_rate(60.0, 5.0)
    assert sum(a_minute) == pytest.approx(60 * rate, abs=1)
    assert max(a_minute) - min(a_minute) <= 1


def test_lazy_asks_use_at_most_a_quarter_of_the_budget() -> None:
    pacing = Pacing()
    for window in range(12):
        times = [window * 300.0 + second for second in range(0, 300, 5)]
        assert sum(chosen(pacing, polls(Rank.LAZY, 1000), at) for at in times) <= 225


def test_queued_asks_count_as_sent() -> None:
    assert len(Pacing().choose(polls(Rank.ASKED_FOR, 1000), 0.0, 5.0, 890, eager=False)) == 10


def test_eager_uses_the_whole_budget_at_once() -> None:
    pacing = Pacing()
    assert chosen(pacing, polls(Rank.DUE, 2000), eager=True) == 900
    assert chosen(pacing, polls(Rank.DUE, 2000), 299.0, eager=True) == 0


def test_nothing_is_granted_while_the_api_blocks() -> None:
    pacing = Pacing()
    pacing.budget.block(0.0, 60.0)
    assert chosen(pacing, polls(Rank.ASKED_FOR, 5), 59.0) == 0
    assert chosen(pacing, polls(Rank.ASKED_FOR, 5), 60.0) == 5


NOW = 1000.0


def counted(status: str | None) -> Progress:
    """Return an answer with all counts."""
    return Progress(
        status=status, objects=9, transferred_objects=5, skipped_objects=0, failed_objects=0
    )


def account(*statuses: str, name: str = "acc", answered: bool = True) -> AccountTrack:
    """Return an account whose list was read, with jobs `j0`, `j1`, … that were all polled now."""
    made = AccountTrack(name)
    jobs = [Job(id=f"j{n}", status=status) for n, status in enumerate(statuses)]
    made.listing.apply_page(jobs)
    made.listing.apply_page(())
    made.listing.polled_at = NOW
    for job in jobs:
        track = JobTrack(name, job)
        if answered:
            track.update(counted(job.status), Moment(NOW, NOW), interval=5.0)
        track.polled_at = NOW
        made.jobs[job.id or ""] = track
    return made


def names(polls: list[Poll]) -> list[str]:
    return [poll.track.job_id if poll.track else "list" for poll in polls]


def due(made: AccountTrack, after: float, focus: Focus | None = None) -> list[str]:
    """Return what is due that many seconds later, at an interval of 5 s."""
    return names(due_polls([made], NOW + after, 5.0, focus or Focus()))


def test_nothing_is_due_right_after_everything_was_asked() -> None:
    assert due(account("running", "paused", "aborted"), 4.0) == []


@pytest.mark.parametrize(
    ("after", "asked"),
    [
        (5.0, {"j0"}),
        (10.0, {"j0", "list"}),
        (15.0, {"j0", "j1", "list"}),
        (60.0, {"j0", "j1", "j3", "list"}),
    ],
)
def test_each_kind_of_ask_has_its_period(after: float, asked: set[str]) -> None:
    assert set(due(account("running", "paused", "completed", "aborted"), after)) == asked


def test_the_most_overdue_ask_comes_first() -> None:
    made = account("running", "running", "paused")
    made.jobs["j1"].polled_at = NOW - 10
    made.jobs["j2"].polled_at = NOW - 50
    assert due(made, 5.0) == ["j2", "j1", "j0"]


@pytest.mark.parametrize(("interval", "seconds"), [(2.0, 10.0), (5.0, 10.0), (30.0, 60.0)])
def test_the_list_is_read_every_ten_seconds_or_two_rounds(interval: float, seconds: float) -> None:
    assert list_period(interval) == seconds


def test_ranks() -> None:
    made = account("running", "running", "running", "aborted", "aborted", answered=False)
    made.jobs["j2"].poll_now()
    focus = Focus(JobKey("acc", "j0"), frozenset({JobKey("acc", "j3")}))
    polls = due_polls([made], NOW + 9.0, 5.0, focus)
    ranked = {poll.track.job_id: poll.rank for poll in polls if poll.track}
    assert ranked == {
        "j0": Rank.ASKED_FOR,
        "j1": Rank.DUE,
        "j2": Rank.VISIBLE,
        "j3": Rank.VISIBLE,
        "j4": Rank.LAZY,
    }
    assert [poll.rank for poll in polls] == sorted(poll.rank for poll in polls)


def test_a_first_list_comes_before_all_but_the_highlighted_job() -> None:
    made = account("running", "running")
    fresh = AccountTrack("new")
    focus = Focus(JobKey("acc", "j0"), frozenset({JobKey("acc", "j1")}))
    polls = due_polls([made, fresh], NOW + 20.0, 5.0, focus)
    assert [(poll.rank, poll.account.account_id) for poll in polls[:2]] == [
        (Rank.ASKED_FOR, "acc"),
        (Rank.FIRST_LIST, "new"),
    ]


def test_focused_asks_are_those_of_the_jobs_in_focus() -> None:
    made = account("running", "completed", "completed", "running", answered=False)
    looked_at = frozenset({JobKey("acc", "j1"), JobKey("acc", "j3"), JobKey("acc", "unknown")})
    focus = Focus(JobKey("acc", "j2"), looked_at | {JobKey("other", "j0")})
    polls = focused_polls([made, account("running", name="failing")], NOW + 60.0, 5.0, focus)
    assert names(polls) == ["j2", "j1", "j3"]
    assert [a.rank for a in polls] == [Rank.ASKED_FOR, Rank.VISIBLE, Rank.DUE]
    failing = account("running", name="other")
    failing.problem = Problem(Unreachable("x"), NOW)
    assert focused_polls([failing], NOW + 60.0, 5.0, focus) == []


def test_ended_jobs_wait_for_the_whole_list_or_its_failure() -> None:
    made = account("running", "completed", "completed", answered=False)
    made.listing.restart()
    made.listing.complete = False
    focus = Focus(JobKey("acc", "j1"), frozenset({JobKey("acc", "j2")}))
    assert set(due(made, 60.0, focus)) == {"list", "j0", "j1"}
    made.listing.failed(Unreachable("x"), Moment(NOW, NOW), 90.0)
    assert set(due(made, 60.0, focus)) == {"j0", "j1", "j2"}


@pytest.mark.parametrize("kind", ["under way", "not yet", "closed", "missing"])
def test_jobs_that_are_never_due(kind: str) -> None:
    made = account("running")
    track = made.jobs["j0"]
    if kind == "under way":
        made.begin(track, NOW - 100, probe=False)
    elif kind == "not yet":
        track.retry_at = NOW + 60
    elif kind == "closed":
        track.update(counted("completed"), Moment(NOW, NOW), interval=5.0)
    else:
        track.unlisted()
        track.unlisted()
        track.failed(NotFound("the API answered 404"), Moment(NOW, NOW), 5.0)
        track.retry_at, track.urgent = -math.inf, False
    focus = Focus(JobKey("acc", "j0"), frozenset({JobKey("acc", "j0")}))
    track.polled_at = -math.inf
    assert due(made, 9.0, focus) == []


def test_ended_jobs_take_turns_newest_first_and_visible_ones_always() -> None:
    made = account(*["completed"] * (3 * LAZY_LOOK), "running", answered=False)
    for track in made.jobs.values():
        track.polled_at = -math.inf
    shown = JobKey("acc", f"j{2 * LAZY_LOOK}")
    focus, running = Focus(None, frozenset({shown})), f"j{3 * LAZY_LOOK}"
    newest = [f"j{n}" for n in range(LAZY_LOOK)]
    for _ in range(2):
        assert due(made, 0.0, focus) == [shown.job_id, running, *newest]
    for name in newest:
        made.jobs[name].polled_at = NOW
    assert due(made, 0.0, focus) == [shown.job_id, running]
    following = [f"j{n}" for n in range(LAZY_LOOK, 2 * LAZY_LOOK)]
    assert due(made, 0.0, focus) == [shown.job_id, running, *following]
    every = names(due_polls([made], NOW, 5.0, Focus(), lazy_look=None))
    assert set(every) == set(made.jobs) - set(newest)


@pytest.mark.parametrize("answer", [404, 500, "no counts"])
def test_ended_jobs_that_never_answer_do_not_starve_the_others(answer: int | str) -> None:
    made = account(*["completed"] * (2 * LAZY_LOOK), answered=False)
    later = NOW + 100.0
    for n, track in enumerate(made.jobs.values()):
        track.polled_at = -math.inf
        if n < LAZY_LOOK:
            track.polled_at = NOW
            if isinstance(answer, int):
                error = (NotFound if answer == 404 else BadAnswer)("failed", status=answer)
                track.failed(error, Moment(NOW, NOW), 60.0)
            else:
                track.update(Progress(status="completed"), Moment(NOW, NOW), interval=5.0)
    never_answer = [f"j{n}" for n in range(LAZY_LOOK)]
    others = [f"j{n}" for n in range(LAZY_LOOK, 2 * LAZY_LOOK)]
    assert due(made, 100.0) == ["list", *never_answer]
    for _ in range(2):  # the turn waits until each was asked
        assert due(made, 100.0) == ["list", *others]
    for name in others:
        made.jobs[name].update(counted("completed"), Moment(later, later), interval=5.0)
    assert due(made, 100.0) == ["list", *never_answer]


def test_a_failed_list_waits_for_its_retry_time() -> None:
    made = account()
    made.listing.failed(Unreachable("no answer"), Moment(NOW, NOW), 30.0)
    assert due(made, 29.0) == []
    assert due(made, 31.0) == ["list"]


def test_a_failing_account_is_probed_by_its_list_and_a_job_in_turns() -> None:
    made = account("running", "running", "completed")
    made.jobs["j1"].polled_at = NOW - 5
    error = Unreachable("no answer")
    for _ in range(3):
        made.failed(error, Moment(NOW, NOW), NOW - 1, 10.0, True)
    assert made.problem is not None
    assert due(made, 9.0) == []
    probed = []
    for step in range(6):
        now = NOW + 10.0 + step
        (probe,) = due_polls([made], now, 5.0, Focus(JobKey("acc", "j0")))
        assert probe.probe
        probed += names([probe])
        made.begin(probe.track, now, probe=True)
        assert due_polls([made], now + 100, 5.0, Focus()) == []
        made.end(probe.track)
    assert probed == ["list", "j1", "list", "j0", "list", "j1"]


def test_a_failing_account_without_live_jobs_is_probed_by_its_list() -> None:
    made = account("completed")
    for _ in range(3):
        made.failed(Unreachable("no answer"), Moment(NOW, NOW), NOW - 1, 1.0, True)
    made.probes = 1
    assert due(made, 5.0) == ["list"]


def test_demand_is_the_sum_of_all_periods() -> None:
    made = account("running", "running", "paused", "completed", "aborted")
    assert demand([made], 5.0, Focus()) == pytest.approx(1 / 10 + 2 / 5 + 1 / 15)
    focus = Focus(JobKey("acc", "j0"))
    assert demand([made], 5.0, focus) == pytest.approx(1 / 10 + 1 / 5 + 1 / 15)
    assert demand([made, account(name="b")], 5.0, Focus()) == pytest.approx(2 / 10 + 2 / 5 + 1 / 15)


def test_which_asks_cannot_wait() -> None:
    made = account("running", "aborted")
    never = Poll(Rank.DUE, math.inf, made, made.jobs["j0"])
    assert never.cannot_wait
    assert Poll(Rank.VISIBLE, 1.0, made).cannot_wait
    assert not Poll(Rank.DUE, 2.0, made, made.jobs["j0"]).cannot_wait
    assert not Poll(Rank.LAZY, math.inf, made, made.jobs["j1"]).cannot_wait
