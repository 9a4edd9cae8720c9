from __future__ import annotations

import pytest

from slurper_tui.monitor.estimate.estimator import Estimate, Sample, advance
from slurper_tui.monitor.estimate.forecast import forecast, reason
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.model.job import Counts

EPOCH = 1_767_225_600.0


def polls(dones: list[int], total: int | None = 10**6, grows: int = 0) -> list[Sample]:
    """Polls of a running job, five seconds apart; the total grows by so much in each."""
    return [
        Sample(5.0 * n, Counts(None if total is None else total + n * grows, done, 0, 0), "running")
        for n, done in enumerate(dones)
    ]


def told(samples: list[Sample], *, stale: bool = False, created: float | None = None) -> str:
    """Why a number is missing after these polls."""
    estimate = Estimate()
    for sample in samples:
        estimate = advance(estimate, sample)
    at = samples[-1].at if samples else 0.0
    said = forecast(estimate, Moment(at, EPOCH + at), created, None)
    return reason(estimate, said, stale=stale)


STEADY = list(range(0, 2000, 10))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], ""),
        (polls(STEADY), ""),
        (polls(STEADY[:1]), "no ETA: none of three movements seen"),
        (polls(STEADY[:3]), "no ETA: two of three movements seen"),
        (polls(STEADY[:10]), "no ETA: watched for 45 s of 1 min"),
        (polls(STEADY, grows=45_500), "at least: total still growing by 9.1k/s"),
        (polls(STEADY[:2], grows=45_500), "no ETA: total still growing by 9.1k/s"),
        (polls(STEADY, None), "no percentage: the total is not known yet"),
        (polls([0] * 20, 0), "no percentage: no objects"),
        (polls([*STEADY, *[1990] * 144]), "no ETA: nothing has moved for 12 min, 144 polls"),
        (
            [*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "paused")],
            "no ETA: paused",
        ),
        ([*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "odd")], "no ETA: not running"),
        ([*polls(STEADY), Sample(1000.0, Counts(10**6, 2000, 0, 0), "completed")], ""),
    ],
)
def test_every_missing_number_has_its_reason(samples: list[Sample], words: str) -> None:
    assert told(samples) == words


def test_a_stale_job_says_that_it_is_stale_and_an_ended_one_nothing() -> None:
    assert told(polls(STEADY), stale=True) == "no ETA: no answer for three polls"
    assert told(polls([*STEADY, *[1990] * 144]), stale=True).startswith("no ETA: no answer")
    ended = Sample(1000.0, Counts(10**6, 2000, 0, 0), "completed")
    assert told([*polls(STEADY), ended], stale=True) == ""


def test_a_job_whose_counts_are_not_all_known_says_so() -> None:
    half = [Sample(5.0 * n, Counts(10**6, n, None, 0), "running") for n in range(20)]
    assert told(half) == "no ETA: not all counts are known"


def test_a_mean_since_the_creation_needs_no_reason() -> None:
    late = [Sample(5.0 * n, Counts(10**6, 500_000 + n, 0, 0), "running") for n in range(2)]
    assert told(late, created=EPOCH - 3600) == ""
