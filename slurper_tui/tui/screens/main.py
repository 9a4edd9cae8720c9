"""The main screen: the job list, the details of the highlighted job, totals and status.

`MainScreen` owns one frozen `ScreenState` (snapshot, filter, order, folding, highlight). Its
children receive the state through `data_bind` and change nothing in it. Snapshots arrive in `take`.

It owns two controllers: `JobActions` changes jobs, `NewJobs` creates them. Pages and dialogs are
imported when they are first opened, so that the first paint does not wait for them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Key, Resize
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.widgets import Input
from textual.worker import Worker

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.events import Action
from slurper_tui.tui import state as states
from slurper_tui.tui.keys import MAIN_KEYS, Hint, hints_for, key_hint, next_interval
from slurper_tui.tui.screens.base import NotedScreen
from slurper_tui.tui.screens.job_actions import JobActions, NewJobs
from slurper_tui.tui.state import ScreenOptions, ScreenState, ViewState, layout_classes
from slurper_tui.tui.widgets.detail_pane import DetailPane
from slurper_tui.tui.widgets.job_table import JobTable, width_of_numbers
from slurper_tui.tui.widgets.status_line import Banners, StatusLine
from slurper_tui.tui.widgets.totals import TotalsRow

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView, Snapshot
    from slurper_tui.monitor.session import Services, Session
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.screens.failures import Found
    from slurper_tui.tui.screens.verify_run import VerifyRun

MANY_JOBS = 2000
"""Number of jobs from which a snapshot is arranged in a thread, to keep keys responsive."""

SWITCH_SECONDS = 0.001
"""Interpreter switch interval in seconds while a thread arranges jobs.

