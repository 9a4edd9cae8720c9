from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.view import Counts, Phase
from slurper_tui.tui.columns import SORTS, Facts, cells, fit, header, sorted_jobs
from slurper_tui.tui.glyphs import Glyphs, Look
from slurper_tui.tui.lines import text_of, width_of
from tests.tui.jobs import NOW, harmless, view

FACTS = Facts(Look(), NOW)
PLAIN = Facts(Look(Glyphs(ascii_only=True)), NOW)


def row(job: object, width: int = 100, facts: Facts = FACTS) -> str:
    return text_of(cells(job, fit(width, accounts=False, ages=True), facts))  # type: ignore[arg-type]  # a JobView


def names(width: int, *, accounts: bool = False, ages: bool = False) -> list[str]:
    return [column.name for column, _ in fit(width, accounts=accounts, ages=ages)]


@pytest.mark.parametrize("width", range(10, 200))
def test_a_row_and_its_header_are_exactly_as_wide_as_the_table(width: int) -> None:
    columns = fit(width, accounts=True, ages=True)
    line = width_of(cells(view(), columns, FACTS))
    assert line == sum(w for _, w in columns) + sum(c.gap for c, _ in columns[1:])
    assert line == max(width, 9)
    assert width_of(header(columns, Look(), None, False)) == line


def test_columns_go_by_importance_and_the_status_name_and_percent_stay() -> None:
    assert names(37) == ["status", "migration", "percent"]
    assert names(77) == ["status", "migration", "done", "bar", "percent", "failed", "rate"]
    assert names(120)[-1] == "eta"
    assert "age" in names(60, ages=True)
    assert "account" in names(80, accounts=True)


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 10**12))
def test_a_number_is_never_cut(done: int, objects: int, failed: int) -> None:
    job = view(counts=Counts(objects, done, 0, failed), phase=Phase.LISTING, rate=1e9)
    columns = fit(100, accounts=False, ages=False)
    for column, width in columns:
        if column.name not in ("status", "migration"):
            assert width_of(column.draw(job, FACTS, width)) <= width


def test_what_is_unknown_is_a_dash() -> None:
    text = row(view(counts=Counts(), percent=None, rate=None))
    assert text.count("—") == 5
    assert "0" not in text.replace("photos-1", "")


def test_a_growing_total_is_marked() -> None:
    text = row(view(phase=Phase.LISTING, provisional=True, percent=35))
    assert "350/1.00k+" in text
    assert "~35" in text
    assert "◔ listing" in text


def test_a_job_that_ended_whole_says_its_count_in_full() -> None:
    done = view(status="completed", counts=Counts(880_112, 880_112, 0, 0), percent=100)
    assert "880,112" in row(done)


def test_only_old_data_has_an_age() -> None:
    assert "45s" in row(view(missed=1, as_of=NOW - 45))
    assert "45s" not in row(view(as_of=NOW - 45))


def test_a_paused_or_stale_job_has_no_rate() -> None:
    assert "61" in row(view())
    assert "61" not in row(view(status="paused"))
    assert "61" not in row(view(stale=True, missed=3))


def test_a_long_name_keeps_both_its_ends() -> None:
    text = row(view(source="a" * 100 + "-end", target="begin-" + "b" * 100), 104)
    assert "aaa…" in text
    assert "-end → begin" in text


@pytest.mark.parametrize("word", ["running", "paused", "completed", "aborted", "errored", None])
def test_everything_is_ascii_when_asked(word: str | None) -> None:
    job = view(status=word, source="fötos\u202e", prefix="日本/", target="[/red]")
    text = row(job, facts=PLAIN)
    assert text.isascii()
    assert "[/red]" in text


@given(st.text(), st.text(), st.text())
def test_foreign_text_never_steers_the_terminal(source: str, prefix: str, word: str) -> None:
    job = view(status=word, source=source, prefix=prefix, target=source, id=prefix)
    line = cells(job, fit(90, accounts=True, ages=True), FACTS)
    assert width_of(line) == 90
    assert harmless(text_of(line))


def test_unknown_values_stand_last_whichever_way() -> None:
    jobs = [view(1, percent=None), view(2, percent=10), view(3, percent=90)]
    assert [v.percent for v in sorted_jobs(jobs, "percent", False)] == [90, 10, None]
    assert [v.percent for v in sorted_jobs(jobs, "percent", True)] == [10, 90, None]


@pytest.mark.parametrize("sort", [*SORTS, "no such column"])
@pytest.mark.parametrize("inverted", [False, True])
def test_every_order_keeps_every_job(sort: str | None, inverted: bool) -> None:
    jobs = [view(n, status=s) for n, s in enumerate(["running", "paused", "completed", None])]
    assert {v.key for v in sorted_jobs(jobs, sort, inverted)} == {v.key for v in jobs}


def test_the_sorted_column_says_which_way() -> None:
    columns = fit(100, accounts=False, ages=False)
    assert "%▾" in text_of(header(columns, Look(), "percent", False))
    assert "%▴" in text_of(header(columns, Look(), "percent", True))
    assert "Migration▴" in text_of(header(columns, Look(), "migration", False))
