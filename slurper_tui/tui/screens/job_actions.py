"""The controllers of the main screen: `JobActions` changes jobs, `NewJobs` creates them.

Nothing is sent while the screen is read-only, and every change has its own confirmation: `ask`
opens the dialog, `_start` runs once when it is confirmed, and `update` updates an open dialog and
reports outcomes when a snapshot arrives. The pages are imported when they are first opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from slurper_tui.monitor.model.base import SHORT_ID, JobKey
from slurper_tui.monitor.model.events import Action, ActionRequest, RequestState
from slurper_tui.tui.state import ScreenState, seek

if TYPE_CHECKING:
    from slurper_tui.monitor.jobs.actions import AllAborted
    from slurper_tui.monitor.model.job import JobView, Snapshot
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.tui.availability import Change
    from slurper_tui.tui.screens.confirm import ConfirmDialog, Question
    from slurper_tui.tui.screens.main import MainScreen
    from slurper_tui.tui.screens.send import PageContext, Sent


class SentChange:
    """The requests of one change, until polls have shown what came of each.

    views: the jobs as they were when the change was confirmed. requests: by job, in their order.
    """

    def __init__(
        self, action: Action, views: Sequence[JobView], requests: Sequence[ActionRequest]
    ) -> None:
        self.action = action
        self.views = views
        self.requests = {view.key: one for view, one in zip(views, requests, strict=True)}

    @property
    def open(self) -> bool:
        """Whether a poll may still show what came of a request."""
        return any(request.state.open for request in self.requests.values())

    def update(self, snapshot: Snapshot) -> bool:
        """Update open requests from a snapshot, and return whether one of them was settled.

        A request that the polls no longer follow is settled without effect.
        """
        settled = False
        for view in snapshot.jobs:
            before = self.requests.get(view.key)
            if before is None or not before.state.open:
                continue
            after = view.request
            if after is not None and after.action is self.action:
                self.requests[view.key] = after
            elif not view.live or snapshot.taken_at > before.at:
                detail = "no poll has shown it" if view.live else f"{view.word} meanwhile"
                self.requests[view.key] = replace(
                    before, state=RequestState.POINTLESS, detail=detail
                )
            settled |= not self.requests[view.key].state.open
        return settled


class JobActions:
    """The actions of the main screen that change jobs."""

    def __init__(self, main: MainScreen) -> None:
        self._main = main
        self._change: Change | None = None
        self._dialog: ConfirmDialog | None = None
        self._sent: list[SentChange] = []

    def apply_lock(self) -> None:
        """Lock or unlock the services as the screen shows."""
        self._main.start(self._main.services, "lock")

    def toggle_lock(self) -> None:
        """Unlock changes after a confirmation, or lock them again."""
        if self._main.state.writing:
            self._set_writing(writing=False)
            return
        if self._main.options.read_only:
            from slurper_tui.tui.availability import WATCH_ONLY

            self._main.show_note(WATCH_ONLY)
            return
        from slurper_tui.tui.screens.confirm import unlock_question

        ids = ("change.pause", "change.resume", "change.abort", "change.unlock")
        question = unlock_question([self._main.sign(id) for id in ids])
        self._open_dialog(None, question, partial(self._set_writing, writing=True))

    def _set_writing(self, *, writing: bool) -> None:
        self._main.state = replace(self._main.state, writing=writing)
        self._main.show_note("jobs can be changed now" if writing else "read-only again")
        self.apply_lock()

    def toggle_mark(self) -> None:
        """Mark the highlighted job, or all live jobs of the highlighted migration, or unmark it.

        A migration is unmarked only if all of its live jobs are marked.
        """
        from slurper_tui.tui.availability import why_not_now

        state = self._main.state
        keys = {view.key for view in state.subjects}
        live = {view.key for view in state.subjects if view.live}
        if live - state.marked:
            self._main.state = replace(state, marked=state.marked | live)
        elif keys & state.marked:
            self._main.state = replace(state, marked=state.marked - keys)
        else:
            self._main.show_note(why_not_now("list.mark", state, ""))

    def ask(self, change: Change) -> None:
        """Open the confirmation of a change, or show why the change is impossible."""
        from slurper_tui.tui.availability import why_not_change
        from slurper_tui.tui.screens.confirm import question_for

        main = self._main
        if why := why_not_change(change, main.state, main.unlock_sign):
            main.show_note(why)
            return
        question = question_for(change, main.newest or main.state.snapshot, main.look)
        self._open_dialog(change, question, self._start)

    def _open_dialog(
        self, change: Change | None, question: Question | str, confirmed: Callable[[], None]
    ) -> None:
        """Open the dialog; show a message instead of a question as a note."""
        from slurper_tui.tui.screens.confirm import ConfirmDialog

        if isinstance(question, str):
            self._main.show_note(question)
            return
        self._change, self._dialog = change, ConfirmDialog(self._main.look, question, confirmed)
        self._main.app.push_screen(self._dialog)

    def update(self, snapshot: Snapshot) -> None:
        """Update an open confirmation, and report the requests that a poll has settled.

        The dialog closes if nothing is left to change.
        """
        if self._change is not None and self._dialog is not None and self._dialog.is_current:
            from slurper_tui.tui.screens.confirm import question_for

            question = question_for(self._change, snapshot, self._main.look)
            if isinstance(question, str):
                self._dialog.dismiss()
                self._main.show_note(question)
            else:
                self._dialog.show(question)
        if self._sent:
            changed = [sent for sent in self._sent if sent.update(snapshot)]
            notes = [self._outcome(sent, named=True) for sent in changed]
            self._sent = [sent for sent in self._sent if sent.open]
            if notes:
                self._main.show_note("; ".join(notes))

    def _outcome(self, sent: SentChange, *, named: bool = False) -> str:
        """Return what came of the requests of a change. named: with the name of a single job."""
        from slurper_tui.monitor.reports.wording import job_names
        from slurper_tui.tui.render.columns import source_text
        from slurper_tui.tui.render.job_text import requests_words

        look, views = self._main.look, sent.views
        names = [look.sanitise(name) for name in job_names(views).values()]
        words = requests_words(sent.action, names, [*sent.requests.values()], look)
        return f"{source_text(views[0], look)}: {words}" if named and len(views) == 1 else words

    def _start(self) -> None:
        """Send the confirmed change, once."""
        change, dialog = self._change, self._dialog
        self._change = self._dialog = None
        assert change is not None
        assert dialog is not None
        jobs = dialog.question.jobs
        several = f" for {len(jobs)} jobs" if len(jobs) > 1 else ""
        self._main.show_note(f"sending {change.action}{several} …")
        self._main.start(partial(self._send_change, change, jobs), "change")

    async def _send_change(self, change: Change, jobs: tuple[JobView, ...]) -> None:
        from slurper_tui.monitor.reports.wording import request_words

        control = (await self._main.services()).control
        keys = tuple(view.key for view in jobs)
        if change.action is Action.ABORT_ALL:
            outcome = await control.abort_all(change.account_id, keys)
            note = request_words(outcome.request)
            if outcome.request.state is not RequestState.POINTLESS and outcome.newcomers:
                ids = ", ".join(view.key.job_id[:SHORT_ID] for view in outcome.newcomers)
                note += f"; created meanwhile: {ids}"
            self._ask_about_newcomers(change, outcome)
            self._main.show_note(self._main.look.sanitise(note))
            return
        requests = await control.request(change.action, keys)
        sent = SentChange(change.action, jobs, requests)
        self._sent += [sent] if sent.open else []
        self._main.state = replace(self._main.state, marked=self._main.state.marked - set(keys))
        self._main.show_note(self._outcome(sent))

    def _ask_about_newcomers(self, change: Change, outcome: AllAborted) -> None:
        """Ask again if nothing was sent because the question did not list all jobs."""
        from slurper_tui.tui.screens.confirm import question_for

        snapshot = self._main.newest or self._main.state.snapshot
        unsent = outcome.newcomers and outcome.request.state is RequestState.POINTLESS
        if not unsent or snapshot is None or self._main.app.screen is not self._main:
            return
        jobs = {view.key: view for view in (*snapshot.jobs, *outcome.newcomers)}
        with_newcomers = replace(snapshot, jobs=tuple(jobs.values()))
        question = question_for(change, with_newcomers, self._main.look)
        self._open_dialog(change, question, self._start)


NO_KEYS: Mapping[JobKey, Sequence[str]] = {}
NO_LIST_YET = "the job list is not there yet"


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
            word = "planned job needs" if waiting == 1 else "planned jobs need"
            self._main.show_note(f"{waiting} {word} bucket keys: press : and type plans")
        elif unsettled:
            word = "planned job needs" if unsettled == 1 else "planned jobs need"
            self._main.show_note(f"{unsettled} {word} your decision: press : and type plans")

    def ask_to_leave(self, leave: Callable[[], None]) -> None:
        """Call `leave`, after a confirmation if jobs of a plan wait for this program."""
        plans, verifying = self._main.session.waiting_plans, self._main.state.verifying
        if not plans and verifying is None:
            leave()
            return
        from slurper_tui.tui.screens.confirm import ConfirmDialog, leave_question

        question = leave_question(plans, self._main.look, verifying)
        self._main.app.push_screen(ConfirmDialog(self._main.look, question, leave))

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
        jobs: Sequence[JobView],
        keys: Mapping[JobKey, Sequence[str]],
        log_types: tuple[str, ...],
        doubts: Sequence[str] = (),
        overwritten: Mapping[JobKey, Sequence[str]] = NO_KEYS,
    ) -> None:
        """Open the draft of new jobs, at least one for each of these, that copy exactly these keys.

        If no draft can be made, show a note. keys: by job. doubts: why some keys are missing.
        overwritten: further keys by job, which are copied with overwrite whatever the job does.
        """
        from slurper_tui.api.errors import ApiError, NotFound
        from slurper_tui.monitor.jobs.draft import KeysToRepair, NoRetry, repair_drafts
        from slurper_tui.monitor.reports.wording import live_words
        from slurper_tui.tui.screens.retry_draft import DraftPage
        from slurper_tui.tui.screens.send import PendingRequest

        drafts: list[Draft] = []
        retry_of: list[JobKey] = []
        notes: list[str] = []
        impossible: list[str] = []
        creation = (await self._main.services()).creation
        for job in jobs:
            its = KeysToRepair((*keys.get(job.key, ()),), (*overwritten.get(job.key, ()),))
            try:
                try:
                    details = await creation.details(job.key)
                except NotFound:
                    details = job.job
                its_drafts = repair_drafts(details, its)
            except (ApiError, NoRetry) as error:
                impossible.append(f"job {job.key.job_id[:SHORT_ID]}: {error}")
                continue
            drafts += its_drafts
            retry_of += [job.key] * len(its_drafts)
            notes += await creation.earlier_retries(job.key, its.every, log_types)
        notes += live_words(sum(job.live for job in jobs), len(jobs))
        if not drafts:
            alone = impossible[0].partition(": ")[2] if len(jobs) == 1 else impossible[0]
            self._main.show_note(alone)
            return
        pending = PendingRequest(
            jobs[0].account_id,
            tuple(drafts),
            notes=(*impossible, *notes, *doubts),
            retry_of=tuple(retry_of),
            log_types=log_types,
        )
        self._main.app.push_screen(DraftPage(self._context(), pending), self._made)

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
