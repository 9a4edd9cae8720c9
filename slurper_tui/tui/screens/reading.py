"""The part of the main screen that opens a job's log, failures and receipt, and exports keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from textual.widgets import Input

from slurper_tui import format as words
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, FailuresView
from slurper_tui.monitor.reports.wording import NO_FAILED_KEY, hold_up, missing_keys
from slurper_tui.tui.screens.new_jobs import MakingScreen


class ReadingScreen(MakingScreen):
    """A screen that opens pages about the highlighted job."""

    async def action_log(self) -> None:
        """Open the job's log."""
        from slurper_tui.tui.screens.log import LogPage

        if job := self._job_to_read():
            self.app.push_screen(LogPage(self, job, self._feed, self._options))

    async def action_failures(self) -> None:
        """Open the failures page."""
        from slurper_tui.tui.screens.failures import FailuresPage

        if job := self._job_to_read():
            self.app.push_screen(FailuresPage(self, job, self._feed, self._options))

    async def action_export(self) -> None:
        """Read the whole log, then save the exact keys of the failed objects."""
        if job := self._job_to_read():
            self.run_worker(self._export(job), group="export", exclusive=True)

    def _job_to_read(self) -> JobView | None:
        """Return the highlighted job; if there is none, show the reason and return None."""
        from slurper_tui.tui.availability import why_not_now

        if self.scene.job is None:
            self._note(why_not_now("show.log", self.scene, ""))
        return self.scene.job

    async def _export(self, job: JobView) -> None:
        """Read the whole log with progress notes, then save the keys."""
        from slurper_tui.tui.screens.job_page import closing

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
            inexact = reading.inexact_keys((FAILED_TYPE,))
            keyless = reading.without_key((FAILED_TYPE,))
            doubts = missing_keys(view, inexact=len(inexact), keyless=keyless)
            await self._save_keys(job, keys, doubts)
        else:
            self._note(f"nothing saved: {view.problem.message}")

    async def _save_keys(self, job: JobView, keys: Sequence[str], doubts: Sequence[str]) -> None:
        from slurper_tui.tui.export import save_keys
        from slurper_tui.tui.screens.dialogs import saved_keys_dialog

        if not keys:
            why = doubts[0] if doubts else NO_FAILED_KEY
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
        """Whether no page is open and no input has the focus: a dialog would take the next key."""
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
    """Return the number of log rows read, and the problem or the wait for the budget, if any."""
    rows = f"reading the log for what failed: {words.count(view.rows_read)} rows"
    return " · ".join(filter(None, (rows, hold_up(view.problem, waiting=view.waiting))))
