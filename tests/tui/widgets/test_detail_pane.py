from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from slurper_tui.api.errors import Fault, Unreachable
from slurper_tui.api.models import Job, LogRow, Source, parse
from slurper_tui.monitor.model.base import Window
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.job import Counts, Failing, JobView, Phase, Prospect, Total, Verdict
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.model.timeline import Trace
from slurper_tui.monitor.model.verdict import with_log
from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from slurper_tui.monitor.reports.migrations import Migration, family
from slurper_tui.tui.render.columns import DrawContext
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, text_of, width_of
from slurper_tui.tui.widgets.detail_pane import detail_lines, migration_lines
from tests.monitor.verifications import BAD, verified
from tests.tui.jobs import ACCOUNT, NOW, forecast, harmless, iso, snapshot, view
from tests.tui.test_app import staged

CONTEXT = DrawContext(Look(zone=UTC), NOW)


def drawn(job: JobView, width: int = 40, context: DrawContext = CONTEXT) -> str:
    return "\n".join(text_of(line) for line in detail_lines(job, context, width))


def test_the_identity_of_a_job() -> None:
    text = drawn(view(prefix="2024/", id="a" * 64), 100)
    for part in ("photos-1/2024/ → media", ACCOUNT, "https://s3.example.com", "overwrite", "yes"):
        assert part in text
    assert "2026-03-20 09:29:59" in text
    assert "running · started 09:29" in text


def test_the_start_is_shown_in_full_or_omitted() -> None:
    assert "running · started 09:29\n" in drawn(view(), 25)
    assert "running\n" in drawn(view(), 24)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"status_since": NOW - 59}, "▶ running < 1 min · started 09:29"),
        ({"status_since": NOW - 900}, "▶ running 15 min · started 09:29"),
        ({"phase": Phase.LISTING, "status_since": NOW - 900}, "◔ listing 15 min · started 09:29"),
        ({"phase": Phase.STALLED, "stalled_since": NOW - 300}, "▲ stalled 5 min · started 09:29"),
        ({"phase": Phase.STALLED, "status_since": NOW - 300}, "▲ stalled · started 09:29"),
        ({"failing": Failing(300, 900, 900.0, NOW - 60)}, "▼ failing 1 min · started 09:29"),
        ({"status": "paused", "status_since": NOW - 600}, "‖ paused since 09:36 · started 09:29"),
        ({"status": "paused"}, "‖ paused · started 09:29"),
        (
            {"status": "paused", "status_since": NOW - 600, "stale": True},
            "‖ paused · started 09:29",
        ),
    ],
)
def test_the_figure_beside_the_status_is_the_time_in_it(given: dict[str, Any], words: str) -> None:
    assert words in drawn(view(**given), 80)
    without_start = words.partition(" · ")[0]
    assert f"{without_start}\n" in drawn(view(**given), len(without_start) + 1)


def test_a_long_id_is_shown_in_full() -> None:
    identity = "0123456789abcdef" * 4
    assert identity in drawn(view(id=identity), 40).replace("\n" + " " * 13, "")


def test_each_count_has_its_share() -> None:
    text = drawn(view(counts=Counts(1000, 300, 40, 10)))
    assert "300  30.0 %" in text
    assert "40   4.0 %" in text
    assert "10   1.0 %" in text
    assert "650  65.0 %" in text
    assert "1,000" in text


@pytest.mark.parametrize("width", [20, 40, 70, 120])
def test_the_bar_shows_every_part_that_exists(width: int) -> None:
    bar = text_of(detail_lines(view(counts=Counts(10**6, 999_990, 4, 3)), CONTEXT, width)[3])
    assert {"█", "▓", "▒", "░"} <= set(bar) or width >= 70


@pytest.mark.parametrize("width", range(24, 50))
def test_no_number_is_cut_in_a_narrow_pane(width: int) -> None:
    lines = detail_lines(view(counts=Counts(3_440_785, 1_172_004, 38_110, 904)), CONTEXT, width)
    texts = [text_of(line) for line in lines[5:10]]
    for text, count in zip(texts, ["1,172,004", "38,110", "904", "2,229,767"], strict=False):
        assert count in text
        assert cell_len(text) <= width
        assert text.rstrip().endswith(("%", count))


def test_a_growing_total_is_marked() -> None:
    assert "1,000+" in drawn(view(status="paused", total=Total.GROWING))
    text = drawn(view(phase=Phase.LISTING, total=Total.PROVISIONAL))
    assert "1,000+" in text
    assert "~35" in text


