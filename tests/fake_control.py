"""A job control with a fixed answer that records its requests."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from slurper_tui.monitor.jobs.actions import AllAborted
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.monitor.model.job import JobView


class FakeControl:
    """Answers every request with `answer`, as soon as `held` is set.

    others: live jobs of the account that are in no snapshot.
    """

    def __init__(self, answer: ActionRequest | None = None) -> None:
        self.unlocked = False
        self.asked: list[tuple[Action, tuple[JobKey, ...] | str]] = []
        self.answer = answer
        self.others: tuple[JobView, ...] = ()
        self.held = asyncio.Event()
        self.held.set()

    def unlock(self) -> None:
        self.unlocked = True

    def lock(self) -> None:
        self.unlocked = False

    async def request(self, action: Action, keys: Sequence[JobKey]) -> tuple[ActionRequest, ...]:
        self.asked.append((action, tuple(keys)))
        await self.held.wait()
        return tuple(self._answer(action) for _ in keys)

    async def abort_all(self, account_id: str, asked: Collection[JobKey]) -> AllAborted:
        self.asked.append((Action.ABORT_ALL, account_id))
        await self.held.wait()
        newcomers = tuple(view for view in self.others if view.key not in asked)
        if newcomers:
            return AllAborted(
                ActionRequest(Action.ABORT_ALL, 0.0, RequestState.POINTLESS, detail="more"),
                newcomers,
            )
        return AllAborted(self._answer(Action.ABORT_ALL))

    def _answer(self, action: Action) -> ActionRequest:
        assert self.unlocked, "asked while locked"
        return self.answer or ActionRequest(action, 0.0, RequestState.SENT)
