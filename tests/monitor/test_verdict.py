from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.verdict import percent, verdict
from slurper_tui.monitor.view import Counts

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
    assert percent(counts, status) == whole


@given(COUNTS, STATUSES)
def test_a_percentage_never_promises_more_than_is_done(counts: Counts, status: str | None) -> None:
    whole = percent(counts, status)
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
            "completed · 10 failed · 0 unaccounted",
            (10, 0),
            False,
        ),
        (
            Counts(1000, 990, 10, 0),
            "completed",
            "completed · 0 failed · 0 unaccounted",
            (0, 0),
            True,
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
            "aborted · 50 failed · 350 not done",
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
    told = verdict(counts, status)
    assert told is not None
    assert told.text == text
    assert (told.failed, told.unaccounted) == numbers
    assert told.not_copied is None
    assert told.clean is clean


@pytest.mark.parametrize(
    ("not_copied", "text"),
    [
        (None, "completed · 10 failed · 0 unaccounted"),
        (0, "completed · 10 failed · 0 not copied · 0 unaccounted"),
        (1037, "completed · 10 failed · 1,037 not copied · 0 unaccounted"),
    ],
)
def test_skips_that_the_log_shows_as_not_copied_are_told_apart(
    not_copied: int | None, text: str
) -> None:
    told = verdict(Counts(5000, 3950, 1040, 10), "completed", not_copied)
    assert told is not None
    assert (told.text, told.not_copied) == (text, not_copied)


@given(COUNTS, STATUSES)
def test_only_ended_jobs_have_a_verdict(counts: Counts, status: str | None) -> None:
    told = verdict(counts, status)
    assert (told is not None) == (status in {"completed", "aborted"})
    assert told is None or (told.unaccounted or 0) >= 0
