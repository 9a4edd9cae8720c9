"""The digest of an absence and its advice."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, Forecast, JobView, Phase, State
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.samples import Recorded, Span, SpanKind
from slurper_tui.monitor.model.verdict import verdict, with_log
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.monitor.reports.digest import (
    NOTHING,
    Calendar,
    ChangeKind,
    Digest,
    JobDigest,
    advice,
    job_words,
    make_digest,
    quiet_words,
    rank,
)
from tests.monitor.verifications import BAD, SAME, verified
from tests.tui.jobs import NOW, iso, view

H = 3600.0
SINCE = NOW - 14 * H
Samples = tuple[Recorded, ...]


def sample(at: float, done: int | None, status: str | None = "running", **given: Any) -> Recorded:
    counts = Counts(given.pop("objects", 1000), done, 0, given.pop("failed", 0))
    return Recorded(at, counts, status, **given)


def night(before: int, after: int, *, then: str = "running", now: str = "running") -> Samples:
    """Samples until the evening and of the last 20 s, with the counts and status of each part."""
    evening = tuple(sample(SINCE - 5 * n, before - n, then) for n in range(20, -1, -1))
    back = NOW - 20
    morning = tuple(sample(back + 5 * n, after, now, after_gap=n == 0) for n in range(5))
    return (*evening, *morning)


def job(samples: Samples, number: int = 1, **given: Any) -> tuple[JobView, Samples]:
    """A job in the state of its last sample, created three days ago by default."""
    created, finished = given.pop("created", NOW - 72 * H), given.pop("finished", None)
    last = samples[-1]
    made = view(number, last.status, counts=last.counts, as_of=last.at, **given)
    made = replace(made, verdict=verdict(last.counts, last.status))
    times = {"created_at": iso(created), "finished_at": iso(finished) if finished else None}
    return replace(made, job=replace(made.job, **times)), samples


def digest_of(*jobs: tuple[JobView, Samples]) -> Digest:
    return make_digest(jobs, SINCE, NOW, UTC)


def only(*jobs: tuple[JobView, Samples]) -> JobDigest:
    [found] = digest_of(*jobs).jobs
    return found


def kinds(found: JobDigest) -> list[ChangeKind]:
    return [change.kind for change in found.changes]


def test_moved_objects_and_rate_between_two_samples() -> None:
    found = only(job(night(100, 800)))
    assert found.before == sample(SINCE, 100)
    assert found.after == sample(NOW, 800)
    assert found.moved == 700
    assert found.per_second == 700 / (14 * H)
    assert found.observed_seconds == 20
    assert found.verdict is None


def test_job_first_seen_meanwhile_is_compared_with_its_first_sample() -> None:
    samples = (sample(NOW - 100, 300), sample(NOW - 50, 400), sample(NOW, 500))
    found = only(job(samples))
    assert found.before == samples[0]
    assert (found.moved, found.per_second, found.observed_seconds) == (200, 2.0, 100)
    alone = only(job((sample(NOW, 300),)))
    assert alone.before == alone.after == sample(NOW, 300)
    assert (alone.moved, alone.per_second, alone.observed_seconds) == (None, None, 0)


def test_new_job_has_moved_all_done_objects() -> None:
    found = only(job((sample(NOW - 20, 700), sample(NOW, 720)), created=NOW - 2 * H))
    assert found.before is None
    assert found.created == NOW - 2 * H
    assert (found.moved, found.per_second) == (720, 720 / (2 * H))
    assert [(e.kind, e.since, e.until) for e in found.changes] == [
        (ChangeKind.UNOBSERVED, NOW - 2 * H, NOW - 20)
    ]


def test_job_without_samples_is_listed_without_numbers() -> None:
    found = digest_of((view(1), ())).jobs[0]
    assert (found.before, found.after, found.moved, found.per_second) == (None,) * 4
    assert found.observed_seconds == 0


def test_unknown_counts_leave_moved_unknown() -> None:
    samples = (sample(SINCE, None), sample(NOW, 500, after_gap=True))
    assert only(job(samples)).moved is None


def test_fallen_counters_are_a_change_and_not_compared() -> None:
    found = only(job((*night(500, 800)[:-2], sample(NOW - 5, 20), sample(NOW, 900))))
    assert (found.moved, found.per_second, found.newly_failed) == (None, None, None)
    [fall] = [change for change in found.changes if change.kind is ChangeKind.RESTARTED]
    assert fall.text.startswith("done fell from 800 to 20 at ")


def test_samples_from_after_the_end_are_left_out() -> None:
    samples = (*night(100, 800), sample(NOW + 60, 1000, "completed"))
    [found] = make_digest([(job(night(100, 800))[0], samples)], SINCE, NOW, UTC).jobs
    assert found.after == sample(NOW, 800)


def test_unobserved_end_has_a_verdict() -> None:
    found = only(job(night(500, 1000, now="completed"), finished=NOW - 5 * H))
    assert found.verdict == verdict(Counts(1000, 1000, 0, 0), "completed")
    assert kinds(found) == [ChangeKind.UNOBSERVED, ChangeKind.STATUS]
    assert found.changes[1].text == "from running to completed at 04:46"


def test_a_pause_before_and_after_the_night_is_not_claimed_for_the_night() -> None:
    found = only(job(night(500, 500, then="paused", now="paused")))
    assert [(e.kind, e.since, e.until) for e in found.changes] == [
        (ChangeKind.UNOBSERVED, SINCE, NOW - 20),
        (ChangeKind.PAUSED, NOW - 20, NOW),
    ]
    assert "or earlier" in found.advice
    assert found.moved == 0


def test_stall_begins_with_the_last_change() -> None:
    watched = tuple(
        sample(SINCE + 60 * n, 500 + min(n, 10), stalled=n >= 20) for n in range(14 * 60 + 1)
    )
    found = only(job(watched, phase=Phase.STALLED, stalled_since=SINCE + 600))
    assert [(e.kind, e.since, e.until) for e in found.changes] == [
        (ChangeKind.STALLED, SINCE + 600, NOW)
    ]
    assert found.observed_seconds == 14 * H


def test_newly_failed_objects_are_counted() -> None:
    samples = (sample(SINCE, 100, failed=3), sample(NOW, 800, failed=10, after_gap=True))
    assert only(job(samples)).newly_failed == 7


def test_finish_is_compared_with_the_forecast_at_the_start() -> None:
    steady = tuple(
        sample(SINCE - 5 * n, 50_000 - 50 * n, objects=100_000) for n in range(999, -1, -1)
    )
    later = (
        sample(NOW - 5, 60_000, objects=100_000, after_gap=True),
        sample(NOW, 60_001, objects=100_000),
    )
    now = Forecast(NOW + 40 * H, NOW + 60 * H, NOW)
    found = only(job((*steady, *later), forecast=now, created=SINCE - 5000))
    [moved] = [change for change in found.changes if change.kind is ChangeKind.FINISH]
    assert (moved.since, moved.until) == (NOW, None)
    assert " later: " in moved.text


def test_no_forecast_is_no_move_of_the_finish() -> None:
    assert ChangeKind.FINISH not in kinds(only(job(night(100, 800))))


def test_the_worst_stand_first() -> None:
    jobs = [
        job(night(500, 1000, now="completed"), 1),
        job(night(100, 800), 2),
        job(night(100, 900), 3),
        job(night(100, 100, now="paused"), 4),
        job(night(100, 100), 5, phase=Phase.STALLED),
        job(night(500, 990, now="completed"), 6),
        job(night(100, 100, now="aborted"), 7),
        job(night(100, 100), 8, gone=True),
    ]
    random.Random(1).shuffle(jobs)
    found = [job.view.job.id for job in digest_of(*jobs).jobs]
    assert found == [f"job000{n}" for n in (8, 7, 6, 5, 4, 3, 2, 1)]


def test_jobs_that_had_ended_before_are_only_counted() -> None:
    old = [
        job((sample(SINCE - n * H, 1000, "completed"),), n, finished=SINCE - n * H - 60)
        for n in range(1, 40)
    ]
    lossy = job((sample(SINCE - H, 900, "completed"),), 50, finished=SINCE - H)
    never = (view(60, "completed", verdict=None), ())
    found = digest_of(*old, lossy, never, job(night(100, 800), 70))
    assert [job.view.job.id for job in found.jobs] == ["job0070"]
    assert (found.quiet, found.quiet_loss) == (41, 1)


def test_jobs_that_had_ended_before_they_were_first_seen_are_only_counted() -> None:
    seen = (sample(NOW - 20, 1000, "completed"),)
    assert digest_of(job(seen, finished=SINCE - H)).quiet == 1
    assert digest_of(job(seen)).quiet == 1
    assert digest_of(job(seen, finished=NOW - H)).quiet == 0
    assert digest_of(job(seen, created=NOW - 2 * H)).quiet == 0


def test_polled_aborted_job_is_listed_only_if_it_moved() -> None:
    asked = night(500, 500, then="aborted", now="aborted")
    assert digest_of(job(asked, finished=SINCE - H)).quiet == 1
    moved = night(500, 503, then="aborted", now="aborted")
    assert digest_of(job(moved, finished=SINCE - H)).jobs[0].moved == 3


def test_a_job_that_is_long_gone_is_no_news() -> None:
    assert digest_of(job((sample(SINCE - 2 * H, 5),), gone=True)).quiet == 1
    assert digest_of(job((sample(SINCE - 60, 5),), gone=True)).quiet == 0


def test_common_unobserved_time_is_listed_once() -> None:
    one, two = (
        job(night(100, 800), 1),
        job((sample(SINCE - 3, 5), sample(NOW - 21, 9, after_gap=True)), 2),
    )
    assert digest_of(one, two).unobserved == (Span(SpanKind.UNOBSERVED, SINCE, NOW - 21),)
    watched = tuple(sample(SINCE + 600 * n, n) for n in range(85))
    assert digest_of(one, job(watched, 3)).unobserved == ()


def test_no_unobserved_time_after_the_last_end() -> None:
    samples = (sample(SINCE, 900), sample(SINCE + 60, 1000, "completed"))
    found = digest_of(job(samples, finished=SINCE + 58))
    assert found.unobserved == ()
    assert kinds(found.jobs[0]) == [ChangeKind.STATUS]


def test_behind_an_end_that_was_seen_nothing_is_unobserved() -> None:
    end = (
        sample(SINCE + 60, 1000, "completed"),
        sample(NOW - 9, 1000, "completed", after_gap=True),
    )
    found = only(job((sample(SINCE, 900), *end), finished=SINCE + 58))
    assert kinds(found) == [ChangeKind.STATUS]
    assert found.observed_seconds == 60
    watched = (
        sample(SINCE, 900),
        sample(NOW - 60, 1000, "completed"),
        sample(NOW, 1000, "completed"),
    )
    assert only(job(watched, finished=NOW - 61)).observed_seconds == 14 * H


def test_old_jobs_are_only_counted() -> None:
    old = [
        job((sample(SINCE - n, 1000, "completed"),), n, finished=SINCE - n) for n in range(1, 1000)
    ]
    found = digest_of(*old, job(night(100, 800), 2000))
    assert (len(found.jobs), found.quiet) == (1, 999)


histories = st.lists(
    st.tuples(
        st.integers(-200, 100),
        st.one_of(st.none(), st.integers(0, 1000)),
        st.sampled_from(["running", "paused", "completed", "aborted", "odd", None]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda row: row[0],
)


@given(st.lists(histories, max_size=4))
def test_digest_claims_no_more_than_the_samples_show(
    pasts: list[list[tuple[int, int | None, str | None, bool, bool]]],
) -> None:
    jobs = []
    for number, rows in enumerate(pasts):
        samples = tuple(
            sample(NOW + 60 * at, done, status, after_gap=gap, stalled=stalled)
            for at, done, status, gap, stalled in sorted(rows, key=lambda row: row[0])
        )
        jobs.append(job(samples, number, ended=samples[-1].status in ("completed", "aborted")))
    found = make_digest(jobs, NOW - 6000, NOW, UTC)
    assert len(found.jobs) + found.quiet == len(jobs)
    for each in found.jobs:
        assert each.moved is None or each.moved >= 0
        assert each.per_second is None or each.per_second >= 0
        assert 0 <= each.observed_seconds <= 6000
        assert each.advice
        assert [change.since for change in each.changes] == sorted(e.since for e in each.changes)
        assert all(change.text for change in each.changes)


CALENDAR = Calendar(NOW, UTC)
"""09:46 on a Friday."""


def ended(status: str, done: int, failed: int = 0, **given: Any) -> JobView:
    counts = given.pop("counts", Counts(1000, done - failed, 0, failed))
    return view(status=status, counts=counts, verdict=verdict(counts, status), **given)


GONE = view(gone=True)
ABORTED = ended("aborted", 500)
LOST = ended("completed", 963, 10)
SHORT = ended("completed", 963)
UNKNOWN = ended("completed", 0, counts=Counts())
ODD = view(status="hibernating")
STALLED = view(phase=Phase.STALLED, stalled_since=NOW - 720)
STALE = view(stale=True, as_of=NOW - 3600)
PAUSED = view(status="paused")
FAILING = view(failed=904)
MOVING = view()
CLEAN = ended("completed", 1000)


def test_worst_job_is_first() -> None:
    worst = [GONE, ABORTED, LOST, ODD, STALLED, PAUSED, FAILING, MOVING, CLEAN]
    assert [rank(job) for job in worst] == sorted(rank(job) for job in worst)
    assert len({rank(job) for job in worst}) == len(worst)
    assert rank(LOST) == rank(SHORT) == rank(UNKNOWN)
    assert rank(STALE) == rank(STALLED)


def test_gone_job_has_the_rank_of_its_end() -> None:
    assert rank(ended("completed", 1000, gone=True)) == rank(CLEAN)
    assert rank(ended("aborted", 10, gone=True)) == rank(ABORTED)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (GONE, "the API no longer knows it: look for it in the dashboard"),
        (ABORTED, "aborted, 500 not done: start it again if needed"),
        (LOST, "completed: 10 failed, 37 unaccounted: see what failed"),
        (SHORT, "completed: 37 unaccounted: see what failed"),
        (UNKNOWN, "completed, counts unknown: look in the dashboard"),
        (ODD, "hibernating: look up its meaning in the dashboard"),
        (STALLED, "stalled for 12 min: watch it, or pause and resume it"),
        (
            view(phase=Phase.STALLED),
            "stalled: watch it, or pause and resume it",
        ),
        (STALE, "no answer since 08:46: check the connection and the token"),
        (PAUSED, "paused: resume it when ready"),
        (FAILING, "904 failed so far: read its log"),
        (MOVING, NOTHING),
        (CLEAN, NOTHING),
        (ended("completed", 1000, gone=True), NOTHING),
    ],
)
def test_advice_is_one_clause(job: JobView, expected: str) -> None:
    assert advice(job, (), CALENDAR) == expected


def paused(*samples: tuple[float, str, bool]) -> str:
    recorded = [Recorded(NOW + at, Counts(), status, gap) for at, status, gap in samples]
    words = advice(PAUSED, recorded, CALENDAR)
    return words.removesuffix(": resume it when ready")


def test_advice_names_the_beginning_of_a_pause() -> None:
    watched = ((-72_000, "running", False), (-68_400, "paused", False), (-5, "paused", False))
    assert paused(*watched) == "paused since Thu 14:46"


def test_advice_names_the_first_sample_of_an_unobserved_pause() -> None:
    for before in ("running", "paused"):
        samples = ((-7200, before, False), (-3600, "paused", True), (-5, "paused", False))
        assert paused(*samples) == "paused since 08:46 or earlier"
    assert paused((-60, "paused", False)) == "paused since 09:45 or earlier"


@pytest.mark.parametrize(
    ("log", "advised", "quiet"),
    [
        (None, NOTHING, 1),
        (
            LogCounts(whole=True, read_at=NOW),
            "completed: 340 skipped, reasons unknown: compare both buckets",
            1,
        ),
        (
            LogCounts({"importSkippedStorageClass": 340}, whole=True, read_at=NOW),
            "completed: 340 not copied: see what failed",
            0,
        ),
    ],
)
def test_a_job_with_unexplained_skips_is_counted_apart_and_its_log_asked_for(
    log: LogCounts | None, advised: str, quiet: int
) -> None:
    counts = Counts(1000, 660, 340, 0)
    samples = (Recorded(SINCE - 8 * H, counts, "completed"),)
    made, _ = job(samples, finished=SINCE - 8 * H)
    made = with_log(made, log)
    assert made.state is (State.COMPLETED_WITH_LOSS if not quiet else State.COMPLETED_UNREAD)
    found = digest_of((made, samples))
    assert (found.quiet, found.quiet_unread, found.quiet_loss) == (1, quiet, 1 - quiet)
    unread = ", 1 skipped objects for unknown reasons" if quiet else ", 1 with losses"
    assert quiet_words(found) == f"1 other job ended before{unread}: nothing new"
    assert advice(made, samples, Calendar(NOW, UTC)) == advised


def test_a_verification_in_the_period_is_news_even_of_a_job_that_ended_long_ago() -> None:
    last = sample(NOW - 100 * H, 1000, "completed")
    counts = Counts(1000, 990, 0, 10)
    ended = view(1, "completed", counts=counts, verdict=verdict(counts, "completed"), as_of=last.at)
    ended = replace(ended, job=replace(ended.job, finished_at=iso(last.at)))

    def made(counts: Mapping[Outcome, int], at: float) -> tuple[Digest, JobDigest | None]:
        result = verified(ended, "job2", counts=counts, at=at - 600)
        digest = make_digest([(replace(ended, verification=result), (last,))], SINCE, NOW, UTC)
        return digest, digest.jobs[0] if digest.jobs else None

    digest, one = made(SAME, -H)
    assert one is not None
    [change] = [change for change in one.changes if change.kind is ChangeKind.VERIFIED]
    assert change.text == (
        "compared with 1 other job at 08:46: verified: all 1,000 objects are in the target"
    )
    assert change.text in list(job_words(one, digest))
    assert one.advice == NOTHING

    _, one = made(BAD, -H)
    assert one is not None
    assert one.advice == (
        "not verified: 37 missing · 5 of another size · 2 empty in the target ·"
        " 11 changed in the source since, of 1,000,000 objects: copy what is missing or differs"
    )
    before, none = made(SAME, -20 * H)
    assert none is None
    assert (before.quiet, before.quiet_loss) == (1, 0)
    before, none = made(BAD, -20 * H)
    assert (none, before.quiet, before.quiet_loss) == (None, 1, 1)


def test_verified_jobs_are_the_last_of_a_digest() -> None:
    counts = Counts(1000, 990, 0, 10)
    lossy = view(1, "completed", counts=counts, verdict=verdict(counts, "completed"))
    proven = replace(lossy, verification=verified(lossy))
    faulty = replace(view(1, "completed"), verification=verified(counts=BAD))
    assert rank(faulty) == rank(lossy) < rank(view()) < rank(proven)
