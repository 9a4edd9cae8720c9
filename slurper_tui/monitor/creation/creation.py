"""Makes jobs: implements `Creation` over the API, the list and the notebook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from slurper_tui.api.errors import ApiError, NotSent
from slurper_tui.api.models import Job
from slurper_tui.monitor.creation.making import Maker
from slurper_tui.monitor.creation.plan_run import STALE_SECONDS, PlanRun
from slurper_tui.monitor.creation.retry import earlier_retries
from slurper_tui.monitor.creation.unkept import Unkept
from slurper_tui.monitor.desk import Made, Prechecks, Roster
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.plans import Draft, Plan, PlanView, Secrets, Step, StepState
from slurper_tui.monitor.model.samples import Notebook
from slurper_tui.monitor.polling.budgeted_client import Metered


class JobCreation:
    """Sends each create request once, and never again but at the person's word.

    accounts: whose plans are shown; none means all. notebook: None keeps plans in memory alone.
    """

    def __init__(
        self,
        metered: Metered,
        roster: Roster,
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
