"""The main screen: it owns what is looked at, and hands it down as one scene.

Several jobs as one migration, folded and unfolded.

The pages that the main screen opens, and what it copies.

Pages are imported when they are first opened: the first picture does not wait for them.

What can be read about a job beyond its row: its log, its failures, its receipt.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import Worker

from slurper_tui import format as words
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.feed import Feed
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView, Snapshot
from slurper_tui.monitor.model.logs import FAILED_TYPE, FailuresView
from slurper_tui.monitor.model.timeline import Window
from slurper_tui.tui import state as scenes
from slurper_tui.tui.keys import KEYS, Hint, hint_sign, hints_for, next_interval
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.screens.job_actions import ChangingScreen
from slurper_tui.tui.screens.new_jobs import MakingScreen
from slurper_tui.tui.state import Scene, ScreenOptions, ViewState, layout_classes
from slurper_tui.tui.widgets.detail_pane import DetailPane
from slurper_tui.tui.widgets.job_table import JobTable
from slurper_tui.tui.widgets.status_line import Banners, StatusLine
from slurper_tui.tui.widgets.totals import TotalsRow


class FoldingScreen(ChangingScreen):
    """A screen whose list can show migrations."""

    _save_view: Callable[[ViewState], None]

    def action_unfold(self) -> None:
        """Show the jobs of the highlighted migration."""
        self.scene = scenes.unfold(self.scene)

    def action_fold(self) -> None:
        """Go from a job to its migration, and show a migration as one row."""
        self.scene = scenes.fold(self.scene)

    def action_migrations(self) -> None:
        """Show jobs folded into migrations, or one by one, and keep that."""
        view = replace(self.scene.view, migrations=not self.scene.view.migrations)
        self._save_view(view)
        self.scene = scenes.with_migrations(self.scene, view)
        folded = "jobs of the same buckets are one migration"
        self._note(folded if view.migrations else "jobs one by one")


MANY_JOBS = 2000
"""So many jobs take longer to be arranged than a key may wait."""

SWITCH_SECONDS = 0.001
"""For so long the thread that arranges may keep the interpreter while a key waits; each key takes
it several times."""

ARRANGING_REST = 4
"""So many times as long as an arrangement took nothing is arranged: keys go first."""


class MainScreen(FoldingScreen):
    """Jobs, the highlighted one in detail, totals and status."""

    class Ready(Message):
        """The screen stands and can take snapshots."""

    BINDINGS: ClassVar[list[BindingType]] = list(KEYS)
    AUTO_FOCUS = "#jobs"
    hints: var[tuple[Hint, ...]] = var((), init=False)

    def __init__(
        self, feed: Feed, options: ScreenOptions, look: Look, save_view: Callable[[ViewState], None]
    ) -> None:
        super().__init__(feed, options, look)
        self._save_view = save_view
        self._interval: float | None = None
        self._arranging: Worker[None] | None = None
        self._arranged: Snapshot | None = None
        self._window = Window.HOUR
        self._looked_at: tuple[JobKey | None, frozenset[JobKey]] = (None, frozenset())
        self.set_class(options.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Lay out the rows and panes, as the size allows, with what is known from the start."""
        if known := self._feed.known():
            self.set_reactive(MainScreen.scene, scenes.see(self.scene, known))
        self.update_classes(layout_classes(self.app.size))
        yield TotalsRow(self.look, id="totals").data_bind(MainScreen.scene)
        yield Banners(self.look, id="banners").data_bind(MainScreen.scene)
        with Container(id="panes"):
            yield JobTable(self.look, id="jobs").data_bind(MainScreen.scene)
            key = hint_sign("picture.longer", self._options.keymap, self.look)
            pane = DetailPane(self.look, id="detail", window_key=key)
            pane.set_class(not self.scene.total, "-empty")
            yield pane.data_bind(MainScreen.scene)
        status = StatusLine(self.look, id="status")
        yield status.data_bind(MainScreen.scene, MainScreen.hints)

    def on_mount(self) -> None:
        """Say that snapshots can be shown now, or once what is known stands on the screen."""
        self.hints = hints_for(self.scene, self._options.keymap, self.look)
        if self.scene.snapshot is None:
            self.post_message(self.Ready())
        else:
            self.call_after_refresh(self.post_message, self.Ready())

    # The scene --------------------------------------------------------------------------------

    def take(self, snapshot: Snapshot) -> None:
        """Show a new snapshot, unless the screen is frozen."""
        self._newest = snapshot
        self.tell_changes(snapshot)
        if len(snapshot.jobs) >= MANY_JOBS:
            self._see_soon()
        elif not self.scene.frozen:
            self.scene = scenes.see(self.scene, snapshot)
        if snapshot.away_since and snapshot.caught_up and not self._welcomed and self._at_rest:
            self._welcomed = True
            self.run_worker(self._tell_digest(unasked=True), group="digest")

    def _see_soon(self) -> None:
        """Show the newest snapshot as soon as the one before has been arranged."""
        if self._arranging is None or self._arranging.is_finished:
            self._arranging = self.run_worker(self._see_many(), group="arranging")

    async def _see_many(self) -> None:
        """Arrange many jobs in a thread, so that keys are heard meanwhile, and rest in between."""
        sys.setswitchinterval(SWITCH_SECONDS)
        while (snapshot := self._newest) is not self._arranged and not self.scene.frozen:
            assert snapshot is not None
            made, begun = self.scene, time.monotonic()
            arranged = await asyncio.to_thread(scenes.see, made, snapshot)
            if not self.scene.frozen:
                self._arranged = snapshot
                self.scene = scenes.adopt(self.scene, made, arranged)
            await asyncio.sleep(ARRANGING_REST * (time.monotonic() - begun))

    def watch_scene(self, before: Scene, after: Scene) -> None:
        """Tell the feed what is looked at, and offer the keys that make sense now."""
        if not after.same_jobs(before) or after.place != before.place:
            self.hints = hints_for(after, self._options.keymap, self.look)
        self._tell_feed()

    def go_to(self, key: JobKey) -> None:
        """Highlight a job, showing it again if a filter or a fold hides it."""
        self.scene = scenes.reveal(self.scene, key)

    def choose_theme(self, name: str) -> None:
        """Wear a theme and keep it."""
        self.app.theme = name
        self._keep(replace(self.scene.view, theme=name))

    def _keep(self, view: ViewState) -> None:
        self._save_view(view)
        self.scene = scenes.arrange(replace(self.scene, view=view))

    @on(JobTable.Scrolled)
    def _tell_feed(self) -> None:
        looked_at = (self.scene.highlighted, self.table.visible_keys)
        if looked_at != self._looked_at:
            self._looked_at = looked_at
            self._feed.look_at(*looked_at)

    @property
    def table(self) -> JobTable:
        """The job list."""
        return self.query_one(JobTable)

    @property
    def detail(self) -> DetailPane:
        """The detail pane."""
        return self.query_one(DetailPane)

    # Events -----------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        """Stand the panes as the size allows."""
        self.update_classes(layout_classes(event.size))

    @on(JobTable.Pointed)
    def _pointed(self, event: JobTable.Pointed) -> None:
        self.scene = scenes.highlight_row(self.scene, event.row)

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self.scene = scenes.arrange(replace(self.scene, filter_text=event.value.strip()))

    @on(Input.Submitted, "#filter")
    def _filter_kept(self) -> None:
        self._close_filter()

    def _clear_filter(self) -> None:
        for line in self.query(Input):
            line.value = ""

    def _close_filter(self) -> None:
        self.remove_class("-filtering", "-zoom-detail")
        self.table.focus()

    # Moving -----------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Move the highlight, or scroll the details when they have the focus."""
        if self.detail.has_focus:
            self.detail.scroll_lines(step)
        else:
            self.scene = scenes.highlight_row(self.scene, (self.scene.cursor or 0) + step)

    def action_page(self, step: int) -> None:
        """Move by a page."""
        pane = self.detail if self.detail.has_focus else self.table
        self.action_move(step * max(1, pane.size.height - 2))

    def action_ends(self, step: int) -> None:
        """Go to the first (-1) or last (1) one."""
        self.action_move(step * 10**9)

    def action_other_pane(self) -> None:
        """Move the focus between the list and the details, if both are there."""
        if self.detail.display and self.table.display:
            (self.table if self.detail.has_focus else self.detail).focus()

    def action_open(self) -> None:
        """Unfold a migration; give the details the focus, and the screen when both do not fit."""
        line = self.scene.line
        if line is None:
            return
        if line.is_folded:
            self.action_unfold()
            return
        if not self.detail.display:
            self.set_class(False, "-zoom-jobs")
            self.set_class(not self.detail.display, "-zoom-detail")
        self.detail.focus()

    def action_back(self) -> None:
        """Go back one step: from typing, from the details, from one pane, from marks and filter."""
        if self.has_class("-filtering"):
            self._clear_filter()
            self._close_filter()
        elif self.detail.has_focus or self.has_class("-zoom-jobs"):
            self.remove_class("-zoom-detail", "-zoom-jobs")
            self.table.focus()
        elif self.scene.marked:
            self.scene = replace(self.scene, marked=frozenset())
        elif self.scene.filter_text:
            self._clear_filter()

    def action_zoom(self) -> None:
        """Give the pane with the focus the whole screen, or share it again; alone, it has it."""
        if self.has_class("-single"):
            return
        names = ["-zoom-jobs", "-zoom-detail"]
        mine, other = reversed(names) if self.detail.has_focus else names
        self.remove_class(other)
        self.toggle_class(mine)
        if not self.detail.display:
            self.table.focus()

    # The list ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let what is typed into the filter be text, whatever else the key would do."""
        return not (action in ("filter", "palette") and isinstance(self.focused, Input))

    async def action_filter(self) -> None:
        """Open the line to type a filter in."""
        if not self.has_class("-tiny"):
            self.on_key()
            self.add_class("-filtering")
            if not self.query(Input):
                from slurper_tui.tui.widgets.form_fields import (
                    FilterLine,  # not before it is wanted
                )

                await self.mount(FilterLine(id="filter-line"), before="#status")
            self.set_focus(self.query_one(Input))

    def action_sort(self, step: int) -> None:
        """Sort by another column."""
        self._keep(scenes.sort_step(self.scene.view, step))
        self._note(f"sorted by {self.scene.view.sort or 'what needs you most'}")

    def action_invert(self) -> None:
        """Turn the order around."""
        self._keep(replace(self.scene.view, inverted=not self.scene.view.inverted))

    def action_ended(self) -> None:
        """Hide or show the ended jobs."""
        self._keep(replace(self.scene.view, hide_ended=not self.scene.view.hide_ended))

    # The polls --------------------------------------------------------------------------------

    def action_refresh_job(self) -> None:
        """Ask for the highlighted job now, or for all of the highlighted migration."""
        if self.scene.highlighted:
            self._feed.refresh(self.scene.highlighted)
            self._note("asking for this job")
        elif self.scene.migration:
            for key in sorted(self.scene.migration.keys):
                self._feed.refresh(key)
            self._note("asking for these jobs")

    def action_refresh_all(self) -> None:
        """Ask for everything now."""
        self._feed.refresh_all()
        self._note("asking for everything")

    def action_freeze(self) -> None:
        """Hold the screen still, or go on with the newest data."""
        self.scene = replace(self.scene, frozen=not self.scene.frozen)
        if self._newest and not self.scene.frozen:
            self.scene = scenes.see(self.scene, self._newest)

    def action_window(self, step: int) -> None:
        """Show more or less of the past."""
        windows = tuple(Window)
        self._window = windows[(windows.index(self._window) + step) % len(windows)]
        self._feed.set_window(self._window)

    def action_interval(self, step: int) -> None:
        """Ask less or more often."""
        snapshot = self.scene.snapshot
        current = self._interval or (snapshot.interval if snapshot else 5.0)
        self._interval = next_interval(current, step)
        self._feed.set_interval(self._interval)
        self._note(f"asking every {self._interval:g} s")

    def action_repaint(self) -> None:
        """Write every cell again, in case something else has written over them."""
        self.refresh(layout=True)


