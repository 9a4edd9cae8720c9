from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Source
from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.job import Counts, Failing, JobView, Phase
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Trace, summed, trace_of
from slurper_tui.monitor.reports.migrations import MOST_CHARTED, Migration, family
from slurper_tui.tui.render.columns import DrawContext
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import text_of, width_of
from slurper_tui.tui.state import Row
from slurper_tui.tui.widgets.detail_pane import migration_lines
from slurper_tui.tui.widgets.job_table import row_name
from tests.tui.jobs import NOW, harmless, iso, view

CONTEXT = DrawContext(Look(), NOW)
PLAIN = DrawContext(Look(ascii_only=True), NOW)


def photos(number: int, status: str = "running", **given: Any) -> JobView:
    return view(number, status, source="photos-prod", **given)


def keyed(one: JobView, number: int) -> JobView:
    keys = tuple(map(str, range(number)))
    return replace(one, job=replace(one.job, source=Source("s3", "photos-prod", None, keys=keys)))


TWO = family([photos(1, prefix="2024/"), photos(2, "paused", prefix="2023/")])
NESTED = family([photos(1, prefix="2024/"), photos(2, prefix="2024/01/")])
OVER = family([photos(n, "completed", done=1000, prefix=f"{n}/") for n in (1, 2)])


def name(one: Migration, width: int, context: DrawContext = CONTEXT, **given: Any) -> str:
    return text_of(row_name(Row(one.key, one.view, one, **given), context, width))


def below(view: JobView, one: Migration, width: int = 30, context: DrawContext = CONTEXT) -> str:
    return text_of(row_name(Row(view.key, view, one), context, width))


def test_a_migration_shows_its_buckets_jobs_and_slots() -> None:
    assert name(TWO, 50) == "▸ photos-prod → media  2 jobs  1/3 slots"
    assert name(TWO, 50, unfolded=True) == "▾ photos-prod → media  2 jobs  1/3 slots"
    assert name(OVER, 50) == "▸ photos-prod → media  2 jobs"
    assert name(TWO, 50, PLAIN) == "> photos-prod -> media  2 jobs  1/3 slots"


def test_a_migration_with_a_plan_shows_how_many_jobs_are_to_start() -> None:
    one = replace(TWO, unstarted=10)
    assert name(one, 56) == "▸ photos-prod → media  10 of 12 to start  1/3 slots"
    assert name(one, 46) == "▸ photos-prod → media  10 of 12 to start"
    assert name(one, 36) == "▸ photos-prod → media 10 to start"
    assert name(one, 26) == "▸ photos-prod 10 to start"
    assert name(one, 22) == "▸ phot…rod 10 to start"
    assert name(replace(NESTED, unstarted=1), 36) == "▸ photos-prod → media 1 to start !"


def test_in_a_narrow_column_only_the_names_and_the_warning_stay() -> None:
    assert name(NESTED, 50) == "▸ photos-prod → media  2 jobs  2/3 slots !"
    assert name(NESTED, 30) == "▸ photos-prod → media !"
    assert name(NESTED, 23) == "▸ photos-prod → media !"
    assert name(NESTED, 16) == "▸ pho…od → m…a !"


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (photos(1, prefix="2024/"), "  2024/"),
        (photos(1), "  the whole bucket"),
        (keyed(photos(1), 1310), "  1,310 keys"),
        (photos(1, prefix="a\x1b[31m\u202e"), "  a"),
    ],
)
def test_a_job_of_a_migration_shows_its_distinguishing_name(job: JobView, text: str) -> None:
    drawn = below(job, family([job, photos(9, prefix="z/")]))
    assert drawn.startswith(text)
    assert harmless(drawn)


def test_a_retry_names_the_retried_job() -> None:
    parent = photos(1, "completed", done=1000, id="3fa8b6c2d1e04f77", failed=10)
    child = keyed(photos(2), 10)
    one = family([parent, child], [RetryLink(child.key, parent.key, 10)])
    assert below(child, one) == "  ↻ retry of 3fa8…4f77"
    assert below(child, one, context=PLAIN) == "  @ retry of 3fa8..f77"


def test_a_superseded_job_is_marked_if_there_is_room() -> None:
    first = photos(1, "aborted", prefix="a/")
    times = {"created_at": iso(NOW - 9000), "finished_at": iso(NOW - 8000)}
    first = replace(first, job=replace(first.job, **times))
    one = family([first, photos(2, prefix="a/")])
    assert below(first, one, 40) == "  a/  superseded by a later job"
    assert below(first, one, 20) == "  a/  superseded"
    assert below(first, one, 8) == "  a/"


@given(st.text(), st.text(), st.text(), st.integers(1, 60), st.booleans())
def test_a_name_fits_its_column_and_holds_no_control_characters(
    source: str, prefix: str, target: str, width: int, unfolded: bool
) -> None:
    jobs = [view(n, source=source, prefix=prefix, target=target) for n in (1, 2)]
    one = family(jobs)
    for context in (CONTEXT, PLAIN):
        for row in (Row(one.key, one.view, one, unfolded), Row(jobs[0].key, jobs[0], one)):
            line = row_name(row, context, width)
            assert harmless(text_of(line))
            assert width_of(line) <= max(width, 10)
            assert context is CONTEXT or text_of(line).isascii()


def drawn(one: Migration, width: int = 40, context: DrawContext = CONTEXT) -> list[str]:
    return [text_of(line).rstrip() for line in migration_lines(one, context, width)]


