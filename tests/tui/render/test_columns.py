from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from textual.geometry import Size

from slurper_tui.monitor.model.job import (
    Counts,
    Failing,
    JobView,
    Phase,
    State,
    Total,
    default_order,
)
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.verdict import with_log
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.tui.render.columns import (
    SORTS,
    DrawContext,
    cells,
    fit,
    header,
    lost_text,
    numbers_width,
    sorting,
)
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.state import DETAIL_WIDTH, layout_classes
from slurper_tui.tui.widgets.line_list import MARGIN
from tests.monitor.verifications import verified
from tests.tui.jobs import NOW, forecast, harmless, view

CONTEXT = DrawContext(Look(), NOW)
PLAIN = DrawContext(Look(ascii_only=True), NOW)


def sorted_jobs(jobs: Iterable[JobView], sort: str | None, inverted: bool) -> list[JobView]:
    """Return the jobs as the list sorts them."""
    key, reverse = sorting(sort, inverted)
    return sorted(sorted(jobs, key=default_order), key=key, reverse=reverse)


def row(job: JobView, width: int = 100, context: DrawContext = CONTEXT) -> str:
    return text_of(cells(job, fit(width), context))


def names(
    width: int, *, accounts: bool = False, deadline: bool = False, only: Collection[str] = ()
) -> list[str]:
    fitted = fit(width, accounts=accounts, deadline=deadline, only=only)
    return [column.name for column, _ in fitted]


def test_chosen_columns_stand_beside_status_and_migration() -> None:
    assert names(200, only=["eta", "percent"]) == ["status", "migration", "percent", "eta"]
    assert names(200, accounts=True, only=["account"]) == ["status", "account", "migration"]
    assert names(200, only=["account"]) == ["status", "migration"]
    assert names(26, only=["eta", "done"]) == ["status", "migration"]


def cell(name: str, job: JobView, context: DrawContext = CONTEXT) -> str:
    """Return the text of one cell."""
    [(column, width)] = [c for c in fit(200, accounts=True) if c[0].name == name]
    return text_of(column.draw(job, context, width))


@pytest.mark.parametrize("width", range(10, 200))
def test_a_row_and_its_header_are_exactly_as_wide_as_the_table(width: int) -> None:
    columns = fit(width, accounts=True)
    line = width_of(cells(view(), columns, CONTEXT))
    proven = view(1, "completed", verification=verified("job0001"))
    assert width_of(cells(proven, columns, CONTEXT)) == line
    assert line == sum(w for _, w in columns) + sum(c.gap for c, _ in columns[1:])
    assert line == max(width, 9)
    assert width_of(header(columns, Look(), None, False)) == line


EVERY_SETTING = [(accounts, due) for accounts in (False, True) for due in (False, True)]


def list_width(terminal: int, height: int, **given: bool) -> int:
    """Return the cells of a row of the list in a terminal of this size."""
    numbers = numbers_width(**given) + MARGIN + 1
    classes = layout_classes(Size(terminal, height), numbers)
    beside = DETAIL_WIDTH if classes["-side"] else 0
    width = 120 if classes["-spacious"] else terminal - beside
    return width - MARGIN - 1


@pytest.mark.parametrize("height", [12, 17, 24, 40])
@pytest.mark.parametrize(("accounts", "deadline"), EVERY_SETTING)
def test_a_wider_terminal_shows_every_column_of_a_narrower_one(
    accounts: bool, deadline: bool, height: int
) -> None:
    before: set[str] = set()
    for terminal in range(30, 251):
        width = list_width(terminal, height, accounts=accounts, deadline=deadline)
        shown = set(names(width, accounts=accounts, deadline=deadline))
        assert before <= shown, terminal
        before = shown


