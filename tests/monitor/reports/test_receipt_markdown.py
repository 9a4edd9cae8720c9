"""Receipts in Markdown: the numbers, and text from outside that is never markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from slurper_tui.api.models import Source
from slurper_tui.cli.commands.report import verdict as verdict_code
from slurper_tui.cli.errors import ExitCode
from slurper_tui.format import parse_time, utc
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, RetryLink, What
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.samples import Recorded, Span, SpanKind
from slurper_tui.monitor.model.verdict import not_copied, verdict
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.receipt import JobReceipt, Receipt, job_receipt, reasons_of
from slurper_tui.monitor.reports.receipt_markdown import MOST_LINES, code, markdown, table
from slurper_tui.monitor.reports.records import record
from tests.tui.jobs import NOW, harmless, view

FAILED = "importErrorRetryExhaustion"
TIER = "importSkippedStorageClass"
BROKE = "migrationErrorFailedContinuation"
SOME = Counts(1000, 990, 0, 10)
GFM = MarkdownIt("gfm-like", {"html": True})


def ended(number: int = 1, counts: Counts = SOME, **given: Any) -> JobView:
    """A job that has ended, with the verdict of its log if one is given."""
    status = given.pop("status", "completed")
    log = given.pop("log", None)
    result = view(number, status, counts=counts, source="photos", **given)
    return replace(
        result,
        verdict=verdict(counts, status, log),
        not_copied=not_copied(counts, log),
        listing_broke=log.listing_broke if log else False,
    )


def receipt(*jobs: JobReceipt, links: tuple[RetryLink, ...] = ()) -> Receipt:
    return Receipt(jobs, family([job.view for job in jobs], links))


def one(log: LogCounts | None = None, **given: Any) -> JobReceipt:
    """The receipt of one job that ran for 1000 seconds."""
    fields = {name: given.pop(name) for name in ("seen", "best", "events") if name in given}
    return JobReceipt(ended(log=log, **given), NOW - 1001, NOW - 1, log=log, **fields)


# Numbers ---------------------------------------------------------------------------------------


def row(text: str, name: str) -> list[str]:
    """The cells of a table's row."""
    [line] = [line for line in text.split("\n") if line.startswith(f"| {name}")]
    return [part.strip() for part in line.strip("|").split("|")]


@pytest.mark.parametrize("log", [LogCounts(whole=True), LogCounts({FAILED: 9, TIER: 40}, True)])
def test_skips_are_not_in_the_target_by_a_log_that_does_not_name_every_failure(
    log: LogCounts,
) -> None:
    result = receipt(one(log, counts=Counts(1000, 890, 100, 10)))
    text = markdown(result)
    assert row(text, "Skipped")[1] == "100"
    assert f"reasons unknown of {100 - log.not_copied}, because a log does not list" in text
    assert "in the target already" not in text
    assert not result.all_copied


def test_the_counts_reconcile_in_a_table() -> None:
    log = LogCounts({FAILED: 10, "importSkippedOversized": 4}, whole=True)
    result = markdown(receipt(one(log, counts=Counts(1000, 950, 30, 10))))
    assert row(result, "Transferred") == ["Transferred", "950", "95.0 %"]
    assert row(result, "Skipped, in the target already")[1] == "26"
    assert row(result, "Skipped, not copied")[1] == "4"
    assert row(result, "Failed")[1] == "10"
    assert row(result, "Unaccounted")[1] == "10"
    assert row(result, "Total")[1] == "1,000"
    assert "950 + 30 + 10 + 10 = 1,000: transferred + skipped + failed + unaccounted is" in result
    assert "The logs list 10 of 10 failed objects." in result


def test_unknown_counts_are_dashes() -> None:
    result = markdown(receipt(one(counts=Counts(1000, None, 30, None))))
    assert row(result, "Transferred")[1] == row(result, "Failed")[1] == "—"
    assert row(result, "Skipped")[:2] == ["Skipped", "30"]
    assert "The counts do not reconcile: not all of them are known." in result
    assert "Whether skipped objects are in the target is not known" in result
    assert "- Duration: 16 min" in result
    bare = JobReceipt(view(1, "completed", source="photos"))
    assert "- Duration: not known" in markdown(receipt(bare))
    assert "Rate" not in markdown(receipt(bare))


