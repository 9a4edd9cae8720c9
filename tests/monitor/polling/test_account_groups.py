"""Accounts of several credentials in one monitor: budgets, queues and health of their own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import httpx

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.errors import RateLimited
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Snapshot
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.simulated.account import Fault, SimulatedAccount, SimulatedBudget, account_of
from tests.monitor.bench import wall
from tests.monitor.inline_history import InlineHistory
from tests.virtual_time import timeless


def user(token: str, seeds: range, quota: int = 1200) -> list[SimulatedAccount]:
    """The accounts of one user, which share a budget."""
    budget = SimulatedBudget(wall, quota=quota)
    return [
        SimulatedAccount(seed, wall, budget=budget, token=token, jobs=3, running=2)
        for seed in seeds
    ]


Answer = Callable[[SimulatedAccount, httpx.Request], Awaitable[httpx.Response]]


async def at_once(account: SimulatedAccount, request: httpx.Request) -> httpx.Response:
    return account.answer(request)


class Several:
    """A monitor of several users, and the requests that each client sent."""

    def __init__(
        self,
        users: list[list[SimulatedAccount]],
        answer: Answer,
        *,
        rotated: str | None = None,
        user: object = None,
        **options: Any,
    ) -> None:
        self.accounts = [account for accounts in users for account in accounts]
        self.sent: dict[str, list[str]] = {}
        self.paths: dict[str, list[str]] = {}
        self._answer = answer
        self._rotated, self._user = rotated, user
        clients = {}
        for accounts in users:
            client = self._client(accounts)
            clients.update({account.account_id: client for account in accounts})
        self.monitor = Monitor(
            clients, StoredHistory(InlineHistory()), clock=wall, rng=random.Random(0), **options
        )

    def _client(self, accounts: list[SimulatedAccount]) -> SlurperClient:
        token = accounts[0].token
        sent, paths = self.sent.setdefault(token, []), self.paths.setdefault(token, [])

        async def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request.headers["authorization"])
            paths.append(request.url.path)
            return await self._answer(account_of(accounts, request), request)

        rotated = self._rotated
        return SlurperClient(
            token_credentials(token),
            read=None if rotated is None else lambda: token_credentials(rotated),
            transport=httpx.MockTransport(answer),
            user=self._user,
        )


@asynccontextmanager
async def watched(
    *users: list[SimulatedAccount], answer: Answer = at_once, **options: Any
) -> AsyncGenerator[tuple[Several, Callable[[Callable[[Snapshot], bool]], Awaitable[Snapshot]]]]:
    several = Several([*users], answer, **options)
    async with aclosing(several.monitor.snapshots()) as snapshots:

        async def until(condition: Callable[[Snapshot], bool]) -> Snapshot:
            deadline = asyncio.get_running_loop().time() + 20_000
            async for snapshot in snapshots:
                if condition(snapshot):
                    return snapshot
                assert asyncio.get_running_loop().time() < deadline, snapshot.accounts
            raise AssertionError("the monitor ended")

        yield several, until


def problems(snapshot: Snapshot) -> list[bool]:
    return [account.problem is not None for account in snapshot.accounts]


@timeless
async def test_accounts_of_three_credentials_are_one_list_each_with_its_own_credential() -> None:
    users = [user("token-a", range(2)), user("token-b", range(2, 4)), user("token-c", range(4, 5))]
    async with watched(*users) as (several, until):
        snapshot = await until(lambda s: s.complete)
        ids = [account.account_id for account in several.accounts]
        assert [account.account_id for account in snapshot.accounts] == ids
        assert len(snapshot.jobs) == 15
        for token, sent in several.sent.items():
            assert set(sent) == {f"Bearer {token}"}
        budgets = [account.budget for account in snapshot.accounts]
        assert budgets[0] is budgets[1] is not budgets[2]
        assert [b.used for b in budgets] == [len(several.sent[a.token]) for a in several.accounts]


@timeless
async def test_a_rejected_account_has_a_problem_and_the_rest_goes_on() -> None:
    users = [user("token-a", range(2)), user("token-b", range(2, 3))]
    users[0][1].token = "another"
    async with watched(*users) as (_, until):
        snapshot = await until(lambda s: s.rounds > 3)
        assert problems(snapshot) == [False, True, False]
        assert not snapshot.rejected
        assert all(job.as_of for job in snapshot.jobs)
        users[0][1].token = "token-a"
        assert len((await until(lambda s: not any(problems(s)) and s.complete)).jobs) == 9


@timeless
async def test_a_429_blocks_the_accounts_of_one_user_only() -> None:
    users = [user("token-a", range(2)), user("token-b", range(2, 3))]
    async with watched(*users) as (several, until):
        await until(lambda s: s.complete)
        users[0][0].faults.add(Fault(status=429, code=971, retry_after=120, times=1))
        snapshot = await until(lambda s: any(problems(s)))
        assert problems(snapshot) == [True, True, False]
        assert snapshot.budget.blocked_until is None
        problem = snapshot.accounts[1].problem
        assert problem is not None
        assert isinstance(problem.error, RateLimited)
        assert problem.retry_at == snapshot.accounts[0].budget.blocked_until
        blocked, free = (len(several.sent[token]) for token in ("token-a", "token-b"))
        later = snapshot.taken_at + 100
        await until(lambda s: s.taken_at > later)
        assert len(several.sent["token-a"]) <= blocked + 10  # those that were under way
        assert len(several.sent["token-b"]) > free + 15
        assert not any(problems(await until(lambda s: not any(problems(s)))))


@timeless
async def test_two_addresses_of_one_credential_share_the_budget() -> None:
    users = [user("token-a", range(2)), user("token-b", range(2, 3))]
    async with watched(*users, user="the same") as (several, until):
        snapshot = await until(lambda s: s.complete)
        sent = sum(len(sent) for sent in several.sent.values())
        assert {account.budget.used for account in snapshot.accounts} == {sent}
        users[0][0].faults.add(Fault(status=429, code=971, retry_after=120, times=1))
        snapshot = await until(lambda s: s.budget.blocked_until is not None)
        assert isinstance(snapshot.budget.blocked_by, RateLimited)
        free, later = len(several.sent["token-b"]), snapshot.taken_at + 100
        await until(lambda s: s.taken_at > later)
        assert len(several.sent["token-b"]) <= free + 10  # those that were under way


@timeless
async def test_when_every_user_is_blocked_the_budget_says_so() -> None:
    users = [user("token-a", range(1)), user("token-b", range(1, 2))]
    async with watched(*users) as (_, until):
        await until(lambda s: s.complete)
        for accounts, seconds in zip(users, (100, 200), strict=True):
            accounts[0].faults.add(Fault(status=429, code=971, retry_after=seconds, times=1))
        snapshot = await until(lambda s: s.budget.blocked_until is not None)
        assert problems(snapshot) == [False, False]
        assert snapshot.budget == snapshot.accounts[0].budget  # the first to go on


@timeless
async def test_a_credential_whose_requests_hang_does_not_delay_the_others() -> None:
    async def answer(account: SimulatedAccount, request: httpx.Request) -> httpx.Response:
        if account.token == "token-a":
            await asyncio.sleep(40.0)
        return account.answer(request)

    users = [user("token-a", range(12)), user("token-b", range(12, 13))]
    async with watched(*users, answer=answer) as (_, until):
        snapshot = await until(lambda s: s.accounts[-1].listed)
        assert snapshot.taken_at - wall() < 1.0
        ready = await until(lambda s: s.rounds >= 3 or s.accounts[0].listed)
        own = [job for job in ready.jobs if job.account_id == users[1][0].account_id]
        assert own
        assert all(job.as_of is not None for job in own)


@timeless
async def test_the_services_use_the_credential_of_the_job() -> None:
    users = [user("token-a", range(1)), user("token-b", range(1, 2))]
    async with watched(*users) as (several, until):
        snapshot = await until(lambda s: s.complete)
        metered = several.monitor.metered
        for account in several.accounts:
            view = next(v for v in snapshot.jobs if v.account_id == account.account_id)
            own = metered.of(account.account_id)
            key = JobKey(*view.key)
            progress = await own.at_once(partial(own.api.progress, *key))
            assert progress.id == view.key.job_id
        metered.unlock()
        clients = {metered.of(account.account_id).api for account in several.accounts}
        assert len(clients) == 2
        for account in several.accounts:
            await metered.of(account.account_id).api.abort_all_jobs(account.account_id)


def verifications(several: Several, token: str) -> int:
    return sum(path.endswith("/user/tokens/verify") for path in several.paths[token])


@timeless
async def test_the_expiry_of_each_token_is_asked_for_once_an_hour() -> None:
    users = [user("token-a", range(2)), user("token-b", range(2, 3)), user("token-c", range(3, 4))]
    users[0][0].token_expires = wall() + 4 * 86_400
    users[1][0].verifiable = False
    async with watched(*users, watch_tokens=True, interval=300.0) as (several, until):
        first = await until(lambda s: s.complete)
        assert [account.token_expires for account in first.accounts] == [None] * 4
        known = await until(lambda s: s.accounts[0].token_expires is not None)
        expires = users[0][0].token_expires
        assert [account.token_expires for account in known.accounts] == [
            *(expires, expires, None, None)
        ]
        assert not any(problems(known))  # a refusal means that it is not known
        assert not known.accounts[0].expires_soon(known.taken_at)
        assert known.accounts[0].expires_soon(known.taken_at + 86_400 + 60)
        later = first.taken_at + 3 * 3600 + 60
        await until(lambda s: s.taken_at > later)
        for token in several.sent:
            assert verifications(several, token) == 4


@timeless
async def test_without_the_wish_no_token_is_verified() -> None:
    async with watched(user("token-a", range(1)), interval=300.0) as (several, until):
        first = await until(lambda s: s.complete)
        await until(lambda s: s.taken_at > first.taken_at + 7200)
        assert verifications(several, "token-a") == 0


@timeless
async def test_what_was_known_of_a_token_is_void_after_its_rotation() -> None:
    users = [user("token-a", range(1))]
    account = users[0][0]
    account.token_expires = wall() + 86_400
    async with watched(*users, watch_tokens=True, rotated="token-z", interval=60.0) as (
        several,
        until,
    ):
        await until(lambda s: s.accounts[0].token_expires is not None)
        account.token, account.token_expires = "token-z", wall() + 90 * 86_400
        void = await until(lambda s: s.accounts[0].token_expires is None)
        assert not any(problems(void))
        assert several.sent["token-a"][-1] == "Bearer token-z"
        known = await until(lambda s: s.accounts[0].token_expires is not None)
        assert known.accounts[0].token_expires == account.token_expires
