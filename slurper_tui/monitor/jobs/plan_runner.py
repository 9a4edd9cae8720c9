"""Creates jobs, one at a time or as a plan that starts its steps in order, each at most once.

`JobCreation` runs one `PlanRun` per plan. Every change of a step is
written to the history notes by compare-and-set, so of several programs only one sends a step.

Crash safety: a step is written as SENDING before its request is sent, and its outcome is written
afterwards. A step that is read back as SENDING may have been sent by a killed run or by another
program: its job is searched in the API's list, and the step is never sent again automatically.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.api.errors import (
    ApiError,
    BucketKeysRefused,
    Conflict,
    Locked,
    NotSent,
    RateLimited,
    Rejected,
)
from slurper_tui.monitor.jobs.create import (
    FRESH_KEY_WAITS,
    FRESH_KEYS,
    NO_ID,
    CreateResult,
    ExistingJobs,
    JobMaker,
    Prechecks,
    WantedJob,
)
from slurper_tui.monitor.jobs.draft import earlier_retries
from slurper_tui.monitor.model.base import SLOTS, JobKey
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.polling.budget import backoff

if TYPE_CHECKING:
    from slurper_tui.api.models import Job, Secret
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore


NEEDS_KEYS = "needs the keys to its buckets again"
REFUSED = "another program runs it, or the disk is full"
COPIED = "cannot be changed here: the history file cannot be written"

SLOT_SECONDS = 30.0
"""Seconds between two attempts to get a free slot, and between two re-reads of a waiting plan."""

DOUBT_SECONDS = 60.0
"""Seconds after sending during which an unanswered request may still create a job."""

STALE_SECONDS = 20.0
"""Seconds; if writing SENDING took longer than this, the request is not sent, because another
program may already have settled the step."""

CLOSE_SECONDS = 1.0
"""Seconds that `end` waits for an outstanding answer before it cancels the task."""

_RETRY_SECONDS = 5.0
"""Seconds between two searches for a job in the list, and after a change that was refused."""

_TRANSIENT = (Conflict, NotSent, RateLimited, Locked)
"""Errors after which certainly no job was created and a later attempt may succeed."""


def open_steps(plan: Plan) -> str:
    """Return why the open steps are not continued; "" if there are none."""
    if plan.is_copy:
        return COPIED
    steps = [f"step {step.number} is {step.state}" for step in plan.steps if not step.state.over]
    return f"{', '.join(steps)}: sent again only on request" if steps else ""


class PlanRun:
    """Runs one plan until no step can change without the user, or until it is stopped."""

    def __init__(self, plan: Plan, maker: JobMaker) -> None:
        self.plan = plan
        self._maker = maker
        self._secrets: Secrets | None = None
        self._note = ""
        self._stopped = False
        self._stopped_by: ApiError | None = None
        self._move_refused = False
        self._failures = self._refusals = 0
        self._used_ids: frozenset[str] = frozenset()
        self._searched: set[int] = set()
        self._accepted: set[int] = set()
        self._cancelled: set[int] = set()
        self._existing: dict[int, ExistingJobs] = {}
        self._rng = random.Random()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._wake = asyncio.Event()
        maker.job_store.set_plan(plan)

    @property
    def view(self) -> PlanView:
        """The plan's current state."""
        note = "" if self.plan.over else self._note
        return PlanView(
            self.plan,
            self._secrets is not None,
            note,
            durable=self._maker.notes.durable,
            stopped_by=self._stopped_by,
            number=self._maker.notes.number_of(self.plan.id),
        )

    @property
    def starts_more(self) -> bool:
        """Whether this program will start further jobs of the plan, as slots become free."""
        can_start = self._active and self._secrets is not None and not self.plan.is_copy
        return can_start and not self.plan.over

    async def views(self) -> AsyncIterator[PlanView]:
        """Yield the plan now and at every change until its task ends or is stopped."""
        last: PlanView | None = None
        while True:
            changed, view = self._changed, self.view
            if view != last:
                last = view
                yield view
            if not self._active:
                if self._task is not None and self._task.done() and not self._task.cancelled():
                    self._task.result()  # raises the task's exception, which can only be a bug
                return
            await changed.wait()

    def begin(self, secrets: Secrets | None = None) -> None:
        """Start or wake the task. secrets: None keeps the secrets that were given before."""
        self._secrets = secrets or self._secrets
        self._stopped, self._failures, self._stopped_by = False, 0, None
        self._refusals = 0
        if self._task is None or self._task.done():
            self._wake.clear()
            self._task = asyncio.create_task(self._run())
        else:
            self._wake.set()
        self._notify()

    async def end(self) -> None:
        """Stop the task and drop the secrets."""
        self._stopped, self._secrets = True, None
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._notify()

    async def cancel(self) -> None:
        """Cancel every step that certainly made no job; if there is none, the undecided steps.

        A step being sent is cancelled once its answer shows that it made no job.
        """
        self._cancelled |= {step.number for step in self._steps(StepState.SENDING)}
        for step in self.plan.given_up:
            await self._move(step, StepState.CANCELLED, message=step.message)
        await self._read_again()
        self._wake.set()
        if not self._active:
            self._set_note(open_steps(self.plan))

    async def send_again(self, number: int) -> None:
        """Set a refused or undecided step to waiting, unless the list shows its job after all."""
        await self._read_again()
        step = next(s for s in self.plan.steps if s.number == number)
        if step.state is StepState.UNDECIDED:
            try:
                found = await self._find(step)
            except ApiError as error:
                message = f"not sent again: the list cannot be read: {error}"
                await self._move(step, StepState.UNDECIDED, message=message, at=step.at)
                return
            if found:
                await self._record_started(step, found)
                return
        if step.state in (StepState.UNDECIDED, StepState.REFUSED):
            self._cancelled.discard(number)
            await self._move(step, StepState.WAITING)
            self.begin()

    async def set_time(self) -> None:
        """Write that the one step is sent now, after a refusal. Raises NotSent if that fails."""
        if not await self._move(self.plan.steps[0], StepState.SENDING):
            raise NotSent("nothing was sent again: another program has continued the request")

    async def record_result(self, made: CreateResult) -> None:
        """Write the outcome of a one-step plan that was sent without waiting for a slot.

        A step that made no job is cancelled: the user has already seen the refusal.
        """
        step = self.plan.steps[0]
        if made.job_id is not None:
            await self._record_started(step, made.job_id)
        elif made.error is None:
            await self._move(step, StepState.STARTED, message=NO_ID)
        elif made.error.undecided:
            await self._move(step, StepState.UNDECIDED, message=str(made.error), at=step.at)
        else:
            await self._move(step, StepState.CANCELLED, message=str(made.error))

    async def _run(self) -> None:
        """Process the steps in order; pause after a change that the history refused."""
        try:
            while not self._stopped:
                if self._move_refused:
                    self._move_refused = False
                    await self._pause(_RETRY_SECONDS, REFUSED)
                await self._read_again()
                if self.plan.is_copy:
                    break
                waiting = self._steps(StepState.WAITING)
                if step := self._unsettled():
                    await self._settle(step)
                elif not waiting:
                    break
                elif self._secrets is None:
                    await self._pause(SLOT_SECONDS, NEEDS_KEYS)
                elif waiting[0].number in self._cancelled:
                    await self._move(waiting[0], StepState.CANCELLED)
                else:
                    await self._send(waiting[0], self._secrets)
            self._note = self._note if self._stopped else open_steps(self.plan)
        finally:
            self._notify()

    def _unsettled(self) -> Step | None:
        """Return a step that may have been sent; each undecided step is searched only once."""
        undecided = self._steps(StepState.UNDECIDED)
        unsearched = [step for step in undecided if step.number not in self._searched]
        return next(iter([*self._steps(StepState.SENDING), *unsearched]), None)

    async def _send(self, step: Step, secrets: Secrets) -> None:
        """Mark a step as SENDING, send it, and mark its outcome."""
        account_id, maker = self.plan.account_id, self._maker
        in_turn = maker.metered.of(account_id).in_turn
        self._existing[step.number] = await maker.lists.existing(account_id, in_turn)
        if not await self._move(step, StepState.SENDING):
            return
        if abs(maker.wall - self.plan.steps[step.number - 1].at) > STALE_SECONDS:
            await self._take_back(step)
            return
        self._set_note(f"starts step {step.number}")
        try:
            job_id = await maker.send(account_id, step.draft, secrets)
        except ApiError as error:
            await self._handle_error(step, error)
            return
        self._failures = self._refusals = 0
        self._accepted.add(step.number)
        if job_id is not None:
            await self._record_started(step, job_id)

    async def _handle_error(self, step: Step, error: ApiError) -> None:
        """Handle an error of the create request; `_settle` resolves undecided ones."""
        if error.undecided:
            self._set_note(f"step {step.number} was not answered: {error}")
        elif isinstance(error, _TRANSIENT):
            self._failures += 1
            await self._take_back(step)
            if step.number not in self._cancelled:
                await self._pause(*await self._next_attempt(error))
        elif isinstance(error, BucketKeysRefused):
            await self._take_back(step)
            if self._refusals < len(FRESH_KEY_WAITS):
                self._refusals += 1
                await self._pause(FRESH_KEY_WAITS[self._refusals - 1], FRESH_KEYS)
                return
            # No other step could start with these keys: stop until the user supplies new ones.
            self._secrets = None
            self._stop(error)
        else:
            refused = StepState.REFUSED
            await self._move(step, refused, before=StepState.SENDING, message=str(error))
            if isinstance(error, Rejected):
                self._stop(error)

    def _stop(self, error: ApiError) -> None:
        self._stopped, self._note, self._stopped_by = True, f"stopped: {error}", error

    async def _take_back(self, step: Step) -> None:
        """Set a step that made no job back to waiting, or cancel it if the plan was cancelled."""
        cancelled = len(self._steps(StepState.CANCELLED))
        await self._read_again()
        if len(self._steps(StepState.CANCELLED)) > cancelled:
            self._cancelled.add(step.number)
        is_cancelled = step.number in self._cancelled
        after = StepState.CANCELLED if is_cancelled else StepState.WAITING
        await self._move(step, after, before=StepState.SENDING)

    async def _next_attempt(self, error: ApiError) -> tuple[float, str]:
        """Return the seconds until the next attempt after a transient error, and a note."""
        if isinstance(error, Conflict):
            running = await self._maker.running(self.plan.account_id)
            sources = ((view.job.source, view.word) for view in running)
            jobs = [f"{s.bucket or ''}/{s.path_prefix or ''} {word}" for s, word in sources if s]
            names = f" ({', '.join(jobs)})" if jobs else ""
            reason = f"; the API says: {error}" if len(running) < SLOTS else ""
            note = f"waits for a free slot{names}; tries every {SLOT_SECONDS:.0f} s{reason}"
            return SLOT_SECONDS, note
        if isinstance(error, Locked):
            return SLOT_SECONDS, "waits: this program is read-only"
        wait = SLOT_SECONDS
        if isinstance(error, NotSent):
            wait = backoff(self._failures, 2.0, self._rng)
        elif isinstance(error, RateLimited) and error.retry_after is not None:
            wait = max(1.0, error.retry_after)
        return wait, f"tries again: {error}"

    async def _settle(self, step: Step) -> None:
        """Search the job of a step that may have been sent; mark it undecided if there is none."""
        self._set_note(f"step {step.number} may have been sent: looks for its job in the list")
        try:
            found = await self._find(step)
        except ApiError as error:
            self._failures += 1
            wait = max(_RETRY_SECONDS, backoff(self._failures, 2.0, self._rng))
            await self._pause(wait, f"the list cannot be read: {error}")
            return
        self._failures = 0
        is_sending = step.state is StepState.SENDING
        if found:
            await self._record_started(step, found)
        elif is_sending and abs(self._maker.wall - step.at) < DOUBT_SECONDS:
            await self._pause(_RETRY_SECONDS)
        else:
            self._searched.add(step.number)
            if step.number in self._accepted:
                await self._move(step, StepState.STARTED, message=NO_ID)
            elif is_sending:
                message = "it was sent without an answer, and the list shows no such job"
                await self._move(step, StepState.UNDECIDED, message=message, at=step.at)

    async def _find(self, step: Step) -> str | None:
        """Return the id of a step's job, None if the list lacks it. Raises ApiError."""
        existing = self._existing.get(step.number, ExistingJobs(frozenset(), complete=False))
        ids = self._used_ids | existing.ids
        wanted = WantedJob(step.draft, step.at, ExistingJobs(ids, existing.complete))
        maker = self._maker
        account_id = self.plan.account_id
        in_turn = maker.metered.of(account_id).in_turn
        return await maker.lists.find(account_id, wanted, in_turn)

    async def _record_started(self, step: Step, job_id: str) -> None:
        """Record the job, then mark the step: after a crash in between the list shows the job."""
        child = JobKey(self.plan.account_id, job_id)
        keys = len(step.draft.keys or ())
        await self._maker.record(child, keys, self.plan.retry_of, self.plan.log_types)
        for before in (StepState.SENDING, StepState.UNDECIDED):
            if await self._move(step, StepState.STARTED, before=before, job_id=job_id):
                return

    async def _move(
        self,
        step: Step,
        after: StepState,
        *,
        before: StepState | None = None,
        job_id: str | None = None,
        message: str = "",
        at: float | None = None,
    ) -> bool:
        """Write a step's new state; return False if it is no longer in its old state.

        before: the old state, if it is not `step.state`. at: UTC seconds, None for now.
        """
        moment = self._maker.wall if at is None else at
        moved = replace(step, state=after, at=moment, job_id=job_id, message=message)
        number, notes = step.number, self._maker.notes
        done = await notes.move(self.plan.id, number, before or step.state, moved)
        self._move_refused = not done
        if done:
            steps = (moved if s.number == number else s for s in self.plan.steps)
            self.plan = replace(self.plan, steps=tuple(steps))
            self._notify()
        return done

    async def _read_again(self) -> None:
        """Re-read the plan as other programs may have changed it, and all plans' job ids."""
        plans = await self._maker.notes.plans([self.plan.account_id])
        self._used_ids = frozenset(s.job_id for plan in plans for s in plan.steps if s.job_id)
        stored = next((plan for plan in plans if plan.id == self.plan.id), self.plan)
        if stored != self.plan:
            self.plan = stored
            self._notify()

    def _steps(self, state: StepState) -> list[Step]:
        return [step for step in self.plan.steps if step.state is state]

    async def _pause(self, seconds: float, note: str = "") -> None:
        """Wait for `seconds` or until `_wake` is set, which may already be the case."""
        self._set_note(note or self._note)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _set_note(self, note: str) -> None:
        if note != self._note:
            self._note = note
            self._notify()

    def _notify(self) -> None:
        """Wake the followers and update the migration's number of unstarted jobs."""
        self._maker.job_store.set_plan(self.plan)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def _active(self) -> bool:
        """Whether the task may still change the plan."""
        task = self._task
        return not self._stopped and task is not None and not task.done()


