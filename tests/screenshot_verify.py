"""A verification for the screenshots: how far it is, and what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurper_tui.monitor.model.verification import HeaderSample, Outcome, Tally, Verification
from slurper_tui.monitor.verify.plan import SideCost, VerifyPlan, VerifyProgress

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.tui.app import SlurperApp

EXPECTED = "S3 bucket photos-prod at s3.eu-central-1.amazonaws.com"
ACTUAL = "R2 bucket media at R2's S3 endpoint"
OBJECTS = 3_495_625
PARTS = "uploaded to the source in parts"


def _tally(same: int, **found: int) -> Tally:
    counts = {Outcome(name): number for name, number in found.items()}
    return Tally(
        {Outcome.SAME: same, **counts}, 0, same * 49 // 50, {PARTS: same - same * 49 // 50}
    )


PLAN = VerifyPlan(
    OBJECTS, SideCost(EXPECTED, 3_509, in_r2=False), SideCost(ACTUAL, 3_509, in_r2=True), 150.0
)
PROGRESS = VerifyProgress(
    compared=2_137_004,
    per_second=24_300.0,
    position="2023/08/14/IMG_0912.HEIC",
    share=0.6113,
    eta=56.0,
    tally=_tally(2_136_968, missing=24, size=3, changed=8, empty=1),
    requests=(2_149, 2_146),
    shards=24,
    shards_done=14,
)
BY_PREFIX = (
    ("2024/", _tally(1_411_397, missing=37, size=5, changed=0)),
    ("2023/", _tally(1_203_383, empty=2, changed=11)),
    ("2022/", _tally(880_112)),
)


def result(key: JobKey, at: float, jobs: tuple[str, ...] = ()) -> Verification:
    """Return a verification that found differences. at: its end, UTC seconds."""
    return Verification(
        account_id=key.account_id,
        jobs=jobs,
        bucket="media",
        expected=EXPECTED,
        actual=ACTUAL,
        started_at=at - 144.0,
        ended_at=at,
        tally=_tally(3_494_892, missing=37, size=5, empty=2, changed=11, extra=1_204),
        by_prefix=BY_PREFIX,
        headers=HeaderSample(20261128, 1000, 12, 0.0069, 0.0209, {"Content-Type": 12}, 31),
    )


def open_page(app: SlurperApp, at: float, *, ended: bool) -> None:
    """Open the page of a verification of the photos. ended: with its result."""
    from slurper_tui.tui.screens.verify import VerifyPage
    from slurper_tui.tui.screens.verify_run import VerifyRun

    snapshot = app.main.state.snapshot
    assert snapshot is not None
    sources = ((view, view.job.source) for view in snapshot.jobs)
    jobs = [view for view, source in sources if source and source.bucket == "photos-prod"]
    run = VerifyRun(app.main, jobs, None, plan=PLAN)
    run.began, run.progress = True, PROGRESS
    ids = tuple(job.key.job_id for job in jobs)
    run.result = result(jobs[0].key, at, ids) if ended else None
    app.push_screen(VerifyPage(app.main, run))
