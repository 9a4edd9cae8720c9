"""The client that is made when it is first asked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.cli.exit_codes import Stop
from slurper_tui.cli.late_client import LateClient
from slurper_tui.simulate import SimulatedAccount


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
        raise Stop("no such proxy")

    client = LateClient(make)
    for _ in range(2):
        with pytest.raises(Stop, match="no such proxy"):
            await client.list_jobs("account")
    await client.close()