def test_not_done_and_unaccounted_objects_have_one_row() -> None:
    aborted = JobReceipt(ended(2, Counts(100, 60, 0, 0), status="aborted"), NOW - 1001, NOW - 1)
    assert row(markdown(receipt(one(), aborted)), "Not done")[:2] == ["Not done", "40"]
    unclear = one(counts=Counts(1000, 950, 0, 10))
    result = row(markdown(receipt(unclear, aborted)), "Not done")
    assert result[:2] == ["Not done or unaccounted", "80"]


def test_surplus_over_the_total_is_named() -> None:
    result = markdown(receipt(one(LogCounts(whole=True), counts=Counts(1000, 1002, 0, 0))))
    assert (
        "1,002 + 0 + 0 + 0 = 1,002: transferred + skipped + failed + unaccounted is 2 more"
        in result
    )


def test_rates_leave_pauses_out() -> None:
    paused = Span(SpanKind.PAUSED, NOW - 901, NOW - 401)
    job = one(LogCounts(whole=True), seen=(paused,), best=12.3)
    result = markdown(receipt(job))
    assert (job.running_seconds, job.average) == (500.0, 2.0)
    assert "2.0 objects per second on average while running, 12 at best over ten minutes" in result
    assert "- Duration: 16 min, of which 8 min seen paused" in result
    assert f"- Paused: {_utc(901)} to {_utc(401)} (8 min)" in result


def _utc(ago: float) -> str:
    return utc(NOW - ago)


def test_further_spans_and_changes_are_counted() -> None:
    begins = [NOW - 9000 + 100 * n for n in range(50)]
    gaps = tuple(Span(SpanKind.UNOBSERVED, begin, begin + 70) for begin in begins)
    events = tuple(Event(JobKey("a", "j"), NOW + n, What.HERE, "paused") for n in range(50))
    result = markdown(receipt(one(LogCounts(whole=True), events=events, seen=gaps)))
    assert result.count("- Not observed") == MOST_LINES + 1
    assert "- Not observed: 30 more times, 35 min together" in result
    assert result.count("paused, as requested here") == MOST_LINES
    assert "- 30 earlier changes" in result


def test_short_unobserved_spans_are_omitted() -> None:
    seen = (
        Span(SpanKind.WATCHED, NOW - 1001, NOW - 60),
        Span(SpanKind.UNOBSERVED, NOW - 60, NOW - 1),
    )
    result = markdown(receipt(one(LogCounts(whole=True), seen=seen)))
    assert "Observed from beginning to end; no pause and no stall was seen." in result


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (What.ASKED, "pause sent from here"),
        (What.REFUSED, "pause refused: `1004: not now`"),
        (What.UNDECIDED, "pause not answered: `1004: not now`"),
        (What.HERE, "pause, as requested here"),
        (What.ELSEWHERE, "pause from elsewhere"),
        (What.ITSELF, "pause"),
        (What.CREATED, "created from here"),
        (What.RETRIED, "retried by `pause`"),
    ],
)
def test_events_name_their_origin(what: What, words: str) -> None:
    event = Event(JobKey("a", "j"), NOW, what, "pause", "1004: not now")
    result = markdown(receipt(one(LogCounts(whole=True), events=(event,))))
    assert f"- {_utc(0)} {words}\n" in result


def test_receipt_ends_with_the_version_and_a_newline() -> None:
    result = markdown(receipt(one()), "1.2.3")
    assert result.endswith("\n\nMade by slurper-tui 1.2.3. All times are UTC.\n")


# Verdicts --------------------------------------------------------------------------------------


def test_all_copied_requires_proof() -> None:
    clean = Counts(1000, 1000, 0, 0)
    whole = LogCounts({"migrationStart": 1}, whole=True)
    skipped = Counts(1000, 990, 10, 0)
    for result, all_copied in (
        (one(whole, counts=clean), True),
        (one(None, counts=clean), False),
        (one(None, counts=skipped), False),
        (one(whole, counts=skipped), True),
        (one(LogCounts(whole=True), counts=skipped), False),
        (one(LogCounts({"importSkippedOversized": 1}, whole=True), counts=skipped), False),
        (one(LogCounts({BROKE: 1}, whole=True), counts=clean), False),
        (one(whole, counts=Counts(1001, 1000, 0, 0)), False),
        (one(whole, counts=Counts(1000, 999, 0, 1)), False),
        (one(whole, counts=clean, status="aborted"), False),
        (one(whole, counts=Counts(1000, 1000, None, 0)), False),
    ):
        assert receipt(result).all_copied is all_copied
        assert receipt(result).headline.endswith("all copied") is all_copied


