"""A control that answers as it is told, and remembers what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from slurper_tui.monitor.acts import Act, Request, Standing
from slurper_tui.monitor.desk import AllAborted
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.view import JobView


class FakeControl:
    """`answer` is what every request comes to; nothing is answered while `held` is not set.

    others: live jobs of the account that no poll has shown.
    """

    def __init__(self, answer: Request | None = None) -> None:
        self.unlocked = False
        self.asked: list[tuple[Act, tuple[JobKey, ...] | str]] = []
        self.answer = answer
        self.others: tuple[JobView, ...] = ()
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

    async def abort_all(self, account_id: str, asked: Collection[JobKey]) -> AllAborted:
        self.asked.append((Act.ABORT_ALL, account_id))
        await self.held.wait()
        newcomers = tuple(view for view in self.others if view.key not in asked)
        if newcomers:
            return AllAborted(Request(Act.ABORT_ALL, 0.0, Standing.MOOT, news="more"), newcomers)
        return AllAborted(self._answer(Act.ABORT_ALL))

    def _answer(self, act: Act) -> Request:
        assert self.unlocked, "asked while locked"
        return self.answer or Request(act, 0.0, Standing.SENT)
