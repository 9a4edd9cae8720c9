"""How several jobs reconcile, in one sentence."""

from __future__ import annotations

from slurper_tui.monitor.model.job import Counts, State
from slurper_tui.monitor.reports.migrations import family
from tests.monitor.families.jobs import job, retry, tied


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
