"""One plan on its way: its steps are started in order, each at most once.

A step is marked as SENDING, and that is on the disk, before its request leaves; what came of it is
marked after. So a step that is found SENDING may have been sent, by a run that was killed or by
another program: then the list is asked for its job, and it is never sent again by itself.

A plan as it is marked in the notebook and told to those who follow it.

A notebook in memory alone, for when there is no history at all.

Makes jobs: implements `Creation` over the API, the list and the notebook.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress

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
from slurper_tui.api.models import Job
from slurper_tui.monitor.jobs.create import SLOTS, Known, Made, Maker, Prechecks, Wanted
from slurper_tui.monitor.jobs.draft import earlier_retries
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.budget import backoff
from slurper_tui.monitor.polling.budgeted_client import Metered
from slurper_tui.monitor.polling.job_store import FollowedJobs


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


class Unkept:
    """Implements `Notebook` for as long as the program runs."""

    durable = False

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._ties: list[Tie] = []
        self._counts: dict[JobKey, LogCounts] = {}
        self._plans: dict[int, Plan] = {}

    def note(self, events: Sequence[Event]) -> None:
        """Keep events."""
        self._events += events

    async def events(self, key: JobKey, most: int = 200) -> tuple[Event, ...]:
        """Give a job's newest events, oldest first."""
        return tuple(event for event in self._events if event.key == key)[-most:]

    async def tie(self, tie: Tie) -> None:
        """Keep that one job retries another."""
        if tie not in self._ties:
            self._ties.append(tie)

    async def ties(self, accounts: Sequence[str]) -> tuple[Tie, ...]:
        """Give every retry of these accounts."""
        return tuple(tie for tie in self._ties if tie.child.account_id in accounts)

    def keep_counts(self, key: JobKey, counts: LogCounts) -> None:
        """Keep what a log holds."""
        self._counts[key] = counts

    async def counts(self, accounts: Sequence[str]) -> Mapping[JobKey, LogCounts]:
        """Give what is kept of the logs of these accounts' jobs."""
        return {k: counts for k, counts in self._counts.items() if k.account_id in accounts}

    async def keep_plan(self, plan: Plan) -> Plan:
        """Keep a new plan, and give it with its id."""
        kept = replace(plan, id=len(self._plans) + 1)
        self._plans[kept.id] = kept
        return kept

    async def plans(self, accounts: Sequence[str]) -> tuple[Plan, ...]:
        """Give the plans of these accounts, oldest first."""
        return tuple(plan for plan in self._plans.values() if plan.account_id in accounts)

    async def move(self, plan_id: int, number: int, before: StepState, after: Step) -> bool:
        """Change a step if it still stands as `before`; False where it does not."""
        plan = self._plans[plan_id]
        fits = [step.number == number and step.state is before for step in plan.steps]
        steps = (after if fit else step for step, fit in zip(plan.steps, fits, strict=True))
        self._plans[plan_id] = replace(plan, steps=tuple(steps))
        return any(fits)


