from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurper_tui.simulated.account import SimulatedAccount, SimulatedBudget, together

START = 1_790_000_000.0
KEYS = {"accessKeyId": "AKIA-IN-SECRET", "secretAccessKey": "hush-hush"}
TARGET = {"vendor": "r2", "bucket": "media", "secret": KEYS}
SOURCE = {"vendor": "s3", "bucket": "photos", "secret": KEYS, "pathPrefix": "2025/"}
BASES = ("https://api.example/client/v4", "http://127.0.0.1:80", "https://x.example/accounts/a")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Caller:
    """Sends requests to one account and checks the envelope of every answer."""

    def __init__(self, account: SimulatedAccount, base: str = BASES[0]) -> None:
        self.http = httpx.Client(
            transport=account.transport(),
            base_url=f"{base}/accounts/{account.account_id}/slurper/",
            headers={"authorization": f"Bearer {account.token}"},
        )

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> httpx.Response:
        response = self.http.request(method, path, **options)
        envelope = response.json()
        assert response.status_code == status, envelope
        assert envelope["success"] is (status < 400)
        assert bool(envelope["errors"]) is (status >= 400)
        assert envelope["messages"] == []
        return response

    def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        return self.ask(method, path, status, **options).json()["result"]

    def codes(self, method: str, path: str, status: int, **options: Any) -> list[int]:
        errors = self.ask(method, path, status, **options).json()["errors"]
        return [error["code"] for error in errors]

    def every_job(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while len(page := self("GET", "jobs", params={"limit": 50, "offset": len(rows)})) == 50:
            rows += page
        return rows + list(page)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> SimulatedAccount:
    return SimulatedAccount(clock=clock)


@pytest.fixture
def ask(account: SimulatedAccount) -> Caller:
    return Caller(account)


def ids_of(ask: Caller, status: str) -> list[str]:
    return [job["id"] for job in ask.every_job() if job["status"] == status]


def test_the_sample_account_has_seven_migrations_and_every_prefix_once(ask: Caller) -> None:
    jobs = ask("GET", "jobs")
    parts = Counter((job["source"]["bucket"], job["source"].get("pathPrefix")) for job in jobs)
    assert set(parts.values()) == {1}
    statuses: dict[str, Counter[str]] = {}
    for job in jobs:
        statuses.setdefault(job["source"]["bucket"], Counter())[job["status"]] += 1
    assert statuses == {
        "photos-prod": Counter(completed=9, running=2, paused=1),
        "logs-eu": Counter(completed=2, running=1),
        "backups": Counter(completed=1, paused=1),
        "video-masters": Counter(completed=4),
        "thumbs": Counter(completed=1),
        "avatars": Counter(completed=1),
        "tmp-import": Counter(aborted=1),
    }
    assert {job["source"]["vendor"] for job in jobs} == {"s3", "gcs", "r2"}
    assert len({job["id"] for job in jobs}) == len(jobs)
    assert all(re.fullmatch("[0-9a-f]{64}", job["id"]) for job in jobs)


def test_the_sample_account_has_losses_of_every_kind(account: SimulatedAccount) -> None:
    losses = {
        (plan.source.bucket, plan.source.path_prefix): (plan.failed, plan.not_copied, plan.lost)
        for plan in (course.plan for course in account.jobs() if course.completed(START))
        if plan.source and (plan.failed or plan.not_copied or plan.lost)
    }
    assert losses == {
        ("thumbs", None): (10, 10, 0),
        ("video-masters", "4k/"): (3, 7, 37),
        ("video-masters", "raw/"): (0, 340, 0),
        ("video-masters", "1080p/"): (12, 0, 0),
    }


def test_the_list_is_sorted_newest_first(ask: Caller) -> None:
    times = [job["createdAt"] for job in ask("GET", "jobs")]
    assert times == sorted(times, reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in times)


@pytest.mark.parametrize("jobs", [None, 45])
def test_never_more_than_three_jobs_ran_at_the_same_time(clock: Clock, jobs: int | None) -> None:
    courses = SimulatedAccount(clock=clock, jobs=jobs).jobs()
    for at in (course.plan.created + 0.5 for course in courses):
        begun = [course for course in courses if course.plan.created <= at]
        assert sum(course.status(at) == "running" for course in begun) <= 3


def test_jobs_end_in_every_way(ask: Caller) -> None:
    jobs = [ask("GET", f"jobs/{job}/progress") for job in ids_of(ask, "completed")]
    done = [j["transferredObjects"] + j["skippedObjects"] + j["failedObjects"] for j in jobs]
    missing = [j["objects"] - d for j, d in zip(jobs, done, strict=True)]
    assert any(j["failedObjects"] == 0 and m == 0 for j, m in zip(jobs, missing, strict=True))
    assert any(j["failedObjects"] > 0 for j in jobs)
    assert [m for m in missing if m] == [37]
    ended = [ask("GET", f"jobs/{job}") for job in ids_of(ask, "completed") + ids_of(ask, "aborted")]
    assert all(job["finishedAt"] > job["createdAt"] for job in ended)


@pytest.mark.parametrize(
    ("jobs", "running", "expected"),
    [(0, None, (0, 0)), (1, None, (1, 1)), (12, 10, (12, 10)), (7, 0, (7, 0)), (120, 2, (120, 2))],
)
def test_accounts_of_any_size(
    clock: Clock, jobs: int, running: int | None, expected: tuple[int, int]
) -> None:
    ask = Caller(SimulatedAccount(clock=clock, jobs=jobs, running=running))
    listed = ask.every_job()
    assert (len(listed), len(ids_of(ask, "running"))) == expected
    assert len({job["id"] for job in listed}) == len(listed)


def test_the_same_seed_and_time_give_the_same_answers(clock: Clock) -> None:
    one, same, other = (SimulatedAccount(seed, clock) for seed in (5, 5, 6))
    assert (one.account_id, one.token) == (same.account_id, same.token)
    assert Caller(one).every_job() == Caller(same).every_job()
    assert (one.account_id, one.token) != (other.account_id, other.token)
    assert Caller(one).every_job() != Caller(other).every_job()


@pytest.mark.parametrize("base", BASES)
def test_any_base_url_is_accepted(account: SimulatedAccount, base: str) -> None:
    assert Caller(account, base)("GET", "jobs")


async def test_one_transport_serves_asynchronous_clients_too(account: SimulatedAccount) -> None:
    url = f"https://x.example/accounts/{account.account_id}/slurper/jobs"
    headers = {"x-auth-email": account.email, "x-auth-key": account.key}
    async with httpx.AsyncClient(transport=account.transport(), headers=headers) as http:
        answers = await asyncio.gather(*(http.get(url) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 9106),
        ({"x-auth-email": "demo@example.com"}, 401, 9106),
        ({"x-auth-email": "demo@example.com", "x-auth-key": "wrong"}, 403, 9103),
        ({"authorization": "Bearer wrong"}, 401, 10000),
        ({"authorization": "Basic eDp5"}, 400, 6003),
        ({"authorization": ""}, 400, 6003),
    ],
)
def test_bad_credentials(
    account: SimulatedAccount, headers: dict[str, str], status: int, code: int
) -> None:
    url = f"https://x.example/accounts/{account.account_id}/slurper/jobs"
    with httpx.Client(transport=account.transport()) as http:
        response = http.get(url, headers=headers)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize(
    "path", ["nothing", "jobs/", "jobs//progress", "jobs/x/progress/y", "jobs/x/nothing", "source"]
)
def test_unknown_paths(ask: Caller, path: str) -> None:
    assert ask.codes("GET", path, 404) == [7003, 7000]


