from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.format import parse_time
from slurper_tui.monitor.model.job import Counts, State, percent_of
from slurper_tui.monitor.model.logs import BROKE_TYPE, FAILED_TYPE, LogCounts
from slurper_tui.monitor.model.verdict import verdict, with_log
from slurper_tui.tui.render.glyphs import style_of
from tests.tui.jobs import view

NUMBERS = st.none() | st.integers(0, 100) | st.integers(0, 2**63 - 1)
COUNTS = st.builds(Counts, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
STATUSES = st.sampled_from(["running", "paused", "completed", "aborted", "odd", "", None])


@pytest.mark.parametrize(
    ("counts", "status", "whole"),
    [
        (Counts(1000, 500, 100, 50), "running", 65),
        (Counts(1000, 659, 0, 0), "running", 65),
        (Counts(3, 2, 0, 0), "running", 66),
        (Counts(1000, 0, 0, 0), "running", 0),
        (Counts(1000, 1000, 0, 0), "running", 99),
        (Counts(1000, 1000, 0, 0), "paused", 99),
        (Counts(1000, 1000, 0, 0), "aborted", 99),
        (Counts(1000, 1000, 0, 0), "odd", 99),
        (Counts(1000, 1000, 0, 0), None, 99),
        (Counts(1000, 2000, 0, 0), "running", 99),
        (Counts(1000, 980, 10, 10), "completed", 100),
        (Counts(1000, 2000, 0, 0), "completed", 100),
        (Counts(1000, 999, 0, 0), "completed", 99),
        (Counts(10**18, 10**18 - 1, 0, 0), "completed", 99),
        (Counts(0, 0, 0, 0), "running", None),
        (Counts(0, 0, 0, 0), "completed", None),
        (Counts(0, 5, 0, 0), "running", None),
        (Counts(None, 5, 0, 0), "running", None),
        (Counts(10, None, 0, 0), "running", None),
        (Counts(10, 5, None, 0), "running", None),
        (Counts(10, 5, 0, None), "running", None),
        (Counts(), "completed", None),
    ],
)
def test_percent(counts: Counts, status: str | None, whole: int | None) -> None:
    assert percent_of(counts.done, counts.objects, finished=status == "completed") == whole


@given(COUNTS, STATUSES)
def test_a_percentage_never_exceeds_the_share_done(counts: Counts, status: str | None) -> None:
    whole = percent_of(counts.done, counts.objects, finished=status == "completed")
    if whole is None:
        assert counts.done is None or not counts.objects
        return
    assert counts.done is not None
    assert counts.objects
    assert 0 <= whole <= 100
    assert whole * counts.objects <= counts.done * 100
    assert whole < 100 or status == "completed"


@pytest.mark.parametrize(
    ("counts", "status", "text", "numbers", "clean"),
    [
        (
            Counts(1000, 980, 10, 10),
            "completed",
            "completed · 10 failed · 10 skipped, reasons not read yet · 0 unaccounted",
            (10, 0),
            False,
        ),
        (
            Counts(1000, 990, 10, 0),
            "completed",
            "completed · 0 failed · 10 skipped, reasons not read yet · 0 unaccounted",
            (0, 0),
            False,
        ),
        (
            Counts(1_000_000, 0, 0, 1234),
            "completed",
            "completed · 1,234 failed · 998,766 unaccounted",
            (1234, 998_766),
            False,
        ),
        (
            Counts(1000, 500, 100, 50),
            "aborted",
            "aborted · 50 failed · 100 skipped, reasons not read yet · 350 not done",
            (50, 350),
            False,
        ),
        (
            Counts(10, 12, 0, 1),
            "completed",
            "completed · 1 failed · 0 unaccounted · counts exceed the total by 3",
            (1, 0),
            False,
        ),
        (
            Counts(None, 12, 0, 1),
            "completed",
            "completed · 1 failed · counts unknown",
            (1, None),
            False,
        ),
        (Counts(10, 12, 0), "completed", "completed · counts unknown", (None, None), False),
        (Counts(), "aborted", "aborted · counts unknown", (None, None), False),
        (Counts(0, 0, 0, 0), "completed", "completed · 0 failed · 0 unaccounted", (0, 0), True),
    ],
)
def test_verdicts(
    counts: Counts, status: str, text: str, numbers: tuple[int | None, int | None], clean: bool
) -> None:
    found = verdict(counts, status)
    assert found is not None
    assert found.text == text
    assert (found.failed, found.unaccounted) == numbers
    assert found.not_copied == (0 if counts.skipped == 0 else None)
    assert found.unread == (counts.skipped or 0)
    assert found.clean is clean


ARCHIVED, OVERSIZED = "importSkippedStorageClass", "importSkippedOversized"
SKIPPED = Counts(5000, 3950, 1040, 10)


@pytest.mark.parametrize(
    ("log", "text", "number"),
    [
        (
            None,
            "completed · 10 failed · 1,040 skipped, reasons not read yet · 0 unaccounted",
            None,
        ),
        (
            LogCounts(whole=True),
            "completed · 10 failed · 1,040 skipped, reasons unknown · 0 unaccounted",
            None,
        ),
        (
            LogCounts({ARCHIVED: 30, FAILED_TYPE: 9}, True),
            "completed · 10 failed · at least 30 not copied (30 archive tier)"
            " · 1,010 skipped, reasons unknown · 0 unaccounted",
            None,
        ),
        (
            LogCounts({FAILED_TYPE: 10}, True),
            "completed · 10 failed · 0 not copied · 0 unaccounted",
            0,
        ),
        (
            LogCounts({ARCHIVED: 1040}, True),
            "completed · 10 failed · 1,040 not copied (1,040 archive tier) · 0 unaccounted",
            1040,
        ),
        (
            LogCounts({OVERSIZED: 7, ARCHIVED: 30, FAILED_TYPE: 10, "migrationStart": 1}, True),
            "completed · 10 failed · 37 not copied (30 archive tier, 7 over 1 TB) · 0 unaccounted",
            37,
        ),
        (
            LogCounts({"importSkippedByTheMoon": 1037, FAILED_TYPE: 10}, True),
            "completed · 10 failed · 1,037 not copied (1,037 importSkippedByTheMoon)"
            " · 0 unaccounted",
            1037,
        ),
        (
            LogCounts({ARCHIVED: 30}),
            "completed · 10 failed · at least 30 not copied (30 archive tier)"
            " · 1,010 skipped, reasons not read yet · 0 unaccounted",
            None,
        ),
        (
            LogCounts({FAILED_TYPE: 3}),
            "completed · 10 failed · 1,040 skipped, reasons not read yet · 0 unaccounted",
            None,
        ),
    ],
)
def test_objects_not_copied_are_listed_by_reason(
    log: LogCounts | None, text: str, number: int | None
) -> None:
    found = verdict(SKIPPED, "completed", log)
    assert found is not None
    assert (found.text, found.not_copied) == (text, number)


@pytest.mark.parametrize(
    ("log", "state", "style"),
    [
        (None, State.COMPLETED_UNREAD, "neutral"),
        (LogCounts({ARCHIVED: 30}), State.COMPLETED_WITH_LOSS, "warning"),
        (LogCounts(whole=True), State.COMPLETED_UNREAD, "neutral"),
        (LogCounts({"migrationStart": 1}, whole=True), State.COMPLETED, "success"),
        (LogCounts({ARCHIVED: 30}, whole=True), State.COMPLETED_WITH_LOSS, "warning"),
    ],
)
def test_skipped_objects_are_harmless_only_if_the_log_proves_it(
    log: LogCounts | None, state: State, style: str
) -> None:
    job = with_log(view(status="completed", counts=Counts(1000, 660, 340, 0)), log, as_is=True)
    assert (job.state, style_of(job)) == (state, style)
    assert job.verdict is not None
    assert job.verdict.clean is (state is State.COMPLETED)


def test_a_log_that_names_too_few_failures_explains_no_skipped_object() -> None:
    log = LogCounts({FAILED_TYPE: 9}, whole=True)
    job = with_log(view(status="completed", counts=SKIPPED), log, as_is=True)
    assert job.verdict is not None
    assert (job.verdict.unexplained, job.not_copied) == (1040, None)
    assert job.state is State.COMPLETED_WITH_LOSS


def test_a_log_that_was_read_before_the_last_row_was_written_proves_nothing() -> None:
    ended = view(status="completed", counts=Counts(1000, 660, 340, 0))
    end = parse_time(ended.job.finished_at)
    assert end is not None
    for seconds, state in ((59, State.COMPLETED_UNREAD), (60, State.COMPLETED)):
        log = LogCounts({"migrationStart": 1}, whole=True, read_at=end + seconds)
        assert with_log(ended, log).state is state


def test_a_broken_listing_is_a_loss_regardless_of_the_counters() -> None:
    whole = Counts(1000, 1000, 0, 0)
    found = verdict(whole, "completed", LogCounts({BROKE_TYPE: 1}, True))
    assert found is not None
    assert found.text == (
        "completed · 0 failed · 0 not copied · 0 unaccounted"
        " · source listing broke: the total is incomplete"
    )
    assert found.listing_broke
    assert not found.clean
    assert found.lost
    job = view(status="completed", counts=whole, verdict=found)
    assert job.state is State.COMPLETED_WITH_LOSS
    assert style_of(job) == "error"
    quiet = replace(job, verdict=verdict(whole, "completed"))
    assert (quiet.state, style_of(quiet)) == (State.COMPLETED, "success")


@given(COUNTS, STATUSES)
def test_only_ended_jobs_have_a_verdict(counts: Counts, status: str | None) -> None:
    found = verdict(counts, status)
    assert (found is not None) == (status in {"completed", "aborted"})
    assert found is None or (found.unaccounted or 0) >= 0
