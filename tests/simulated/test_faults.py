from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.server import LoopbackServer, serve


@pytest.fixture
def account() -> SimulatedAccount:
    return SimulatedAccount(jobs=5)


@pytest.fixture(params=["in memory", "over a socket"])
def http(request: pytest.FixtureRequest, account: SimulatedAccount) -> Iterator[httpx.Client]:
    """Yield a client of the account, through its transport and through a real server."""
    if request.param == "in memory":
        with _client(account, httpx.Client(transport=account.transport())) as client:
            yield client
    else:
        server = request.getfixturevalue("server")
        with _client(account, httpx.Client(timeout=5), server.url) as client:
            yield client


def _client(
    account: SimulatedAccount, client: httpx.Client, base: str = "https://x.example"
) -> httpx.Client:
    client.base_url = httpx.URL(f"{base}/accounts/{account.account_id}/slurper/")
    client.headers["authorization"] = f"Bearer {account.token}"
    return client


def test_a_refusal_with_code_and_retry_after(http: httpx.Client, account: SimulatedAccount) -> None:
    account.faults.add(Fault(status=429, code=971, retry_after=17, times=1))
    refused = http.get("jobs")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "17")
    assert refused.json()["errors"][0]["code"] == 971
    assert {"cf-ray", "ratelimit"} <= set(refused.headers)
    assert http.get("jobs").status_code == 200


@pytest.mark.parametrize("status", [200, 403, 502, 524])
def test_an_html_page(http: httpx.Client, account: SimulatedAccount, status: int) -> None:
    account.faults.add(Fault(Kind.HTML, status=status))
    answer = http.get("jobs")
    assert (answer.status_code, answer.text[:14]) == (status, "<!DOCTYPE html")
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "kind", [Kind.GARBAGE, Kind.TRUNCATED, Kind.EMPTY, Kind.FOREIGN, Kind.NULL, Kind.WRONG_TYPES]
)
def test_faults_that_change_the_body(
    http: httpx.Client, account: SimulatedAccount, kind: Kind
) -> None:
    good = http.get("jobs").json()
    account.faults.add(Fault(kind, times=1))
    bad = http.get("jobs")
    assert bad.status_code == 200
    try:
        assert bad.json() != good
        assert kind in (Kind.FOREIGN, Kind.NULL, Kind.WRONG_TYPES)
    except ValueError:
        assert kind in (Kind.GARBAGE, Kind.TRUNCATED, Kind.EMPTY)
    assert http.get("jobs").json() == good


def test_wrong_types_keep_the_shape(http: httpx.Client, account: SimulatedAccount) -> None:
    good = http.get("jobs").json()["result"]
    account.faults.add(Fault(Kind.WRONG_TYPES))
    bad = http.get("jobs").json()["result"]
    assert [set(job) for job in bad] == [set(job) for job in good]
    assert all(type(bad[0][name]) is not type(good[0][name]) for name in ("id", "overwrite"))


def test_a_custom_or_edited_body(http: httpx.Client, account: SimulatedAccount) -> None:
    account.faults.add(
        Fault(Kind.BODY, status=200, body=b'{"success":false}', times=1),
        Fault(Kind.EDITED, edit=lambda envelope: {**envelope, "result": "edited"}),
    )
    assert http.get("jobs").json() == {"success": False}
    assert http.get("jobs").json()["result"] == "edited"


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        (Kind.CONNECT_ERROR, (httpx.ConnectError, httpx.ReadError)),
        (Kind.RESET, (httpx.ReadError,)),
        (Kind.CUT_OFF, (httpx.RemoteProtocolError,)),
        (Kind.HANG, (httpx.ReadTimeout,)),
        (Kind.READ_TIMEOUT, (httpx.ReadTimeout,)),
    ],
)
def test_faults_without_an_answer(
    http: httpx.Client,
    account: SimulatedAccount,
    kind: Kind,
    errors: tuple[type[Exception], ...],
) -> None:
    account.faults.add(Fault(kind, times=1))
    with pytest.raises(errors):
        http.get("jobs", timeout=0.3)
    assert http.get("jobs").status_code == 200


def test_a_slow_answer_is_complete(http: httpx.Client, account: SimulatedAccount) -> None:
    good = http.get("jobs").json()
    account.faults.add(Fault(Kind.SLOW, seconds=0.1))
    assert http.get("jobs").json() == good


