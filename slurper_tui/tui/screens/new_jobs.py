"""The actions that create jobs: the form, the draft of a retry, and the page of plans.

The pages are imported when they are first opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.state import ScreenState, seek

if TYPE_CHECKING:
    from slurper_tui.api.models import Job
    from slurper_tui.tui.screens.main import MainScreen
    from slurper_tui.tui.screens.send import PageContext, Sent


NO_LIST_YET = "the job list is not there yet"
_WAIT = "jobs of a split wait for their"


class NewJobs:
    """The actions of the main screen that create jobs."""

    def __init__(self, main: MainScreen) -> None:
        self._main = main
        self._filled_in: Mapping[str, str] = {}
        self._asked_for_plans = False

    def report_plans(self, state: ScreenState) -> None:
        """Check for plans of earlier runs, once, when a snapshot is complete."""
        if not self._asked_for_plans and state.snapshot and state.snapshot.complete:
            self._asked_for_plans = True
            self._main.start(self._note_open_plans, "plans")

    async def _note_open_plans(self) -> None:
        """Show a note if plans of earlier runs need keys or a decision."""
        from slurper_tui.monitor.model.plans import StepState

        services = await self._main.services()
        steps = [
            step.state
            for view in await services.creation.plans()
            if not view.has_secrets
            for step in view.plan.steps
        ]
        waiting = steps.count(StepState.WAITING)
        unsettled = steps.count(StepState.UNDECIDED) + steps.count(StepState.REFUSED)
        if waiting:
            word = "job of a split waits for its" if waiting == 1 else _WAIT
            self._main.show_note(f"{waiting} {word} keys · plans in the palette")
        elif unsettled:
            word = "job of a split needs" if unsettled == 1 else "jobs of a split need"
            self._main.show_note(f"{unsettled} {word} your word · plans in the palette")

    def open_plans(self) -> None:
        """Open the page of plans."""
        from slurper_tui.tui.screens.plans import PlansPage

        page = PlansPage(self._context(), lambda: self._main.state.now)
        self._main.app.push_screen(page)

    def open_form(self) -> None:
        """Open the form for a new migration."""
        from slurper_tui.tui.screens.create_form import CreateForm

        snapshot = self._main.state.snapshot
        if snapshot is None or not snapshot.accounts:
            self._main.show_note(NO_LIST_YET)
            return
        accounts = [account.account_id for account in snapshot.accounts]
        form = CreateForm(
            self._context(), accounts, self._filled_in, snapshot.jobs, self._keep_filled_in
        )
        self._main.app.push_screen(form, self._made)

    async def draft_retry(
        self,
        job: JobView,
        keys: Sequence[str],
        log_types: tuple[str, ...],
        doubts: Sequence[str] = (),
    ) -> None:
        """Open the draft of a job that copies exactly these keys.

        If no draft can be made, show a note. doubts: why some keys are missing.
        """
        from slurper_tui.api.errors import ApiError
        from slurper_tui.monitor.jobs.draft import NoRetry, retry_drafts
        from slurper_tui.tui.screens.retry_draft import DraftPage
        from slurper_tui.tui.screens.send import PendingRequest

        try:
            drafts = retry_drafts(await self._whole(job), keys)
        except (ApiError, NoRetry) as error:
            self._main.show_note(str(error))
            return
        creation = (await self._main.services()).creation
        earlier = await creation.earlier_retries(job.key, keys, log_types)
        pending = PendingRequest(
            job.account_id, drafts, notes=(*earlier, *doubts), retry_of=job.key, log_types=log_types
        )
        self._main.app.push_screen(DraftPage(self._context(), pending), self._made)

    async def _whole(self, job: JobView) -> Job:
        """Return all details of a job, as a list may omit some; the known ones if the job is gone.

        Raises ApiError.
        """
        from slurper_tui.api.errors import NotFound

        try:
            return await (await self._main.services()).creation.details(job.key)
        except NotFound:
            return job.job

    def _context(self) -> PageContext:
        from slurper_tui.tui.screens.send import PageContext

        options = self._main.options
        unlock = None if options.read_only else partial(self._main.run_action, "unlock")
        return PageContext(self._main.look, options.environ, self._main.services, unlock)

    def _keep_filled_in(self, values: Mapping[str, str]) -> None:
        """Keep the values without secrets, for when the form is opened again."""
        self._filled_in = values

    def _made(self, sent: Sent | None) -> None:
        """Highlight the new job as soon as the list contains it."""
        if sent is not None and sent.made is not None and sent.made.job_id is not None:
            key = JobKey(sent.account_id, sent.made.job_id)
            self._main.state = seek(self._main.state, key)