def test_the_details_show_sums_jobs_and_slots() -> None:
    lines = drawn(TWO, 60)
    assert lines[0] == "photos-prod → media"
    assert lines[1].startswith("▶ running · started")
    for line in (
        "2 jobs: 1 running · 1 paused",
        "1 of 3 slots in use in this account",
        "total                2,000",
        "no ETA: 1 of 2 jobs paused",
        "source       photos-prod",
    ):
        assert any(drawn.startswith(line) for drawn in lines), line
    assert not any(line.startswith(("job  ", "prefix")) for line in lines)


def past(one: Migration) -> Trace:
    """Return the sum of two steady hours of each job."""
    points = [
        Recorded(NOW - 60 * n, Counts(1000, 350 - n, 0, 0), "running") for n in range(59, -1, -1)
    ]
    traces = [trace_of(key, Window.HOUR, NOW, NOW - 7200, points) for key in one.charted]
    return summed(traces, one.charted)


@pytest.mark.parametrize("width", [36, 74])
def test_the_details_of_a_migration_show_its_charts(width: int) -> None:
    lines = [text_of(line) for line in migration_lines(TWO, CONTEXT, width, past(TWO), key="t")]
    text = "\n".join(lines)
    assert "rate · 1 h t" in text
    assert "700 of 2.00k" in text
    more = family([*TWO.jobs, photos(3)])
    alone = [text_of(line) for line in migration_lines(more, CONTEXT, width, past(TWO))]
    assert "rate" not in "\n".join(alone)


def twelve() -> Migration:
    """Return a migration of twelve prefixes in seven states, one of them failing."""
    failing = {"failing": Failing(42_208, 530_000, 21_600.0), "newest_reasons": REASONS}
    states: tuple[tuple[str, dict[str, Any]], ...] = (
        *(("paused", {}) for _ in range(3)),
        *(("running", {}) for _ in range(2)),
        *(("completed", {"done": 1000, "failed": n}) for n in (0, 0, 9, 9)),
        *(("running", failing), ("running", {"phase": Phase.LISTING}), ("aborted", {})),
    )
    return family(
        [photos(n, status, prefix=f"{n}/", **more) for n, (status, more) in enumerate(states)]
    )


REASONS = tuple((f"Gave up after {n} tries: the source did not answer", n) for n in (5, 4, 3))


@pytest.mark.parametrize("one", [TWO, twelve()])
def test_a_maximised_migration_has_its_charts_on_the_first_page_at_80_columns(
    one: Migration,
) -> None:
    lines = [text_of(line) for line in migration_lines(one, CONTEXT, 74, past(one), key="t")]
    [last] = [number for number, line in enumerate(lines) if "1 h ago" in line]
    assert last < 21


def test_too_many_jobs_have_no_charts() -> None:
    many = family([photos(n, prefix=f"{n}/") for n in range(MOST_CHARTED + 1)])
    assert many.charted == ()
    assert len(family(many.jobs[:-1]).charted) == MOST_CHARTED


def test_the_details_of_a_migration_show_what_happened_to_its_jobs() -> None:
    job = TWO.jobs[0]
    events = [Event(job.key, NOW - 60, What.ELSEWHERE, "paused")]
    lines = [text_of(line) for line in migration_lines(TWO, CONTEXT, 80, events=events)]
    assert job.job.source is not None
    name = job.job.source.path_prefix or "the whole bucket"
    assert any(f"{name}: " in line for line in lines)


def test_the_details_of_an_ended_migration_show_the_verdict_and_no_slots() -> None:
    lines = drawn(OVER, 60)
    assert "completed · 0 failed · 0 unaccounted" in lines
    assert not any("slots" in line for line in lines)


def test_the_details_explain_an_overlap() -> None:
    lines = drawn(NESTED, 60)
    place = lines.index("! prefixes overlap: some objects may be copied twice")
    assert lines[place + 1] == "2024/01/ is part of 2024/"
    whole = family([photos(1), photos(2), *(photos(n, prefix=f"{n}/") for n in range(3, 8))])
    lines = drawn(whole, 60)
    assert "two jobs copy the whole bucket" in lines
    assert "and 8 more" in lines


def test_the_details_show_retries_and_superseded_jobs() -> None:
    old = photos(1, "aborted", prefix="a/")
    times = {"created_at": iso(NOW - 9000), "finished_at": iso(NOW - 8000)}
    old = replace(old, job=replace(old.job, **times))
    parent = photos(2, "completed", done=1000, prefix="a/", failed=10)
    child = keyed(photos(3), 10)
    lines = drawn(family([old, parent, child], [RetryLink(child.key, parent.key, 10)]), 60)
    assert "retry        job0003 of job0002" in lines
    assert "1 job superseded by a later one, not counted" in lines


@pytest.mark.parametrize("width", [1, 8, 20, 36, 69, 70, 120])
@pytest.mark.parametrize("context", [CONTEXT, PLAIN])
def test_the_details_fit_every_width(width: int, context: DrawContext) -> None:
    one = family([photos(1), photos(2, prefix="日本/" * 20), photos(3, "completed", failed=3)])
    lines = migration_lines(one, context, width)
    assert all(width_of(line) <= max(width, 30) for line in lines)
    assert context is CONTEXT or all(text_of(line).isascii() for line in lines)