def test_another_account_is_404(ask: Caller) -> None:
    url = f"https://x.example/accounts/{'0' * 32}/slurper/jobs"
    assert ask.codes("GET", url, 404) == [7003, 7000]
    assert ask.codes("GET", "https://x.example/zones", 404) == [7003, 7000]


def test_an_unsupported_method_is_405(ask: Caller) -> None:
    assert ask.ask("PATCH", "jobs", 405).headers["allow"] == "GET, POST"
    assert ask.ask("GET", "jobs/abortAll", 405).headers["allow"] == "PUT"


def test_an_unknown_job_is_404_everywhere(ask: Caller) -> None:
    for method, rest in (("GET", ""), ("GET", "/progress"), ("GET", "/logs"), ("DELETE", "")):
        assert ask.codes(method, f"jobs/unknown{rest}", 404)
    for verb in ("pause", "resume", "abort"):
        assert ask.codes("PUT", f"jobs/{'%2F%00' * 3}/{verb}", 404)


def test_ids_are_percent_decoded(ask: Caller) -> None:
    job = ids_of(ask, "running")[0]
    encoded = "".join(f"%{ord(char):02x}" for char in job)
    assert ask("GET", f"jobs/{encoded}")["id"] == job


def test_pages_are_contiguous(clock: Clock) -> None:
    ask = Caller(SimulatedAccount(clock=clock, jobs=123))
    pages = [ask("GET", "jobs", params={"offset": o, "limit": 50}) for o in (0, 50, 100, 150)]
    assert [len(page) for page in pages] == [50, 50, 23, 0]
    assert len({job["id"] for page in pages for job in page}) == 123
    assert ask("GET", "jobs") == pages[0]
    assert ask("GET", "jobs", params={"limit": 0}) == []
    assert ask("GET", "jobs", params={"offset": -7}) == pages[0]


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", ["", "x", "1.5", "٣", "1e3", "0x10", ["1", "2"], "9" * 5000])
def test_invalid_pages_are_refused(ask: Caller, name: str, value: str | list[str]) -> None:
    for path in ("jobs", f"jobs/{ids_of(ask, 'running')[0]}/logs"):
        assert ask.codes("GET", path, 400, params={name: value})


