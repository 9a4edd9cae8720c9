"""The base of the pages about one job: head, rows, foot, and the worker that reads their data.

A page lies over the main screen, which keeps polling. `JobPage` follows the main screen's state,
so that its job stays current; `read` runs in a worker until the page is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.keys import key_hint
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, spread, width_of
from slurper_tui.tui.screens.base import FramedScreen
from slurper_tui.tui.screens.dialogs import PageHelp, TextDialog, error_dialog
from slurper_tui.tui.state import ScreenState
from slurper_tui.tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from slurper_tui.monitor.session import Services
    from slurper_tui.tui.screens.main import MainScreen

T = TypeVar("T")


class JobPage(FramedScreen[None]):
    """A page about one job, over the main screen, which keeps running.

    The page's data is read until the page is closed.
    """

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = ["../logs.tcss"]
    AUTO_FOCUS = "#rows"
    NAME: ClassVar[str] = ""
    """The name of the page for `MainScreen.open_page`."""
    KEYS: ClassVar[tuple[Binding, ...]] = ()
    HINTS: ClassVar[tuple[str, ...]] = ()
    """Ids of the keys shown in the foot, least important first."""

    rows: LineList

    def __init__(self, main: MainScreen, job: JobView) -> None:
        super().__init__(main.look, main.options.environ)
        self.main = main
        self.job = job
        self.problem: ApiError | None = None

    def action_move(self, step: int) -> None:
        """Move the cursor by `step` rows."""

    def action_page(self, step: int) -> None:
        """Move by `step` pages."""
        self.action_move(step * self.rows.page_rows())

    def action_ends(self, step: int) -> None:
        """Move to the first (-1) or the last (1) row."""
        self.action_move(step * 10**9)

    def watch_state(self) -> None:
        """Redraw the head and the foot, which show the state."""
        self.redraw_frame()

    async def read(self, services: Services) -> None:
        """Read the page's data; does nothing by default. Raises ApiError."""

    def job_moved(self) -> None:
        """Called when a new snapshot has arrived: the job or the current time has changed."""

    def on_mount(self) -> None:
        """Start reading, and follow the job in the main screen's snapshots."""
        self.watch(self.main, "state", self._main_moved, init=False)
        self.run_worker(self._read(), group="reading", exclusive=True)

    async def _read(self) -> None:
        try:
            await self.read(await self.main.services())
        except ApiError as error:
            self.problem = error
            self.redraw_frame()

    def _main_moved(self, before: ScreenState, after: ScreenState) -> None:
        if before.snapshot is after.snapshot or after.snapshot is None:
            return
        key = self.job.key
        self.job = next((view for view in after.snapshot.jobs if view.key == key), self.job)
        self.job_moved()
        self.redraw_frame()

    def show_note(self, text: str) -> None:
        """Show a note in the foot, or in a dialog if it does not fit."""
        super().show_note(text)
        short = len(text) + 2 <= self.size.width and not self.has_class("-tiny")
        if not short and self.is_current:
            self.app.push_screen(TextDialog(self.look, "", (text,)))

    def foot(self, width: int) -> Sequence[Line]:
        """Return the note and the key hints; hints that do not fit are dropped."""
        keymap = self.main.options.keymap
        hints = [key_hint(self.KEYS, [id], keymap, self.look) for id in self.HINTS]
        if self.note:
            look = self.look
            note = shorten(look.sentence(self.note), width - 2, look.ellipsis)
            left: Line = (Piece(" "), Piece(note, "accent"))
        else:
            left = ()
        while hints and width_of(left) + width_of(_hinted(hints)) + 3 > width:
            hints.pop(0)
        return (spread(left, (*_hinted(hints), Piece(" ")), width),)

    def turn_to(self, name: str) -> None:
        """Open another page about this job, or go back to it if it is directly below."""
        below = self.app.screen_stack[-2]
        if isinstance(below, JobPage) and (below.NAME, below.job.key) == (name, self.job.key):
            self.action_back()
        else:
            self.main.open_page(name, self.job)

    def action_back(self) -> None:
        """Close the page, which stops the reading."""
        if self.is_current:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys of this page."""
        self.app.push_screen(PageHelp(self.look, self.KEYS, self.main.options.keymap))

    def action_problem(self) -> None:
        """Show the page's error in full, or else the main screen's current problem."""
        if self.problem is None:
            self.main.action_problem()
        else:
            self.app.push_screen(error_dialog(self.look, self.problem))

    def action_repaint(self) -> None:
        """Repaint every cell, in case other output has overwritten the terminal."""
        self.refresh(layout=True)


def _hinted(hints: Sequence[tuple[str, str]]) -> Line:
    return join([(Piece(key, "key"), Piece(f" {word}", "muted")) for key, word in hints])


@asynccontextmanager
async def closing(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an async iterator as soon as the block ends, so that its producer stops at once."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