@pytest.mark.parametrize(("accounts", "deadline"), EVERY_SETTING)
def test_failed_and_done_give_way_last_and_never_to_a_deadline(
    accounts: bool, deadline: bool
) -> None:
    for width in range(27, 250):
        shown = names(width, accounts=accounts, deadline=deadline)
        plain = names(width)
        assert [n for n in ("failed", "done") if n in plain] == [
            n for n in ("failed", "done") if n in shown
        ]
        assert "failed" in shown or len(shown) == 3
        assert "done" in shown or len(shown) <= 4


def test_which_columns_are_shown() -> None:
    assert names(37) == ["status", "migration", "percent"]
    assert names(47) == ["status", "migration", "percent", "failed"]
    numbers = ["status", "migration", "done", "percent", "failed", "rate", "eta"]
    assert names(77) == numbers  # of 80 columns
    assert names(77, deadline=True) == [*numbers[:-2], "eta", "due"]
    assert "account" in names(77, accounts=True)
    assert "bar" in names(117)


@pytest.mark.parametrize(
    ("low", "high", "at_least", "text"),
    [
        (6, 9, False, "6\N{EN DASH}9h"),
        (4, 9, True, "≥4h"),
        (400, 500, False, ">2w"),
        (0, 0.07, False, "<5m"),
    ],
)
def test_an_eta_is_a_range(low: float, high: float, at_least: bool, text: str) -> None:
    job = view(forecast=forecast(low, high, at_least=at_least))
    assert cell("eta", job) == text
    assert cell("eta", job, PLAIN) == text.replace("\N{EN DASH}", "-").replace("≥", ">=")


@given(st.floats(0, 1000), st.floats(0, 1000), st.booleans())
def test_an_eta_is_never_cut(low: float, high: float, at_least: bool) -> None:
    job = view(forecast=forecast(min(low, high), max(low, high), at_least=at_least))
    assert len(cell("eta", job)) <= 8
    assert len(cell("eta", job, PLAIN)) <= 8


@pytest.mark.parametrize(
    "state",
    [
        {"stale": True, "missed": 3},
        {"from_history": True},
        {"status": "paused"},
        {"status": "completed"},
        {"gone": True},
    ],
)
def test_without_fresh_data_there_is_no_rate_and_no_eta(state: dict[str, Any]) -> None:
    job = view(**{"forecast": forecast(1, 2), "rate": 61.2, **state})
    dated = "0s old" if job.missed or job.from_history else "—"
    assert (cell("eta", job), cell("rate", job)) == (dated, "—")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"phase": Phase.STALLED, "stalled_since": NOW - 300}, "▲ stalled 5m"),
        ({"phase": Phase.STALLED, "stalled_since": NOW - 36_000}, "▲ stalled 10h"),
        ({"phase": Phase.STALLED}, "▲ stalled"),
        ({"failing": Failing(300, 900, 900.0, NOW - 59)}, "▼ failing"),
        ({"failing": Failing(300, 900, 900.0, NOW - 2000)}, "▼ failing 33m"),
        ({"status": "paused", "status_since": NOW - 7300}, "‖ paused 2h"),
        ({"status_since": NOW - 7300}, "▶ running"),
    ],
)
def test_the_status_has_the_time_in_a_state_that_should_not_last(
    given: dict[str, Any], text: str
) -> None:
    job = view(**given)
    assert cell("status", job) == text
    again = view(2, **given, source=job.job.source and job.job.source.bucket)
    assert cell("status", family([job, again]).view) == text


def test_a_stalled_job_has_its_word_and_no_eta() -> None:
    job = view(phase=Phase.STALLED, rate=0.0, forecast=forecast(1, 2), stalled_since=NOW - 720)
    assert (cell("status", job), cell("rate", job), cell("eta", job)) == (
        "▲ stalled 12m",
        "0",
        "—",
    )
    assert style_of(job) == "warning"
    assert style_of(replace(job, stalled_badly=True)) == "error"


