"""A plan as it is marked in the notebook and told to those who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from slurper_tui.monitor.creation.making import Maker
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Plan, Step, StepState


class MarkedPlan:
    """Marks steps such that of several programs only one gets to; wakes followers at changes."""

    def __init__(self, plan: Plan, maker: Maker) -> None:
        self.plan = plan
        self._maker = maker
        maker.planned(plan)
        self._note = ""
        self._taken: frozenset[str] = frozenset()
        self._news = asyncio.Event()
        self._wake = asyncio.Event()

    async def _move(
        self,
        step: Step,
        after: StepState,
        *,
        before: StepState | None = None,
        job_id: str | None = None,
        said: str = "",
        at: float | None = None,
    ) -> bool:
        """Mark a step, if nobody else has meanwhile. before: what it is now, if not as told."""
        moment = self._maker.wall if at is None else at
        moved = replace(step, state=after, at=moment, job_id=job_id, said=said)
        number, notebook = step.number, self._maker.notebook
        done = await notebook.move(self.plan.id, number, before or step.state, moved)
        if done:
            steps = (moved if s.number == number else s for s in self.plan.steps)
            self.plan = replace(self.plan, steps=tuple(steps))
            self._tell()
        return done

    async def _read_again(self) -> None:
        """Take over what other programs have marked, and which jobs are steps' of any plan."""
        plans = await self._maker.notebook.plans([self.plan.account_id])
        self._taken = frozenset(s.job_id for plan in plans for s in plan.steps if s.job_id)
        kept = next((plan for plan in plans if plan.id == self.plan.id), self.plan)
        if kept != self.plan:
            self.plan = kept
            self._tell()

    def _steps(self, state: StepState) -> list[Step]:
        return [step for step in self.plan.steps if step.state is state]

    async def _nap(self, seconds: float, note: str = "") -> None:
        """Wait so long, or until there is a reason to look again; there may be one already."""
        self._say(note or self._note)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _say(self, note: str) -> None:
        if note != self._note:
            self._note = note
            self._tell()

    def _tell(self) -> None:
        """Wake whoever follows, and let the migration know what is still to come."""
        self._maker.planned(self.plan)
        self._news.set()
        self._news = asyncio.Event()


def last_words(plan: Plan) -> str:
    """What is left for the person to decide."""
    open_ones = [step for step in plan.steps if not step.state.over]
    told = ", ".join(f"step {step.number} is {step.state}" for step in open_ones)
    return f"{told}: only your word sends it again" if told else ""


def names(views: Sequence[JobView]) -> str:
    """The sources of jobs as a clause, ` (photos/2024/ running, logs paused)`; "" without any."""
    told = ((view.job.source, view.word) for view in views)
    words = [f"{s.bucket or ''}/{s.path_prefix or ''} {word}" for s, word in told if s]
    return f" ({', '.join(words)})" if words else ""
