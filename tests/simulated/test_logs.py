from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from slurper_tui.api.models import LogRow
from slurper_tui.simulated.account import SimulatedAccount
from slurper_tui.simulated.jobs import FAILED, Course, log_rows

START = 1_790_000_000.0


@pytest.fixture(scope="module")
def courses() -> list[Course]:
    return SimulatedAccount(clock=lambda: START).jobs()


def whole_log(course: Course, now: float = START) -> list[LogRow]:
    return log_rows(course, now, 10**6, 0)


def with_bucket(courses: list[Course], bucket: str) -> Course:
    return next(c for c in courses if c.plan.source and c.plan.source.bucket == bucket)


def test_every_failed_object_has_a_row(courses: list[Course]) -> None:
    for course in courses:
        counters = course.counters(START)
        if counters.incidents < 1500:
            counted = Counter(row.log_type or "" for row in whole_log(course))
            skips = sum(n for kind, n in counted.items() if kind.startswith("importSkipped"))
            assert counted[FAILED] == counters.failed
            assert skips == counters.incidents - counters.failed <= counters.skipped


def test_rows_are_newest_first_from_end_to_start(courses: list[Course]) -> None:
    for course in courses:
        if course.counters(START).incidents < 1500:
            rows = whole_log(course)
            times = [row.created_at or "" for row in rows]
            assert times == sorted(times, reverse=True)
            assert rows[-1].log_type == "migrationStart"
            if course.status(START) == "completed":
                assert rows[0].log_type == "migrationComplete"


def test_control_requests_add_rows(courses: list[Course]) -> None:
    rows = whole_log(next(course for course in courses if len(course.changes) == 3))
    events = [row.log_type for row in reversed(rows) if row.object_key is None]
    assert events == ["migrationStart", "migrationPause", "migrationResume", "migrationPause"]


def test_one_log_of_a_larger_account_has_a_row_for_a_broken_listing() -> None:
    courses = SimulatedAccount(clock=lambda: START, jobs=45).jobs()
    broken = [course for course in courses if course.plan.listing_broke]
    assert len(broken) == 1
    kinds = [row.log_type for row in whole_log(broken[0])]
    assert kinds.count("migrationErrorFailedContinuation") == 1


def test_failures_and_skips_have_several_reasons(courses: list[Course]) -> None:
    rows = whole_log(with_bucket(courses, "video-masters"))
    rows += log_rows(with_bucket(courses, "photos-prod"), START, 2000, 0)
    rows += log_rows(with_bucket(courses, "logs-eu"), START, 2000, 0)
    failed = [row for row in rows if row.log_type == FAILED]
    assert len({row.message for row in failed}) >= 4
    assert len({row.log_type for row in rows if (row.log_type or "").startswith("importSk")}) >= 4


def test_pages_are_contiguous_at_any_offset(courses: list[Course]) -> None:
    course = with_bucket(courses, "logs-eu")
    size = course.counters(START).incidents + 1
    assert size > 1000
    pages = [row for offset in range(0, 300, 50) for row in log_rows(course, START, 50, offset)]
    assert pages == log_rows(course, START, 300, 0)
    assert len({(row.created_at, row.object_key) for row in pages}) == 300
    assert log_rows(course, START, 50, size - 1)[0].log_type == "migrationStart"
    assert log_rows(course, START, 50, size) == []
    assert log_rows(course, START, 50, 10**30) == []


def test_log_rows_never_change(courses: list[Course]) -> None:
    course = with_bucket(courses, "photos-prod")
    before, after = whole_log(course), whole_log(course, START + 7200)
    assert len(after) > len(before)
    assert after[-len(before) :] == before


def test_oldest_first_is_the_reversed_log(courses: list[Course]) -> None:
    course = with_bucket(courses, "photos-prod")
    size = course.counters(START).incidents + 1
    pages = [log_rows(course, START, 50, o, oldest_first=True) for o in range(0, size, 50)]
    assert [row for page in pages for row in page] == whole_log(course)[::-1]
    assert log_rows(course, START, 50, size, oldest_first=True) == []


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Asking:
    """An account with a clock that the test sets, and its client."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.account = SimulatedAccount(clock=self.clock, jobs=0, **options)
        self.url = f"https://x.example/accounts/{self.account.account_id}/slurper/jobs"
        headers = {"authorization": f"Bearer {self.account.token}"}
        self.client = httpx.Client(transport=self.account.transport(), headers=headers)

    def create(self, keys: list[str]) -> str:
        secret = {"accessKeyId": "a", "secretAccessKey": "b"}
        source = {"vendor": "s3", "bucket": "x", "secret": secret, "keys": keys}
        body = {"source": source, "target": {"vendor": "r2", "bucket": "y", "secret": secret}}
        job: str = self.client.post(self.url, json=body).json()["result"]["id"]
        return job

    def logs(self, job: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.client.get(f"{self.url}/{job}/logs").json()["result"]
        return rows

    def counters(self, job: str) -> dict[str, Any]:
        result: dict[str, Any] = self.client.get(f"{self.url}/{job}/progress").json()["result"]
        return result


def test_the_order_of_logs_can_be_set() -> None:
    for oldest_first in (False, True):
        asking = Asking(oldest_rows_first=oldest_first)
        job = asking.create(["a", "b"])
        asking.clock.now += 3600
        kinds = [row["logType"] for row in asking.logs(job)]
        expected = ["migrationStart", "migrationComplete"]
        assert kinds == (expected if oldest_first else expected[::-1])


def test_a_retry_of_failed_keys_copies_all_by_default() -> None:
    asking = Asking()
    keys = [f"k{n}" for n in range(10_000)]
    first = asking.create(keys)
    asking.account.let_fail_again(3)
    second = asking.create(keys[:40])
    asking.clock.now += 3600
    progress = asking.counters(first)
    assert (progress["status"], progress["transferredObjects"]) == ("completed", 10_000)
    assert asking.counters(second)["failedObjects"] == 3
    named = [row["objectKey"] for row in asking.logs(second) if row["logType"] == FAILED]
    assert len(set(named)) == 3
    assert set(named) <= set(keys[:40])