def test_a_remembered_job_shows_its_counts_and_their_age() -> None:
    job = view(from_history=True, as_of=NOW - 7200)
    assert (cell("percent", job), cell("done", job)) == ("35", "350/1.00k")
    assert row(job, 77).endswith("     —   2h old")
    assert row(job, 40).startswith("▶ running      pho…-1 → m…a  2h old")
    late = view(missed=1, as_of=NOW - 45, forecast=forecast(1, 2))
    assert "pho…-1 → m…a  45s old" in row(late, 77)
    assert row(late, 77).endswith("  1–2h")


def test_jobs_are_sorted_by_eta() -> None:
    jobs = [
        view(1, forecast=forecast(6, 9)),
        view(2, forecast=forecast(20, 40)),
        view(3),
        view(4, forecast=forecast(5, 5, at_least=True)),
        view(5, "paused", forecast=forecast(1, 1)),
    ]
    assert [v.job.id for v in sorted_jobs(jobs, "eta", False)][:3] == [
        "job0004",
        "job0001",
        "job0002",
    ]
    assert [v.job.id for v in sorted_jobs(jobs, "eta", True)][:3] == [
        "job0002",
        "job0001",
        "job0004",
    ]
    assert "eta" in SORTS


@given(
    st.integers(27, 250),
    st.integers(0, 10**15),
    st.integers(0, 10**15),
    st.integers(0, 10**12),
    st.booleans(),
)
def test_a_number_is_never_cut(width: int, done: int, objects: int, failed: int, due: bool) -> None:
    counts = Counts(objects, done, 0, failed)
    late = forecast(5, 500, at_least=True)
    job = view(counts=counts, phase=Phase.LISTING, rate=1e9, forecast=late)
    context = DrawContext(Look(), NOW, NOW + 3600)
    for column, cell_width in fit(width, deadline=due):
        if column.name not in ("status", "migration"):
            assert width_of(column.draw(job, context, cell_width)) <= cell_width


@pytest.mark.parametrize("state", State)
def test_a_status_word_is_never_cut_beside_it(state: State) -> None:
    [width] = [width for column, width in fit(77) if column.name == "status"]
    sign = max(cell_len(Look().sign(state)), len(Look(ascii_only=True).sign(state)))
    assert len(state.value) + sign + 1 <= width or state is State.OTHER


def test_an_unknown_value_is_a_dash() -> None:
    text = row(view(counts=Counts(), percent=None, rate=None))
    assert text.count("—") == 5
    assert "0" not in text.replace("photos-1", "")


def test_a_growing_total_is_marked() -> None:
    for status in ("running", "paused"):
        assert "350/1.00k+" in row(view(status=status, total=Total.GROWING))
    text = row(view(phase=Phase.LISTING, total=Total.PROVISIONAL, percent=35))
    assert "350/1.00k+" in text
    assert "~35" in text
    assert "◔ listing" in text


def test_a_completed_job_shows_its_count_in_full() -> None:
    done = view(status="completed", counts=Counts(880_112, 880_112, 0, 0), percent=100)
    assert "880,112" in row(done)


def test_only_old_data_has_an_age() -> None:
    assert "45s old" in row(view(missed=1, as_of=NOW - 45))
    assert "old" not in row(view(as_of=NOW - 45))


def test_a_paused_or_stale_job_has_no_rate() -> None:
    assert "61" in row(view())
    assert "61" not in row(view(status="paused"))
    assert "61" not in row(view(stale=True, missed=3))


def test_a_long_name_keeps_both_its_ends() -> None:
    text = row(view(source="a" * 100 + "-end", target="begin-" + "b" * 100), 104)
    assert "aaa…" in text
    assert "-end → begin" in text


@pytest.mark.parametrize("word", ["running", "paused", "completed", "aborted", "errored", None])
def test_a_row_is_ascii_if_needed(word: str | None) -> None:
    job = view(status=word, source="fötos\u202e", prefix="日本/", target="[/red]")
    text = row(job, context=PLAIN)
    assert text.isascii()
    assert "[/red]" in text