def test_a_live_job_shows_both_rates() -> None:
    assert "61/s now · 74/s since start\nETA —" in drawn(view())


def pace(job: JobView, width: int = 60, context: DrawContext = CONTEXT) -> list[str]:
    """Return the lines between the counts and the identity."""
    lines = [text_of(line) for line in detail_lines(job, context, width)]
    total = next(n for n, line in enumerate(lines) if line.startswith("total"))
    return lines[total + 2 : lines.index("", total + 2)]


RATES = "61/s now · 74/s since start"


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"forecast": forecast(6, 9)}, ["6\N{EN DASH}9 h · today 15:46\N{EN DASH}18:47 UTC"]),
        (
            {"forecast": forecast(6, 9, seeded=True)},
            ["6\N{EN DASH}9 h · today 15:46\N{EN DASH}18:47 UTC", "by its average since start"],
        ),
        (
            {
                "forecast": forecast(4, 9, at_least=True),
                "reason": "at least: total still growing by 9.1k/s",
            },
            ["≥ 4 h · not before 13:46 UTC", "at least: total still growing by 9.1k/s"],
        ),
        ({"forecast": forecast(0, 0, at_least=True)}, ["—"]),
        ({}, ["ETA —"]),
        (
            {"reason": "no ETA: two of three changes seen"},
            ["no ETA: two of three changes seen"],
        ),
        ({"reason": "no percentage: no objects"}, ["ETA —", "no percentage: no objects"]),
    ],
)
def test_the_forecast_lines(given: dict[str, Any], lines: list[str]) -> None:
    assert pace(view(**given)) == [RATES, *lines]


def test_the_finish_is_below_the_range_if_both_do_not_fit() -> None:
    job = view(forecast=forecast(1.6, 2.1))
    assert pace(job, 40)[1:] == ["1 h 35 \N{EN DASH} 2 h 10 min", "today 11:22\N{EN DASH}11:53 UTC"]
    assert pace(job)[1:] == ["1 h 35 \N{EN DASH} 2 h 10 min · today 11:22\N{EN DASH}11:53 UTC"]
    plain = DrawContext(Look(ascii_only=True, zone=UTC), NOW)
    assert pace(job, 60, plain)[1:] == ["1 h 35 - 2 h 10 min - today 11:22-11:53 UTC"]


def test_both_kinds_of_rates_are_shown_if_both_move() -> None:
    both = view(transferred_rate=48.2, skipped_rate=13.1)
    assert pace(both)[1] == "48/s transferred · 13/s skipped"
    assert pace(both, 20)[1:3] == ["48/s transferred", "13/s skipped"]
    for few in (0.0, 0.1, None):
        assert pace(view(transferred_rate=61.2, skipped_rate=few)) == [RATES, "ETA —"]
    assert "skipped" not in "".join(pace(replace(both, stale=True, missed=3)))


REASONS = (("AccessDenied: …", 38), ("SlowDown: reduce your request rate [b]", 2))


@pytest.mark.parametrize("migration", [False, True])
def test_a_failing_job_shows_the_reasons_that_were_read(migration: bool) -> None:
    failing = view(failing=Failing(412, 5000, 3700.0), newest_reasons=REASONS)
    text = drawn(failing)
    if migration:
        other = view(2, failing=Failing(412, 5000, 3700.0), newest_reasons=REASONS[:1])
        calm = view(3, newest_reasons=REASONS)
        one = family([failing, other, calm])
        text = "\n".join(text_of(line) for line in migration_lines(one, CONTEXT, 40))
    assert "reasons in the newest log rows\n" in text
    assert f"   {76 if migration else 38}  AccessDenied: …\n" in text
    assert "    2  SlowDown: reduce your request" in text
    assert "       rate [b]\n" in text
    assert "AccessDenied" not in drawn(view(newest_reasons=REASONS))


@pytest.mark.parametrize("migration", [False, True])
def test_a_failing_job_shows_how_much_failed_lately(migration: bool) -> None:
    failing = view(failing=Failing(412, 5000, 3700.0, NOW - 600), failed_rate=0.5)
    text = drawn(failing, 100)
    if migration:
        one = family([failing, view(2)])
        text = "\n".join(text_of(line) for line in migration_lines(one, CONTEXT, 100))
    assert "▼ failing" in text
    words = "412 of 5,000 objects failed in the last hour (8.2 %), 30 per minute now"
    assert words in " ".join(text.split())


