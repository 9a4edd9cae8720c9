"""The client that is made when it is first asked."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx
import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import Locked
from slurper_tui.cli.errors import CliError
from slurper_tui.cli.late_client import LateClient
from slurper_tui.simulated.account import SimulatedAccount


async def test_it_is_made_once_in_another_thread_when_first_asked() -> None:
    account = SimulatedAccount(jobs=3)
    made: list[int] = []

    def make() -> SlurperClient:
        made.append(threading.get_ident())
        return SlurperClient(token_credentials(account.token), transport=account.transport())

    client = LateClient(make)
    await client.close()
    assert made == []
    job_id = account.jobs()[0].plan.id
    asked = (client.list_jobs(account.account_id), client.progress(account.account_id, job_id))
    page, progress = await asyncio.gather(*asked)
    assert (len(page.value), progress.value.id) == (3, job_id)
    assert len(made) == 1
    assert made[0] != threading.get_ident()
    await client.close()


async def test_what_keeps_it_from_being_made_reaches_everybody_who_asks() -> None:
    def make() -> SlurperClient:
        raise CliError("no such proxy")

    client = LateClient(make)
    for _ in range(2):
        with pytest.raises(CliError, match="no such proxy"):
            await client.list_jobs("account")
    await client.close()


class Late:
    """A late client of an account, and the methods of what it sent."""

    def __init__(self) -> None:
        self.account = SimulatedAccount(jobs=8)
        self.sent: list[str] = []
        self.client = LateClient(self._make)

    async def pause(self) -> None:
        running = next(c for c in self.account.jobs() if c.status(time.time()) == "running")
        await self.client.pause_job(self.account.account_id, running.plan.id)

    def _make(self) -> SlurperClient:
        transport = httpx.MockTransport(self._answer)
        return SlurperClient(token_credentials(self.account.token), transport=transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.method)
        return self.account.answer(request)


async def test_it_only_reads_until_it_is_unlocked_and_after_it_was_locked() -> None:
    late = Late()
    with pytest.raises(Locked):
        await late.pause()
    await late.client.list_jobs(late.account.account_id)
    with pytest.raises(Locked):
        await late.pause()
    late.client.unlock()
    await late.pause()
    late.client.lock()
    with pytest.raises(Locked):
        await late.pause()
    assert late.sent == ["GET", "PUT"]
    await late.client.close()


@pytest.mark.parametrize("early", [True, False])
async def test_what_was_unlocked_before_it_was_made_is_unlocked(early: bool) -> None:
    late = Late()
    if early:
        late.client.make()
    late.client.unlock()
    await late.pause()
    assert late.sent == ["PUT"]
    await late.client.close()


async def test_what_was_locked_again_before_it_was_made_is_locked() -> None:
    late = Late()
    late.client.unlock()
    late.client.lock()
    with pytest.raises(Locked):
        await late.pause()
    assert late.sent == []
    await late.client.close()


async def test_every_operation_of_the_client_is_passed_on() -> None:
    late = Late()
    for name in (n for n in vars(SlurperClient) if not n.startswith("_")):
        assert callable(getattr(late.client, name)), name
