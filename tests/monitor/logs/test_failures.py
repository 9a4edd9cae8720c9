"""Failed objects by reason and then by key prefix."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.errors import ApiError, BadAnswer, NotFound
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.failures import MOST_GROUPS, Reasons
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import (
    FAILED_TYPE,
    Cause,
    FailureGroup,
    FailuresView,
    LogCounts,
    RowCounts,
    all_failures,
)
from slurper_tui.monitor.reports.wording import failed_words, missing_keys
from slurper_tui.simulated.account import Fault, Kind
from slurper_tui.simulated.jobs import log_rows
from tests.monitor.bench import EPOCH, bench, now
from tests.monitor.logs.reader import KeptCounts, account, asked, key_of, plan, reader, take
from tests.virtual_time import timeless

KEY, OTHER = JobKey("a", "job"), JobKey("a", "other")
TIER = "importSkippedStorageClass"
LARGE = "importSkippedOversized"


def row(
    key: str | None,
    log_type: str | None = FAILED_TYPE,
    message: str | None = "gave up",
    at: str | None = "2026-03-19T15:46:20.000Z",
) -> LogRow:
    return LogRow(at, "job", log_type, message, key)


def grouped(*rows: LogRow) -> tuple[FailureGroup, ...]:
    reasons = Reasons()
    reasons.add(KEY, rows)
    return reasons.groups()


def prefixes(*keys: str) -> list[tuple[str, int]]:
    [group] = grouped(*(row(key) for key in keys))
    return [(prefix.prefix, prefix.count) for prefix in group.prefixes]


def test_groups_are_failures_then_uncopied_each_the_largest_first() -> None:
    rows = [row("a", LARGE), *(row(f"b{n}", TIER) for n in range(3)), row("c"), row("x", "other")]
    rows += [row(None, "migrationStart"), row(None, "migrationErrorFailedContinuation")]
    assert [(g.log_type, g.cause, g.count) for g in grouped(*rows)] == [
        (FAILED_TYPE, Cause.FAILED, 1),
        (TIER, Cause.NOT_COPIED, 3),
        (LARGE, Cause.NOT_COPIED, 1),
    ]


def test_an_object_counts_once_and_a_row_without_a_key_each() -> None:
    [group] = grouped(row("a"), row("a", at="2026-03-20T00:00:00Z"), row(None), row(None))
    assert group.count == 3
    assert group.messages == (("gave up", 4),)


def test_messages_are_sorted_by_frequency() -> None:
    rows = [row(f"{n}", message="often" if n % 3 else "rarely") for n in range(9)]
    [group] = grouped(*rows, row("z", message=None))
    assert group.messages == (("often", 6), ("rarely", 3))


def test_number_of_stored_messages_is_bounded() -> None:
    reasons = Reasons()
    reasons.add(KEY, (row(f"k{n}", message=f"no {n}") for n in range(3000)))
    reasons.add(KEY, (row(f"l{n}", message="no 7") for n in range(5)))
    [group] = reasons.groups()
    assert group.count == 3005
    assert len(group.messages) == 20
    assert group.messages[0] == ("no 7", 6)


def test_first_and_last_seen_have_the_format_of_the_api() -> None:
    times = ["2026-03-19T15:46:20.5+01:00", "2026-03-19T14:50:00Z", "2026-03-19T14:40:00Z", "?"]
    [group] = grouped(*(row(at, at=at) for at in times))
    assert (group.first_seen, group.last_seen) == (times[2], times[1])
    [odd] = grouped(row("a", at=None), row("b", at="some day"), row("c", at="another"))
    assert (odd.first_seen, odd.last_seen) == ("some day", "some day")


def test_prefixes_are_the_deepest_level_with_few_folders() -> None:
    months = [f"2024/{month:02}/{day:02}/{n}" for month in (1, 2) for day in (1, 2) for n in "abc"]
    assert prefixes(*months) == [
        ("2024/01/01/", 3),
        ("2024/01/02/", 3),
        ("2024/02/01/", 3),
        ("2024/02/02/", 3),
    ]
    year = [f"2024/{month:02}/{day:02}/x" for month in range(1, 13) for day in range(1, 29)]
    assert prefixes(*year) == [(f"2024/{month:02}/", 28) for month in range(1, 13)]


def test_flat_keys_and_too_many_folders_are_one_group() -> None:
    assert prefixes("a", "b", "c") == [("", 3)]
    assert prefixes(*(f"user{n}/{x}" for n in range(21) for x in "abc")) == [("", 63)]
    assert len(prefixes(*(f"user{n}/{x}" for n in range(20) for x in "abc"))) == 20


def test_level_with_one_folder_per_key_is_not_used() -> None:
    assert prefixes(*(f"2024/{n}/x" for n in range(9))) == [("2024/", 9)]
    assert prefixes("a/b/c/d") == [("a/b/c/", 1)]


def test_keys_of_different_depth_keep_their_own_folder() -> None:
    deep = [f"b/d/{n}" for n in range(5)]
    assert prefixes("a", "b/c", "b//g", "b//h", *deep) == [
        ("b/d/", 5),
        ("b//", 2),
        ("", 1),
        ("b/", 1),
    ]


def test_at_most_five_examples_of_each_prefix() -> None:
    [group] = grouped(*(row(f"a/{n}") for n in range(9)), row("b/0"))
    assert [prefix.examples for prefix in group.prefixes] == [
        ("a/0", "a/1", "a/2", "a/3", "a/4"),
        ("b/0",),
    ]


keys = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "", "ü"]), min_size=1, max_size=20).map("/".join)
)


@given(keys)
def test_every_key_is_in_one_prefix_and_they_are_few(names: list[str]) -> None:
    groups = grouped(*(row(name) for name in names))
    for group in groups:
        assert group.count == len(set(names))
        assert sum(prefix.count for prefix in group.prefixes) == group.count
        assert len(group.prefixes) <= MOST_GROUPS
        assert all(e.startswith(p.prefix) for p in group.prefixes for e in p.examples)
        assert [p.count for p in group.prefixes] == sorted(
            (p.count for p in group.prefixes), reverse=True
        )


@given(keys, st.randoms(use_true_random=False))
def test_prefixes_do_not_depend_on_the_order_of_the_rows(names: list[str], rng: object) -> None:
    shuffled = [*names]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random, as hypothesis makes it
    first, second = (
        [[(p.prefix, p.count) for p in g.prefixes] for g in grouped(*map(row, some))]
        for some in (names, shuffled)
    )
    assert first == second


def test_keys_are_returned_once_and_only_of_the_requested_types() -> None:
    nasty = ["a\nb", "ü\x1b[31m", "\ud800", " x ", "", "[/foo]"]
    reasons = Reasons()
    reasons.add(KEY, [row(nasty[0]), row("tier", TIER), *(row(key) for key in [*nasty, *nasty])])
    reasons.add(KEY, [row("a\nb", TIER), row("odd", "importNobodyForesaw")])
    reasons.add(KEY, [row(None, "migrationStart"), row("none", None)])
    assert reasons.keys([FAILED_TYPE]) == tuple(nasty)
    assert reasons.keys([FAILED_TYPE, TIER]) == (nasty[0], "tier", *nasty[1:])
    assert reasons.keys(["importNobodyForesaw"]) == ("odd",)
    assert reasons.keys([]) == reasons.keys(["nothing"]) == ()


def test_rows_of_every_type_are_counted() -> None:
    counting = RowCounts()
    counting.add([row("a"), row("b"), row(None, None), row("c", "importNobodyForesaw", at="?")])
    counts = counting.counts(5.0, whole=True)
    assert counts.by_type == {FAILED_TYPE: 2, "": 1, "importNobodyForesaw": 1}
    assert (counts.whole, counts.read_at, counting.rows) == (True, 5.0, 4)
    assert counts.first_seen["importNobodyForesaw"] == "?"


both_orders = pytest.mark.parametrize("oldest_first", [False, True])


def never(view: FailuresView) -> bool:
    return False


@both_orders
@timeless
async def test_failures_are_compared_with_the_counters_of_the_job(oldest_first: bool) -> None:
    ended = account(plan(failed=131, not_copied=40, harmless=500), oldest_rows_first=oldest_first)
    async with bench(ended) as b:
        await b.rounds(2)
        reading = reader(b).failures((key_of(b),))
        views = await take(reading.views(), never)
        rows = log_rows(b.account.jobs()[0], EPOCH, 1000, 0)
    last = views[-1]
    assert last.counts.whole
    assert (last.failed_objects, last.named) == (131, 131)
    assert (last.skipped_objects, last.not_copied, last.harmless) == (540, 40, 500)
    assert last.rows_read == len(rows)
    assert last.groups[0].cause is Cause.FAILED
    assert {group.cause for group in last.groups[1:]} == {Cause.NOT_COPIED}
    failed = [row.object_key for row in rows if row.log_type == FAILED_TYPE]
    assert sorted(reading.keys([FAILED_TYPE])) == sorted(filter(None, failed))
    assert [key for key in failed if key] == list(reading.keys([FAILED_TYPE]))


@timeless
async def test_view_is_yielded_after_every_page() -> None:
    async with bench(account(plan(failed=200))) as b:
        await b.rounds(2)
        views = await take(reader(b).failures((key_of(b),)).views(), never)
    named = [view.named for view in views]
    assert named == sorted(named)
    assert len(set(named)) >= 4
    assert [view.harmless for view in views[:-1]] == [None] * (len(views) - 1)
    assert not any(view.counts.whole for view in views[:-1])


@timeless
async def test_rows_added_while_a_long_log_is_read_are_included() -> None:
    running = plan(created=EPOCH - 3600.0, seconds=7200.0, objects=100_000, failed=8000)
    async with bench(account(running)) as b:
        reading = reader(b).failures((key_of(b),))
        last = (await take(reading.views(), never))[-1]
        then = b.account.jobs()[0].counters(EPOCH + now())
    assert last.counts.whole
    assert 0 <= then.failed - last.named <= 30
    assert last.failed_objects is None


@timeless
async def test_row_counts_of_the_log_are_stored() -> None:
    async with bench(account(plan(failed=60, listing_broke=True))) as b:
        await b.rounds(2)
        notes = KeptCounts()
        await take(reader(b, notes).failures((key_of(b),)).views(), never)
        [(key, counts)] = notes.kept
        assert (key, counts.failed, counts.listing_broke) == (key_of(b), 60, True)
        await b.rounds(1)
        assert b.job("j1").listing_broke


@timeless
async def test_transient_error_is_in_a_view_and_the_rest_is_read() -> None:
    async with bench(account(plan(failed=200))) as b:
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j1/logs", times=2, after=2))
        views = await take(reader(b).failures((key_of(b),)).views(), never)
    assert any(view.problem is not None for view in views)
    assert (views[-1].problem, views[-1].named) == (None, 200)


@timeless
async def test_permanent_error_ends_the_reading_and_nothing_is_stored() -> None:
    async with bench(account(plan(failed=200))) as b:
        notes = KeptCounts()
        refusal: dict[str, Any] = {"status": 404, "code": 10007}
        b.account.faults.add(Fault(Kind.REFUSAL, path="jobs/j1/logs", after=2, **refusal))
        views = await take(reader(b, notes).failures((key_of(b),)).views(), never)
        assert len(asked(b)) == 3
    assert isinstance(views[-1].problem, NotFound)
    assert not views[-1].counts.whole
    assert notes.kept == []


# Several jobs -------------------------------------------------------------------------------------


def test_objects_of_several_jobs_are_grouped_by_reason_prefix_and_job() -> None:
    reasons = Reasons()
    reasons.add(KEY, [row("a/1"), row("a/2"), row("a/2"), row("b/1"), row("b/2"), row(None)])
    reasons.add(OTHER, [row("a/2"), row("b/9", TIER), row(None)])
    failed, tier = reasons.groups()
    assert (failed.count, tier.count) == (7, 1)
    assert [(p.prefix, p.count, p.examples) for p in failed.prefixes] == [
        ("a/", 3, ("a/1", "a/2", "a/2")),
        ("b/", 2, ("b/1", "b/2")),
    ]
    by_job = [(job.key, job.count, job.examples) for job in failed.prefixes[0].jobs]
    assert by_job == [(KEY, 2, ("a/1", "a/2")), (OTHER, 1, ("a/2",))]
    assert reasons.keys([FAILED_TYPE]) == ("a/1", "a/2", "b/1", "b/2")
    assert reasons.keys([FAILED_TYPE], OTHER) == ("a/2",)
    assert (reasons.without_key([FAILED_TYPE]), reasons.without_key([FAILED_TYPE], KEY)) == (2, 1)
    assert [(g.log_type, g.count) for g in reasons.numbers(OTHER)] == [
        (FAILED_TYPE, 2),
        (TIER, 1),
    ]


THREE = (
    plan("j1", failed=60, not_copied=5, harmless=100),
    plan("j2", failed=30),
    plan("j3", failed=10, harmless=7),
)


@both_orders
@timeless
async def test_the_failures_of_several_jobs_are_added_up(oldest_first: bool) -> None:
    async with bench(account(*THREE, oldest_rows_first=oldest_first)) as b:
        await b.rounds(2)
        keys = [key_of(b, number) for number in range(3)]
        notes = KeptCounts()
        reading = reader(b, notes).failures(keys)
        last = (await take(reading.views(), never))[-1]
    assert (last.failed_objects, last.named, last.unnamed) == (100, 100, 0)
    assert (last.not_copied, last.harmless, last.counts.whole) == (5, 107, True)
    assert last.key.job_id == ""
    assert {job.key.job_id: (job.named, job.harmless) for job in last.jobs} == {
        "j1": (60, 100),
        "j2": (30, 0),
        "j3": (10, 7),
    }
    assert last.rows_read == sum(job.rows_read for job in last.jobs)
    assert {key.job_id for key, _ in notes.kept} == {"j1", "j2", "j3"}
    assert len(reading.keys([FAILED_TYPE])) == len({*reading.keys([FAILED_TYPE])})
    assert [len(reading.keys([FAILED_TYPE], job.key)) for job in last.jobs] == [
        job.named for job in last.jobs
    ]


@timeless
async def test_a_log_that_cannot_be_read_hides_no_other_and_no_loss() -> None:
    async with bench(account(*THREE)) as b:
        await b.rounds(2)
        refusal: dict[str, Any] = {"status": 404, "code": 10007}
        b.account.faults.add(Fault(Kind.REFUSAL, path="jobs/j2/logs", **refusal))
        b.account.faults.add(Fault(Kind.HTML, path="jobs/j3/logs"))
        notes = KeptCounts()
        keys = [key_of(b, number) for number in range(3)]
        last = await reader(b, notes).failures(keys).read(lambda view: None)
    problems = {job.key.job_id: type(job.problem) for job in last.jobs}
    assert problems == {"j1": type(None), "j2": NotFound, "j3": BadAnswer}
    assert [job.key.job_id for job in last.unread] == ["j2", "j3"]
    assert isinstance(last.problem, ApiError)
    assert not last.counts.whole
    assert (last.failed_objects, last.named, last.unnamed, last.harmless) == (100, 60, 40, None)
    assert failed_words(last)[0] == "the log lists 60 of 100 failures so far"
    assert missing_keys(last, inexact=0, keyless=0) == (
        "the log lists 60 of 100 failures",
        "the log of job j2 could not be read to its end: the API answered 404",
        "the log of job j3 could not be read to its end: the API answered 503 with an HTML page",
    )
    assert [key.job_id for key, _ in notes.kept] == ["j1"]


def test_one_log_cannot_make_up_for_the_gaps_of_another() -> None:
    def job(failed: int | None, named: int, **given: Any) -> FailuresView:
        group = FailureGroup(FAILED_TYPE, Cause.FAILED, named)
        counts = LogCounts({FAILED_TYPE: named}, whole=True)
        return FailuresView(KEY, (group,), counts, failed, **{"skipped_objects": 9, **given})

    groups = (FailureGroup(FAILED_TYPE, Cause.FAILED, 20),)
    both = all_failures([job(10, 15), job(10, 5)], groups)
    assert (both.failed_objects, both.named, both.unnamed) == (20, 20, 5)
    assert not both.accounts_for_failures
    assert both.harmless is None
    assert failed_words(both)[0] == "the log lists 15 of 20 failures"
    assert all_failures([job(10, 10), job(5, 10)], groups).harmless == 18
    assert all_failures([job(10, 10), job(None, 10)], groups).failed_objects is None