def test_a_missing_eta_says_what_would_be() -> None:
    need = Prospect(30 * 3600.0, 40 * 3600.0, 147.0)
    paused = view(status="paused", if_resumed=need, reason="no ETA: paused")
    assert "no ETA: paused\nif resumed: 30\N{EN DASH}40 h at 147/s" in drawn(paused)
    seeded = view(status="paused", if_resumed=replace(need, seeded=True))
    assert "at 147/s, its average since start" in drawn(seeded, 60)
    stalled = view(phase=Phase.STALLED, if_resumed=need)
    assert "if it moves again: 30\N{EN DASH}40 h at 147/s" in drawn(stalled, 60)


@pytest.mark.parametrize("width", [36, 44, 46, 74])
def test_an_id_is_on_one_line(width: int) -> None:
    id = "0123456789abcdef0123456789abcdef"
    assert id in drawn(view(id=id), width)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_pane_with_the_focus_has_a_sign_at_its_heading_and_a_border(
    size: tuple[int, int], ascii_only: bool
) -> None:
    sign, lines = (">", ("|", "-")) if ascii_only else ("»", ("┃", "━"))
    pattern = rf"{re.escape(lines[0])}{sign}photos|{lines[1]}{{70}}"
    async with staged(snapshot(view(1), view(2)), size=size, ascii_only=ascii_only) as stage:
        assert f"{sign} Status" in stage.text
        assert f"{sign}photos-1 " not in stage.text
        assert not re.search(pattern, stage.text)
        await stage.press("tab")
        assert f"{sign} Status" not in stage.text
        assert f"{sign}photos-1 " in stage.text
        assert re.search(pattern, stage.text)


def test_a_stall_is_shown_with_its_start() -> None:
    job = view(
        phase=Phase.STALLED,
        rate=0.0,
        stalled_since=NOW - 720,
        forecast=forecast(1, 2),
        reason="no ETA: nothing has moved for 12 min, 143 polls",
    )
    assert pace(job) == [
        "▲ nothing has moved since 09:34 (12 min)",
        "the API answers, the counters stand still",
        "0/s now · 74/s since start",
        "ETA —",
    ]
    lines = detail_lines(replace(job, stalled_badly=True), CONTEXT, 60)
    assert [p.style for line in lines for p in line if "nothing has moved" in p.text] == ["error"]


def test_a_remembered_job_shows_the_time_of_its_data() -> None:
    job = view(from_history=True, as_of=NOW - 4 * 86400, forecast=forecast(1, 2), missed=1)
    assert pace(job) == ["ETA —", "as of Mon 09:46, not yet confirmed"]


def test_an_age_is_shown_in_whole_minutes() -> None:
    assert pace(view(missed=1, as_of=NOW - 5))[-1] == "these numbers are < 1 min old"
    assert pace(view(missed=1, as_of=NOW - 119))[-1] == "these numbers are 1 min old"


def test_an_ended_job_shows_its_verdict_and_its_end() -> None:
    job = view(status="completed", verdict=Verdict("10 failed · 0 unaccounted", failed=10))
    text = drawn(job)
    assert "10 failed · 0 unaccounted" in text
    assert "completed !  09:46" in text
    assert "now" not in text


def test_the_last_problem_and_the_age_of_the_numbers() -> None:
    error = Unreachable("no answer in 10 s", status=503, faults=(Fault(971, "slow"),), ray="8f-F")
    text = drawn(view(missed=3, stale=True, as_of=NOW - 700, problem=error))
    for part in ("these numbers are 11 min old", "no answer in 10 s", "503", "971: slow", "8f-F"):
        assert part in text


def test_a_time_of_an_unknown_format_is_shown_unchanged() -> None:
    job = parse(Job, {"id": "j", "createdAt": "yesterday-ish"})
    assert "yesterday-ish" in drawn(JobView("a", job))


def test_keys_are_counted() -> None:
    job = Job(id="j", source=Source(bucket="b", keys=("x", "y"), jurisdiction="eu"))
    assert "keys         2" in drawn(JobView("a", job))


def test_unknown_counts_are_dashes() -> None:
    assert "—" in drawn(JobView("a", Job()))


def test_a_restart_of_the_counters_is_noted() -> None:
    assert "counters restarted" not in drawn(view())
    assert "counters restarted" in drawn(replace(view(), restarts=1), 60)


def test_a_job_that_is_gone_is_noted() -> None:
    assert "no longer known to the API" in drawn(view(gone=True))


