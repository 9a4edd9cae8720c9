"""Results of verifications for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.verification import Outcome, Tally, Verification
from tests.tui.jobs import ACCOUNT, NOW

SAME: Mapping[Outcome, int] = {Outcome.SAME: 1_000}
BAD: Mapping[Outcome, int] = {
    Outcome.SAME: 999_945,
    Outcome.MISSING: 37,
    Outcome.SIZE: 5,
    Outcome.EMPTY: 2,
    Outcome.CHANGED: 11,
}


def verified(
    *jobs: JobView | str, counts: Mapping[Outcome, int] = SAME, at: float = 0.0, **fields: Any
) -> Verification:
    """A verification of these jobs that begins `at` seconds after `NOW` and takes ten minutes."""
    ids = tuple(job if isinstance(job, str) else job.key.job_id for job in jobs)
    values: dict[str, Any] = {
        "account_id": ACCOUNT,
        "jobs": ids or ("job1",),
        "bucket": "media",
        "expected": "S3 bucket photos at s3.example.com",
        "actual": "R2 bucket media",
        "started_at": NOW + at,
        "ended_at": NOW + at + 600,
        "tally": Tally(counts),
    }
    return Verification(**{**values, **fields})