def test_job_with_an_unknown_final_status_is_not_all_copied() -> None:
    whole = LogCounts(whole=True)
    clean = one(whole, counts=Counts(1000, 1000, 0, 0))
    view = replace(ended(2, Counts(100, 100, 0, 0)), status="errored", verdict=None, ended=True)
    result = receipt(clean, JobReceipt(view, NOW - 1001, NOW - 1, log=whole))
    assert not result.all_copied
    assert result.headline.startswith("1 of 2 errored")
    assert verdict_code(result) is ExitCode.OBJECTS_LOST
    assert row(markdown(result), "Not done")[1] == "0"


def test_listing_error_is_in_the_headline_and_the_reasons() -> None:
    result = markdown(receipt(one(LogCounts({BROKE: 1}, whole=True))))
    assert "source listing broke: the total is incomplete" in result.split("\n")[2]
    assert row(result, "source listing broke")[2] == "1"


def test_objects_that_a_retry_found_in_the_target_were_not_copied_by_it() -> None:
    first = one(LogCounts({FAILED: 10}, whole=True))
    log = LogCounts({"migrationStart": 1}, whole=True)
    again = ended(2, Counts(10, 7, 3, 0), log=log)
    link = RetryLink(again.key, first.view.key, 10, (FAILED,))
    second = JobReceipt(again, NOW, NOW + 60, log=log, retry_link=link)
    result = receipt(first, second, links=(link,))
    assert result.headline == "10 failed, of which 7 were copied by a retry: all copied"


def test_copied_skipped_objects_are_not_counted_as_failures() -> None:
    log = LogCounts({FAILED: 10, "importSkippedStorageClass": 5}, whole=True)
    first = one(log, counts=Counts(1000, 985, 5, 10))
    again = ended(2, Counts(5, 5, 0, 0), log=LogCounts(whole=True))
    link = RetryLink(again.key, first.view.key, 5, ("importSkippedStorageClass",))
    second = JobReceipt(again, NOW, NOW + 60, log=LogCounts(whole=True), retry_link=link)
    result = receipt(first, second, links=(link,))
    assert result.headline == "completed · 10 failed after retries · 0 unaccounted"


def test_pauses_of_several_jobs_are_listed_per_job() -> None:
    paused = Span(SpanKind.PAUSED, NOW - 901, NOW - 1)
    first = one(LogCounts(whole=True), seen=(paused,))
    second = JobReceipt(ended(2), NOW - 1001, NOW - 1, (paused,))
    result = markdown(receipt(first, second))
    assert "- Duration: 16 min\n" in result
    assert result.count("(16 min, of which 15 min seen paused)") == 2


def test_job_with_an_unknown_beginning_is_not_observed() -> None:
    result = markdown(receipt(JobReceipt(ended(), None, NOW)))
    assert "Observed from beginning to end" not in result
    assert "It is not known when a job began or ended" in result


BEGUN, LATER, EARLIER = "2026-11-20T08:00:02Z", "2026-11-20T09:00:02Z", "2026-11-20T08:00:00Z"


@pytest.mark.parametrize(
    ("begun", "ended", "lines"),
    [
        (BEGUN, LATER, [f"Started: {BEGUN}", f"Ended: {LATER}", "Duration: 1 h"]),
        (
            BEGUN,
            EARLIER,
            [
                f"Started: {BEGUN}",
                f"Ended: {EARLIER}",
                "Duration: not known: the API returns an end before the start",
            ],
        ),
        (
            BEGUN,
            None,
            [
                f"Started: {BEGUN}",
                "Ended: not returned by the API; last observed 2026-11-21T00:00:00Z",
                "Duration: not known",
            ],
        ),
        (
            "soon",
            "0001-01-01T00:00:00Z",
            [
                "Started: not returned by the API (it says `soon`)",
                "Ended: not returned by the API (it says `0001-01-01T00:00:00Z`);"
                " last observed 2026-11-21T00:00:00Z",
                "Duration: not known",
            ],
        ),
        (
            None,
            LATER,
            ["Started: not returned by the API", f"Ended: {LATER}", "Duration: not known"],
        ),
    ],
)
def test_missing_and_invalid_times(begun: str | None, ended: str | None, lines: list[str]) -> None:
    looked = parse_time("2026-11-21T00:00:00Z") or 0.0
    known = one(LogCounts(whole=True), counts=Counts(1000, 1000, 0, 0)).view
    known = replace(known, job=replace(known.job, created_at=begun, finished_at=ended))
    seen = (Recorded(looked, known.counts, known.status, after_gap=True),)
    job = job_receipt(known, seen)
    result, as_record = markdown(receipt(job)), record(receipt(job))
    assert [
        line[2:]
        for line in result.split("\n")
        if line.startswith(("- Started", "- Ended", "- Duration"))
    ] == lines
    backwards = begun is None or ended is None or ended < begun
    assert ("Rate:" in result) == (as_record["seconds"] is not None) == (not backwards)
    assert ("It is not known when a job began or ended" in result) == backwards
    assert as_record["jobs"][0]["finishedAt"] == ended
    observed = "2026-11-21T00:00:00Z" if "last observed" in result else None
    assert as_record["lastObservedAt"] == as_record["jobs"][0]["lastObservedAt"] == observed
    two = markdown(receipt(job, replace(job, view=ended_(2, known))))
    assert ("an unknown end; last observed" in two) == ("last observed" in result)