@given(st.text(), st.text(), st.text())
def test_foreign_text_holds_no_control_characters(source: str, prefix: str, word: str) -> None:
    job = view(status=word, source=source, prefix=prefix, target=source, id=prefix)
    line = cells(job, fit(90, accounts=True), CONTEXT)
    assert width_of(line) == 90
    assert harmless(text_of(line))


def test_unknown_values_are_last_in_both_directions() -> None:
    jobs = [view(1, percent=None), view(2, percent=10), view(3, percent=90)]
    assert [v.percent for v in sorted_jobs(jobs, "percent", False)] == [90, 10, None]
    assert [v.percent for v in sorted_jobs(jobs, "percent", True)] == [10, 90, None]


@pytest.mark.parametrize("sort", [*SORTS, "no such column"])
@pytest.mark.parametrize("inverted", [False, True])
def test_every_order_keeps_every_job(sort: str | None, inverted: bool) -> None:
    jobs = [view(n, status=s) for n, s in enumerate(["running", "paused", "completed", None])]
    assert {v.key for v in sorted_jobs(jobs, sort, inverted)} == {v.key for v in jobs}


def test_the_sorted_column_shows_the_direction() -> None:
    columns = fit(100)
    assert "%▾" in text_of(header(columns, Look(), "percent", False))
    assert "%▴" in text_of(header(columns, Look(), "percent", True))
    assert "Migration▴" in text_of(header(columns, Look(), "migration", False))


ARCHIVED = LogCounts({"importSkippedStorageClass": 340}, whole=True, read_at=NOW + 999)


def ended(failed: int, skipped: int, log: LogCounts | None, number: int = 1) -> JobView:
    """Return a completed job of a thousand objects with a log."""
    counts = Counts(1000, 1000 - skipped - failed, skipped, failed)
    return with_log(replace(view(number, "completed", 1000), counts=counts), log)


@pytest.mark.parametrize(
    ("failed", "skipped", "log", "shown", "style"),
    [
        (0, 340, ARCHIVED, "340!", "warning"),
        (60, 340, ARCHIVED, "400!", "error"),
        (60, 0, None, "60", "error"),
        (0, 340, None, "0", "faint"),
        (0, 0, None, "0", "faint"),
        (0, 400, replace(ARCHIVED, whole=False), "340!", "warning"),
    ],
)
def test_objects_that_were_not_copied_stand_beside_the_failed_ones(
    failed: int, skipped: int, log: LogCounts | None, shown: str, style: str
) -> None:
    job = ended(failed, skipped, log)
    assert cell("failed", job).strip() == shown
    assert lost_text(job)[1] == style
    both = family([job, ended(0, 0, None, 2)]).view
    assert cell("failed", both).strip() == shown
    assert cell("failed", family([job, view(2)]).view).strip() == shown


def test_numbers_with_and_without_a_mark_are_aligned() -> None:
    one, other = ended(0, 340, ARCHIVED), ended(340, 0, None)
    assert [cell("failed", job) for job in (one, other)] == ["340!", "340 "]
    titles = text_of(header(fit(77), Look(), "failed", False))
    line = text_of(cells(one, fit(77), CONTEXT))
    assert titles.index("Fail▾") + 3 == line.index("340!") + 2


def test_more_lost_objects_are_sorted_before_fewer() -> None:
    jobs = [ended(0, 340, ARCHIVED, 1), ended(60, 0, None, 2), ended(60, 340, ARCHIVED, 3)]
    assert [jobs.index(job) for job in sorted_jobs(jobs, "failed", False)] == [2, 0, 1]


def test_an_ended_sum_without_the_counts_of_a_part_is_a_lower_bound() -> None:
    unknown = replace(view(2, "completed"), counts=Counts())
    one = family([ended(0, 0, None), unknown]).view
    assert not one.live
    assert cell("done", one).strip() == "1,000+"
    assert cell("done", ended(0, 0, None)).strip() == "1,000"
