from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, parse
from slurper_tui.monitor.model.job import Forecast, JobView, Phase, Verdict
from slurper_tui.monitor.model.verification import HeaderSample, Outcome
from slurper_tui.monitor.reports.records import job_record
from tests.monitor.verifications import BAD, verified
from tests.tui.jobs import ACCOUNT, NOW, view

NAMES = [
    *("accountId", "id", "status", "createdAt", "finishedAt", "overwrite", "source", "target"),
    *("objects", "transferredObjects", "skippedObjects", "failedObjects", "countedObjects"),
    *("done", "percent"),
    *("perSecond", "etaSeconds", "etaLowSeconds", "etaHighSeconds", "etaAtLeast"),
    *("phase", "verdict", "verified"),
]


def test_every_field_has_the_apis_name_or_ours() -> None:
    record = job_record(view(failed=50))
    assert list(record) == NAMES
    assert record["accountId"] == ACCOUNT
    assert (record["transferredObjects"], record["failedObjects"], record["done"]) == (300, 50, 350)
    assert record["perSecond"] == 61.2
    assert record["phase"] == "running"
    assert record["etaSeconds"] is None
    assert record["verdict"] is None


def test_unknown_values_are_null() -> None:
    record = job_record(JobView(account_id="a", job=Job()))
    assert {name for name, value in record.items() if value is not None} == {"accountId"}


def test_the_status_is_the_progress_answers_else_the_lists() -> None:
    listed = Job(status="running")
    assert job_record(JobView("a", listed, status="paused"))["status"] == "paused"
    assert job_record(JobView("a", listed))["status"] == "running"


def test_source_and_target_are_as_the_api_sent_them() -> None:
    sent = {"vendor": "s3", "bucket": "b", "pathPrefix": "p/", "keys": ["x"], "new": {"a": [1]}}
    job = parse(Job, {"id": "j", "source": sent, "target": {"bucket": "t", "odd": None}})
    record = job_record(JobView("a", job))
    assert json.loads(json.dumps(record["source"])) == sent
    assert record["target"] == {"bucket": "t", "odd": None}


def test_verdict_has_its_counts() -> None:
    ended = view(status="completed", verdict=Verdict("10 failed", failed=10, unaccounted=0))
    assert job_record(ended)["verdict"] == {
        "text": "10 failed",
        "failed": 10,
        "notCopied": None,
        "unaccounted": 0,
    }


def test_the_numbers_of_the_last_verification() -> None:
    ended = view(1, "completed")
    assert job_record(ended)["verified"] is None
    counts = {**BAD, Outcome.EXPECTED: 3, Outcome.ETAG: 1, Outcome.EXTRA: 9, Outcome.UNJUDGED: 8}
    sample = HeaderSample(7, 400, 2)
    faulty = replace(ended, verification=verified(ended, counts=counts, headers=sample))
    assert job_record(faulty)["verified"] == {
        "at": "2026-03-20T09:56:40Z",
        "same": 999_945,
        "missing": 40,
        "differs": 21,
        "proven": False,
    }
    record = job_record(replace(ended, verification=verified(ended)))["verified"]
    assert (record["same"], record["proven"]) == (1_000, True)


def etas(job: JobView) -> list[object]:
    return [value for name, value in job_record(job).items() if name.startswith("eta")]


def test_forecast_is_in_whole_seconds() -> None:
    forecast = Forecast(NOW + 3000.4, NOW + 5000.2, NOW)
    assert etas(view(forecast=forecast)) == [3873, 3000, 5000, False]


def test_a_lower_bound_has_no_middle_and_no_end() -> None:
    forecast = Forecast(NOW + 3000, NOW + 3000, NOW, at_least=True)
    assert etas(view(forecast=forecast)) == [None, 3000, None, True]


@pytest.mark.parametrize(
    "state",
    [
        {"stale": True, "missed": 3},
        {"from_history": True},
        {"status": "paused"},
        {"status": "completed"},
        {"gone": True},
    ],
)
def test_no_rate_and_no_eta_without_fresh_data(state: dict[str, object]) -> None:
    forecast = Forecast(NOW + 3000, NOW + 5000, NOW)
    job = view(**{"forecast": forecast, "rate": 61.2, **state})  # type: ignore[arg-type]  # any field
    assert etas(job) == [None] * 4
    assert job_record(job)["perSecond"] is None


def test_a_stalled_job_has_a_rate_and_no_forecast() -> None:
    job = view(forecast=Forecast(NOW, NOW, NOW), phase=Phase.STALLED, rate=0.0)
    assert etas(job) == [None] * 4
    assert job_record(job)["perSecond"] == 0.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "status", "source", "target", "odd"]), JSON))
def test_any_answer_makes_a_record_that_is_json(raw: dict[str, object]) -> None:
    record = job_record(JobView("a", parse(Job, raw)))
    again = json.loads(json.dumps(record))
    assert list(again) == list(record)
    assert again["accountId"] == "a"
    assert again["id"] == (raw.get("id") if isinstance(raw.get("id"), str) else None)
