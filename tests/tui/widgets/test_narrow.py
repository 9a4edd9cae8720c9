"""Problems and sums at every width: in full or shorter, never cut."""

from __future__ import annotations

import re
from datetime import UTC

import pytest

from slurper_tui.api.errors import Fault, RateLimited, Unreachable
from slurper_tui.monitor.model.job import AccountView, BudgetView, JobView, Problem
from slurper_tui.tui.keys import hints_for
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of
from slurper_tui.tui.render.problem_text import problem_details
from slurper_tui.tui.state import ScreenState, highlight_row, see
from slurper_tui.tui.widgets.status_line import status_line
from slurper_tui.tui.widgets.totals import tiny_line, totals_line
from tests.tui.jobs import ACCOUNT, NOW, snapshot, view
from tests.tui.test_app import staged

LOOK = Look(zone=UTC)
LONG = Unreachable("certificate verify failed: unable to get local issuer certificate")
LIMITED = RateLimited("slow down", status=429, faults=(Fault(971, "Too many"),), ray="8f")
BLOCKED = BudgetView(blocked_until=NOW + 300, blocked_by=LIMITED)


def state(*jobs: JobView, error: Unreachable | None = None, **given: object) -> ScreenState:
    if error is not None:
        problem = Problem(error, NOW - 600, NOW + 31, NOW - 605)
        trouble = AccountView(ACCOUNT, listed=True, answered=True, problem=problem)
        given["accounts"] = (trouble,)
    return see(ScreenState(), snapshot(*(jobs or (view(1), view(2))), **given))


def status(seen: ScreenState, width: int, note: str = "") -> str:
    return text_of(status_line(seen, hints_for(seen, {}, LOOK), LOOK, width, note))


@pytest.mark.parametrize("width", [40, 48, 60, 80, 120, 200])
def test_the_next_try_and_the_problem_key_are_shown_at_every_width(width: int) -> None:
    for error in (Unreachable("cannot connect: Connection refused"), LONG):
        line = status(state(error=error), width)
        assert len(line) <= width
        assert "next try 09:47:11" in line
        assert width < 60 or line.endswith("! problem ")
        assert width < 80 or "? help  q quit  ! problem" in line


def test_a_problem_precedes_filter_freeze_and_news() -> None:
    seen = see(ScreenState(filter_text="photos-prod status:failed", frozen=True), snapshot(view(1)))
    troubled = state(error=LONG)
    assert troubled.snapshot is not None
    line = status(see(seen, troubled.snapshot), 80)
    assert line.index("next try 09:47:11") < line.index("! problem")
    assert status(troubled, 80, "id copied").startswith(" id copied")


def test_the_time_is_that_of_the_data() -> None:
    assert "as of 09:46 UTC" in status(state(), 120)
    assert "as of 09:36 UTC" in status(state(error=LONG), 200)
    old = view(1, as_of=NOW - 1200)
    assert "as of 09:26 UTC" in status(state(old, budget=BLOCKED), 200)


def test_a_blocked_budget_is_shown_everywhere() -> None:
    blocked = state(budget=BLOCKED)
    assert "rate limited: next request at 09:51" in status(blocked, 40)
    assert "rate limited (429): next request at 09:51" in status(blocked, 70)
    assert "(shared budget)" in status(blocked, 90)
    assert "! problem" in status(blocked, 80)
    assert tiny_line(blocked, LOOK).text == "rate limited (429): next request at 09:51"
    details = [text for _, text in problem_details(blocked.snapshot, LOOK)]
    assert {"slow down", "429", "971: Too many", "8f"} <= set(details)


def test_a_job_with_the_problem_of_its_account_is_not_listed() -> None:
    own = view(2, problem=Unreachable("no answer"))
    details = problem_details(state(view(1, problem=LONG), own, error=LONG).snapshot, LOOK)
    assert [text for label, text in details if label == "failed"] == [str(LONG), "no answer"]


@pytest.mark.parametrize("width", range(1, 130))
def test_the_sums_are_never_cut(width: int) -> None:
    jobs = [view(n, status) for n, status in enumerate(["running"] * 3 + ["paused"] * 11)]
    jobs += [view(n, "completed", 1000) for n in range(20, 950)]
    line = text_of(totals_line(state(*jobs), LOOK, width))
    assert len(line) <= width
    whole = r"3f\S+|3 running|11 paused|930 ended|·|\S+ of \S+|~?\d+ %|\S+/s|ETA —"
    assert re.fullmatch(rf"(\s*({whole}))*\s*", line), line
    assert width < 12 or "%" in line


def test_a_sum_with_unknown_parts_has_no_percentage() -> None:
    some = state(view(1), view(2, as_of=None, counts=type(view(1).counts)()))
    assert "— %" in text_of(totals_line(some, LOOK, 120))
    assert tiny_line(some, LOOK).text == "2 run — %"


def test_the_highlight_returns_to_the_sought_job() -> None:
    jobs = tuple(view(n) for n in range(5))
    seen = highlight_row(state(*jobs), 3)
    sought = seen.highlighted
    without = see(seen, snapshot(*jobs[:2]))
    assert without.highlighted != sought
    assert see(without, snapshot(*jobs)).highlighted == sought


async def test_closing_a_filter_opened_from_the_details_shows_the_list() -> None:
    async with staged(snapshot(view(1), view(2)), size=(40, 12)) as stage:
        await stage.press("enter")
        assert "transferred" in stage.text
        await stage.press("slash", "p", "escape", "M")
        assert "photo" in stage.text
        await stage.press("M", "enter", "M")
        assert "transferred" in stage.text


async def test_the_pane_of_the_last_key_is_maximised_however_fast_it_is_typed() -> None:
    async with staged(snapshot(view(1), view(2)), size=(80, 24)) as stage:
        main = stage.app.main
        main.action_other_pane()
        main.action_zoom()
        await stage.press()
        assert main.detail.display
        assert not main.table.display


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_one_pane_is_always_shown(size: tuple[int, int]) -> None:
    async with staged(snapshot(view(1), view(2)), size=size) as stage:
        for keys in ("M", "tab", "M", "enter", "M", "slash", "escape", "M", "M", "tab", "M"):
            await stage.press(keys)
            assert stage.app.main.table.display or stage.app.main.detail.display


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("history off: the disk is full", "history off"),
        ("history shared: another slurper-tui writes it too", "history shared"),
        ("history restarted: it was damaged: it is kept as x", "history restarted"),
    ],
)
async def test_the_history_note_is_shown_without_its_reason(note: str, shown: str) -> None:
    async with staged(snapshot(view(1), history_note=note), size=(80, 24)) as stage:
        assert shown in stage.status
        assert ("problem" in stage.status) is not note.startswith("history shared")
