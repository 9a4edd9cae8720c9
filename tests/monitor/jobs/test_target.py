"""What is told about the target bucket of a new job, and what an answer that is missing means."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.monitor.jobs.target import INSPECT_SECONDS, TargetBucket, inspect
from slurper_tui.monitor.model.base import Moment
from slurper_tui.monitor.polling.budget import Budget, Metered
from slurper_tui.monitor.reports.wording import bucket_words
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.monitor.bench import now
from tests.monitor.jobs.scenario import DRAFT
from tests.virtual_time import timeless

ORDINARY = {
    "bucket": "exists; jurisdiction default, storage class Standard",
    "lock": "none",
    "lifecycle": "no rule deletes objects",
    "Sippy": "off",
}
UNKNOWN = dict.fromkeys(ORDINARY, "unknown")


async def told(
    account: SimulatedAccount, draft: Any = DRAFT, transport: Any = None
) -> tuple[dict[str, str], set[str], list[httpx.Request]]:
    """Return the lines by name, the names of the doubtful ones, and the requests."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return account.answer(request)

    client = SlurperClient(
        token_credentials(account.token), transport=httpx.MockTransport(transport or answer)
    )
    metered = Metered(client, Budget(), lambda: Moment(now(), now()), lambda *_: None)
    found = await inspect(metered, account.account_id, draft)
    words = bucket_words(found, draft)
    return {w.name: w.text for w in words}, {w.name for w in words if w.doubtful}, sent


@timeless
async def test_an_ordinary_bucket_is_read_with_four_get_requests() -> None:
    account = SimulatedAccount(jobs=0)
    lines, doubtful, sent = await told(account)
    assert (lines, doubtful) == (ORDINARY, set())
    base = f"/client/v4/accounts/{account.account_id}/r2/buckets/media"
    paths = [base, f"{base}/lock", f"{base}/lifecycle", f"{base}/sippy"]
    assert sorted((r.method, r.url.path) for r in sent) == [("GET", path) for path in sorted(paths)]
    assert not any("cf-r2-jurisdiction" in request.headers for request in sent)


@timeless
async def test_a_jurisdiction_is_named_in_the_header() -> None:
    account = SimulatedAccount(jobs=0)
    account.buckets["media"] = {"jurisdiction": "eu", "storage_class": "InfrequentAccess"}
    lines, _, sent = await told(account, replace(DRAFT, target_jurisdiction="eu"))
    assert lines["bucket"] == "exists; jurisdiction eu, storage class InfrequentAccess"
    assert {request.headers["cf-r2-jurisdiction"] for request in sent} == {"eu"}
    lines, doubtful, _ = await told(account)
    missing = "there is no media in this account's jurisdiction default: create it first"
    assert (lines, doubtful) == ({"bucket": missing}, {"bucket"})


DAY = 86_400

RULES = [
    ("lock", [], "none", False),
    ("lock", [{"enabled": False, "condition": {"type": "Indefinite"}}], "none", False),
    (
        "lock",
        [{"enabled": True, "condition": {"type": "Indefinite"}}],
        "locked: nothing is overwritten in the whole bucket for ever",
        True,
    ),
    (
        "lock",
        [
            {"enabled": True, "prefix": "a/", "condition": {"type": "Age", "maxAgeSeconds": DAY}},
            {"enabled": True, "prefix": "b/", "condition": {"type": "Date", "date": "2030-01-01"}},
            {"enabled": True, "prefix": "c/", "id": "odd"},
        ],
        "locked: nothing is overwritten under a/ for 1 d, under b/ until 2030-01-01, under c/",
        True,
    ),
    ("lock", "nonsense", "unknown", False),
    ("lock", [{"enabled": "yes"}], "unknown", False),
    (
        "lifecycle",
        [{"enabled": True, "abortMultipartUploadsTransition": {"condition": {"maxAge": DAY}}}],
        "no rule deletes objects",
        False,
    ),
    (
        "lifecycle",
        [
            {
                "enabled": True,
                "conditions": {"prefix": "tmp/"},
                "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 30 * DAY}},
            },
            {"enabled": True, "deleteObjectsTransition": {"condition": {"date": "2030-01-01"}}},
            {"enabled": False, "deleteObjectsTransition": {}},
        ],
        "deletes objects under tmp/ after 30 d, in the whole bucket on 2030-01-01",
        True,
    ),
    ("lifecycle", None, "unknown", False),
]


@timeless
@pytest.mark.parametrize(("name", "rules", "text", "is_doubtful"), RULES)
async def test_rules_that_forbid_or_delete_are_told(
    name: str, rules: object, text: str, *, is_doubtful: bool
) -> None:
    account = SimulatedAccount(jobs=0)
    account.buckets["media"] = {name: {"rules": rules}}
    lines, doubtful, _ = await told(account)
    assert lines == {**ORDINARY, name: text}
    assert doubtful == ({name} if is_doubtful else set())


@timeless
@pytest.mark.parametrize(
    ("sippy", "text"),
    [
        ({"enabled": False}, "off"),
        (
            {"enabled": True, "source": {"provider": "aws", "bucket": "old"}},
            "on: it copies objects from aws old when they are first read",
        ),
        ({"enabled": True}, "on: it copies objects when they are first read"),
        ({}, "unknown"),
    ],
)
async def test_sippy_is_told(sippy: dict[str, object], text: str) -> None:
    account = SimulatedAccount(jobs=0)
    account.buckets["media"] = {"sippy": sippy}
    lines, doubtful, _ = await told(account)
    assert lines["Sippy"] == text
    assert doubtful == ({"Sippy"} if text.startswith("on") else set())


@timeless
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403, code=10000, message="Authentication error"),
        Fault(status=404, code=7003, message="no route"),
        Fault(status=500),
        Fault(Kind.HTML, status=502),
        Fault(Kind.NULL),
        Fault(Kind.CONNECT_ERROR),
        Fault(Kind.READ_TIMEOUT),
    ],
)
async def test_an_answer_that_is_refused_or_missing_is_unknown_and_no_fault(fault: Fault) -> None:
    account = SimulatedAccount(jobs=0)
    account.faults.add(fault)
    lines, doubtful, _ = await told(account)
    assert (lines, doubtful) == (UNKNOWN, set())


@timeless
async def test_one_unknown_property_hides_no_other() -> None:
    account = SimulatedAccount(jobs=0)
    account.faults.add(Fault(operation="sippy", status=403, code=10000))
    lines, _, _ = await told(account)
    assert lines == {**ORDINARY, "Sippy": "unknown"}


@timeless
async def test_answers_that_do_not_come_are_not_waited_for() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    lines, _, _ = await told(SimulatedAccount(jobs=0), transport=hang)
    assert (lines, now()) == (UNKNOWN, INSPECT_SECONDS)


def test_nothing_is_known_at_first() -> None:
    assert {w.text for w in bucket_words(TargetBucket(), DRAFT)} == {"unknown"}