It bounds how long a key waits for the interpreter; each key waits several times.
"""

ONE_PANE = "one pane fits: Enter opens the details"

NOTE_ROUNDS = 2
"""A note disappears after this many polling rounds, so it stays for at least one whole interval."""

ARRANGING_REST = 4
"""Pause after arranging many jobs, as a multiple of the time that it took: keys have priority."""


_LookedAt = tuple[JobKey | None, frozenset[JobKey], tuple[JobKey, ...]]
"""The arguments of the last `Session.look_at`."""


class MainScreen(NotedScreen[None]):
    """The screen with the job list, the detail pane, totals and the status line.

    reading: the worker that reads logs for their failed keys; `Esc` ends it. None if there is none.
    last_failed: the state of the jobs whose logs were read last, and what was found.
    verify_run: the newest verification; None before the first. verify_values: what was last typed
        into its form, without secrets.
    """

    class Ready(Message):
        """Posted when the screen is mounted and accepts snapshots."""

    BINDINGS: ClassVar[list[BindingType]] = list(MAIN_KEYS)
    KEYS: ClassVar[tuple[Binding, ...]] = MAIN_KEYS
    AUTO_FOCUS = "#jobs"
    state: var[ScreenState] = var(ScreenState, init=False)
    hints: var[tuple[Hint, ...]] = var((), init=False)

    def __init__(
        self,
        session: Session,
        options: ScreenOptions,
        look: Look,
        save_view: Callable[[ViewState], None],
    ) -> None:
        super().__init__(id="main")
        self.session = session
        self.options = options
        self.look = look
        self.environ = options.environ
        self.newest: Snapshot | None = None
        self.job_actions = JobActions(self)
        self.new_jobs = NewJobs(self)
        self.table = JobTable(look, id="jobs")
        self.detail = DetailPane(look, id="detail", window_key=self.sign("picture.longer"))
        self.reading: Worker[None] | None = None
        self.last_failed: tuple[object, Found] | None = None
        self.verify_run: VerifyRun | None = None
        self.verify_values: Mapping[str, str] = {}
        self._save_view = save_view
        self._noted_in = 0
        self._digest_shown = False
        self._interval: float | None = None
        self.palette_closed_at = 0.0
        self._arranging: Worker[None] | None = None
        self._arranged: Snapshot | None = None
        self._window = options.window
        self._keys = {
            key.strip()
            for binding in self.KEYS
            for key in (options.keymap.get(binding.id or "") or binding.key).split(",")
        }
        self._looked_at: _LookedAt = (None, frozenset(), ())
        self.set_class(options.ascii_only, "-ascii")
        state = ScreenState(
            view=options.view,
            demo=options.demo,
            deadline=options.deadline,
            columns=options.columns,
            names=options.names,
            writing=options.write,
        )
        self.set_reactive(MainScreen.state, state)

    def compose(self) -> ComposeResult:
        """Yield the rows and panes; show the state from the history, if any."""
        if (earlier := self.session.from_history) is not None:
            self.set_reactive(MainScreen.state, states.see(self.state, earlier))
        self.update_classes(self._layout(self.app.size))
        yield TotalsRow(self.look, id="totals").data_bind(MainScreen.state)
        yield Banners(self.look, id="banners").data_bind(MainScreen.state)
        with Container(id="panes"):
            yield self.table.data_bind(MainScreen.state)
            self.detail.set_class(not self.state.total, "-empty")
            yield self.detail.data_bind(MainScreen.state)
        status = StatusLine(self.look, id="status")
        yield status.data_bind(MainScreen.state, MainScreen.hints, MainScreen.note)

    def on_mount(self) -> None:
        """Post `Ready`: at once without data, else after the cached data has been painted."""
        self.hints = hints_for(self.state, self.options.keymap, self.look)
        if self.state.snapshot is None:
            self.post_message(self.Ready())
        else:
            self.call_after_refresh(self.post_message, self.Ready())
        if self._window is not Window.HOUR:
            self.session.set_window(self._window)
        if self.options.write:
            self.job_actions.apply_lock()
        self.watch(self, "state", self.new_jobs.report_plans, init=False)

    async def services(self) -> Services:
        """Return the services; changes are locked or unlocked as the screen shows."""
        services = await self.session.services()
        if self.state.writing:
            services.control.unlock()
        else:
            services.control.lock()
        return services

    def start(
        self, work: Callable[[], Coroutine[None, None, object]], group: str
    ) -> Worker[object]:
        """Run a coroutine function in a worker."""
        return self.run_worker(work, group=group)

    def _explain(self, id: str) -> str:
        """Return why the key with this id does nothing now, and show it; "" if it works."""
        from slurper_tui.tui.availability import why_not_now

        if why := why_not_now(id, self.state, self.unlock_sign):
            self.show_note(why)
        return why

    def explain_unknown(self, event: Key) -> None:
        """Show that a key has no meaning on this screen."""
        unknown = event.is_printable and not {event.key, event.character} & self._keys
        if unknown and not isinstance(self.focused, Input):
            sign = self.look.sanitise(event.character)
            self.show_note(f"{sign} does nothing here: {self.sign('show.help')} shows all keys")

    def show_note(self, text: str) -> None:
        """Show a note in the status line until the next key, or for `NOTE_ROUNDS` rounds."""
        self.note = text
        self._noted_in = self.state.snapshot.rounds if self.state.snapshot else 0

    @property
    def at_rest(self) -> bool:
        """Whether no page is open and no input has the focus: a dialog would take the next key."""
        return self.app.screen is self and not isinstance(self.focused, Input)

    @property
    def in_details(self) -> bool:
        """Whether the detail pane has the focus, or gets it before the next key."""
        return self.focused is self.detail

    def sign(self, id: str) -> str:
        """Return the first key of a binding as it is shown."""
        return key_hint(self.KEYS, [id], self.options.keymap, self.look)[0]

    def take(self, snapshot: Snapshot) -> None:
        """Show a new snapshot, unless the screen is frozen.

        After an absence, open the digest once, when the poller has caught up and `at_rest` holds.
        """
        self.newest = snapshot
        self.job_actions.update(snapshot)
        if len(snapshot.jobs) >= MANY_JOBS:
            if self._arranging is None or self._arranging.is_finished:
                self._arranging = self.run_worker(self._see_many(), group="arranging")
        elif not self.state.frozen:
            self.state = states.see(self.state, snapshot)
        if not self.state.frozen and snapshot.rounds >= self._noted_in + NOTE_ROUNDS:
            self.note = ""
        if snapshot.away_since and snapshot.caught_up and not self._digest_shown and self.at_rest:
            self._digest_shown = True
            self.run_worker(self._show_digest(unasked=True), group="digest")

    async def _see_many(self) -> None:
        """Arrange many jobs in a thread, which keeps keys responsive, and pause between rounds."""
        sys.setswitchinterval(SWITCH_SECONDS)
        while (snapshot := self.newest) is not self._arranged and not self.state.frozen:
            assert snapshot is not None
            made, begun = self.state, time.monotonic()
            arranged = await asyncio.to_thread(states.see, made, snapshot)
            if not self.state.frozen:
                self._arranged = snapshot
                self.state = states.adopt(self.state, made, arranged)
            await asyncio.sleep(ARRANGING_REST * (time.monotonic() - begun))

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Update the key hints, and report the highlighted and visible jobs to the poller."""
        if not after.same_jobs(before) or after.place != before.place:
            self.hints = hints_for(after, self.options.keymap, self.look)
        if (before.deadline, before.many_accounts) != (after.deadline, after.many_accounts):
            self.update_classes(self._layout(self.size))
        self._update_session()

    def go_to(self, key: JobKey) -> None:
        """Highlight a job; show it even if a filter or a collapsed migration hides it."""
        self.state = states.reveal(self.state, key)

    def show_account(self, account_id: str | None) -> None:
        """Show the jobs of one account alone, by the filter; None for all accounts."""
        self.run_worker(self._filter_account(account_id), group="filter", exclusive=True)

    async def _filter_account(self, account_id: str | None) -> None:
        words = [w for w in self.state.filter_text.split() if not w.startswith("account:")]
        if account_id is not None:
            words.append(f"account:{self.look.names.get(account_id, account_id)}")
        (await self._filter_input()).value = " ".join(words)

    def choose_theme(self, name: str) -> None:
        """Apply a theme and save it."""
        self.app.theme = name
        self._keep(replace(self.state.view, theme=name))

    def _keep(self, view: ViewState) -> None:
        self._save_view(view)
        self.state = states.arrange(replace(self.state, view=view))

    @on(JobTable.Scrolled)
    def _update_session(self) -> None:
        one = self.state.migration
        charted = one.charted if one else ()
        looked_at = (self.state.highlighted, self.table.visible_keys, charted)
        if looked_at != self._looked_at:
            self._looked_at = looked_at
            self.session.look_at(*looked_at)

    def _layout(self, size: Size) -> dict[str, bool]:
        return layout_classes(size, width_of_numbers(self.state))

    def on_resize(self, event: Resize) -> None:
        """Choose the layout classes for the new size."""
        self.update_classes(self._layout(event.size))

    @on(JobTable.RowClicked)
    def _row_clicked(self, event: JobTable.RowClicked) -> None:
        self.state = states.highlight_row(self.state, event.row)

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self.state = states.arrange(replace(self.state, filter_text=event.value.strip()))

    @on(Input.Submitted, "#filter")
    def _filter_kept(self) -> None:
        self._close_filter()

    def _clear_filter(self) -> None:
        for line in self.query(Input):
            line.value = ""

    def _close_filter(self) -> None:
        self.remove_class("-filtering", "-zoom-detail")
        self.set_focus(self.table)

    def action_move(self, step: int) -> None:
        """Move the highlight by `step` rows, or scroll the detail pane if it has the focus."""
        if self.in_details:
            self.detail.scroll_lines(step)
        else:
            self.state = states.highlight_row(self.state, (self.state.cursor or 0) + step)

    def action_page(self, step: int) -> None:
        """Move by `step` pages."""
        pane = self.detail if self.in_details else self.table
        self.action_move(step * max(1, pane.size.height - 2))

    def action_ends(self, step: int) -> None:
        """Move to the first (-1) or the last (1) row."""
        self.action_move(step * 10**9)

    def action_other_pane(self) -> None:
        """Move the focus between the list and the detail pane, if both are shown."""
        if self.detail.display and self.table.display:
            self.set_focus(self.table if self.in_details else self.detail)
        elif self.has_class("-single"):
            self.show_note(ONE_PANE)
        else:
            self.show_note(f"one pane is maximised: {self.sign('pane.maximise')} shares the screen")

    def action_open(self) -> None:
        """Unfold a migration; for a job, focus the details, zoomed if only one pane fits."""
        line = self.state.line
        if line is None:
            self._explain("pane.open")
            return
        if line.is_folded:
            self.action_unfold()
            return
        if not self.detail.display:
            self.set_class(False, "-zoom-jobs")
            self.set_class(not self.detail.display, "-zoom-detail")
        self.set_focus(self.detail)

    def action_back(self) -> None:
        """Undo the innermost state: filter input, reading, detail focus or zoom, marks, filter."""
        if self.has_class("-filtering"):
            self._clear_filter()
            self._close_filter()
        elif self.reading:
            from slurper_tui.monitor.reports.wording import STOPPED_READING

            self.reading.cancel()
            self.reading = None
            self.show_note(STOPPED_READING)
        elif self.in_details or self.has_class("-zoom-jobs"):
            self.remove_class("-zoom-detail", "-zoom-jobs")
            self.set_focus(self.table)
        elif self.state.marked:
            self.state = replace(self.state, marked=frozenset())
        elif self.state.filter_text:
            self._clear_filter()
        else:
            self.show_note(f"this is the list: {self.sign('app.quit')} quits")

    def action_zoom(self) -> None:
        """Toggle full screen for the focused pane; ignored where only one pane fits."""
        if self.has_class("-single"):
            self.show_note(ONE_PANE)
            return
        names = ["-zoom-jobs", "-zoom-detail"]
        mine, other = reversed(names) if self.in_details else names
        self.remove_class(other)
        self.toggle_class(mine)
        if not self.detail.display:
            self.set_focus(self.table)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the filter and palette keys while an input has the focus: they are text there."""
        return not (action in ("filter", "palette") and isinstance(self.focused, Input))

    async def action_filter(self) -> None:
        """Open the filter input."""
        if not self.has_class("-tiny"):
            self.clear_note()
            self.add_class("-filtering")
            self.set_focus(await self._filter_input())

    async def _filter_input(self) -> Input:
        """Return the filter's input, which is mounted on first use."""
        if not self.query(Input):
            from slurper_tui.tui.widgets.form_fields import FilterLine

            await self.mount(FilterLine(id="filter-line"), before="#status")
        return self.query_one(Input)

    def action_sort(self, step: int) -> None:
        """Sort by the next (1) or the previous (-1) column, and save the choice."""
        self._keep(states.sort_step(self.state.view, step))
        self.show_note(f"sorted by {self.state.view.sort or 'urgency'}")

    def action_invert(self) -> None:
        """Reverse the order, and save the choice."""
        inverted = not self.state.view.inverted
        self._keep(replace(self.state.view, inverted=inverted))
        self.show_note("order reversed" if inverted else "order no longer reversed")

    def action_ended(self) -> None:
        """Hide or show ended jobs, and save the choice."""
        hide = not self.state.view.hide_ended
        self._keep(replace(self.state.view, hide_ended=hide))
        self.show_note("ended jobs hidden" if hide else "ended jobs shown")

    def action_refresh_job(self) -> None:
        """Poll the highlighted job, or all jobs of the highlighted migration, now."""
        if self.state.highlighted:
            self.session.refresh(self.state.highlighted)
            self.show_note("refreshing this job")
        elif self.state.migration and self.state.subjects:
            for key in sorted(self.state.migration.keys):
                self.session.refresh(key)
            self.show_note(f"refreshing {len(self.state.migration.keys)} jobs")
        else:
            self._explain("poll.job")

    def action_refresh_all(self) -> None:
        """Poll all jobs now."""
        self.session.refresh_all()
        self.show_note("refreshing everything")

    def action_freeze(self) -> None:
        """Stop updating the screen, or resume with the newest snapshot."""
        self.state = replace(self.state, frozen=not self.state.frozen)
        if self.newest and not self.state.frozen:
            self.state = states.see(self.state, self.newest)

    def action_window(self, step: int) -> None:
        """Select the next longer or shorter time window of the charts."""
        windows = tuple(Window)
        self._window = windows[(windows.index(self._window) + step) % len(windows)]
        self.session.set_window(self._window)
        self.show_note(f"charts over {self._window.words}")

    def action_interval(self, step: int) -> None:
        """Lengthen or shorten the polling interval."""
        snapshot = self.state.snapshot
        current = self._interval or (snapshot.interval if snapshot else 5.0)
        self._interval = next_interval(current, step)
        self.session.set_interval(self._interval)
        self.show_note(f"polling every {self._interval:g} s")

    def action_unfold(self) -> None:
        """Show the jobs of the highlighted migration."""
        self._explain("list.unfold")
        self.state = states.unfold(self.state)

    def action_fold(self) -> None:
        """Move from a job to its migration, and collapse a migration into one row."""
        self._explain("list.fold")
        self.state = states.fold(self.state)

    def action_migrations(self) -> None:
        """Toggle between migrations and single jobs, and save the choice."""
        view = replace(self.state.view, migrations=not self.state.view.migrations)
        self._save_view(view)
        self.state = states.with_migrations(self.state, view)
        folded = "jobs of the same buckets are one migration"
        self.show_note(folded if view.migrations else "jobs one by one")

    def clear_note(self) -> None:
        """Clear the note and the news of an outage."""
        super().clear_note()
        if self.state.news:
            self.state = replace(self.state, news=None)

    def set_deadline(self, deadline: float | None) -> None:
        """Set the deadline of all jobs, in UTC seconds; None removes it."""
        self.state = replace(self.state, deadline=deadline)

    def action_copy_id(self) -> None:
        """Copy the id of the highlighted job, or those of the highlighted migration, one a line."""
        from slurper_tui.tui.screens.dialogs import copy_text

        if not self._explain("copy.id"):
            ids = [view.key.job_id for view in self.state.subjects]
            what = f"ids of {len(ids)} jobs" if len(ids) > 1 else "id"
            copy_text(self, what, "\n".join(ids), them=len(ids) > 1)

    def action_copy_json(self) -> None:
        """Copy the highlighted job as JSON, in ASCII so that no character is lost.

        The jobs of a highlighted migration are an array, as `jobs --json` prints them.
        """
        from slurper_tui.format import as_json
        from slurper_tui.monitor.reports.records import job_record
        from slurper_tui.tui.screens.dialogs import copy_text

        if not self._explain("copy.json"):
            records = [job_record(view) for view in self.state.subjects]
            whole = records if self.state.migration else records[0]
            what = f"JSON of {len(records)} jobs" if len(records) > 1 else "JSON"
            copy_text(self, what, as_json(whole, indent=2, default=str))

    def action_problem(self) -> None:
        """Show the current problem in full."""
        from slurper_tui.tui.screens.dialogs import ProblemDialog

        self.app.push_screen(ProblemDialog(self.look, self.state.snapshot))

    async def action_digest(self) -> None:
        """Open the digest of changes during the last absence."""
        self._digest_shown = True
        self.run_worker(self._show_digest(), group="digest", exclusive=True)

    async def _show_digest(self, *, unasked: bool = False) -> None:
        """Open the digest; if `unasked`, only when it lists a job."""
        from slurper_tui.tui.screens.reports import DigestDialog

        digest = await self.session.digest(zone=self.look.zone)
        if digest.jobs or not unasked:
            self.app.push_screen(DigestDialog(self.look, digest))

    def action_help(self) -> None:
        """Show all keys."""
        from slurper_tui.tui.screens.dialogs import HelpDialog

        self.app.push_screen(HelpDialog(self.look, self.KEYS, self.options.keymap, self.reasons()))

    def reasons(self) -> dict[str, str]:
        """Return why each unavailable key does not work now, by binding id."""
        from slurper_tui.tui.availability import reasons

        return reasons((key.id or "" for key in self.KEYS), self.state, self.unlock_sign)

    @property
    def unlock_sign(self) -> str:
        """The key that allows changes; "" if they cannot be allowed in this run."""
        return "" if self.options.read_only else self.sign("change.unlock")

    def action_palette(self) -> None:
        """Open the palette, which finds jobs, actions and themes by name."""
        self.clear_note()
        from slurper_tui.tui.screens.palette import Palette

        self.app.push_screen(Palette(self), self._palette_closed)

    def _palette_closed(self, _: object) -> None:
        self.palette_closed_at = Message().time  # same clock as key events

    def action_log(self) -> None:
        """Open the log of the highlighted job, or those of the highlighted migration."""
        if not self._explain("show.log"):
            self.open_page("log", self.state.subjects)

    def action_failures(self) -> None:
        """Open the failures page."""
        if not self._explain("show.failures"):
            self.open_page("failures", self.state.subjects)

    def open_page(self, name: str, jobs: tuple[JobView, ...]) -> None:
        """Open a page about some jobs. name: `log` or `failures`."""
        from slurper_tui.tui.screens.failures import FailuresPage
        from slurper_tui.tui.screens.log import LogPage

        self.app.push_screen((LogPage if name == LogPage.NAME else FailuresPage)(self, jobs))

    def action_export(self) -> None:
        """Read the whole logs, then save the exact keys of the failed objects."""
        if not self._explain("show.export"):
            from slurper_tui.tui.screens.failures import export_failed

            export = export_failed(self, self.state.subjects)
            self.run_worker(export, group="export", exclusive=True)

    def action_retry(self) -> None:
        """Read the whole logs, then draft jobs that copy exactly the failed objects."""
        if not self._explain("failures.retry"):
            from slurper_tui.tui.screens.failures import retry_failed

            retry = retry_failed(self, self.state.subjects)
            self.run_worker(retry, group="export", exclusive=True)

    def action_receipt(self) -> None:
        """Open the receipt of the highlighted job or migration; interim while it has not ended."""
        if not self._explain("show.receipt"):
            from slurper_tui.tui.screens.reports import ReceiptPage

            keys = [job.key for job in self.state.subjects]
            unstarted = self.state.migration.unstarted if self.state.migration else 0
            self.app.push_screen(ReceiptPage(self, keys, unstarted))

    def action_verify(self) -> None:
        """Open the verification of the highlighted job or migration, or the form for one."""
        if not self._explain("show.verify"):
            from slurper_tui.tui.screens.verify import open_verification

            opening = open_verification(self, self.state.subjects)
            self.run_worker(opening, group="verifying", exclusive=True)

    async def action_unlock(self) -> None:
        """Unlock changes after a confirmation, or lock them again."""
        self.job_actions.toggle_lock()

    def action_mark(self) -> None:
        """Mark or unmark the highlighted job, or the jobs of the highlighted migration."""
        self.job_actions.toggle_mark()

    def action_change(self, action: str) -> None:
        """Ask to confirm an action on the highlighted job or migration, or on the marked jobs."""
        from slurper_tui.tui.availability import change_for

        self.job_actions.ask(change_for(Action(action), self.state))
