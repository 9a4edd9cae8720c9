from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.models import Job, parse
from slurper_tui.monitor.record import job_record
from slurper_tui.monitor.view import JobView, Verdict
from tests.tui.jobs import ACCOUNT, view

NAMES = [
    *("accountId", "id", "status", "createdAt", "finishedAt", "overwrite", "source", "target"),
    *("objects", "transferredObjects", "skippedObjects", "failedObjects", "done", "percent"),
    *("perSecond", "etaSeconds", "etaLowSeconds", "etaHighSeconds", "etaAtLeast"),
    *("phase", "verdict"),
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


def test_what_is_unknown_is_null() -> None:
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


def test_a_verdict_is_told_with_its_counts() -> None:
    ended = view(status="completed", verdict=Verdict("10 failed", failed=10, unaccounted=0))
    assert job_record(ended)["verdict"] == {
        "text": "10 failed",
        "failed": 10,
        "notCopied": None,
        "unaccounted": 0,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "status", "source", "target", "odd"]), JSON))
def test_any_answer_makes_a_record_that_is_json(raw: dict[str, object]) -> None:
    json.dumps(job_record(JobView("a", parse(Job, raw))))