def test_a_limit_above_the_page_size_is_refused(ask: Caller) -> None:
    assert ask.codes("GET", "jobs", 400, params={"limit": 51})
    assert ask("GET", "jobs", params={"limit": 50})


def test_control_requests_and_their_refusals(ask: Caller) -> None:
    job = ids_of(ask, "running")[0]
    steps = [("resume", 409), ("pause", 200), ("pause", 409), ("resume", 200), ("abort", 200)]
    for verb, status in steps:
        ask("PUT", f"jobs/{job}/{verb}", status)
    for verb in ("pause", "resume", "abort"):
        ask("PUT", f"jobs/{job}/{verb}", 409)
    assert ask("GET", f"jobs/{job}")["finishedAt"] is not None


def test_resuming_needs_a_free_slot(ask: Caller) -> None:
    paused = ids_of(ask, "paused")[0]
    ask("PUT", f"jobs/{paused}/resume", 409)
    ask("PUT", f"jobs/{ids_of(ask, 'running')[0]}/pause")
    ask("PUT", f"jobs/{paused}/resume")
    assert ask("GET", f"jobs/{paused}")["status"] == "running"


def test_only_ended_jobs_can_be_deleted(ask: Caller) -> None:
    ask("DELETE", f"jobs/{ids_of(ask, 'running')[0]}", 409)
    ask("DELETE", f"jobs/{ids_of(ask, 'paused')[0]}", 409)
    ended = ids_of(ask, "completed")[0]
    ask("DELETE", f"jobs/{ended}")
    ask("GET", f"jobs/{ended}", 404)
    assert ended not in [job["id"] for job in ask.every_job()]


def test_abort_all(ask: Caller) -> None:
    completed = ids_of(ask, "completed")
    ask("PUT", "jobs/abortAll")
    assert {job["status"] for job in ask.every_job()} == {"aborted", "completed"}
    assert ids_of(ask, "completed") == completed


def test_a_created_job_runs_and_its_secret_is_not_returned(ask: Caller, clock: Clock) -> None:
    body = {"source": SOURCE, "target": TARGET, "overwrite": False}
    ask("POST", "jobs", 409, json=body)
    ask("PUT", f"jobs/{ids_of(ask, 'running')[0]}/abort")
    job = ask("POST", "jobs", 201, json=body)["id"]
    assert ask.every_job()[0]["id"] == job
    assert ask("GET", f"jobs/{job}/progress")["objects"] == 0
    clock.now += 24 * 3600
    answer = ask.ask("GET", f"jobs/{job}")
    assert answer.json()["result"]["status"] == "completed"
    assert (
        answer.json()["result"]["overwrite"],
        answer.json()["result"]["source"]["pathPrefix"],
    ) == (
        False,
        "2025/",
    )
    assert not any(word in answer.text for word in ("AKIA", "hush", "secret"))


