"""The lines of a verification at every width, from fixed values."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from slurper_tui.monitor.reports.verification_text import cost_rows, price_words, time_words
from slurper_tui.monitor.verify.plan import SideCost, VerifyPlan, VerifyProgress
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Piece, text_of, width_of
from slurper_tui.tui.render.verify_text import (
    count_style,
    fact,
    left_words,
    more_words,
    progress_lines,
    result_lines,
    run_words,
)
from tests.tui.jobs import NOW, harmless

LOOK = Look()
TALLY = Tally(
    {Outcome.SAME: 611_960, Outcome.MISSING: 31, Outcome.SIZE: 4, Outcome.CHANGED: 9},
    etags=600_000,
)
PROGRESS = VerifyProgress(612_004, 12_340.0, "2024/a.jpg", 0.612, 81.0, TALLY, (615, 620))
RESULT = Verification(
    account_id="a",
    jobs=("first", "second"),
    bucket="media",
    expected="S3 bucket photos at s3.example.com",
    actual="R2 bucket media, through the API",
    started_at=NOW - 81,
    ended_at=NOW,
    tally=TALLY,
    by_prefix=(("2024/", TALLY), ("", Tally({Outcome.SAME: 3}))),
    headers=HeaderSample(7, 1000, 12, 0.0069, 0.0209, {"Content-Type": 12}),
)
S3 = SideCost("S3 bucket photos at s3.example.com", 1_013, in_r2=False)
R2 = SideCost("R2 bucket media, through the API", 1_013, in_r2=True, lists_headers=True)
PLAN = VerifyPlan(1_000_037, S3, R2, 240.0)


def words(lines: Iterable[Iterable[Piece]]) -> str:
    return " ".join(" ".join(text_of(line) for line in lines).split())


@pytest.mark.parametrize("width", [30, 38, 60, 78, 118, 148, 198])
@pytest.mark.parametrize("airy", [False, True])
def test_every_line_fits_and_nothing_is_lost(width: int, airy: bool) -> None:
    for look in (LOOK, Look(ascii_only=True)):
        progress = [*progress_lines(PROGRESS, 1_000_037, look, width, airy=airy)]
        result = [*result_lines(RESULT, look, width, airy=airy)]
        costs = [line for row in cost_rows(PLAN) for line in fact(*row, look, width)]
        for line in (*progress, *result, *costs):
            assert width_of(line) <= width
            assert text_of(line).isascii() or not look.ascii_only
        assert "612,004" in words(progress)
        assert "31 missing" in words(result)
        for said in ("611,960", "31", "4", "9"):
            assert said in words(progress)
            assert said in words(result)


def test_the_progress_tells_pace_position_and_classes() -> None:
    said = words(progress_lines(PROGRESS, 1_000_037, LOOK, 78))
    for text in (
        "61 %",
        "compared 612,004 of 1,000,037",
        "12k keys/s · about 1 min left",
        "at 2024/a.jpg",
        "615 to the source, 620 to the target",
        "missing in the target 31",
    ):
        assert text in said
    assert "headers" not in said
    heads = replace(PROGRESS, heads=(120, 1000))
    assert "headers 120 of 1,000 objects of the sample" in words(progress_lines(heads, 1, LOOK, 78))


@pytest.mark.parametrize(
    ("progress", "objects", "said"),
    [
        (replace(PROGRESS, share=None), None, "the number of objects is not known: no percentage"),
        (replace(PROGRESS, paused=True), 9, "pace paused"),
        (replace(PROGRESS, per_second=None), 9, "pace —"),
        (replace(PROGRESS, sorting="manifest a.csv"), 9, "manifest a.csv is not listed in order"),
    ],
)
def test_what_is_not_known_or_stands_is_said(
    progress: VerifyProgress, objects: int | None, said: str
) -> None:
    assert said in words(progress_lines(progress, objects, LOOK, 78))


def test_the_words_of_the_list_do_not_change_with_every_second() -> None:
    assert run_words(None) == "verifying"
    assert run_words(PROGRESS) == "verifying 61 %"
    assert run_words(PROGRESS, "reading what failed") == "verifying: reading the log"
    assert run_words(replace(PROGRESS, share=None)) == "verifying 612k"
    assert run_words(replace(PROGRESS, paused=True)) == "verification paused at 61 %"
    assert more_words(None) == ""
    faults = "31 missing · 4 of another size · 9 changed in the source since"
    assert more_words(PROGRESS) == f"12k keys/s · about 1 min left · {faults}"
    assert [left_words(second) for second in (0, 3, 57, 119, 3700)] == [
        *("5 s", "5 s", "55 s", "1 min", "1 h 1 min"),
    ]


def test_the_result_tells_verdict_shares_prefixes_and_limits() -> None:
    said = words(result_lines(RESULT, LOOK, 78))
    for text in (
        "▲ not verified: 31 missing · 4 of another size · 9 changed in the source since",
        "missing in the target 31 <0.1 %",
        "No log says why: these objects were never copied, or deleted since.",
        "empty in the target only 0",
        "By prefix objects",
        "keys without a prefix 3 all there",
        "expected: S3 bucket photos at s3.example.com",
        "12 differ (12 Content-Type); 0.6 to 2.1 % of all objects",
        "it took 1 min",
        "not compared: the bytes of the content",
    ):
        assert text in said
    assert "0.0 %" not in said


def test_what_is_missing_while_a_job_runs_may_not_be_copied_yet() -> None:
    said = words(result_lines(replace(RESULT, live=True), LOOK, 78))
    assert "A job had not ended, so that they may not be copied yet" in said
    assert "never copied" not in said


def test_a_prefix_with_objects_that_are_not_judged_is_not_called_all_there() -> None:
    newer = Tally({Outcome.SAME: 2, Outcome.UNJUDGED: 1})
    by_prefix = (("a/", newer), ("b/", Tally({Outcome.SAME: 4})))
    said = words(result_lines(replace(RESULT, by_prefix=by_prefix), LOOK, 78))
    assert "a/ 3 no fault b/ 4 all there" in said


def test_the_prefixes_stand_beside_the_classes_where_there_is_room() -> None:
    lines = [text_of(line) for line in result_lines(RESULT, LOOK, 148)]
    [beside] = [line for line in lines if "By prefix" in line]
    assert beside.startswith("  same")


def test_a_verified_target_is_green_and_a_limited_one_is_not() -> None:
    good = replace(RESULT, tally=Tally({Outcome.SAME: 3}), by_prefix=(), headers=None)
    first = next(iter(result_lines(good, LOOK, 78)))
    assert text_of(first).strip() == "✔✔ verified: all 3 objects are in the target"
    assert first[1].style == "success"
    limited = next(iter(result_lines(replace(good, prefixes=("a/",)), LOOK, 78)))
    assert "✔✔" not in text_of(limited)
    assert limited[1].style != "success"


def test_faults_stand_out_and_a_zero_does_not() -> None:
    assert count_style(Outcome.MISSING, 1) == count_style(Outcome.EMPTY, 1) == "error"
    assert count_style(Outcome.CHANGED, 1) == count_style(Outcome.EXPECTED, 1) == "warning"
    assert count_style(Outcome.MISSING, 0) == "faint"
    assert count_style(Outcome.SAME, 1) == "success"
    assert count_style(Outcome.EXTRA, 1) == "muted"


def test_names_from_outside_are_harmless() -> None:
    nasty = "[/red]\x1b[31m\u202e/"
    result = replace(
        RESULT, expected=nasty, by_prefix=((nasty, TALLY), ("b/", TALLY)), problem=nasty
    )
    progress = replace(PROGRESS, position=nasty)
    for line in (*result_lines(result, LOOK, 78), *progress_lines(progress, 9, LOOK, 78)):
        assert harmless(text_of(line))


@pytest.mark.parametrize(
    ("plan", "price", "time"),
    [
        (PLAN, "less than 0.01 USD, none within the million free operations", "about 4 min at"),
        (
            VerifyPlan(10**9, S3, replace(R2, requests=10**7), 9e5, measured=True),
            "about 45.00 USD",
            "at the pace of the last verification for 1,000,000,000 objects",
        ),
        (
            VerifyPlan(None, S3, replace(R2, requests=None)),
            "not known without the number of objects",
            "not known: the jobs' counters do not tell",
        ),
        (VerifyPlan(5, S3, S3, 0.1), "none: R2 is not listed", "about 1 s"),
    ],
)
def test_the_cost_is_honest_about_what_is_not_known(
    plan: VerifyPlan, price: str, time: str
) -> None:
    assert price in price_words(plan)
    assert time in time_words(plan)


def test_the_source_charges_for_itself_and_an_earlier_run_is_told() -> None:
    assert "the source's own price comes on top" in price_words(PLAN)
    both = replace(PLAN, expected=R2)
    assert "on top" not in price_words(both)
    again = replace(PLAN, resumes=12_000, begun_at=NOW, headers=10)
    rows = dict(cost_rows(again))
    assert rows["goes on"] == (
        "an earlier run was interrupted, with 12,000 objects compared already"
    )
    assert rows["expected"].endswith("about 1,013 requests; 10 more for headers")
    assert rows["target"].endswith(
        "Class A operations of R2; 10 more for headers, Class A; more if other objects are there"
    )
    keyed = replace(again, actual=replace(R2, lists_headers=False))
    assert "10 more for headers, Class B;" in dict(cost_rows(keyed))["target"]