@given(st.text(), st.text(), st.integers(1, 150), st.booleans())
def test_foreign_text_holds_no_control_characters(a: str, b: str, width: int, plain: bool) -> None:
    context = DrawContext(Look(plain, UTC), NOW)
    error = Unreachable(a, faults=(Fault(1, b),), ray=a)
    verdict = Verdict(a)
    job = view(status=b, source=a, prefix=b, target=a, id=b, problem=error, verdict=verdict)
    lines = detail_lines(job, context, width)
    assert harmless("".join(map(text_of, lines)))
    assert not plain or "".join(map(text_of, lines)).isascii()
    if width >= 40:
        assert max(map(width_of, lines)) <= width


WILD: Any = st.none() | st.integers() | st.text() | st.datetimes().map(lambda d: d.isoformat())


@given(st.dictionaries(st.sampled_from(["createdAt", "finishedAt", "status", "id"]), WILD))
def test_any_answer_can_be_drawn(raw: dict[str, object]) -> None:
    job = parse(Job, raw)
    text = drawn(JobView("a", job, status=job.status, ended=job.finished_at is not None))
    assert "transferred" in text
    assert harmless(text.replace("\n", ""))


def red(job: JobView) -> str:
    lines = detail_lines(job, CONTEXT, 60)
    return " ".join(piece.text for line in lines for piece in line if piece.style == "error")


BROKE = "source listing broke: the total is incomplete"


def test_a_broken_listing_is_an_error_before_and_after_the_end() -> None:
    assert BROKE in red(view(listing_broke=True))
    text = f"completed · 0 failed · 0 unaccounted · {BROKE}"
    ended = view(1, "completed", 1000, verdict=Verdict(text, 0, None, 0, True))
    assert BROKE in " ".join(red(ended).split())
    assert BROKE not in red(view())
    assert "completed" not in red(view(1, "completed", 1000, verdict=Verdict("completed", 0, 0, 0)))


FAILED_ROW = "importErrorRetryExhaustion"
BY_TYPE = {
    FAILED_ROW: 904,
    "importSkippedStorageClass": 300,
    "importSkippedOversized": 40,
    "migrationStart": 1,
}


def log_row(second: int, key: str, log_type: str = FAILED_ROW) -> LogRow:
    return LogRow(iso(NOW - second), None, log_type, None, key)


def migration_of_three() -> Migration:
    """Return a migration of a failing, a running and an ended job, with what their logs say."""
    failing = view(
        *(1, "running"),
        source="photos",
        prefix="2018/",
        newest_reasons=REASONS,
        failing=Failing(412, 5000, 3700.0),
        newest_rows=(log_row(5, "2018/b.jpg"), log_row(9, "2018/a.jpg")),
    )
    ended = view(2, "completed", 1000, source="photos", prefix="2012/")
    ended = replace(
        with_log(ended, LogCounts(BY_TYPE, whole=True, read_at=NOW + 999)),
        newest_rows=(log_row(7, "2012/old.tif", "importSkippedStorageClass"),),
    )
    return family([failing, ended, view(3, source="photos", prefix="2019/")])


@pytest.mark.parametrize("width", [40, 76, 80])
def test_a_migration_shows_reasons_by_type_and_the_newest_rows_of_its_jobs(width: int) -> None:
    lines = [text_of(line) for line in migration_lines(migration_of_three(), CONTEXT, width)]
    text = "\n".join(lines)
    assert all(cell_len(line) <= width for line in lines)
    assert "reasons in 1 of 3 logs" in text
    for number, words in ((904, "failed after"), (300, "archive tier"), (40, "over 1 TB")):
        assert f"{number}  {words}" in text
    assert "  1  started" not in text
    rows = lines[lines.index("newest in the logs") + 1 :][:3]
    for line, name, key in zip(
        rows, ("2018/", "2012/", "2018/"), ("b.jpg", "old.tif", "a.jpg"), strict=True
    ):
        assert name in line
        assert key in line


def test_many_types_of_rows_are_summed_up_in_the_last_line() -> None:
    kinds = {f"importSkipped{n}": 10 - n for n in range(9)}
    job = view(1, "completed", 1000, source="photos")
    job = with_log(job, LogCounts(kinds, whole=True, read_at=NOW + 999))
    one = family([job, view(2, source="photos")])
    text = "\n".join(text_of(line) for line in migration_lines(one, CONTEXT, 80))
    assert "10  importSkipped0" in text
    assert "14  4 other reasons" in text
    assert "importSkipped5" not in text