class JobCreation:
    """Sends each create request once, and never again but at the person's word.

    accounts: whose plans are shown; none means all. notebook: None keeps plans in memory alone.
    """

    def __init__(
        self,
        metered: Metered,
        roster: FollowedJobs,
        notebook: Notebook | None,
        accounts: Sequence[str] = (),
    ) -> None:
        self._notebook = notebook or Unkept()
        self._roster = roster
        self._maker = Maker(metered, roster, self._notebook)
        self._accounts = tuple(accounts)
        self._runs: dict[int, PlanRun] = {}
        self._closed = False

    async def details(self, key: JobKey) -> Job:
        """Read what a job is, all that a retry of it repeats. Raises ApiError."""
        return await self._maker.details(key)

    async def earlier_retries(
        self, key: JobKey, keys: Collection[str], log_types: Collection[str]
    ) -> tuple[str, ...]:
        """Name what copies these keys of a job again already, or may do so; one clause each."""
        ties = await self._notebook.ties([key.account_id])
        plans = await self._notebook.plans([key.account_id])
        try:
            views = await self._maker.lists.listed(key.account_id, self._maker.at_once)
        except ApiError:
            views = self._roster.views()
        return earlier_retries(key, keys, log_types, ties, plans, views)

    async def precheck(self, account_id: str, draft: Draft, secrets: Secrets) -> Prechecks:
        """Ask whether both buckets can be reached. Needs writing unlocked: both are PUT."""
        return await self._maker.sender.precheck(account_id, draft, secrets)

    async def create(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        *,
        retry_of: JobKey | None = None,
        log_types: tuple[str, ...] = (),
    ) -> Made:
        """Send one create request, once. retry_of: the job whose failed objects these are."""
        if retry_of is not None:
            return await self._create_retry(account_id, draft, secrets, retry_of, log_types)
        made = await self._maker.make(account_id, draft, secrets)
        if made.job_id is not None:
            await self._maker.note(JobKey(account_id, made.job_id), len(draft.keys or ()), None, ())
        return made

    async def _create_retry(
        self,
        account_id: str,
        draft: Draft,
        secrets: Secrets,
        retry_of: JobKey,
        log_types: tuple[str, ...],
    ) -> Made:
        """Keep the retry as a plan of one step before it is sent, so that a kill leaves a trace."""
        kept: list[PlanRun] = []

        async def keep() -> None:
            step = Step(1, draft, StepState.SENDING, at=self._maker.wall)
            plan = Plan(0, account_id, step.at, (step,), retry_of, log_types)
            kept.append(PlanRun(await self._notebook.keep_plan(plan), self._maker))
            if abs(self._maker.wall - step.at) > STALE_SECONDS:
                raise NotSent("nothing was sent: the history took too long to write")

        made = await self._maker.make(account_id, draft, secrets, keep)
        for run in kept:
            await run.settle_made(made)
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
        """Keep a plan and begin to start its steps, in order, as slots become free."""
        now = self._maker.wall
        steps = tuple(Step(number, draft, at=now) for number, draft in enumerate(drafts, 1))
        plan = Plan(0, account_id, now, steps, retry_of, log_types)
        kept = await self._notebook.keep_plan(plan)
        run = self._runs[kept.id] = PlanRun(kept, self._maker)
        run.begin(secrets)
        return run.view

    async def plans(self) -> tuple[PlanView, ...]:
        """Every plan that is not over, and those that ended in this run; oldest first.

        One of an earlier run is looked after from then on: what may have been sent is searched in
        the list. Nothing is sent before `supply`.
        """
        for plan in await self._notebook.plans(self._accounts):
            if plan.id not in self._runs and not plan.over and not self._closed:
                run = self._runs[plan.id] = PlanRun(plan, self._maker)
                run.begin()
        views = [run.view for run in self._runs.values()]
        return tuple(sorted(views, key=lambda view: (view.plan.made_at, view.plan.id)))

    def follow(self, plan_id: int) -> AsyncIterator[PlanView]:
        """Yield a plan as it stands, then at every change, until nothing more will happen.

        Raises KeyError for a plan that neither `plan` nor `plans` has given.
        """
        return self._runs[plan_id].views()

    def supply(self, plan_id: int, secrets: Secrets) -> None:
        """Go on with a plan of an earlier run, with these keys to its buckets."""
        if not self._closed:
            self._runs[plan_id].begin(secrets)

    async def cancel(self, plan_id: int) -> None:
        """Cancel every step that made no job for certain; without any, the undecided ones."""
        await self._runs[plan_id].cancel()

    async def send_again(self, plan_id: int, number: int) -> None:
        """The person's word that an undecided or refused step is to be sent again.

        The list is looked into once more before: a job that has turned up there is the step's.
        """
        await self._runs[plan_id].send_again(number)

    async def close(self) -> None:
        """Start nothing more, and forget every secret."""
        self._closed = True
        for run in self._runs.values():
            await run.end()
