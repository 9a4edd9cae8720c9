"""A control that answers as it is told, and remembers what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from slurper_tui.monitor.acts import Act, Request, Standing
from slurper_tui.monitor.job_key import JobKey


class FakeControl:
    """`answer` is what every request comes to; nothing is answered while `held` is not set."""

    def __init__(self, answer: Request | None = None) -> None:
        self.unlocked = False
        self.asked: list[tuple[Act, tuple[JobKey, ...] | str]] = []
        self.answer = answer
        self.held = asyncio.Event()
        self.held.set()

    def unlock(self) -> None:
        self.unlocked = True

    def lock(self) -> None:
        self.unlocked = False

    async def request(self, act: Act, keys: Sequence[JobKey]) -> tuple[Request, ...]:
        self.asked.append((act, tuple(keys)))
        await self.held.wait()
        return tuple(self._answer(act) for _ in keys)

    async def abort_all(self, account_id: str) -> Request:
        self.asked.append((Act.ABORT_ALL, account_id))
        await self.held.wait()
        return self._answer(Act.ABORT_ALL)

    def _answer(self, act: Act) -> Request:
        assert self.unlocked, "asked while locked"
        return self.answer or Request(act, 0.0, Standing.SENT)
