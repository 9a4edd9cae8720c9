"""The sentences about a verification."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.records import verified_record
from slurper_tui.monitor.reports.verification_text import (
    LABELS,
    MEANINGS,
    count_rows,
    detail_words,
    etag_words,
    header_words,
    not_compared_words,
    outdated_words,
    prefix_rows,
    proof_words,
    verdict_words,
)
from tests.monitor.reports.family_jobs import job
from tests.monitor.verifications import BAD, verified

GOOD = {Outcome.SAME: 999_945}
result = partial(verified, "job1")


@pytest.mark.parametrize(
    ("counts", "fields", "text"),
    [
        (GOOD, {}, "verified: all 999,945 objects are in the target"),
        ({Outcome.SAME: 1}, {}, "verified: the object is in the target"),
        ({Outcome.EXTRA: 3}, {}, "nothing is verified: no object was expected"),
        ({Outcome.UNJUDGED: 3}, {}, "nothing is verified: 3 newer than the listing"),
        (
            {Outcome.SAME: 10, Outcome.UNJUDGED: 2, Outcome.EXTRA: 4},
            {},
            "verified: all 10 objects are in the target; 2 newer than the listing",
        ),
        (
            BAD,
            {},
            "not verified: 37 missing · 5 of another size · 2 empty in the target ·"
            " 11 changed in the source since, of 1,000,000 objects",
        ),
        (
            {Outcome.SAME: 1, Outcome.EXPECTED: 3, Outcome.ETAG: 1},
            {},
            "not verified: 1 with another MD5 · 3 missing as the log says, of 5 objects",
        ),
        (
            {Outcome.MISSING: 1, Outcome.SAME: 1},
            {"live": True},
            "not verified: 1 missing, of 2 objects; a job had not ended",
        ),
        (
            GOOD,
            {"headers": HeaderSample(7, 400, 3)},
            "not verified: nothing is missing; headers differ for 3 of 400 sampled objects",
        ),
        (
            GOOD,
            {"headers": HeaderSample(7, 400)},
            "verified: all 999,945 objects are in the target",
        ),
        (
            {Outcome.MISSING: 1},
            {"headers": HeaderSample(7, 1, 1)},
            "not verified: 1 missing, of 1 object; headers differ for 1 of 1 sampled object",
        ),
        (
            GOOD,
            {"prefixes": ("2023/",)},
            "nothing is missing and nothing differs below 2023/: 999,945 objects",
        ),
        (
            {Outcome.MISSING: 1},
            {"prefixes": ("2023/", "2024/")},
            "not verified: 1 missing, of 1 object below 2023/ and 1 more",
        ),
        (
            GOOD,
            {"live": True},
            "nothing is missing so far: 999,945 objects; not verified, because a job had not ended",
        ),
        (
            GOOD,
            {"problem": "the source did not answer"},
            "not verified: the source did not answer;"
            " no fault in the 999,945 objects compared so far",
        ),
        (
            BAD,
            {"problem": "the source did not answer"},
            "not verified: the source did not answer; 37 missing · 5 of another size ·"
            " 2 empty in the target · 11 changed in the source since"
            " in the 1,000,000 objects compared so far",
        ),
    ],
)
def test_the_verdict_says_verified_or_what_is_wrong(
    counts: Mapping[Outcome, int], fields: dict[str, Any], text: str
) -> None:
    verdict = verdict_words(result(counts=counts, **fields))
    assert verdict == text
    assert verdict.startswith("verified") is (
        result(counts=counts, **fields).verified and "live" not in fields
    )


def test_every_outcome_has_a_label_and_a_meaning() -> None:
    assert set(LABELS) == set(MEANINGS) == set(Outcome)


def test_the_table_lists_what_matters_even_if_there_is_none() -> None:
    rows = [(row.label, row.number, row.is_fault) for row in count_rows(Tally(GOOD))]
    assert rows == [
        ("same", 999_945, False),
        ("missing in the target", 0, True),
        ("size differs", 0, True),
        ("empty in the target only", 0, True),
        ("changed in the source since the job began", 0, True),
    ]
    more = Tally({Outcome.EXPECTED: 3, Outcome.EXTRA: 4, Outcome.UNJUDGED: 5, Outcome.ETAG: 6})
    found = [(row.label, row.number, row.is_fault) for row in count_rows(more) if row.number]
    assert found == [
        ("same size, MD5 differs", 6, True),
        ("missing, as the log says", 3, True),
        ("only in the target", 4, False),
        ("not judged: newer than the listing", 5, False),
    ]


@pytest.mark.parametrize(
    ("tally", "text"),
    [
        (Tally({Outcome.MISSING: 3}), ""),
        (Tally({Outcome.SAME: 1}, etags=1), "the MD5 was compared for it"),
        (Tally({Outcome.SAME: 1_204}, etags=1_204), "the MD5 was compared for all 1,204"),
        (
            Tally(
                {Outcome.SAME: 1_000},
                etags=800,
                not_compared={"encrypted": 20, "uploaded in parts": 180},
            ),
            "the MD5 was compared for 800 of 1,000 objects that agree;"
            " not for the others: 180 uploaded in parts, 20 encrypted",
        ),
        (
            Tally({Outcome.SAME: 7}, size_unknown=7, not_compared={"not in the manifest": 7}),
            "the MD5 was compared for none of 7 objects that agree;"
            " not for the others: 7 not in the manifest;"
            " of 7 only the key was compared, without a size",
        ),
    ],
)
def test_it_is_said_for_how_many_objects_the_md5_was_compared(tally: Tally, text: str) -> None:
    assert etag_words(tally) == text


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (None, ""),
        (HeaderSample(7), "no headers could be compared"),
        (HeaderSample(7, problem="denied"), "no headers could be compared: denied"),
        (
            HeaderSample(7, 4, 0, 0.0, 0.5, problem="denied"),
            "headers of 4 objects in a random sample (seed 7): all alike;"
            " at most 50.0 % of all objects differ, with 95 % confidence;"
            " not the whole sample: denied",
        ),
        (
            HeaderSample(7, 400, 0, 0.0, 0.0095, large=31),
            "headers of 400 objects in a random sample, 31 of them over 100 MiB (seed 7):"
            " all alike; at most 1.0 % of all objects differ, with 95 % confidence",
        ),
        (
            HeaderSample(7, 400, 3, 0.0026, 0.0218, {"Content-Type": 3, "Cache-Control": 1}),
            "headers of 400 objects in a random sample (seed 7): 3 differ"
            " (3 Content-Type, 1 Cache-Control);"
            " 0.2 to 2.2 % of all objects, with 95 % confidence",
        ),
        (
            HeaderSample(7, 1, 1, 0.2, 1.0),
            "headers of 1 object in a random sample (seed 7): 1 differs;"
            " 20.0 to 100.0 % of all objects, with 95 % confidence",
        ),
    ],
)
def test_a_sample_of_headers_is_told_with_its_confidence(
    sample: HeaderSample | None, text: str
) -> None:
    assert header_words(sample) == text


def test_what_was_not_compared_is_said() -> None:
    headers = HeaderSample(7, 400)
    assert not_compared_words(result(counts=GOOD)) == (
        "not compared: the bytes of the content, headers, versions, tags and ACLs"
    )
    assert not_compared_words(result(counts=GOOD, headers=headers)) == (
        "not compared: the bytes of the content, headers outside the sample, versions, tags and"
        " ACLs"
    )


def test_the_details_name_both_sides_and_the_scope() -> None:
    assert list(detail_words(verified("job1", "job2", counts=GOOD))) == [
        "expected: S3 bucket photos at s3.example.com",
        "found: R2 bucket media",
        "all objects of 2 jobs",
        "the MD5 was compared for none of 999,945 objects that agree",
        "not compared: the bytes of the content, headers, versions, tags and ACLs",
    ]
    limited = result(counts=GOOD, prefixes=("2023/",))
    assert "only the objects of 1 job below 2023/" in detail_words(limited)


def test_prefixes_are_told_in_the_order_of_the_result() -> None:
    by_prefix = (
        ("2024/", Tally(BAD)),
        ("2023/", Tally({Outcome.SAME: 3, Outcome.EXTRA: 9})),
        ("1/", Tally({Outcome.EXTRA: 9})),  # nothing was expected there
    )
    rows = list(prefix_rows(result(counts=BAD, by_prefix=by_prefix)))
    assert [tuple(row) for row in rows] == [
        (
            "2024/",
            1_000_000,
            999_945,
            "37 missing · 5 of another size · 2 empty in the target ·"
            " 11 changed in the source since",
        ),
        ("2023/", 3, 3, ""),
    ]


def test_a_job_is_proven_by_a_verification_that_found_faults_below_other_prefixes() -> None:
    parts = (("2022/", Tally({Outcome.MISSING: 37})), ("1/", Tally({Outcome.SAME: 1_000})))
    counts = {Outcome.MISSING: 37, Outcome.SAME: 1_000}
    result = verified("job0001", "job0002", counts=counts, by_prefix=parts)
    found, other = (
        replace(job(n, "completed", prefix=prefix), verification=result)
        for n, prefix in ((1, "1/"), (2, "2022/"))
    )
    assert proof_words(found) == "verified: all objects below 1/ are in the target"
    assert proof_words(other) == verdict_words(result)
    assert proof_words(job(3)) == ""
    assert outdated_words(found) == ""
    assert verified_record(found) == {
        "at": "2026-03-20T09:56:40Z",
        "same": 1_000,
        "missing": 0,
        "differs": 0,
        "proven": True,
    }
    wider = replace(result, by_prefix=(parts[0], ("", Tally({Outcome.SAME: 1_000}))))
    told = verified_record(replace(found, verification=wider))
    assert told is not None
    assert (told["same"], told["missing"], told["proven"]) == (None, 0, True)
    told = verified_record(other)
    assert told is not None
    assert (told["missing"], told["proven"]) == (37, False)
    both = family([found, other]).view
    assert (both.verified, both.lacks) == (False, True)


DONE, RUNNING = job(1, "completed"), job(2, "running")
LATER = job(3, "completed")


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (DONE, ""),
        (replace(DONE, verification=verified(DONE)), ""),
        (replace(DONE, verification=verified(DONE, counts=BAD)), ""),
        (
            replace(RUNNING, verification=verified(RUNNING, live=True)),
            "the job has not ended: verify it again",
        ),
        (
            replace(DONE, verification=verified(DONE, live=True, at=-100)),
            "the job ended after it began: verify it again",
        ),
        (
            replace(DONE, verification=verified(DONE, counts={Outcome.SAME: 999}, manifest=True)),
            "the manifest names 999 objects, of 1,000 that were counted",
        ),
        (replace(DONE, verification=verified(DONE, manifest=True)), ""),
        (
            family([replace(DONE, verification=verified(DONE)), LATER]).view,
            "1 job was not part of it: verify again",
        ),
        (
            family(
                [
                    replace(one, verification=verified(DONE, RUNNING, live=True))
                    for one in (DONE, RUNNING)
                ]
                + [LATER, job(4, "paused")]
            ).view,
            "2 jobs were not part of it, 1 job has not ended: verify again",
        ),
    ],
)
def test_why_a_verification_proves_nothing_any_more(view: JobView, text: str) -> None:
    assert outdated_words(view) == text
