"""One plan on its way: its steps are started in order, each at most once.

A step is marked as SENDING, and that is on the disk, before its request leaves; what came of it is
marked after. So a step that is found SENDING may have been sent, by a run that was killed or by
another program: then the list is asked for its job, and it is never sent again by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from slurper_tui.api.errors import (
    ApiError,
    BucketKeysRefused,
    Conflict,
    Locked,
    NotSent,
    RateLimited,
    Rejected,
)
from slurper_tui.monitor.creation.looking import SLOTS, Known, Wanted
from slurper_tui.monitor.creation.making import Maker
from slurper_tui.monitor.creation.marked_plan import MarkedPlan, last_words, names
from slurper_tui.monitor.desk import Made
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.plans import Plan, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.polling.budget import backoff

SLOT_SECONDS = 30.0
"""Seconds between two tries to get a free slot, and between two looks at what others have done."""

DOUBT_SECONDS = 60.0
"""For so long after a request has left, a job may still come of it."""

STALE_SECONDS = 20.0
"""A mark older than this is not followed by a request: others may have judged it meanwhile."""

PARTING_SECONDS = 1.0
"""For so long an orderly end waits for an answer that is under way."""

_LOOK_SECONDS = 5.0
_PASSING = (Conflict, NotSent, RateLimited, Locked)
"""With these, nothing was made for certain, and a later try may succeed."""


class PlanRun(MarkedPlan):
    """Goes on with one plan until nothing more will happen, or until it is stopped."""

    def __init__(self, plan: Plan, maker: Maker, secrets: Secrets | None = None) -> None:
        super().__init__(plan, maker)
        self._secrets = secrets
        self._halted = False
        self._stopped_by: ApiError | None = None
        self._failures = 0
        self._looked_for: set[int] = set()
        self._accepted: set[int] = set()
        self._cancelled: set[int] = set()
        self._known: dict[int, Known] = {}
        self._rng = random.Random()
        self._task: asyncio.Task[None] | None = None

    @property
    def view(self) -> PlanView:
        """The plan as it stands."""
        note = "" if self.plan.over else self._note
        return PlanView(
            self.plan,
            self._secrets is not None,
            note,
            durable=self._maker.notebook.durable,
            stopped_by=self._stopped_by,
        )

    async def views(self) -> AsyncIterator[PlanView]:
        """Yield the plan at every change until nothing more will happen."""
        told: PlanView | None = None
        while True:
            news, view = self._news, self.view
            if view != told:
                told = view
                yield view
            if not self._goes_on:
                self._raise_what_it_died_of()
                return
            await news.wait()

    def begin(self, secrets: Secrets | None = None) -> None:
        """Go on, with these keys to the buckets, or with those that are known."""
        self._secrets = secrets or self._secrets
        self._halted, self._failures, self._stopped_by = False, 0, None
        if self._task is None or self._task.done():
            self._wake.clear()
            self._task = asyncio.create_task(self._run())
        else:
            self._wake.set()
        self._tell()

    async def end(self) -> None:
        """Start nothing more, and forget the secrets."""
        self._halted, self._secrets = True, None
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=PARTING_SECONDS)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._tell()

    async def cancel(self) -> None:
        """Cancel every step that made no job for certain; without any, the undecided ones.

        One that is being sent is cancelled when its answer tells that it made none.
        """
        self._cancelled |= {step.number for step in self._steps(StepState.SENDING)}
        for step in self.plan.given_up:
            await self._move(step, StepState.CANCELLED, said=step.said)
        await self._read_again()
        self._wake.set()
        if not self._goes_on:
            self._say(last_words(self.plan))

    async def send_again(self, number: int) -> None:
        """Let a refused or undecided step be sent; not where the list shows its job after all."""
        await self._read_again()
        step = next(s for s in self.plan.steps if s.number == number)
        if step.state is StepState.UNDECIDED and not await self._is_absent(step):
            return
        if step.state in (StepState.UNDECIDED, StepState.REFUSED):
            self._cancelled.discard(number)
            await self._move(step, StepState.WAITING)
            self.begin()

    async def _is_absent(self, step: Step) -> bool:
        """Whether the list was read and shows no such job; one that it shows is the step's."""
        try:
            found = await self._find(step)
        except ApiError as error:
            said = f"not sent again: the list cannot be read: {error}"
            await self._move(step, StepState.UNDECIDED, said=said, at=step.at)
            return False
        if found:
            await self._started(step, found)
        return found is None

    async def settle_made(self, made: Made) -> None:
        """Mark what came of the only step, which was sent without a slot being waited for.

        A step that made no job is cancelled: the person has the refusal already.
        """
        step = self.plan.steps[0]
        if made.job_id is not None:
            await self._started(step, made.job_id)
        elif made.error is None:
            said = "the API has made it, but tells no id, and the list does not show it"
            await self._move(step, StepState.STARTED, said=said)
        elif made.error.undecided:
            await self._move(step, StepState.UNDECIDED, said=str(made.error), at=step.at)
        else:
            await self._move(step, StepState.CANCELLED, said=str(made.error))

    async def _run(self) -> None:
        """Take one step after another, and tell the end of it."""
        try:
            await self._go_on()
        finally:
            self._tell()

    async def _go_on(self) -> None:
        while not self._halted:
            await self._read_again()
            if step := self._in_doubt():
                await self._settle(step)
            elif not self._steps(StepState.WAITING):
                break
            elif self._secrets is None:
                await self._nap(SLOT_SECONDS, "waiting for the keys to its buckets")
            else:
                await self._next(self._steps(StepState.WAITING)[0], self._secrets)
        self._note = self._note if self._halted else last_words(self.plan)

    def _in_doubt(self) -> Step | None:
        """A step that may have been sent; an undecided one of an earlier run is looked for once."""
        undecided = self._steps(StepState.UNDECIDED)
        open_ones = [step for step in undecided if step.number not in self._looked_for]
        return next(iter([*self._steps(StepState.SENDING), *open_ones]), None)

    # Sending -----------------------------------------------------------------------------------

    async def _next(self, step: Step, secrets: Secrets) -> None:
        """Send a step, or cancel it if that was wanted while it was on its way before."""
        if step.number in self._cancelled:
            await self._move(step, StepState.CANCELLED)
        else:
            await self._send(step, secrets)

    async def _send(self, step: Step, secrets: Secrets) -> None:
        """Mark a step as being sent, send it, and mark what came of it."""
        self._known[step.number] = await self._maker.lists.known(
            self.plan.account_id, self._maker.in_turn
        )
        if not await self._move(step, StepState.SENDING):
            await self._nap(_LOOK_SECONDS, "another program goes on with it, or the disk is full")
            return
        if abs(self._maker.wall - self.plan.steps[step.number - 1].at) > STALE_SECONDS:
            await self._take_back(step)
            return
        self._say(f"starts step {step.number}")
        account_id, draft = self.plan.account_id, step.draft
        try:
            job_id = await self._maker.sender.create(account_id, draft, secrets)
        except ApiError as error:
            await self._failed(step, error)
            return
        self._failures = 0
        self._accepted.add(step.number)
        if job_id is not None:
            await self._started(step, job_id)

    async def _failed(self, step: Step, error: ApiError) -> None:
        """Decide what an error means; an undecided one is settled by looking into the list."""
        if error.undecided:
            self._say(f"step {step.number} was not answered: {error}")
        elif isinstance(error, _PASSING):
            self._failures += 1
            await self._take_back(step)
            if step.number not in self._cancelled:
                await self._nap(self._wait_after(error), await self._why(error))
        elif isinstance(error, BucketKeysRefused):
            # The step waits for other keys; with these, no other step would start either.
            await self._take_back(step)
            self._secrets = None
            self._stop(error)
        else:
            refused = StepState.REFUSED
            await self._move(step, refused, before=StepState.SENDING, said=str(error))
            if isinstance(error, Rejected):
                self._stop(error)

    def _stop(self, error: ApiError) -> None:
        self._halted, self._note, self._stopped_by = True, f"stopped: {error}", error

    async def _take_back(self, step: Step) -> None:
        """Let a step that made no job wait again, unless the plan was cancelled meanwhile."""
        known = len(self._steps(StepState.CANCELLED))
        await self._read_again()
        if len(self._steps(StepState.CANCELLED)) > known:
            self._cancelled.add(step.number)
        gone = step.number in self._cancelled
        after = StepState.CANCELLED if gone else StepState.WAITING
        await self._move(step, after, before=StepState.SENDING)

    def _wait_after(self, error: ApiError) -> float:
        """Seconds until the next try."""
        if isinstance(error, NotSent):
            return backoff(self._failures, 2.0, self._rng)
        if isinstance(error, RateLimited):
            return SLOT_SECONDS if error.retry_after is None else max(1.0, error.retry_after)
        return SLOT_SECONDS

    async def _why(self, error: ApiError) -> str:
        if isinstance(error, Conflict):
            running = await self._maker.running(self.plan.account_id)
            said = f"; the API says: {error}" if len(running) < SLOTS else ""
            wait = f"tries every {SLOT_SECONDS:.0f} s"
            return f"waits for a free slot{names(running)}; {wait}{said}"
        if isinstance(error, Locked):
            return "waits: nothing may be changed while this program only reads"
        return f"tries again: {error}"

    # Settling ----------------------------------------------------------------------------------

    async def _settle(self, step: Step) -> None:
        """Look for the job of a step that may have been sent; without one it is undecided."""
        self._say(f"step {step.number} may have been sent: looks for its job in the list")
        try:
            found = await self._find(step)
        except ApiError as error:
            self._failures += 1
            wait = max(_LOOK_SECONDS, backoff(self._failures, 2.0, self._rng))
            await self._nap(wait, f"the list cannot be read: {error}")
            return
        self._failures = 0
        if found:
            await self._started(step, found)
        elif step.state is StepState.SENDING and abs(self._maker.wall - step.at) < DOUBT_SECONDS:
            await self._nap(_LOOK_SECONDS)
        else:
            await self._give_up(step)

    async def _give_up(self, step: Step) -> None:
        self._looked_for.add(step.number)
        if step.number in self._accepted:
            said = "the API has made it, but tells no id, and the list does not show it"
            await self._move(step, StepState.STARTED, said=said)
        elif step.state is StepState.SENDING:
            said = "it was sent and not answered, and the list shows no such job"
            await self._move(step, StepState.UNDECIDED, said=said, at=step.at)

    async def _find(self, step: Step) -> str | None:
        """The id of a step's job, if the list shows it. Raises ApiError."""
        known = self._known.get(step.number, Known(frozenset(), whole=False))
        wanted = Wanted(step.draft, step.at, self._taken | known.ids, all_known=known.whole)
        return await self._maker.lists.find(self.plan.account_id, wanted, self._maker.in_turn)

    # Marking -----------------------------------------------------------------------------------

    async def _started(self, step: Step, job_id: str) -> None:
        """Note the job first: when the program ends in between, the list shows it again."""
        child = JobKey(self.plan.account_id, job_id)
        keys = len(step.draft.keys or ())
        await self._maker.note(child, keys, self.plan.retry_of, self.plan.log_types)
        for before in (StepState.SENDING, StepState.UNDECIDED):
            if await self._move(step, StepState.STARTED, before=before, job_id=job_id):
                return

    # Telling -------------------------------------------------------------------------------------

    @property
    def _goes_on(self) -> bool:
        """Something more may happen by itself."""
        task = self._task
        return not self._halted and task is not None and not task.done()

    def _raise_what_it_died_of(self) -> None:
        """Nothing but a bug."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