@pytest.mark.parametrize(("copied", "left"), [(904, ""), (900, "4  failed")])
def test_failures_that_a_retry_has_copied_are_no_reasons_any_more(copied: int, left: str) -> None:
    parent = replace(
        view(1, "completed", 1000, source="photos", failed=904),
        log=LogCounts({FAILED_ROW: 904}, whole=True, read_at=NOW + 999),
    )
    child = replace(
        view(2, "completed", source="photos"), counts=Counts(904, copied, 0, 904 - copied)
    )
    link = RetryLink(child.key, parent.key, 904, (FAILED_ROW,))
    one = family([parent, child], [link])
    text = "\n".join(text_of(line) for line in migration_lines(one, CONTEXT, 80))
    assert ("reasons in" in text) is (copied < 904)
    assert left in text


def test_a_job_shows_the_newest_rows_of_its_log() -> None:
    job = view(newest_rows=(log_row(5, "2018/b.jpg"), log_row(9, "2018/a.jpg")))
    lines = drawn(job, 80).splitlines()
    rows = lines[lines.index("newest in the log") + 1 :]
    assert ["b.jpg" in rows[0], "a.jpg" in rows[1]] == [True, True]
    assert "newest in the log" not in drawn(view(), 80)


async def test_at_200_by_50_reasons_charts_events_and_rows_are_on_one_page() -> None:
    one = migration_of_three()
    times = [NOW - 60 * n for n in range(60, -1, -1)]
    points = tuple(
        Recorded(at, Counts(3000, 1000 + n, 0, 0), "running") for n, at in enumerate(times)
    )
    key = one.charted[0]
    trace = Trace(key, Window.HOUR, NOW - 3600, NOW, 60.0, points, of=one.charted)
    event = Event(key, NOW - 900, What.ITSELF, "failing: 300 of 900 objects in the last hour")
    shown = snapshot(*one.jobs, trace=trace, events=(event,))
    async with staged(shown, size=(200, 50)) as stage:
        assert stage.app.main.state.migration is not None
        for part in (
            *("reasons in 1 of 3 logs", "AccessDenied: …", "newest in the logs", "2018/b.jpg"),
            *("rate · 1 h", "progress", "failing: 300 of", "no ETA"),
        ):
            assert part in stage.text, part


COMPARED = verified(
    "job0001",
    "job0002",
    counts=BAD,
    at=-1200,
    headers=HeaderSample(7, 400, 3, 0.002, 0.0218, {"Content-Type": 3}),
    by_prefix=(("2024/", Tally(BAD)), ("2023/", Tally({Outcome.SAME: 3}))),
)


@pytest.mark.parametrize("width", [40, 100])
def test_what_a_verification_has_found(width: int) -> None:
    text = drawn(view(1, "completed", verification=COMPARED), width)
    flat = " ".join(text.split())
    for part in (
        "not verified: 37 missing",
        "compared 09:26, in 10 min",
        "same 999,945",
        "missing in the target 37",
        "size differs 5",
        "empty in the target only 2",
        "expected: S3 bucket photos",
        "found: R2 bucket media",
        "all objects of 2 jobs",
        "3 differ (3 Content-Type)",
        "not compared: the bytes of the content",
        "2024/: 37 missing",
    ):
        assert part in flat
    assert "2023/:" not in flat
    assert all(width_of(line) <= width for line in lines_of(COMPARED, width))
    assert "changed in the source since the job began" in text or width < 60


def lines_of(result: Verification, width: int) -> Sequence[Line]:
    return detail_lines(view(1, "completed", verification=result), CONTEXT, width)


def test_a_verified_job_says_so_and_one_that_changed_later_too() -> None:
    done = view(1, "completed", verification=verified("job0001"))
    text = drawn(done)
    assert "✔✔ verified  09:46" in text
    assert " ".join(text.split()).count("✔✔ verified: all 1,000 objects are in the target") == 1
    assert "verify it again" not in text
    later = drawn(view(1, "completed", verification=verified("job0001", at=-100, live=True)))
    assert "✔✔" not in later
    assert "the job ended after it began: verify it again" in " ".join(later.split())
    plain = drawn(done, 40, DrawContext(Look(zone=UTC, ascii_only=True), NOW))
    assert "# verified: all 1,000 objects" in plain


def test_a_migration_shows_its_proof_and_the_jobs_that_it_lacks() -> None:
    one, two = (view(n, "completed", source="photos", prefix=f"{n}/") for n in (1, 2))
    of_one = replace(one, verification=verified(one))
    for members, word in (([of_one], "✔✔ verified"), ([of_one, two], "✔ completed")):
        lines = migration_lines(family(members), CONTEXT, 100)
        text = "\n".join(map(text_of, lines))
        assert word in text
        assert "verified: all 1,000 objects are in the" in text
        assert ("1 job was not part of it: verify again" in text) is (two in members)
