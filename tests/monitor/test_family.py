"""Which jobs are one migration, and what they amount to together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Source, Target
from slurper_tui.monitor.event import Tie
from slurper_tui.monitor.family import family, migrations
from slurper_tui.monitor.migration import SLOTS, migration_of
from slurper_tui.monitor.verdict import verdict
from slurper_tui.monitor.view import Counts, JobView, Phase, State
from tests.tui.jobs import ACCOUNT, NOW, forecast, iso, view

ARCHIVED, FAILED = "importSkippedStorageClass", "importErrorRetryExhaustion"


def job(number: int, status: str = "running", prefix: str | None = "", **given: Any) -> JobView:
    """A job of one bucket, with a prefix of its own unless told otherwise (None: of everything)."""
    counts = given.get("counts")
    if counts is not None and status in ("completed", "aborted"):
        given.setdefault("verdict", verdict(counts, status))
    named = f"{number}/" if prefix == "" else prefix
    return view(number, status, source="photos", prefix=named, **given)


def keys_of(one: JobView, number: int) -> JobView:
    """The same job with a list of keys instead of a prefix."""
    source = one.job.source
    assert source is not None
    keys = tuple(f"key-{n}" for n in range(number))
    return replace(one, job=replace(one.job, source=replace(source, path_prefix=None, keys=keys)))


def when(one: JobView, created: float, finished: float | None = None) -> JobView:
    """The same job at another time, in hours from now."""
    ended = None if finished is None else iso(NOW + finished * 3600)
    times = {"created_at": iso(NOW + created * 3600), "finished_at": ended}
    return replace(one, job=replace(one.job, **times))


def tied(child: JobView, parent: JobView, *log_types: str) -> Tie:
    return Tie(child.key, parent.key, child.counts.objects or 0, log_types or (FAILED,))


# Which jobs ------------------------------------------------------------------------------------


def test_two_jobs_of_the_same_buckets_are_a_migration_and_one_is_not() -> None:
    jobs = [job(1), view(2), job(3), view(4)]
    [found] = migrations(jobs)
    assert found.jobs == (jobs[0], jobs[2])
    assert found.key == migration_of(jobs[0])
    assert (found.key.source, found.key.target) == ("photos", "media")
    assert found.view.job.id is None
    assert migrations([job(1)]) == ()
    assert migrations([]) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"account": "another"},
        {"target": "archive"},
        {"vendor": "gcs"},
        {"endpoint": "https://other.example.com"},
        {"jurisdiction": "eu"},
        {"target_jurisdiction": "eu"},
    ],
)
def test_another_account_vendor_endpoint_place_or_target_is_another_migration(
    other: dict[str, str],
) -> None:
    given = {key: value for key, value in other.items() if key in ("account", "target")}
    two = job(2, **given)
    source, target = two.job.source, two.job.target
    assert source is not None
    assert target is not None
    place = other.get("target_jurisdiction")
    of_source = {k: v for k, v in other.items() if k in ("vendor", "endpoint", "jurisdiction")}
    changed = replace(
        two.job, source=replace(source, **of_source), target=replace(target, jurisdiction=place)
    )
    assert migrations([job(1), replace(two, job=changed)]) == ()
    assert len(migrations([job(1), job(2)])) == 1


def test_what_is_the_default_may_be_said_or_not() -> None:
    one, two = job(1), job(2)
    said = replace(two.job, target=Target("r2", "media", "default"))
    assert len(migrations([one, replace(two, job=said)])) == 1


@pytest.mark.parametrize("source", [None, Source("s3"), Source("s3", "")])
def test_jobs_whose_bucket_is_not_known_are_no_migration(source: Source | None) -> None:
    jobs = [replace(one, job=replace(one.job, source=source)) for one in (job(1), job(2))]
    assert migrations(jobs) == ()


def test_the_slots_are_those_of_the_account() -> None:
    jobs = [job(1), job(2, "paused"), view(3), view(4, account="another"), job(5, "completed")]
    [found] = migrations(jobs)
    assert (found.running, SLOTS) == (2, 3)


def test_a_migration_that_has_not_changed_is_the_same_value() -> None:
    jobs = [job(1), job(2), view(3, source="logs"), view(4, source="logs")]
    first, second = migrations(jobs)
    before = {one.key: one for one in (first, second)}
    again = migrations(list(jobs), (), before)
    assert (again[0], again[1]) == (first, second)
    assert again[0] is first
    changed = [*jobs[:3], replace(jobs[3], rate=7.0)]
    third, fourth = migrations(changed, (), before)
    assert third is first
    assert fourth is not second
    assert fourth.rate == pytest.approx(68.2)
    tie = tied(jobs[1], jobs[0])
    assert migrations(jobs, (tie,), before)[0].retries == {jobs[1].key: jobs[0].key}


# Counts ----------------------------------------------------------------------------------------


def test_counts_and_rates_are_sums_and_the_percent_is_rounded_down() -> None:
    one = job(1, counts=Counts(1000, 500, 100, 59), rate=10.0)
    two = job(2, counts=Counts(2000, 1000, 0, 0), rate=20.5, provisional=True)
    found = family([one, two])
    assert found.counts == Counts(3000, 1500, 100, 59)
    assert (found.percent, found.view.provisional) == (55, True)
    assert found.rate == 30.5


@pytest.mark.parametrize("unknown", [Counts(), Counts(None, 1, 1, 1), Counts(10, None, 1, 1)])
def test_there_is_no_percent_before_all_counts_are_known(unknown: Counts) -> None:
    found = family([job(1), job(2, counts=unknown, percent=None)])
    assert found.percent is None
    assert None in (found.counts.objects, found.counts.done)


def test_a_hundred_percent_are_completed_jobs_alone() -> None:
    whole = Counts(1000, 1000, 0, 0)
    done = job(1, "completed", counts=whole)
    assert family([done, job(2, "completed", counts=whole)]).percent == 100
    assert family([done, job(2, counts=whole)]).percent == 99
    assert family([done, job(2, "aborted", counts=whole)]).percent == 99


def test_more_done_than_there_is_does_not_make_up_for_what_is_missing() -> None:
    over, under = Counts(100, 150, 0, 0), Counts(100, 50, 0, 0)
    found = family([job(1, "completed", counts=over), job(2, "completed", counts=under)])
    assert found.percent == 75
    assert found.verdict is not None
    assert found.verdict.unaccounted == 50
    assert "counts exceed the total by 50" in found.verdict.text


# Retries ---------------------------------------------------------------------------------------

PARENT = job(1, "completed", counts=Counts(1000, 990, 0, 10), not_copied=0)


def retry(number: int, counts: Counts, status: str = "completed") -> JobView:
    return keys_of(job(number, status, counts=counts), counts.objects or 0)


def test_a_retry_adds_no_objects_and_what_it_copied_has_failed_no_longer() -> None:
    child = retry(2, Counts(10, 7, 0, 3))
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.counts == Counts(1000, 997, 0, 3)
    assert found.verdict is not None
    assert found.verdict.text == "completed · 3 failed after retries · 0 unaccounted"
    assert not found.verdict.clean
    assert found.state is State.COMPLETED_WITH_LOSS


def test_a_retry_of_a_retry_makes_the_family_whole() -> None:
    first, second = retry(2, Counts(10, 7, 0, 3)), retry(3, Counts(3, 3, 0, 0))
    ties = (tied(first, PARENT), tied(second, first))
    found = family([PARENT, first, second], ties)
    assert found.counts == Counts(1000, 1000, 0, 0)
    assert (found.percent, found.state) == (100, State.COMPLETED)
    assert found.verdict is not None
    assert found.verdict.clean
    assert found.verdict.text == "completed · 0 failed after retries · 0 unaccounted"


def test_what_a_retry_skipped_is_skipped_and_no_longer_failed() -> None:
    child = retry(2, Counts(10, 6, 3, 1))
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.counts == Counts(1000, 996, 3, 1)


def test_a_retry_of_what_was_not_copied_takes_it_off_that() -> None:
    parent = job(1, "completed", counts=Counts(1000, 900, 90, 10), not_copied=37)
    child = retry(2, Counts(30, 20, 6, 4))
    found = family([parent, child], (tied(child, parent, ARCHIVED),))
    assert found.counts == Counts(1000, 920, 66, 14)
    assert found.verdict is not None
    assert found.verdict.not_copied == 37 - 20 - 4


def test_a_retry_of_both_kinds_copies_the_failed_first() -> None:
    parent = job(1, "completed", counts=Counts(1000, 900, 90, 10), not_copied=37)
    child = retry(2, Counts(47, 15, 32, 0))
    found = family([parent, child], (tied(child, parent, FAILED, ARCHIVED),))
    assert found.counts == Counts(1000, 915, 85, 0)
    assert found.verdict is not None
    assert found.verdict.not_copied == 32


def test_a_retry_under_way_keeps_its_family_from_being_over() -> None:
    child = retry(2, Counts(10, 4, 0, 0), "running")
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.counts == Counts(1000, 994, 0, 6)
    assert (found.percent, found.verdict, found.state) == (99, None, State.RUNNING)


def test_a_retry_of_which_nothing_is_known_yet_changes_nothing() -> None:
    child = keys_of(job(2, counts=Counts(), percent=None), 10)
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.counts == PARENT.counts


def test_a_retry_that_was_aborted_is_named_and_leaves_its_failures() -> None:
    child = retry(2, Counts(10, 4, 0, 0), "aborted")
    found = family([PARENT, child], (tied(child, PARENT),))
    assert found.verdict is not None
    assert found.verdict.text == (
        "completed · 6 failed after retries · 0 unaccounted · 1 retry aborted"
    )


def test_a_list_of_keys_that_retries_nothing_known_is_a_job_of_its_own() -> None:
    other = retry(2, Counts(10, 10, 0, 0))
    assert family([PARENT, other]).counts.objects == 1010
    gone = Tie(other.key, job(9).key, 10)
    assert family([PARENT, other], (gone,)).counts.objects == 1010


def test_ties_that_are_told_twice_or_in_a_circle_do_no_harm() -> None:
    child = retry(2, Counts(10, 7, 0, 3))
    tie, back = tied(child, PARENT), tied(PARENT, child)
    self_made = Tie(PARENT.key, PARENT.key, 1)
    found = family([PARENT, child], (self_made, tie, tie, back))
    assert found.counts == Counts(1000, 997, 0, 3)
    assert found.retries == {child.key: PARENT.key}


numbers = st.integers(0, 50)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4),
    st.lists(
        st.tuples(numbers, numbers, numbers, st.sampled_from([(FAILED,), (ARCHIVED,), ()])),
        max_size=4,
    ),
)
def test_each_object_is_counted_once_whatever_was_retried(
    roots: list[tuple[int, int, int]], retries: list[tuple[int, int, int, tuple[str, ...]]]
) -> None:
    jobs = [job(n, "completed", counts=Counts(sum(c) or 1, *c)) for n, c in enumerate(roots)]
    children = [
        retry(100 + n, Counts(a + b + c, a, b, c)) for n, (a, b, c, _) in enumerate(retries)
    ]
    ties = tuple(
        Tie(child.key, jobs[0].key, 1, kinds)
        for child, (*_, kinds) in zip(children, retries, strict=True)
    )
    counts = family([*jobs, *children], ties).counts
    assert counts.objects == sum(sum(c) or 1 for c in roots)
    assert counts.done == sum(map(sum, roots))
    assert min(counts.transferred or 0, counts.skipped or 0, counts.failed or 0) >= 0


# Verdict ---------------------------------------------------------------------------------------


def test_the_family_has_one_verdict() -> None:
    whole = Counts(1000, 900, 100, 0)
    one = job(1, "completed", counts=whole, not_copied=30)
    two = job(2, "completed", counts=whole, not_copied=7)
    again = retry(3, Counts(5, 5, 0, 0))
    failed = job(4, "completed", counts=Counts(100, 95, 0, 5))
    found = family([one, two, failed, again], (tied(again, failed),))
    assert found.verdict is not None
    assert found.verdict.text == (
        "completed · 0 failed after retries · 37 not copied · 0 unaccounted"
    )
    assert (found.verdict.failed, found.verdict.not_copied, found.verdict.unaccounted) == (0, 37, 0)
    assert found.verdict.clean


def test_not_copied_is_unknown_while_a_log_was_not_read_that_may_name_some() -> None:
    one = job(1, "completed", counts=Counts(1000, 900, 100, 0), not_copied=30)
    two = job(2, "completed", counts=Counts(1000, 900, 100, 0))
    found = family([one, two])
    assert found.verdict is not None
    assert found.verdict.not_copied is None
    assert found.verdict.text == "completed · 0 failed · 0 unaccounted"


def test_aborted_jobs_are_named_with_what_they_left_undone() -> None:
    whole = Counts(1000, 1000, 0, 0)
    jobs = [job(n, "completed", counts=whole) for n in range(2)]
    jobs += [job(n, "aborted", counts=Counts(1000, 400, 0, 1)) for n in (7, 8)]
    found = family(jobs)
    assert found.verdict is not None
    assert found.verdict.text == (
        "2 of 4 aborted (7/, 8/) · 2 failed · 1,198 not done · 0 unaccounted"
    )
    assert found.verdict.unaccounted == 1198
    assert found.state is State.ABORTED
    many = [job(n, "aborted", None, counts=whole) for n in range(5)]
    told = family(many).verdict
    assert told is not None
    assert told.text.startswith("5 of 5 aborted (job0000, job0001, job0002 and 2 more)")


def test_an_end_that_nobody_foresaw_and_a_job_that_is_gone_are_named_too() -> None:
    whole = Counts(1000, 1000, 0, 0)
    odd = job(2, "errored", counts=whole, ended=True)
    lost = job(3, gone=True, counts=Counts(1000, 10, 0, 0))
    found = family([job(1, "completed", counts=whole), odd, lost])
    assert found.verdict is not None
    assert found.verdict.text.startswith("1 of 3 errored (2/) · 1 of 3 gone (3/)")
    assert (found.state, found.view.word) == (State.OTHER, "errored")
    assert family([job(1, "completed", counts=whole), lost]).state is State.GONE


def test_a_source_whose_listing_broke_makes_the_whole_total_doubtful() -> None:
    whole = Counts(1000, 1000, 0, 0)
    one = job(1, "completed", counts=whole, listing_broke=True)
    found = family([one, job(2, "completed", counts=whole)])
    assert found.verdict is not None
    assert found.verdict.text.endswith("source listing broke: the total is incomplete")
    assert not found.verdict.clean
    assert found.state is State.COMPLETED_WITH_LOSS


def test_counts_that_are_not_known_are_no_clean_end() -> None:
    jobs = [
        job(1, "completed", counts=Counts(1000, 1000, 0, 0)),
        job(2, "completed", counts=Counts()),
    ]
    found = family(jobs)
    assert found.verdict is not None
    assert "counts unknown" in found.verdict.text
    assert not found.verdict.clean


def test_nothing_has_a_verdict_while_a_job_may_move() -> None:
    assert family([job(1), job(2, "completed", done=1000)]).verdict is None
    assert family([job(1, "paused"), job(2, "completed", done=1000)]).verdict is None


# State and end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([{"status": "paused"}], State.RUNNING),
        ([{"phase": Phase.LISTING}], State.LISTING),
        ([{"phase": Phase.LISTING}, {"phase": Phase.STALLED, "rate": 0.0}], State.STALLED),
        ([{"status": "completed"}, {"status": "aborted"}], State.RUNNING),
        ([{"status": "odd"}], State.OTHER),
    ],
)
def test_the_worst_live_job_gives_the_state(others: list[dict[str, Any]], state: State) -> None:
    jobs = [job(1), *(job(2 + n, **given) for n, given in enumerate(others))]
    assert family(jobs).state is state


def test_a_stalled_job_does_not_hide_that_others_move() -> None:
    found = family([job(1, rate=50.0), job(2, phase=Phase.STALLED, rate=0.0, stalled_badly=True)])
    assert (found.state, found.rate, found.view.stalled_badly) == (State.STALLED, 50.0, True)


def test_the_forecast_is_the_end_of_the_last() -> None:
    one, two = job(1, forecast=forecast(6, 9)), job(2, forecast=forecast(5, 12))
    assert family([one, two]).forecast == forecast(6, 12)
    growing = job(3, forecast=forecast(7, 8, at_least=True))
    assert family([one, two, growing]).forecast == forecast(7, 12, at_least=True)
    ended = job(4, "completed", done=1000)
    assert family([one, ended]).forecast == forecast(6, 9)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "paused"}, "no ETA: 1 of 2 jobs paused"),
        ({"phase": Phase.STALLED, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs stalled"),
        ({"stale": True, "forecast": forecast(1, 2)}, "no ETA: 1 of 2 jobs not answering"),
        ({}, "no ETA: 1 of 2 jobs without one"),
    ],
)
def test_where_a_live_job_has_no_end_there_is_none(given: dict[str, Any], reason: str) -> None:
    found = family([job(1, forecast=forecast(6, 9)), job(2, **given)])
    assert found.forecast is None
    assert found.view.reason == reason


def test_a_job_that_does_not_answer_is_told_by_the_age_of_the_whole() -> None:
    fresh, old = job(1), job(2, missed=3, stale=True, as_of=NOW - 60)
    found = family([fresh, old])
    assert (found.view.missed, found.view.as_of, found.view.stale) == (3, NOW - 60, False)
    assert found.rate == fresh.rate
    assert family([old, replace(old)]).view.stale


def test_it_lasts_from_the_first_jobs_creation_to_the_last_ones_end() -> None:
    counts = Counts(3600, 3600, 0, 0)
    one = when(job(1, "completed", counts=counts), -4, -2)
    two = when(job(2, "completed", counts=counts), -3, -2)
    found = family([one, two])
    assert found.view.job.created_at == one.job.created_at
    assert found.view.job.finished_at == two.job.finished_at
    assert found.view.lifetime_rate == pytest.approx(1.0)


# Prefixes --------------------------------------------------------------------------------------


def pairs(*jobs: JobView, ties: tuple[Tie, ...] = ()) -> list[tuple[str, str]]:
    found = family(jobs, ties).overlaps
    return sorted((pair.inner.job_id, pair.outer.job_id) for pair in found)


def test_prefixes_of_which_one_begins_the_other_overlap() -> None:
    assert pairs(job(1, prefix="2024/"), job(2, prefix="2024/01/")) == [("job0002", "job0001")]
    assert pairs(job(1, prefix="2024/01/"), job(2, prefix="2024/")) == [("job0001", "job0002")]
    assert len(pairs(job(1, prefix="2024/"), job(2, prefix="2024/"))) == 1
    assert pairs(job(1, prefix="2024/"), job(2, prefix="2023/")) == []


def test_a_job_of_everything_overlaps_all() -> None:
    jobs = [job(1, prefix=None), job(2, prefix="a/"), job(3, prefix="b/")]
    assert pairs(*jobs) == [("job0002", "job0001"), ("job0003", "job0001")]


def test_retries_and_lists_of_keys_overlap_nothing() -> None:
    assert pairs(job(1, prefix=None), keys_of(job(2), 3)) == []
    again = job(2, prefix="2024/")
    assert pairs(job(1, prefix="2024/"), again, ties=(tied(again, job(1, prefix="2024/")),)) == []


def test_what_ran_one_after_the_other_is_no_overlap() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -4, -3)
    assert pairs(first, later) == []
    assert len(pairs(first, when(later, -6, -3))) == 1


def test_while_a_job_is_live_those_that_ended_both_are_past() -> None:
    first = when(job(1, "aborted", prefix="a/"), -9, -5)
    later = when(job(2, "aborted", prefix="a/b/"), -6, -3)
    assert len(pairs(first, later)) == 1
    assert pairs(first, later, job(3, prefix="c/")) == []
    assert len(pairs(first, later, when(job(3, prefix="a/b/c/"), -6))) == 2


@given(st.lists(st.text("ab/", max_size=4), min_size=1, max_size=7))
def test_overlaps_are_just_the_pairs_of_which_one_begins_the_other(prefixes: list[str]) -> None:
    jobs = [job(n, prefix=prefix or None) for n, prefix in enumerate(prefixes)]
    found = {frozenset((p.inner, p.outer)) for p in family(jobs).overlaps}
    wanted = {
        frozenset((one.key, other.key))
        for n, one in enumerate(jobs)
        for m, other in enumerate(jobs)
        if n != m and prefixes[n].startswith(prefixes[m])
    }
    assert found == wanted
    assert len(family(jobs).overlaps) == len(wanted)


# Done again ------------------------------------------------------------------------------------


def test_a_job_that_was_done_all_over_again_is_not_counted() -> None:
    lost = when(job(1, "aborted", prefix="a/", counts=Counts(1000, 500, 0, 7)), -9, -5)
    again = when(job(2, "completed", prefix="a/", counts=Counts(1000, 500, 500, 0)), -4, -1)
    other = when(job(3, "completed", prefix="b/", counts=Counts(100, 100, 0, 0)), -9, -1)
    found = family([lost, again, other])
    assert found.superseded == {lost.key}
    assert found.counted == (again, other)
    assert found.counts == Counts(1100, 600, 500, 0)
    assert (found.percent, found.state) == (100, State.COMPLETED)
    wider = when(job(4, prefix=None), -4)
    assert family([lost, wider]).superseded == {lost.key}


@pytest.mark.parametrize(
    "later",
    [
        when(job(2, "aborted", prefix="a/"), -4, -1),
        when(job(2, "running", prefix="a/b/"), -4),
        when(job(2, "running", prefix="a/"), -6),
        when(keys_of(job(2), 10), -4),
        when(job(2, gone=True, prefix="a/"), -4),
    ],
)
def test_it_is_counted_while_nothing_does_all_of_it_again(later: JobView) -> None:
    first = when(job(1, "completed", prefix="a/"), -9, -5)
    assert family([first, later]).superseded == frozenset()


def test_with_a_job_its_retries_are_superseded() -> None:
    first = when(job(1, "completed", prefix="a/", counts=Counts(1000, 990, 0, 10)), -9, -5)
    child = when(retry(2, Counts(10, 5, 0, 5)), -4.9, -4.8)
    second = when(retry(3, Counts(5, 5, 0, 0)), -4.7, -4.6)
    again = when(job(4, "completed", prefix="a/", counts=Counts(1001, 1, 1000, 0)), -4, -1)
    ties = (tied(second, child), tied(child, first))
    found = family([first, child, second, again], ties)
    assert found.superseded == {first.key, child.key, second.key}
    assert found.counts == Counts(1001, 1, 1000, 0)
    assert found.verdict is not None
    assert "after retries" not in found.verdict.text


def test_no_jobs_are_no_family() -> None:
    with pytest.raises(ValueError, match="no jobs"):
        family([])


def test_a_job_alone_is_a_family_too() -> None:
    found = family([PARENT])
    assert found.counts == PARENT.counts
    assert found.key.account_id == ACCOUNT
    assert PARENT.verdict is not None
    assert found.verdict is not None
    assert found.verdict.failed == PARENT.verdict.failed
