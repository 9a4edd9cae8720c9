"""The failures page of one job: failed and skipped objects by reason, message and key prefix.

`FailuresPage` reads the whole log; saving keys and drafting a retry need its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.logs.reader import FailingObjects
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, FailuresView, cause_of, reason_of
from slurper_tui.monitor.reports.wording import NO_FAILED_KEY, hold_up, missing_keys
from slurper_tui.tui.keys import FAILURE_KEYS
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, join
from slurper_tui.tui.screens.dialogs import TextDialog, copy_text
from slurper_tui.tui.screens.job_page import (
    JobPage,
    Saved,
    closing,
    save_keys,
    title_line,
    trouble_line,
)
from slurper_tui.tui.widgets import failure_tree as states
from slurper_tui.tui.widgets.failure_tree import (
    NOTHING,
    FailureLines,
    FailureState,
    failed_line,
    read_words,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.session import Services
    from slurper_tui.tui.screens.main import MainScreen


class FailuresPage(JobPage):
    """The failures of a job as a tree."""

    NAME = "failures"
    BINDINGS: ClassVar[list[BindingType]] = [*FAILURE_KEYS]
    KEYS = FAILURE_KEYS
    HINTS = (
        *("failures.copy", "show.log", "show.export", "failures.retry", "pane.open"),
        *("show.help", "page.back"),
    )
    rows: FailureLines
    state: var[FailureState] = var(NOTHING, init=False)

    def __init__(self, main: MainScreen, job: JobView) -> None:
        super().__init__(main, job)
        self._reading: FailingObjects | None = None
        self._finished = False
        self._export_then = ""
        self._warned_of = ""
        self.rows = FailureLines(self.look, id="rows")
        self.rows.now = main.state.now
        self.set_reactive(FailuresPage.state, FailureState(FailuresView(job.key)))

    def compose(self) -> ComposeResult:
        """Yield the tree in its frame."""
        yield from self.framed(self.rows.data_bind(FailuresPage.state))

    def head(self, width: int) -> Sequence[Line]:
        """Return the title, the reading progress, and whether the log names all failures."""
        view = self.state.view
        title = title_line("Failures", self.job, read_words(view), self.look, width)
        problem = self.problem or view.problem
        trouble = trouble_line(problem, waiting=view.waiting, look=self.look, room=width - 2)
        has_data = view.rows_read or view.counts.whole
        parts = (trouble, failed_line(view, width - 2) if has_data and not problem else ())
        return [title, (Piece(" "), *join(parts, self.look.to_ascii(" · ")))]

    async def read(self, services: Services) -> None:
        """Show the failures after every page of the log; at its end, run a pending export."""
        self._reading = services.logs.failures((self.job.key,))
        async with closing(self._reading.views()) as views:
            async for view in views:
                self.problem = view.problem
                self.rows.now = self.main.state.now
                self.state = states.see(self.state, view)
        self._finished = self.problem is None
        if self._export_then:
            self._export_now(self._export_then)

    def action_move(self, step: int) -> None:
        """Move by `step` entries."""
        self.state = states.move(self.state, step)

    @on(FailureLines.RowClicked)
    def _row_clicked(self, event: FailureLines.RowClicked) -> None:
        self.state = replace(self.state, cursor=states.entries(self.state)[event.row].path)

    def action_unfold(self) -> None:
        """Unfold the entry; show an entry without children in full."""
        entry = states.current(self.state)
        if entry is not None and not entry.opens and entry.text:
            title = "Key" if entry.is_key else entry.path[1].capitalize()
            self.app.push_screen(TextDialog(self.look, title, (), entry.text))
        self.state = states.unfold(self.state)

    def action_fold(self) -> None:
        """Fold the entry, or move to its parent."""
        self.state = states.fold(self.state)

    def on_key(self, event: Key) -> None:
        """Forget the retry warning: it counts only while its note is visible."""
        if not self.note:
            self._warned_of = ""

    def action_log(self) -> None:
        """Open the log page."""
        self.turn_to("log")

    def action_copy(self) -> None:
        """Copy the highlighted key, prefix or message."""
        entry = states.current(self.state)
        if entry is not None and entry.text:
            copy_text(self, "key" if entry.is_key else (*entry.path, "type")[1], entry.text)

    def action_export(self) -> None:
        """Save the exact keys of the highlighted reason, once the whole log has been read."""
        if self._finished:
            self._export_now(self.state.log_type)
        else:
            self._export_then = self.state.log_type
            self.show_note("the keys are saved once the log is read to its end")

    def _export_now(self, log_type: str) -> None:
        self._export_then = ""
        if self._finished and self._reading is not None:
            keys = self._reading.keys((log_type,))
            doubts = _doubts(self.state.view, self._reading, log_type)
            self.run_worker(self._save(log_type, keys, doubts), group="saving", exclusive=True)
        else:
            self.show_note("nothing saved: the log cannot be read to its end")

    async def _save(self, log_type: str, keys: Sequence[str], doubts: Sequence[str]) -> None:
        if not keys:
            self.show_note(doubts[0] if doubts else _none_words(log_type))
            return
        saved = await self.save(partial(save_keys, Path(), self.job, log_type, keys))
        if saved is None:
            return
        if not self.is_current:  # a dialog would take the next key from the page above
            self.show_note(f"{fmt.count(saved.number)} keys saved to ./{saved.path.name}")
            return
        self.app.push_screen(saved_keys_dialog(self.look, saved, log_type, doubts=doubts))

    async def action_retry(self) -> None:
        """Draft a job with exactly the keys of the highlighted reason.

        For skipped objects, warn first: the new job would skip them again.
        """
        log_type = self.state.log_type
        if self._reading is None or not self._finished:
            self.show_note("still reading: a retry needs the whole log")
            return
        keys = self._reading.keys((log_type,))
        if not keys:
            self.show_note(_none_words(log_type))
        elif cause_of(log_type) is Cause.NOT_COPIED and self._warned_of != log_type:
            self._warned_of = log_type
            self.show_note("these would be skipped again; c again drafts them all the same")
        else:
            doubts = _doubts(self.state.view, self._reading, log_type)
            await self.main.new_jobs.draft_retry(self.job, keys, (log_type,), doubts)
            if self.is_current and self.main.note:  # the main screen has refused to draft it
                self.show_note(self.main.note)


def _doubts(view: FailuresView, reading: FailingObjects, log_type: str) -> tuple[str, ...]:
    inexact, keyless = reading.inexact_keys((log_type,)), reading.without_key((log_type,))
    return missing_keys(view, inexact=len(inexact), keyless=keyless)


def _none_words(log_type: str) -> str:
    if cause_of(log_type) is Cause.FAILED:
        return NO_FAILED_KEY
    return f"the log names no key: {reason_of(log_type)}"


async def export_failed(main: MainScreen, job: JobView) -> None:
    """Read the whole log with progress notes, then save the keys."""
    main.show_note("reading the log for what failed …")
    view = FailuresView(job.key)
    try:
        reading = (await main.services()).logs.failures((job.key,))
        async with closing(reading.views()) as views:
            async for view in views:
                rows = f"reading the log for what failed: {fmt.count(view.rows_read)} rows"
                held_up = hold_up(view.problem, waiting=view.waiting)
                main.show_note(" · ".join(filter(None, (rows, held_up))))
    except ApiError as error:
        view = replace(view, problem=error)
    if view.problem is not None:
        main.show_note(f"nothing saved: {view.problem.message}")
        return
    keys, doubts = reading.keys((FAILED_TYPE,)), _doubts(view, reading, FAILED_TYPE)
    if not keys:
        main.show_note(f"nothing saved: {doubts[0] if doubts else NO_FAILED_KEY}")
        return
    saved = await main.save(partial(save_keys, Path(), job, FAILED_TYPE, keys), "nothing saved")
    if saved is None:
        return
    main.show_note(f"{fmt.count(saved.number)} keys saved to ./{saved.path.name}")
    if main.at_rest:
        main.app.push_screen(saved_keys_dialog(main.look, saved, FAILED_TYPE, doubts=doubts))


def saved_keys_dialog(
    look: Look, saved: Saved, log_type: str, *, doubts: Sequence[str]
) -> TextDialog:
    """Return a dialog with the file, the number of keys and an rclone command that fetches them.

    doubts: why some keys are missing. If a key holds a line break, there is no rclone command: the
    file is a JSON array.
    """
    count = f"{fmt.count(saved.number)} {'key' if saved.number == 1 else 'keys'} saved"
    texts = [f"{reason_of(log_type)}: ./{saved.path.name}"]
    texts += [doubt[:1].upper() + doubt[1:] for doubt in doubts]
    if saved.rclone:
        how = "This would fetch them; SRC and DST are your own names for the stores:"
    else:
        how = "A JSON array, for some keys hold line breaks; it serves as source.keys of a new job"
    return TextDialog(look, count, (*texts, "", how), saved.rclone)
