"""The remaining time of all jobs, and the parts of the totals row that stay when it is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts, Failing, JobView, Phase, Total
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, Step, unstarted
from slurper_tui.monitor.model.verdict import with_log
from slurper_tui.monitor.reports.totals import Remaining, remaining
from slurper_tui.tui.render.columns import COLUMNS, DrawContext
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of
from slurper_tui.tui.state import ScreenState, see
from slurper_tui.tui.widgets.detail_pane import detail_lines, migration_lines
from slurper_tui.tui.widgets.totals import deadline_total, tiny_line, totals_line
from tests.tui.jobs import ACCOUNT, NOW, forecast, snapshot, view

LOOK = Look()


def row(*jobs: JobView, width: int = 120, look: Look = LOOK) -> str:
    return text_of(totals_line(see(ScreenState(), snapshot(*jobs)), look, width)).strip()


def hours(low: float, high: float, at_least: bool = False) -> Remaining:
    return Remaining(low * 3600, high * 3600, at_least)


ONE, OTHER = view(1, forecast=forecast(6, 9)), view(2, forecast=forecast(5, 12))


def test_the_last_job_determines_the_remaining_time() -> None:
    assert remaining([ONE, OTHER]) == hours(6, 12)
    assert remaining([ONE]) == hours(6, 9)


@pytest.mark.parametrize("state", [{}, {"phase": Phase.STALLED}, {"stale": True}])
def test_a_running_job_without_a_forecast_makes_a_lower_bound(state: dict[str, Any]) -> None:
    assert remaining([ONE, view(3, **state)]) == hours(6, 9, at_least=True)
    assert remaining([view(3, **state)]) is None


def test_a_lower_bound_remains_one_in_the_sum() -> None:
    growing = view(3, forecast=forecast(7, 8, at_least=True))
    assert remaining([ONE, growing]) == hours(7, 9, at_least=True)


@pytest.mark.parametrize(
    ("status", "at_least"),
    [("paused", True), ("odd", True), ("completed", False), ("aborted", False)],
)
def test_all_are_done_no_earlier_than_a_job_that_waits(status: str, at_least: bool) -> None:
    assert remaining([ONE, view(3, status)]) == hours(6, 9, at_least)
    assert remaining([view(3, status)]) is None
    assert remaining([]) is None


@pytest.mark.parametrize("state", [{"phase": Phase.STALLED}, {"status": "paused"}])
def test_a_growing_total_is_marked_in_the_sum(state: dict[str, Any]) -> None:
    assert "of 2.00k+" in row(ONE, view(3, total=Total.GROWING, **state))
    assert "of 2.00k " in row(ONE, view(3, **state))


def test_the_eta_is_shown_in_the_row() -> None:
    assert row(ONE, OTHER).endswith("ETA 6\N{EN DASH}12h")
    assert row(ONE, view(3)).endswith("ETA ≥6h")
    assert row(view(3)).endswith("ETA —")
    plain = Look(ascii_only=True)
    assert row(ONE, view(3), look=plain).endswith("ETA >=6h")


def test_the_sum_is_a_lower_bound_while_plans_have_jobs_to_start() -> None:
    ended = [view(n, "completed", 1000, source="photos", prefix=f"{n}/") for n in (1, 2, 3)]
    draft = Draft("s3", "photos", "media", path_prefix="4/")
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, draft),))])

    def drawn(jobs: Sequence[JobView], **given: Any) -> str:
        state = see(ScreenState(), snapshot(*jobs, **given))
        return text_of(totals_line(state, LOOK, 120)).strip()

    assert "3.00k of 3.00k   100 %" in drawn(ended)
    assert "3.00k of 3.00k+   — %" in drawn(ended, unstarted=waiting)
    assert "ETA ≥6h" in drawn([ONE, OTHER], unstarted=waiting)
    assert "2 running · 1 to start" in drawn([ONE, OTHER], unstarted=waiting)
    tiny = tiny_line(see(ScreenState(), snapshot(*ended, unstarted=waiting)), LOOK)
    assert tiny.text == "0 run — %"


def test_jobs_that_need_attention_are_counted_by_their_own_words() -> None:
    failing = view(5, failing=Failing(300, 3000, 3600.0))
    jobs = [ONE, view(3, phase=Phase.LISTING), view(4, phase=Phase.STALLED), failing]
    text = row(*jobs, view(6, "paused"), view(7, "odd"), view(8, "aborted"))
    assert "1 stalled · 1 failing · 2 running · 1 paused · 1 other · 1 ended" in text
    assert "1 stalled" in row(*jobs, width=50)


def test_the_eta_is_dropped_after_the_rate_and_the_ended_jobs() -> None:
    jobs = [view(n, forecast=forecast(6, 9)) for n in range(3)]
    jobs += [view(n, "paused") for n in range(3, 6)]
    jobs += [view(n, "completed", 1000) for n in range(6, 60)]
    assert row(*jobs, width=72).endswith("93 %   ETA ≥6h")
    assert row(*jobs, width=40).startswith("3 running · 3 paused ")
    assert row(*jobs, width=40).endswith("93 %   ETA ≥6h")
    assert row(*jobs, width=30).split() == ["3", "running", "93", "%", "ETA", "≥6h"]
    assert "ETA" not in row(*jobs, width=20)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400)), max_size=5), st.integers(1, 130))
def test_the_row_is_never_cut(ranges: list[tuple[float, float]], width: int) -> None:
    jobs = [view(n, forecast=forecast(min(r), max(r))) for n, r in enumerate(ranges)]
    text = row(*jobs, width=width)
    assert len(text) <= width
    assert "ETA" not in text or text.split("ETA ")[1]


def parts(*hours: tuple[float, float], **given: Any) -> list[JobView]:
    """Return the jobs of one migration with these forecasts."""
    return [
        view(n, source="photos", prefix=f"{n}/", forecast=forecast(*range), **given)
        for n, range in enumerate(hours, 1)
    ]


PAUSED = view(8, "paused", source="photos", prefix="8/")
STALLED = view(9, source="photos", prefix="9/", phase=Phase.STALLED)
WAITING = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, Draft("s3", "photos", "media")),))])


@pytest.mark.parametrize(
    ("jobs", "waiting", "words"),
    [
        (parts((2, 3)), False, "on track"),
        (parts((2, 3), (3, 12)), False, "at risk, up to 2 h late"),
        (parts((12, 15), (2, 3)), False, "will miss by 2\N{EN DASH}5 h"),
        ([*parts((2, 3)), PAUSED], False, "at risk: paused"),
        ([*parts((2, 3)), PAUSED, STALLED], False, "at risk: 1 paused"),
        ([*parts((12, 15)), PAUSED], False, "will miss by 2 h or more"),
        (parts((2, 3), (4, 5)), True, "unknown: jobs are still to be started"),
        ([*parts((2, 3)), PAUSED], True, "at risk: paused"),
        (parts((12, 15)), True, "will miss by 2 h or more"),
        ([view(n, "completed", 1000, source="photos") for n in (1, 2)], False, "done"),
        ([view(n, "aborted", source="photos") for n in (1, 2)], False, "unknown: aborted"),
    ],
)
def test_header_migration_and_job_give_a_deadline_the_same_words(
    jobs: list[JobView], waiting: bool, words: str
) -> None:
    shown = snapshot(*jobs, unstarted=WAITING if waiting else ())
    state = replace(see(ScreenState(), shown), deadline=NOW + 10 * 3600)
    header, short = deadline_total(state, LOOK)
    context = DrawContext(LOOK, NOW, state.deadline)
    for line in state.lines:
        if line.migration is None:
            about = detail_lines(line.view, context, 60)
        else:
            about = migration_lines(line.migration, context, 60)
        assert words in "\n".join(map(text_of, about)) or not line.view.live
        assert text_of(header).startswith(words)
        [due] = [column for column in COLUMNS if column.name == "due"]
        in_list = text_of(due.draw(line.view, context, 8))
        assert in_list == text_of(short) or not line.view.live


def completed(number: int, skipped: int, log: LogCounts | None, failed: int = 0) -> JobView:
    """Return a completed job of a thousand objects with a log."""
    counts = Counts(1000, 1000 - skipped - failed, skipped, failed)
    return with_log(replace(view(number, "completed", 1000), counts=counts), log)


ARCHIVED = LogCounts({"importSkippedStorageClass": 340}, whole=True, read_at=NOW + 999)


def test_jobs_whose_skips_are_not_explained_are_counted_apart() -> None:
    unread, lost = completed(1, 340, None), completed(2, 340, ARCHIVED)
    assert "2 ended, 1 !, 1 ?" in row(unread, lost, width=80)
    assert "1 ended, 1 ?" in row(unread, width=80)
    assert "1 ended   " in row(completed(3, 0, None), width=80)


def test_failed_and_uncopied_objects_are_summed_up() -> None:
    jobs = completed(1, 340, ARCHIVED), completed(2, 0, None, failed=60)
    assert "100 %   60 failed, 340 not copied" in row(*jobs)
    assert "60 failed" in row(jobs[1])
    assert "not copied" not in row(jobs[1])
    assert "400!" in row(*jobs, width=60)
    assert "failed" not in row(view(1))
    assert not {len(row(*jobs, width=width)) > width for width in range(20, 200)} - {False}
