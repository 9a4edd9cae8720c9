"""Receipts of migrations that were verified, that lack objects, and that were not verified."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from slurper_tui.cli.commands.report import verdict as verdict_code
from slurper_tui.cli.errors import ExitCode
from slurper_tui.monitor.model.job import Counts, JobView, State
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.receipt import JobReceipt, Receipt
from slurper_tui.monitor.reports.receipt_markdown import MOST_LINES, markdown
from slurper_tui.monitor.reports.records import record, verification_record
from slurper_tui.monitor.reports.verification_text import proof_words
from slurper_tui.monitor.verify.buckets import R2Listing
from tests.monitor.bench import EPOCH, bench
from tests.monitor.inline_history import InlineHistory
from tests.monitor.reports.ended import account, key_of, past, plan, receipt_of
from tests.monitor.reports.test_receipt_markdown import ended
from tests.monitor.verifications import BAD, verified
from tests.tui.jobs import ACCOUNT, NOW, view
from tests.virtual_time import timeless

CLEAN, SOME = Counts(1000, 1000, 0, 0), Counts(1000, 950, 40, 10)
LOG = LogCounts({"importErrorRetryExhaustion": 10}, whole=True)


def receipt(*views: JobView, result: Verification | None = None) -> Receipt:
    checked = [replace(one, verification=result) for one in views]
    jobs = tuple(JobReceipt(one, NOW - 1001, NOW - 1, log=LOG) for one in checked)
    return Receipt(jobs, family(checked))


@pytest.mark.parametrize(
    ("counts", "result", "headline", "copied", "code"),
    [
        (
            SOME,
            verified("job0001"),
            "verified: all 1,000 objects are in the target",
            True,
            ExitCode.OK,
        ),
        (
            CLEAN,
            verified("job0001", counts=BAD),
            "not verified: 37 missing · 5 of another size · 2 empty in the target ·"
            " 11 changed in the source since, of 1,000,000 objects",
            False,
            ExitCode.OBJECTS_LOST,
        ),
        (
            CLEAN,
            verified("job0001", prefixes=("a/",)),
            "completed · 0 failed · 0 unaccounted: all copied;"
            " nothing is missing and nothing differs below a/: 1,000 objects",
            True,
            ExitCode.OK,
        ),
        (
            SOME,
            verified("job0001", live=True, at=-50),
            "completed · 10 failed · 0 not copied · 0 unaccounted;"
            " nothing is missing so far: 1,000 objects; not verified, because a job had not ended;"
            " the job ended after it began: verify it again",
            False,
            ExitCode.OBJECTS_LOST,
        ),
        (
            SOME,
            verified("job0001", problem="the source did not answer"),
            "completed · 10 failed · 0 not copied · 0 unaccounted;"
            " not verified: the source did not answer;"
            " no fault in the 1,000 objects compared so far",
            False,
            ExitCode.OBJECTS_LOST,
        ),
    ],
)
def test_the_verdict_says_verified_or_names_what_is_missing(
    counts: Counts, result: Verification, headline: str, copied: bool, code: ExitCode
) -> None:
    made = receipt(ended(1, counts, log=LOG if counts is SOME else None), result=result)
    assert made.headline == headline
    assert (made.all_copied, verdict_code(made)) == (copied, code)
    shown = next(line for line in markdown(made).split("\n") if line.startswith("**"))
    assert shown.strip("*`") == headline[0].upper() + headline[1:]
    told = json.loads(json.dumps(record(made)))
    assert told["verdict"]["text"] == headline
    assert told["verdict"]["allCopied"] is copied
    assert told["verified"]["proven"] is made.verified is headline.startswith("verified")
    assert told["verification"]["outcomes"]["missing"] == result.tally.of(Outcome.MISSING)


def test_an_aborted_job_that_was_verified_stays_an_aborted_job() -> None:
    made = receipt(ended(1, SOME, status="aborted"), result=verified("job0001"))
    assert made.headline.startswith("aborted · ")
    assert made.headline.endswith("; verified: all 1,000 objects are in the target")
    assert (made.all_copied, verdict_code(made)) == (False, ExitCode.JOB_LOST)


def test_an_interim_receipt_claims_nothing() -> None:
    live = view(1, source="photos")
    made = receipt(live, result=verified(live, live=True))
    assert (made.headline[:9], made.verified) == ("not ended", False)
    assert "## Compared with the source" in markdown(made)
    assert "**The job has not ended: verify it again.**" in markdown(made)


WHOLE = verified(
    "job0001",
    counts={**BAD, Outcome.EXTRA: 7},
    headers=HeaderSample(7, 400, 3, 0.002, 0.0218, {"Content-Type": 3}),
    by_prefix=(("2024/|`", Tally(BAD)), ("2023/", Tally({Outcome.SAME: 3}))),
    tally=Tally(
        {**BAD, Outcome.EXTRA: 7}, 0, 999_900, {"uploaded to the source in parts": 45}, 10**12
    ),
)


def test_what_was_compared_is_a_section() -> None:
    text = markdown(receipt(ended(1, SOME), result=WHOLE))
    for line in (
        "## Compared with the source",
        "- Compared: 2026-03-20T09:46:40Z to 2026-03-20T09:56:40Z (10 min)",
        "- Expected: `S3 bucket photos at s3.example.com`",
        "- Found: R2 bucket media",
        "- Scope: All objects of 1 job",
        "| Same                                      | 999,945 |   99.9 % |",
        "| Missing in the target                     |      37 |    0.0 % |",
        "| Only in the target                        |       7 |          |",
        "| Expected                                  | 1,000,000 |        |",
        "- The MD5 was compared for 999,900 of 999,945 objects that agree; not for the others:"
        " 45 uploaded to the source in parts",
        "- Headers of 400 objects in a random sample (seed 7): 3 differ (3 Content-Type);"
        " 0.2 to 2.2 % of all objects, with 95 % confidence",
        "- Not compared: the bytes of the content, headers outside the sample, versions, tags and"
        " ACLs",
    ):
        assert squeezed(line) in squeezed(text)
    assert "2023/" not in text
    rendered = MarkdownIt("gfm-like").render(text)
    assert "<code>2024/¦`</code>" in rendered


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_many_prefixes_with_faults_are_counted() -> None:
    parts = tuple((f"{n}/", Tally({Outcome.MISSING: 1})) for n in range(MOST_LINES + 3))
    text = markdown(receipt(ended(1, SOME), result=replace(WHOLE, by_prefix=parts)))
    assert "The same of 3 more prefixes is not listed." in text


@pytest.mark.parametrize(
    ("overwrite", "counts", "trap"),
    [
        (False, SOME, " (40 skipped)."),
        (None, Counts(1000, 990, None, 10), " empty one."),
        (False, CLEAN, None),
        (True, SOME, None),
    ],
)
def test_an_unverified_receipt_says_what_counters_cannot_prove_and_what_r2_charges(
    overwrite: bool | None, counts: Counts, trap: str | None
) -> None:
    one = ended(1, counts)
    made = receipt(replace(one, job=replace(one.job, overwrite=overwrite)))
    text = squeezed(markdown(made))
    assert (
        "## Not verified - The counters tell what the jobs did, not what the target holds" in text
    )
    assert "changed in the source after it was copied was not copied again" in text
    assert ("Without overwrite, an object is skipped if the target has its key" in text) is (
        trap is not None
    )
    assert trap is None or trap in text
    assert "`slurper-tui verify` compares the target with the source, key by key." in text
    copied = f"{counts.transferred:,}"
    assert (
        "R2 charges one Class A operation for each copied object below 100 MiB, and more for larger"
        f" ones: at least {copied}, less than 0.01 USD beyond the free million of a month." in text
    )
    told = record(made)
    assert (told["verified"], told["verification"]) == (None, None)


@pytest.mark.parametrize(
    ("copied", "words"),
    [
        (10_000_000, "at least 10,000,000, 45.00 USD beyond"),
        (0, "at least 0, 0.00 USD beyond"),
        (None, "and more for larger ones."),
    ],
)
def test_the_least_that_r2_charges(copied: int | None, words: str) -> None:
    assert words in markdown(receipt(ended(1, Counts(copied, copied, 0, 0))))


def test_a_verified_receipt_tells_the_cost_alone() -> None:
    text = markdown(receipt(ended(1, SOME), result=verified("job0001")))
    assert "## Verified" in text
    assert "## Cost" in text
    assert "counters tell" not in text
    assert "Not verified" not in text


def test_every_field_of_a_verification_in_json() -> None:
    told = json.loads(json.dumps(verification_record(WHOLE)))
    assert told["text"].startswith("not verified: 37 missing")
    assert (told["accountId"], told["jobs"], told["objects"]) == (ACCOUNT, ["job0001"], 1_000_000)
    assert told["outcomes"] == {
        "same": 999_945,
        "missing": 37,
        "size": 5,
        "etag": 0,
        "empty": 2,
        "changed": 11,
        "expected": 0,
        "extra": 7,
        "unjudged": 0,
    }
    assert told["etagsNotCompared"] == {"uploaded to the source in parts": 45}
    assert told["headers"]["byHeader"] == {"Content-Type": 3}
    assert [part["prefix"] for part in told["byPrefix"]] == ["2024/|`", "2023/"]
    assert verification_record(verified())["headers"] is None


def result_for(one: Receipt, **fields: Any) -> Verification:
    [job] = one.jobs
    ended_at = job.ended or 0.0
    return verified(
        job.view.key.job_id,
        account_id=job.view.account_id,
        started_at=ended_at + 60,
        ended_at=ended_at + 90,
        **fields,
    )


@timeless
async def test_the_receipt_has_the_verification_of_another_program() -> None:
    history = InlineHistory()
    ended_job = plan(failed=36, created=EPOCH - 7200, objects=300, seconds=600.0)
    async with bench(account(ended_job), history=past(history)) as b:
        await b.rounds(1)
        first = await receipt_of(b)
        assert (first.verified, first.verification) == (False, None)
        result = result_for(first)
        history.store.notes.keep((), {}, (), [result])
        second = await receipt_of(b)
        assert (second.verified, second.verification) == (True, result)
        assert second.headline == "verified: all 1,000 objects are in the target"
        faulty = result_for(first, counts=BAD)
        await b.session.keep_verification(replace(faulty, started_at=faulty.started_at + 1))
        third = await receipt_of(b)
        assert (third.verified, third.lacks) == (False, True)


async def test_what_was_verified_is_shown_in_the_migration_its_jobs_and_the_receipt() -> None:
    past_jobs = [
        plan(name, prefix=prefix, created=EPOCH - 7200, objects=300, seconds=600.0, **lost)
        for name, prefix, lost in (("job-1", "a/", {"lost": 7, "emptied": 2}), ("job-2", "b/", {}))
    ]
    async with bench(account(*past_jobs)) as b:
        await b.rounds(1)
        services, keys = await b.session.services(), [key_of(b, n) for n in ("job-1", "job-2")]
        source, target = (
            R2Listing(b.monitor.metered, b.account.account_id, bucket, place, demo=True)
            for bucket, place in (("photos", None), ("media", "eu"))
        )
        scope = await services.verifications.scope(keys)
        verifier = services.verifications.make(scope, source, target)
        async for _ in verifier.run():
            pass
        await b.session.keep_verification(verifier.result())
        await verifier.close()
        lossy, clean = b.monitor.job_store.views()
        assert (lossy.state, clean.state) == (State.COMPLETED_WITH_LOSS, State.VERIFIED)
        assert proof_words(clean) == "verified: all objects below b/ are in the target"
        whole = family([lossy, clean]).view
        assert (whole.state, whole.verification) == (State.COMPLETED_WITH_LOSS, verifier.result())
        made = await receipt_of(b, "job-1", "job-2")
        assert made.headline == ("not verified: 7 missing · 2 empty in the target, of 600 objects")
        told = record(made)
        assert [job["verified"]["proven"] for job in told["jobs"]] == [False, True]
        assert told["verification"]["byPrefix"][0]["prefix"] == "a/"
        assert (await receipt_of(b, "job-2")).verified