def test_a_job_with_keys_copies_only_these(clock: Clock) -> None:
    ask = Caller(SimulatedAccount(clock=clock, jobs=0))
    for keys in ([], ["a", "b", "c"]):
        body = {"source": {**SOURCE, "keys": keys}, "target": TARGET}
        job = ask("POST", "jobs", 201, json=body)["id"]
        clock.now += 3600
        progress = ask("GET", f"jobs/{job}/progress")
        assert (progress["status"], progress["transferredObjects"]) == ("completed", len(keys))
        assert ask("GET", f"jobs/{job}")["source"]["keys"] == keys


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"source": null}',
        b'{"source": {}}',
        b'{"overwrite": "yes"}',
        b'{"target": {"bucket": "b", "secret": {"accessKeyId": "", "secretAccessKey": ""}}}',
        b'{"source": {"vendor": "ftp", "bucket": "b", "secret": {}}}',
        b'{"source": {"vendor": "gcs", "bucket": 7, "secret": {}}}',
    ],
)
def test_invalid_request_bodies(ask: Caller, body: bytes) -> None:
    before = ask("GET", "jobs")
    assert ask.codes("POST", "jobs", 400, content=body)
    assert [job["id"] for job in ask("GET", "jobs")] == [job["id"] for job in before]


def test_a_refusal_has_a_pointer_to_the_invalid_part(ask: Caller) -> None:
    answer = ask.ask("POST", "jobs", 400, json={"source": {**SOURCE, "keys": ["a", 1]}})
    assert answer.json()["errors"][0]["source"] == {"pointer": "/source/keys/1"}


@example(body=b"", query="", path="jobs/..")
@given(body=st.binary(max_size=200), query=st.text(max_size=30), path=st.text(max_size=30))
def test_any_request_is_answered(body: bytes, query: str, path: str) -> None:
    account = SimulatedAccount(clock=lambda: START, jobs=3, budget=SimulatedBudget(quota=10**6))
    headers = {"authorization": f"Bearer {account.token}"}
    base = f"https://x.example/accounts/{account.account_id}/slurper/"
    odd = [
        base + quote(path),
        base + "jobs?" + quote(query),
        base + f"jobs/{quote(path, safe='')}/logs",
    ]
    for method in ("GET", "PUT", "POST"):
        for where in odd:
            request = httpx.Request(method, where, headers=headers, content=body)
            assert account.answer(request).status_code < 500


def test_every_answer_has_budget_headers_and_a_ray(ask: Caller, clock: Clock) -> None:
    first, second = ask.ask("GET", "jobs"), ask.ask("GET", "jobs/unknown", 404)
    assert first.headers["ratelimit-policy"] == '"default";q=1200;w=300'
    assert first.headers["ratelimit"] == '"default";r=1199;t=300'
    clock.now += 30
    assert ask.ask("GET", "jobs").headers["ratelimit"] == '"default";r=1197;t=270'
    assert first.headers["cf-ray"] != second.headers["cf-ray"]
    assert "retry-after" not in first.headers


def test_past_the_quota_requests_are_refused_for_five_minutes(clock: Clock) -> None:
    ask = Caller(SimulatedAccount(clock=clock, budget=SimulatedBudget(clock, quota=5)))
    for _ in range(5):
        ask("GET", "jobs")
    refused = ask.ask("GET", "jobs", 429)
    assert refused.json()["errors"][0]["code"] == 971
    assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == (
        "300",
        '"default";r=0;t=300',
    )
    clock.now += 299
    assert ask.ask("PUT", "jobs/abortAll", 429).headers["retry-after"] == "1"
    clock.now += 1
    ask("GET", "jobs")
    assert ids_of(ask, "running")


def test_several_accounts_of_one_user_share_a_transport_and_a_budget(clock: Clock) -> None:
    budget = SimulatedBudget(clock)
    one = SimulatedAccount(1, clock, budget=budget, token="t" * 40)
    two = SimulatedAccount(2, clock, budget=budget, token="t" * 40, account_id="f" * 32, jobs=2)
    url: Callable[[str], str] = "https://x.example/accounts/{}/slurper/jobs".format
    headers = {"authorization": f"Bearer {one.token}"}
    with httpx.Client(transport=together(one, two), headers=headers) as http:
        answers = [http.get(url(a)) for a in (one.account_id, two.account_id, "0" * 32)]
    assert [a.status_code for a in answers] == [200, 200, 404]
    assert [len(a.json()["result"] or []) for a in answers] == [24, 2, 0]
    assert answers[-1].headers["ratelimit"].startswith('"default";r=1197;')