class PagesScreen(Screen[None]):
    """A screen with a scene, over which pages can stand."""

    scene: var[Scene] = var(Scene, init=False)

    def __init__(self, feed: Feed, options: ScreenOptions, look: Look) -> None:
        super().__init__(id="main")
        self.look = look
        self._feed = feed
        self._options = options
        self._last_copy = ""
        self._welcomed = False
        scene = Scene(
            view=options.view,
            demo=options.demo,
            deadline=options.deadline,
            writing=options.write,
        )
        self.set_reactive(PagesScreen.scene, scene)

    def on_key(self) -> None:
        """Put the news and the last note away; what was copied counts while its note stood."""
        self._last_copy = self._last_copy if self.scene.note else ""
        if self.scene.note or self.scene.news:
            self.scene = replace(self.scene, note="", news=None)

    def set_deadline(self, deadline: float | None) -> None:
        """Measure every job against another time, UTC seconds, or against none."""
        self.scene = replace(self.scene, deadline=deadline)

    def _note(self, text: str) -> None:
        self.scene = scenes.noted(self.scene, text)

    def action_copy_id(self) -> None:
        """Copy the highlighted job's id."""
        from slurper_tui.tui.export import id_text

        if self.scene.job:
            self._copy("id", id_text(self.scene.job))

    def action_copy_json(self) -> None:
        """Copy the highlighted job as JSON."""
        from slurper_tui.tui.export import json_text

        if self.scene.job:
            self._copy("JSON", json_text(self.scene.job))

    def _copy(self, what: str, text: str) -> None:
        """Copy, and show the text where that may not have worked or is asked for again."""
        from slurper_tui.tui.export import can_copy, terminal_copies
        from slurper_tui.tui.screens.dialogs import CopyDialog

        if not can_copy(text):
            self._note(f"not copied: the {what} is not UTF-8")
            return
        self.app.copy_to_clipboard(text)
        if self._last_copy == text or not terminal_copies(self._options.environ):
            self.app.push_screen(CopyDialog(self.look, text))
            return
        self._last_copy = text
        self._note(f"{what} copied; again to see it in full")

    def action_problem(self) -> None:
        """Tell the standing problem in full."""
        from slurper_tui.tui.screens.dialogs import ProblemDialog

        self.app.push_screen(ProblemDialog(self.look, self.scene.snapshot))

    async def action_digest(self) -> None:
        """Tell what happened since somebody last looked."""
        self._welcomed = True
        self.run_worker(self._tell_digest(), group="digest", exclusive=True)

    async def _tell_digest(self, *, unasked: bool = False) -> None:
        """Open the panel; unasked only where there is something to be told."""
        from slurper_tui.tui.screens.digest import DigestDialog

        digest = await self._feed.digest(zone=self.look.zone)
        if digest.jobs or not unasked:
            self.app.push_screen(DigestDialog(self.look, digest))

    def action_help(self) -> None:
        """Show all keys."""
        from slurper_tui.tui.screens.dialogs import HelpDialog

        self.app.push_screen(HelpDialog(self.look, self._options.keymap, self.reasons()))

    def reasons(self) -> dict[str, str]:
        """Tell of every key that cannot work now why that is so, by the binding's id."""
        from slurper_tui.tui.availability import reasons

        unlock = hint_sign("change.unlock", self._options.keymap, self.look)
        return reasons((key.id or "" for key in KEYS), self.scene, unlock)

    def action_palette(self) -> None:
        """Find a job, an action or a theme by name."""
        self.on_key()
        from slurper_tui.tui.screens.palette import Palette

        self.app.push_screen(Palette(self.look))


