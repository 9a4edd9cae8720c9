"""Credentials that are read before the first request, and again when the API rejects them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import httpx
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import (
    CredentialError,
    Credentials,
    key_credentials,
    token_credentials,
)
from slurper_tui.api.errors import ApiError, NoCredential, Rejected
from slurper_tui.api.scrub import Scrubber
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from tests.virtual_time import timeless

OLD, NEW = "old-token-0123456789", "new-token-0123456789"


class Rotation:
    """A client whose credential another program may replace.

    stored: what reading gives; an error is raised. readings: how often it was read.
    """

    def __init__(self, *, known: bool = True, account: SimulatedAccount | None = None) -> None:
        self.account = account or SimulatedAccount(token=OLD, jobs=4, running=2)
        self.stored: str | CredentialError = OLD
        self.readings = 0
        self.sent: list[tuple[str, str]] = []
        self.scrubber = Scrubber()
        self.client = SlurperClient(
            token_credentials(OLD) if known else None,
            read=self._read,
            transport=httpx.MockTransport(self._answer),
            scrubber=self.scrubber,
        )
        self.client.unlock()
        self.id = self.account.account_id

    def rotate(self) -> None:
        self.account.token = self.stored = NEW

    def _read(self) -> Credentials:
        self.readings += 1
        if isinstance(self.stored, CredentialError):
            raise self.stored
        return token_credentials(self.stored)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        assert token not in self.scrubber.clean(f"x {token}")  # before its first use
        self.sent.append((request.method, token))
        return self.account.answer(request)


@timeless
async def test_a_rotated_token_continues() -> None:
    r = Rotation()
    await r.client.list_jobs(r.id)
    r.rotate()
    assert (await r.client.list_jobs(r.id)).value
    assert r.sent == [("GET", OLD), ("GET", OLD), ("GET", NEW)]
    assert r.readings == 1


@timeless
async def test_requests_that_are_rejected_together_read_the_credential_once() -> None:
    r = Rotation()
    r.rotate()
    await asyncio.gather(*(r.client.list_jobs(r.id) for _ in range(5)))
    assert r.readings == 1


@timeless
async def test_a_rejected_change_is_not_repeated_but_the_next_one_works() -> None:
    r = Rotation()
    running = next(c.plan.id for c in r.account.jobs() if not c.changes)
    r.rotate()
    with pytest.raises(Rejected):
        await r.client.pause_job(r.id, running)
    assert r.sent == [("PUT", OLD)]
    await r.client.pause_job(r.id, running)
    assert r.sent == [("PUT", OLD), ("PUT", NEW)]


@timeless
async def test_a_credential_that_stays_the_same_is_read_at_growing_pauses() -> None:
    r = Rotation()
    r.account.token = NEW
    read_at: list[float] = []
    for second in range(400):
        before = r.readings
        with pytest.raises(Rejected):
            await r.client.list_jobs(r.id)
        read_at += [float(second)] * (r.readings - before)
        await asyncio.sleep(1.0)
    gaps = [later - earlier for earlier, later in pairwise(read_at)]
    assert gaps[:6] == [2, 4, 8, 16, 32, 60]
    assert set(gaps[5:]) == {60}


@timeless
async def test_a_failed_reading_is_told_and_tried_again() -> None:
    r = Rotation()
    r.rotate()
    r.stored = CredentialError("token_file: /t: No such file or directory")
    with pytest.raises(Rejected, match="No such file or directory") as rejected:
        await r.client.list_jobs(r.id)
    assert [fault.code for fault in rejected.value.faults] == [10000, None]
    r.stored = NEW
    with pytest.raises(Rejected):  # too soon
        await r.client.list_jobs(r.id)
    await asyncio.sleep(2.0)
    await r.client.list_jobs(r.id)
    assert r.readings == 2


@timeless
async def test_a_credential_is_read_before_the_first_request() -> None:
    r = Rotation(known=False)
    r.stored = CredentialError("token_command: pass: ended with exit code 1")
    with pytest.raises(NoCredential, match="ended with exit code 1") as missing:
        await r.client.list_jobs(r.id)
    assert (missing.value.exit_code, r.sent) == (3, [])
    r.stored = OLD
    await asyncio.sleep(2.0)
    await asyncio.gather(r.client.list_jobs(r.id), r.client.list_jobs(r.id))
    assert (r.readings, r.sent) == (2, [("GET", OLD), ("GET", OLD)])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.HTML, status=403),
        Fault(status=403, code=1010),
        Fault(status=403, message="Preconnectivity failed"),
        Fault(status=500, code=1234),
        Fault(Kind.RESET),
    ],
)
@timeless
async def test_only_a_rejection_reads_the_credential_again(fault: Fault) -> None:
    r = Rotation()
    r.account.faults.add(fault)
    r.stored = NEW
    with pytest.raises(ApiError):
        await r.client.list_jobs(r.id)
    assert (r.readings, len(r.sent)) == (0, 1)


@timeless
async def test_a_credential_that_cannot_change_is_only_rejected() -> None:
    account = SimulatedAccount(jobs=1)
    client = SlurperClient(token_credentials("wrong"), transport=account.transport())
    for _ in range(2):
        with pytest.raises(Rejected):
            await client.list_jobs(account.account_id)


@timeless
async def test_a_key_may_be_replaced_by_a_token() -> None:
    account = SimulatedAccount(token=NEW, jobs=1)
    seen: list[set[str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        names = {"authorization", "x-auth-email", "x-auth-key"}
        seen.append(names & set(request.headers))
        return account.answer(request)

    client = SlurperClient(
        key_credentials("a@b.c", "wrong-key"),
        read=lambda: token_credentials(NEW),
        transport=httpx.MockTransport(answer),
    )
    account.faults.add(Fault(status=403, code=10000, times=1))
    await client.list_jobs(account.account_id)
    assert seen == [{"x-auth-email", "x-auth-key"}, {"authorization"}]