def test_a_fault_affects_only_matching_requests(
    http: httpx.Client, account: SimulatedAccount
) -> None:
    one, other = (course.plan.id for course in account.jobs()[:2])
    account.faults.add(
        Fault(status=500, operation="progress", job=one),
        Fault(status=501, path="jobs/*/logs"),
    )
    statuses = {
        path: http.get(path).status_code
        for path in ("jobs", f"jobs/{one}/progress", f"jobs/{other}/progress", f"jobs/{other}/logs")
    }
    assert list(statuses.values()) == [200, 500, 200, 501]
    account.faults.clear()
    assert http.get(f"jobs/{one}/progress").status_code == 200


def test_faults_apply_in_order_with_times_and_after(
    http: httpx.Client, account: SimulatedAccount
) -> None:
    account.faults.add(Fault(status=500, times=2), Fault(status=502, after=1, times=1))
    assert [http.get("jobs").status_code for _ in range(5)] == [500, 500, 200, 502, 200]
    assert list(account.faults) == []


@pytest.mark.parametrize(
    ("kind", "status"), [(Kind.HANG, "paused"), (Kind.REFUSAL, "running"), (Kind.HTML, "running")]
)
def test_a_control_request_may_be_lost_before_or_after_it_works(
    http: httpx.Client, account: SimulatedAccount, kind: Kind, status: str
) -> None:
    job = account.jobs()[0].plan.id
    account.faults.add(Fault(kind, operation="pause"))
    try:
        assert http.put(f"jobs/{job}/pause", timeout=0.3).status_code == 503
    except httpx.ReadTimeout:
        assert kind is Kind.HANG
    assert http.get(f"jobs/{job}").json()["result"]["status"] == status


def test_a_killed_server_restarts_on_its_port(
    server: LoopbackServer, account: SimulatedAccount
) -> None:
    with _client(account, httpx.Client(timeout=5), server.url) as http:
        assert http.get("jobs").status_code == 200
        port = server.port
        server.kill()
        server.kill()
        for _ in range(2):
            with pytest.raises((httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError)):
                http.get("jobs")
        server.restart()
        assert (server.port, http.get("jobs").status_code) == (port, 200)


def test_a_hanging_answer_does_not_delay_shutdown(account: SimulatedAccount) -> None:
    account.faults.add(Fault(Kind.HANG, seconds=3600))
    began = time.monotonic()
    with (
        serve(account) as server,
        _client(account, httpx.Client(), server.url) as http,
        pytest.raises(httpx.ReadTimeout),
    ):
        http.get("jobs", timeout=0.1)
    assert time.monotonic() - began < 60


def test_the_server_keeps_connections_and_records_requests(
    server: LoopbackServer, account: SimulatedAccount
) -> None:
    with _client(account, httpx.Client(), server.url) as http:
        streams = {
            http.get("jobs", params={"limit": 2})
            .extensions["network_stream"]
            .get_extra_info("client_addr")
            for _ in range(5)
        }
        assert http.head("jobs").status_code == 405
        assert http.get("jobs", headers={"connection": "close"}).status_code == 200
    assert len(streams) == 1
    assert [(seen.method, seen.path.split("/")[-1]) for seen in server.requests] == [
        *[("GET", "jobs?limit=2")] * 5,
        ("HEAD", "jobs"),
        ("GET", "jobs"),
    ]
    assert abs(server.requests[-1].at - time.time()) < 60


def test_several_accounts_behind_one_server() -> None:
    accounts = [SimulatedAccount(seed, token="t" * 40, jobs=seed) for seed in (2, 3)]
    with serve(accounts) as server:
        environment = server.environment()
        ids = environment["CLOUDFLARE_ACCOUNT_ID"].split(",")
        for account, account_id in zip(accounts, ids, strict=True):
            with _client(account, httpx.Client(), environment["CLOUDFLARE_BASE_URL"]) as http:
                assert account_id == account.account_id
                assert len(http.get("jobs").json()["result"]) == len(account.jobs())


@pytest.mark.parametrize("happens", [True, False])
@pytest.mark.parametrize("kind", [Kind.READ_TIMEOUT, Kind.RESET, Kind.HTML, Kind.CONNECT_ERROR])
def test_whether_a_faulty_request_takes_effect_can_be_set(
    account: SimulatedAccount, kind: Kind, happens: bool
) -> None:
    account.faults.add(Fault(kind, status=502, operation="abortAll", happens=happens))
    with (
        _client(account, httpx.Client(transport=account.transport())) as client,
        contextlib.suppress(httpx.TransportError),
    ):
        client.put("jobs/abortAll")
    statuses = {course.status(time.time()) for course in account.jobs()}
    assert ("running" not in statuses) is happens