class ReadingScreen(MakingScreen):
    """A screen from which pages about the highlighted job open."""

    async def action_log(self) -> None:
        """Open the job's log."""
        from slurper_tui.tui.screens.log import LogPage

        if job := self._job_to_read():
            self.app.push_screen(LogPage(self, job, self._feed, self._options))

    async def action_failures(self) -> None:
        """Open the failure view."""
        from slurper_tui.tui.screens.failures import FailuresPage

        if job := self._job_to_read():
            self.app.push_screen(FailuresPage(self, job, self._feed, self._options))

    async def action_export(self) -> None:
        """Save the exact keys of what failed, once the log is read to its end."""
        if job := self._job_to_read():
            self.run_worker(self._export(job), group="export", exclusive=True)

    def _job_to_read(self) -> JobView | None:
        """The highlighted job; where there is none, say why."""
        from slurper_tui.tui.availability import why_not_now

        if self.scene.job is None:
            self._note(why_not_now("show.log", self.scene, ""))
        return self.scene.job

    async def _export(self, job: JobView) -> None:
        """Read the log whole, saying how far it is, and save the keys."""
        from slurper_tui.tui.screens.job_page import closing
        from slurper_tui.tui.widgets.failure_tree import export_doubts

        self._note("reading the log for what failed …")
        view = FailuresView(job.key)
        try:
            reading = (await self._feed.desk()).logs.failures(job.key)
            async with closing(reading.views()) as views:
                async for view in views:
                    self._note(_reading_words(view))
        except ApiError as error:
            view = replace(view, problem=error)
        if view.problem is None:
            keys = reading.keys((FAILED_TYPE,))
            doubts = export_doubts(view, reading.inexact_keys((FAILED_TYPE,)))
            await self._save_keys(job, keys, doubts)
        else:
            self._note(f"nothing saved: {view.problem.message}")

    async def _save_keys(self, job: JobView, keys: Sequence[str], doubts: Sequence[str]) -> None:
        from slurper_tui.tui.export import save_keys
        from slurper_tui.tui.screens.dialogs import saved_keys_dialog

        if not keys:
            why = doubts[0] if doubts else "the log names no failed object"
            self._note(f"nothing saved: {why}")
            return
        try:
            saved = await asyncio.to_thread(save_keys, Path(), job, FAILED_TYPE, keys)
        except OSError as error:
            self._note(f"nothing saved: {error.strerror or error}")
            return
        self._note(f"{words.count(saved.number)} keys saved to ./{saved.path.name}")
        if self._at_rest:
            self.app.push_screen(saved_keys_dialog(self.look, saved, FAILED_TYPE, doubts=doubts))

    @property
    def _at_rest(self) -> bool:
        """Nothing is open and nothing is being typed that a dialog would take the next key from."""
        return self.app.screen is self and not isinstance(self.focused, Input)

    async def action_receipt(self) -> None:
        """Open the receipt of an ended job or migration."""
        from slurper_tui.tui.availability import why_no_receipt
        from slurper_tui.tui.screens.receipt import ReceiptPage

        if why := why_no_receipt(self.scene):
            self._note(f"no receipt: {why}")
        elif line := self.scene.line:
            jobs = self.scene.migration.jobs if self.scene.migration else (line.view,)
            keys = [job.key for job in jobs]
            self.app.push_screen(ReceiptPage(self.look, self._feed, keys, self._options.environ))


def _reading_words(view: FailuresView) -> str:
    """How far a log is read on the way to the keys, or what it waits for."""
    rows = f"reading the log for what failed: {words.count(view.rows_read)} rows"
    if view.problem is not None:
        return f"{rows} · {view.problem.message} · trying again"
    return f"{rows} · waiting for the request budget" if view.waiting else rows
