"""All jobs in a few words, for the terminal's title and its tab."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import Unreachable
from slurper_tui.monitor.model.job import (
    AccountView,
    Failing,
    JobView,
    Phase,
    Problem,
    Snapshot,
    Total,
)
from slurper_tui.monitor.reports.totals import Summary, TabState, summary, sums_of
from tests.tui.jobs import ACCOUNT, NOW, forecast, snapshot, view


def summed(taken: Snapshot, *, unstarted: bool = False, ascii_only: bool = False) -> Summary:
    total = sums_of(taken.jobs, taken.jobs, unstarted=unstarted)
    return summary(total, taken.jobs, taken, ascii_only=ascii_only)


RUNNING = view(1, done=780, forecast=forecast(6, 9))
STALLED = view(2, phase=Phase.STALLED)
FAILING = view(3, failing=Failing(400, 5000, 3600.0, NOW), forecast=forecast(1, 2))


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([RUNNING], Summary("▶ 78 % 6–9 h", TabState.NORMAL, 78)),
        ([view(1)], Summary("▶ 35 %", TabState.NORMAL, 35)),
        (
            [view(1, phase=Phase.LISTING, total=Total.GROWING)],
            Summary("◔ ~35 %", TabState.NORMAL, 35),
        ),
        (
            [replace(RUNNING, total=Total.GROWING, forecast=forecast(4, 9, at_least=True))],
            Summary("▶ ~78 % ≥ 4 h", TabState.NORMAL, 78),
        ),
        ([RUNNING, STALLED], Summary("▲ stalled 56 % ≥ 6 h", TabState.WARNING, 56)),
        ([FAILING], Summary("▼ failing 35 % 1–2 h", TabState.ERROR, 35)),
        ([view(1, "paused")], Summary("‖ paused 35 %", TabState.WARNING, 35)),
        ([view(1, percent=None, partial=True)], Summary("▶", TabState.UNKNOWN, 0)),
        ([view(1, "completed", done=1000)], Summary("✔ all ended", TabState.NONE, 0)),
        ([], Summary("slurper-tui", TabState.NONE, 0)),
    ],
)
def test_the_state_is_that_of_the_worst_job(jobs: list[JobView], expected: Summary) -> None:
    assert summed(snapshot(*jobs)) == expected


def test_jobs_to_start_leave_no_percent() -> None:
    assert summed(snapshot(RUNNING), unstarted=True).title == "▶ ≥ 6 h"


def test_a_terminal_of_letters_gets_letters() -> None:
    assert summed(snapshot(RUNNING), ascii_only=True).title == "> 78 % 6-9 h"


@pytest.mark.parametrize("lasting", [True, False])
def test_no_state_is_claimed_while_nothing_answers(lasting: bool) -> None:
    problem = Problem(Unreachable("cannot connect"), NOW, lasting=lasting)
    taken = snapshot(RUNNING, accounts=(AccountView(ACCOUNT, answered=True, problem=problem),))
    expected = "? no answer 78 %" if lasting else "▶ 78 % 6–9 h"
    assert summed(taken).title == expected
