"""Which verification counts for a job, and when it proves that the target is complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, JobView, State
from slurper_tui.monitor.model.verdict import verdict
from slurper_tui.monitor.model.verification import (
    HeaderSample,
    Outcome,
    Tally,
    Verification,
    by_job,
    latest,
    sum_of,
)
from slurper_tui.tui.render.glyphs import Look, style_of
from tests.monitor.verifications import BAD, verified
from tests.tui.jobs import ACCOUNT, NOW, view

LOST = Counts(1000, 990, 0, 10)
ENDED = view(1, "completed", counts=LOST, verdict=verdict(LOST, "completed"))

WHOLE, FAULTY = verified(at=10), verified(at=20, counts=BAD)
LIMITED, FAULTY_LIMITED = (
    verified(at=30, prefixes=("a/",)),
    verified(at=40, prefixes=("a/",), counts=BAD),
)
CUT = verified(at=50, problem="the source did not answer")


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ((), None),
        ((LIMITED, CUT), CUT),
        ((WHOLE, LIMITED, CUT), WHOLE),
        ((FAULTY, WHOLE), FAULTY),
        ((WHOLE, FAULTY_LIMITED, CUT), FAULTY_LIMITED),
        ((FAULTY, replace(WHOLE, started_at=NOW + 99)), replace(WHOLE, started_at=NOW + 99)),
    ],
)
def test_the_latest_that_was_whole_or_found_a_fault_counts(
    results: Sequence[Verification], counts: Verification | None
) -> None:
    assert latest(results) == counts
    assert latest(tuple(reversed(results))) == counts


def test_each_job_has_the_one_that_counts_for_it() -> None:
    both, one = verified("job1", "job2"), verified("job2", at=5)
    other = replace(one, account_id="other")
    assert by_job([both, one, other]) == {
        JobKey(ACCOUNT, "job1"): both,
        JobKey(ACCOUNT, "job2"): one,
        JobKey("other", "job2"): other,
    }


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (replace(ENDED, verification=verified(ENDED)), State.VERIFIED),
        (ENDED, State.COMPLETED_WITH_LOSS),
        # a newer object of the source and one that only the target has are no faults
        (
            replace(
                ENDED,
                verification=verified(
                    counts={Outcome.SAME: 5, Outcome.EXTRA: 1, Outcome.UNJUDGED: 1}
                ),
            ),
            State.VERIFIED,
        ),
        *(
            (
                replace(ENDED, verification=verified(counts={Outcome.SAME: 5, fault: 1})),
                State.COMPLETED_WITH_LOSS,
            )
            for fault in (
                Outcome.MISSING,
                Outcome.SIZE,
                Outcome.ETAG,
                Outcome.EMPTY,
                Outcome.CHANGED,
                Outcome.EXPECTED,
            )
        ),
        (
            replace(ENDED, verification=verified(headers=HeaderSample(7, 400, 1))),
            State.COMPLETED_WITH_LOSS,
        ),
        (replace(ENDED, verification=verified(headers=HeaderSample(7, 400))), State.VERIFIED),
        # a manifest may lack objects of the source, a source from which objects were deleted not
        (replace(ENDED, verification=verified(manifest=True)), State.VERIFIED),
        (
            replace(ENDED, verification=verified(manifest=True, counts={Outcome.SAME: 999})),
            State.COMPLETED_WITH_LOSS,
        ),
        (replace(ENDED, verification=verified(counts={Outcome.SAME: 999})), State.VERIFIED),
        (replace(ENDED, verification=LIMITED), State.COMPLETED_WITH_LOSS),
        (replace(ENDED, verification=CUT), State.COMPLETED_WITH_LOSS),
        # the job ended one second before NOW
        (replace(ENDED, verification=verified(at=-100, live=True)), State.COMPLETED_WITH_LOSS),
        (replace(ENDED, verification=verified(at=100, live=True)), State.VERIFIED),
        # without a live job the clock here was behind; resumed copying ends much later
        (replace(ENDED, verification=verified(at=-100)), State.VERIFIED),
        (replace(ENDED, verification=verified(at=-400)), State.COMPLETED_WITH_LOSS),
        (replace(ENDED, verification=verified(), gone=True), State.GONE),
        (view(1, "aborted", verification=verified()), State.ABORTED),
        (view(1, "running", verification=verified()), State.RUNNING),
    ],
)
def test_a_job_is_verified_by_a_whole_one_after_its_end_without_a_fault(
    job: JobView, state: State
) -> None:
    assert job.state is state
    assert (job.word == "verified") is (state is State.VERIFIED)


@pytest.mark.parametrize("result", [verified(counts=BAD), verified(headers=HeaderSample(7, 4, 1))])
def test_a_clean_job_of_which_objects_are_missing_is_not_green(result: Verification) -> None:
    counts = Counts(1000, 1000, 0, 0)
    clean = view(1, "completed", counts=counts, verdict=verdict(counts, "completed"))
    assert clean.state is State.COMPLETED
    found = replace(clean, verification=result)
    assert (found.state, style_of(found)) == (State.COMPLETED_WITH_LOSS, "warning")


SPREAD = (("2022/", Tally({Outcome.MISSING: 37})), ("2023/", Tally({Outcome.SAME: 9})))


@pytest.mark.parametrize(
    ("prefix", "fields", "lacks"),
    [
        ("2022/", {}, True),
        ("2022/01/", {}, True),
        ("20", {}, True),
        ("2023/", {}, False),
        (None, {}, True),
        # one job alone, differing headers, faults elsewhere, and such beside the folders
        ("2023/", {"jobs": ("job0001",)}, True),
        ("2023/", {"headers": HeaderSample(7, 4, 1)}, True),
        ("2023/", {"tally": Tally({Outcome.MISSING: 38})}, True),
        ("2023/", {"by_prefix": (("", Tally({Outcome.MISSING: 37})),)}, False),
        ("2023", {"by_prefix": (("", Tally({Outcome.MISSING: 37})),)}, True),
        ("2023/", {"tally": Tally({Outcome.SAME: 9}), "by_prefix": ()}, False),
    ],
)
def test_a_verification_of_several_jobs_tells_by_prefix_whose_objects_are_missing(
    prefix: str | None, fields: dict[str, Any], lacks: bool
) -> None:
    job, usual = view(1, "completed", prefix=prefix), {"by_prefix": SPREAD}
    result = verified("job0001", "job0002", **{"counts": {Outcome.MISSING: 37}, **usual, **fields})
    found = replace(job, verification=result)
    assert found.lacks is lacks
    assert found.state is (State.COMPLETED_WITH_LOSS if lacks else State.VERIFIED)


def test_the_sign_of_a_verified_job() -> None:
    job = replace(ENDED, verification=verified(ENDED))
    signs = (Look().sign(job.state), Look(ascii_only=True).sign(job.state))
    assert (*signs, style_of(job)) == ("✔✔", "#", "success")


def test_verifications_of_different_jobs_are_added_up() -> None:
    one = verified(
        "job1",
        counts=BAD,
        by_prefix=(("a/", Tally(BAD, etags=3)), ("b/", Tally({Outcome.SAME: 1}))),
    )
    other = verified(
        "job2",
        at=500,
        actual="R2 bucket media through the API",
        by_prefix=(("b/", Tally({Outcome.SAME: 2}, etags=1)),),
        live=True,
    )
    both = sum_of([one, other])
    assert both is not None
    assert (both.jobs, both.expected) == (("job1", "job2"), one.expected)
    assert both.actual == "R2 bucket media, R2 bucket media through the API"
    assert (both.started_at, both.ended_at, both.live) == (one.started_at, other.ended_at, True)
    assert both.tally.expected == 1_001_000
    assert both.tally.of(Outcome.MISSING) == 37
    assert both.by_prefix == (
        ("a/", Tally(BAD, etags=3)),
        ("b/", Tally({Outcome.SAME: 3}, etags=1)),
    )
    assert sum_of([one]) is one


@pytest.mark.parametrize(
    "results",
    [(), (verified("job1"), verified("job1", "job2")), (verified("job1"), LIMITED)],
)
def test_verifications_of_the_same_job_are_not_added_up(results: Sequence[Verification]) -> None:
    assert sum_of(results) is None