class JobCreation:
    """Sends each create request once; only the user can send it again.

    accounts: show only the plans of these accounts; empty for all. notes: where plans are kept.
    """

    def __init__(
        self,
        metered: Metered,
        job_store: JobStore,
        notes: HistoryNotes,
        accounts: Sequence[str] = (),
    ) -> None:
        self._notes = notes
        self._maker = JobMaker(metered, job_store, notes)
        self._accounts = tuple(accounts)
        self._runs: dict[int, PlanRun] = {}
        self._closed = False

    async def details(self, key: JobKey) -> Job:
        """Fetch a job's details, which a retry repeats. Raises ApiError."""
        metered = self._maker.metered.of(key.account_id)
        return await metered.at_once(lambda: metered.api.get_job(*key))

    async def earlier_retries(
        self, key: JobKey, keys: Collection[str], log_types: Collection[str]
    ) -> tuple[str, ...]:
        """Name earlier retries that copy, or may copy, these keys of a job; one clause each."""
        links = await self._notes.links([key.account_id])
        plans = await self._notes.plans([key.account_id])
        try:
            at_once = self._maker.metered.of(key.account_id).at_once
            views = await self._maker.lists.listed(key.account_id, at_once)
        except ApiError:
            views = self._maker.job_store.views()
        return earlier_retries(key, keys, log_types, links, plans, views)

    async def r2_keys(self, account_id: str) -> Secret:
        """Return the keys to R2 buckets that belong to the API token of an account.

        Raises ApiError, NoToken where there are none.
        """
        metered = self._maker.metered.of(account_id)
        return await metered.at_once(metered.api.r2_keys)

    async def precheck(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        waiting: Callable[[], None] = lambda: None,
    ) -> Prechecks:
        """Check that both buckets can be reached. Needs writing unlocked: both checks are PUT.

        waiting: called when refused bucket keys are given time to work.
        """
        return await self._maker.precheck(account_id, draft, secrets, waiting)

    async def create(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        *,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
        waiting: Callable[[], None] = lambda: None,
    ) -> CreateResult:
        """Send one create request, once unless its bucket keys are refused.

        retry_of: the job that the draft retries, None if it is no retry. log_types: the log types
        of the retried objects. waiting: called when refused bucket keys are given time to work.
        """
        if retry_of is None and draft.counted is None:
            made = await self._maker.make(account_id, draft, secrets, waiting=waiting)
            if made.job_id is not None:
                await self._maker.record(JobKey(account_id, made.job_id))
            return made
        runs: list[PlanRun] = []

        async def store() -> None:
            """Store it as a one-step plan, so that a crash leaves a trace.

            When it is sent again, only the time changes: others take it for undecided later.
            """
            if runs:
                await runs[0].set_time()
                return
            step = Step(1, draft, StepState.SENDING, at=self._maker.wall)
            plan = Plan(0, account_id, step.at, (step,), retry_of, log_types)
            runs.append(PlanRun(await self._notes.keep_plan(plan), self._maker))
            if abs(self._maker.wall - step.at) > STALE_SECONDS:
                raise NotSent("nothing was sent: the history took too long to write")

        made = await self._maker.make(account_id, draft, secrets, store, waiting)
        for run in runs:
            await run.record_result(made)
        return made

    async def plan(
        self,
        account_id: str,
        drafts: Sequence[Draft],
        secrets: Secrets,
        *,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
    ) -> PlanView:
        """Store a plan and start its steps in order as slots become free."""
        now = self._maker.wall
        steps = tuple(Step(number, draft, at=now) for number, draft in enumerate(drafts, 1))
        plan = Plan(0, account_id, now, steps, retry_of, log_types)
        kept = await self._notes.keep_plan(plan)
        run = self._runs[kept.id] = PlanRun(kept, self._maker)
        run.begin(secrets)
        return run.view

    async def plans(self) -> tuple[PlanView, ...]:
        """Return every unfinished plan and the plans that ended in this run, oldest first.

        Starts a task for each unfinished plan of an earlier run: it searches the list for steps
        that may have been sent, and sends nothing before `supply`.
        """
        for plan in await self._notes.plans(self._accounts):
            if plan.id not in self._runs and not plan.over and not self._closed:
                run = self._runs[plan.id] = PlanRun(plan, self._maker)
                run.begin()
        views = [run.view for run in self._runs.values()]
        return tuple(sorted(views, key=lambda view: (view.plan.made_at, view.plan.id)))

    @property
    def waiting(self) -> tuple[Plan, ...]:
        """The plans of which only this program, while it runs, starts further jobs."""
        return tuple(run.plan for run in self._runs.values() if run.starts_more)

    def follow(self, plan_id: int) -> AsyncIterator[PlanView]:
        """Yield a plan now and at every change until its task ends or is stopped.

        Raises KeyError for a plan that neither `plan` nor `plans` has returned.
        """
        return self._runs[plan_id].views()

    def supply(self, plan_id: int, secrets: Secrets) -> None:
        """Continue a plan of an earlier run with these keys to its buckets."""
        if not self._closed:
            self._runs[plan_id].begin(secrets)

    async def cancel(self, plan_id: int) -> None:
        """Cancel every step that certainly made no job; if there is none, the undecided steps."""
        await self._runs[plan_id].cancel()

    async def send_again(self, plan_id: int, number: int) -> None:
        """Send an undecided or refused step again, at the user's request.

        The list is read once more first: if the step's job has appeared there, nothing is sent.
        """
        await self._runs[plan_id].send_again(number)

    async def close(self) -> None:
        """Stop every plan and drop all secrets."""
        self._closed = True
        for run in self._runs.values():
            await run.end()
