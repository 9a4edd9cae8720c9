from __future__ import annotations

from datetime import UTC
from typing import Any

from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.samples import Recorded, Span, SpanKind
from slurper_tui.monitor.reports.digest import (
    Digest,
    JobDigest,
    head_words,
    job_words,
    jobs_with_advice,
    make_digest,
    moved_words,
    quiet_words,
    unobserved_words,
)
from tests.monitor.reports.digests import (
    HOUR,
    SINCE,
    a_quiet_night,
    an_eventful_night,
    job,
    night,
    sample,
)
from tests.tui.jobs import NOW, iso, view


def digest_of(*jobs: tuple[JobView, tuple[Recorded, ...]], since: float = SINCE) -> Digest:
    return make_digest(jobs, since, NOW, UTC)


def only(*samples: Recorded, **given: Any) -> tuple[JobDigest, Digest]:
    digest = digest_of(job(1, samples, **given))
    return digest.jobs[0], digest


def lines_of(found: JobDigest, digest: Digest) -> list[str]:
    return [line.replace("\N{EN DASH}", "-") for line in job_words(found, digest)]


def running(at: float, done: int, status: str = "running", **given: Any) -> Recorded:
    return sample(NOW + at, 1000, done, status, **given)


def test_head_has_the_duration_and_the_start() -> None:
    digest = an_eventful_night()
    assert head_words(digest) == "Away 14 h 20 min, since Thu 19:26"
    [unobserved] = unobserved_words(digest)
    assert unobserved == "unobserved: Thu 19:26\N{EN DASH}Fri 09:46"


def test_who_looked_on_and_off_was_not_away() -> None:
    watched = tuple(running(-HOUR + 60 * n, n) for n in range(61))
    digest = digest_of(job(1, watched), since=NOW - HOUR)
    assert head_words(digest) == "The last 1 h, since Fri 08:46"
    assert unobserved_words(digest) == []
    holes = [Span(SpanKind.UNOBSERVED, NOW - n * 600, NOW - n * 600 + 300) for n in (5, 4, 3)]
    [line] = unobserved_words(replace(digest, unobserved=tuple(holes)))
    assert line.replace("\N{EN DASH}", "-") == (
        "unobserved 3 times, 15 min in all, last 09:16-09:21"
    )


def test_without_an_earlier_look_there_is_nothing_to_compare() -> None:
    assert head_words(Digest(NOW, NOW)) == "There is no earlier look to compare with"


def test_moved_objects_have_a_mean_rate() -> None:
    by_job = {found.view.job.id: moved_words(found) for found in an_eventful_night().jobs}
    assert by_job["job0001"] == "+812,004 at 16/s"
    assert moved_words(only(running(-7200, 5), running(0, 5, after_gap=True))[0]) == "nothing moved"


def test_unknown_moved_objects_have_a_reason() -> None:
    assert moved_words(only(running(0, 5))[0]) == "first seen"
    never = JobDigest(view(1))
    assert moved_words(never) == "never observed"
    fell = only(running(-60_000, 500), running(0, 5, after_gap=True))[0]
    assert moved_words(fell) == "counters restarted"
    unknown = (Recorded(SINCE, Counts(), "running"), running(0, 5, after_gap=True))
    assert moved_words(only(*unknown)[0]) == "moved: unknown"
    last = sample(SINCE - 5, 1000, 5, "running")
    gone = only(last, gone=True)[0]
    assert moved_words(gone) == "not seen since"


def test_ended_job_has_a_verdict_and_a_time() -> None:
    digest = an_eventful_night()
    by_job = {found.view.job.id: lines_of(found, digest) for found in digest.jobs}
    assert by_job["job0005"] == ["completed · 10 failed · 10 unaccounted · at 00:46"]
    assert by_job["job0006"] == ["completed · 0 failed · 0 unaccounted · at 04:46"]
    assert by_job["job0007"] == ["aborted · 0 failed · 400 not done · at 04:46"]


def test_new_failures_and_their_total() -> None:
    digest = an_eventful_night()
    by_job = {found.view.job.id: lines_of(found, digest) for found in digest.jobs}
    assert by_job["job0002"] == ["904 more failed, 904 in all"]


def test_observed_pause_is_one_line() -> None:
    watched = (
        *(running(-7200, 5), running(-7190, 5, "paused"), running(-3600, 5, "paused")),
        *(running(-1800, 5), running(0, 9)),
    )
    found, digest = only(*watched, created=NOW - 7200 - 3)
    assert [change.text for change in found.changes if change.kind == "status"] != []
    assert lines_of(found, digest)[1:] == ["paused: 07:46-09:16 (1 h 29 min)"]


def test_short_pause_is_only_a_status_change() -> None:
    digest = an_eventful_night()
    by_job = {found.view.job.id: lines_of(found, digest) for found in digest.jobs}
    assert by_job["job0003"] == []
    assert by_job["job0004"] == ["from running to paused between Thu 19:26 and Fri 09:46"]


def test_many_pauses_are_summed_up() -> None:
    on_and_off = [running(-6000 + 600 * n, n, "paused" if n % 2 else "running") for n in range(11)]
    found, digest = only(*on_and_off, created=NOW - 6001)
    assert lines_of(found, digest)[1:] == ["paused 5 times, 50 min in all, last 09:36-09:46"]


def test_gap_of_one_job_is_a_line_of_the_job() -> None:
    looked_at = job(1, tuple(sample(SINCE + 60 * n, 1000, n, "running") for n in range(861)))
    failing = job(2, night(1000, 100, 800))
    digest = digest_of(looked_at, failing)
    found = next(each for each in digest.jobs if each.view.job.id == "job0002")
    assert lines_of(found, digest) == ["unobserved: Thu 19:26-Fri 09:46 (14 h 19 min)"]


def test_gap_within_the_common_absence_is_not_repeated() -> None:
    created = job(2, (sample(NOW - 20, 1000, 5, "running"), sample(NOW, 1000, 9, "running")))
    late = replace(created[0], job=replace(created[0].job, created_at=iso(NOW - 7200)))
    digest = digest_of(job(1, night(1000, 100, 800)), (late, created[1]))
    found = next(each for each in digest.jobs if each.view.job.id == "job0002")
    assert [change.kind for change in found.changes] == ["unobserved"]
    assert lines_of(found, digest) == ["created at 07:46"]


def test_new_job_has_its_creation_time() -> None:
    found, digest = only(running(-60, 5), running(0, 9), created=NOW - 7200)
    assert lines_of(found, digest)[0] == "created at 07:46"


def test_quiet_jobs_are_one_line() -> None:
    assert (
        quiet_words(an_eventful_night()) == "40 other jobs ended before, 5 with losses: nothing new"
    )
    assert quiet_words(a_quiet_night()) == "2 other jobs ended before: nothing new"
    assert quiet_words(Digest(0, 1, quiet=1)) == "1 other job ended before: nothing new"
    assert quiet_words(Digest(0, 1)) == ""


def test_only_jobs_that_need_something_are_to_be_seen_to_the_worst_first() -> None:
    advice = [found.view.job.id for found in jobs_with_advice(an_eventful_night())]
    assert advice == [f"job000{n}" for n in (7, 5, 3, 4, 2)]
    assert jobs_with_advice(a_quiet_night()) == []
