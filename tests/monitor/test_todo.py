from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from slurper_tui.monitor.model.job import Counts, JobView, Phase
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.verdict import verdict
from slurper_tui.monitor.reports.digest import NOTHING, Calendar, rank, todo
from tests.tui.jobs import NOW, view

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


def test_the_worst_stands_first() -> None:
    worst = [GONE, ABORTED, LOST, ODD, STALLED, PAUSED, FAILING, MOVING, CLEAN]
    assert [rank(job) for job in worst] == sorted(rank(job) for job in worst)
    assert len({rank(job) for job in worst}) == len(worst)
    assert rank(LOST) == rank(SHORT) == rank(UNKNOWN)
    assert rank(STALE) == rank(STALLED)


def test_a_job_that_ended_before_it_was_gone_is_as_bad_as_its_end() -> None:
    assert rank(ended("completed", 1000, gone=True)) == rank(CLEAN)
    assert rank(ended("aborted", 10, gone=True)) == rank(ABORTED)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (GONE, "the API no longer knows it: look for it in the dashboard"),
        (ABORTED, "aborted, 500 not done: start it again if need be"),
        (LOST, "completed: 10 failed, 37 unaccounted: see what failed"),
        (SHORT, "completed: 37 unaccounted: see what failed"),
        (UNKNOWN, "completed, counts unknown: look in the dashboard"),
        (ODD, "hibernating: look in the dashboard what that means"),
        (STALLED, "stalled for 12 min: watch it, or pause and resume it"),
        (
            view(phase=Phase.STALLED),
            "stalled: watch it, or pause and resume it",
        ),
        (STALE, "no answer since 08:46: look what stands in the way"),
        (PAUSED, "paused: resume it when ready"),
        (FAILING, "904 failed so far: read its log"),
        (MOVING, NOTHING),
        (CLEAN, NOTHING),
        (ended("completed", 1000, gone=True), NOTHING),
    ],
)
def test_what_is_to_be_done_is_said_in_a_clause(job: JobView, expected: str) -> None:
    assert todo(job, (), CALENDAR) == expected


def paused(*samples: tuple[float, str, bool]) -> str:
    recorded = [Recorded(NOW + at, Counts(), status, gap) for at, status, gap in samples]
    words = todo(PAUSED, recorded, CALENDAR)
    return words.removesuffix(": resume it when ready")


def test_a_pause_is_told_from_when_it_was_seen_to_begin() -> None:
    watched = ((-72_000, "running", False), (-68_400, "paused", False), (-5, "paused", False))
    assert paused(*watched) == "paused since Thu 14:46"


def test_of_a_pause_that_began_while_nobody_looked_only_its_first_sight_is_told() -> None:
    for before in ("running", "paused"):
        samples = ((-7200, before, False), (-3600, "paused", True), (-5, "paused", False))
        assert paused(*samples) == "paused since 08:46 or earlier"
    assert paused((-60, "paused", False)) == "paused since 09:45 or earlier"