def ended_(number: int, like: JobView) -> JobView:
    """Another job that ended in the same way."""
    return replace(like, job=replace(like.job, id=f"job{number}"))


def test_reasons_are_summed_the_worst_first() -> None:
    logs = [
        LogCounts({FAILED: 3, "importSkippedOversized": 9}, first_seen={FAILED: "2026-01-02"}),
        LogCounts({FAILED: 4, BROKE: 1, "migrationStart": 1}, first_seen={FAILED: "2026-01-01"}),
    ]
    result = reasons_of(logs)
    assert [(reason.log_type, reason.count) for reason in result] == [
        (BROKE, 1),
        (FAILED, 7),
        ("importSkippedOversized", 9),
    ]
    assert result[1].first_seen == "2026-01-01"


# Foreign text ----------------------------------------------------------------------------------

NASTY = [
    "a|b",
    "a\\|b\\",
    "`",
    "``` x",
    " `a` ",
    "a\nb",
    "a\r\n| x | y |\n|--|--|",
    "<script>alert(1)</script>",
    "[x](http://evil.example)",
    "![x](http://evil.example/p.png)",
    "**bold**",
    "www.evil.example",
    "https://evil.example/",
    "@everyone",
    "#123",
    "&#124;",
    "\u202eabc",
    "\x1b[31m",
    "\u2028",
    "~~x~~",
    "$x$",
    "   ",
    "- x",
    "# x",
    "\\",
    "\\`",
    "`|`",
    "a`|`b",
]
FOREIGN = st.sampled_from(NASTY) | st.text(
    st.sampled_from("`|\\ \n\r\t<>[]()*_~#&!@.:/-+=$\"'{}ab1\u202e\x1b\u2028é"),
    min_size=1,
    max_size=12,
)


def foreign(name: str) -> str:
    """A receipt in which every text from outside is `name`."""
    log = LogCounts({FAILED: 3, f"importSkipped{name}": 2}, whole=True, last_seen={FAILED: name})
    event = Event(JobKey(name, name), NOW, What.REFUSED, "pause", name)
    job = one(log, account=name, id=name, target=name, events=(event,))
    source = Source(name, name, name, name, name, jurisdiction=name)
    first = replace(job, view=replace(job.view, job=replace(job.view.job, source=source)))
    again = ended(2, Counts(10, 7, 0, 3), id=f"{name}2", account=name, prefix=name, log=log)
    link = RetryLink(again.key, first.view.key, 10, (FAILED,))
    return markdown(receipt(first, JobReceipt(again, log=log, retry_link=link), links=(link,)))


def structure(text: str) -> list[str]:
    """What a renderer makes of it, without the texts."""
    return list(_kinds(GFM.parse(text)))


def _kinds(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        yield token.type if token.type != "inline" else "("
        yield from _kinds(token.children or [])


@given(FOREIGN)
def test_text_from_outside_does_not_change_the_markup(name: str) -> None:
    result = foreign(name)
    assert structure(result) in (structure(foreign("x.y")), structure(foreign("xy")))
    assert all(harmless(line) for line in result.split("\n"))


@given(FOREIGN)
def test_code_is_rendered_verbatim(name: str) -> None:
    [inline] = [token for token in GFM.parse(f"x {code(name)} y") if token.type == "inline"]
    assert [child.type for child in inline.children or []] == ["text", "code_inline", "text"]
    shown = (inline.children or [])[1].content
    safe = "".join(c if harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in name)
    assert shown.strip() == safe.strip()


def test_table_is_aligned() -> None:
    assert [*table(("", "Objects"), [("Failed", "1"), ("Total", "1,000")])] == [
        "|        | Objects |",
        "| :----- | ------: |",
        "| Failed |       1 |",
        "| Total  |   1,000 |",
    ]
