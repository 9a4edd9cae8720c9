"""What the pages about one job have in common: a head, rows, a foot, and what reads for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.screen import Screen

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.feed import Feed
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.services import Services
from slurper_tui.tui.keys import hints_of
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, spread, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.screens.new_jobs import MakingScreen
from slurper_tui.tui.state import Scene, ScreenOptions

LOW = 16
"""Rows below which nothing stays empty."""

T = TypeVar("T")


class DrawnLines(PaintedLines):
    """Lines that somebody else draws for the width that there is."""

    def __init__(self, draw: Callable[[int], Sequence[Line]], *, id: str) -> None:
        super().__init__(id=id)
        self._draw = draw

    def line_at(self, y: int) -> Line:
        """Draw one of the lines."""
        lines = self._draw(self.room.width)
        return lines[y] if y < len(lines) else ()


class JobPage(Screen[None]):
    """A page about one job, over the main screen, which goes on behind it.

    What it reads is read for as long as it stands.
    """

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = ["../logs.tcss"]
    AUTO_FOCUS = "#rows"
    KEYS: ClassVar[tuple[Binding, ...]] = ()
    HINTS: ClassVar[tuple[str, ...]] = ()
    """The keys that the foot offers, by id, the least important first."""

    def __init__(
        self, main: MakingScreen, job: JobView, feed: Feed, options: ScreenOptions
    ) -> None:
        super().__init__()
        self.main = main
        self.job = job
        self.look: Look = main.look
        self.problem: ApiError | None = None
        self._feed = feed
        self._options = options
        self._note = ""
        self._last_copy = ""
        self.set_class(options.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Lay out the head, the rows and the foot."""
        self._fit(self.app.size.width, self.app.size.height)
        yield DrawnLines(self.head, id="head")
        yield self.make_rows()
        yield DrawnLines(self._foot, id="foot")

    def make_rows(self) -> PaintedLines:
        """Give the widget in the middle, with the id `rows`."""
        raise NotImplementedError

    def head(self, width: int) -> Sequence[Line]:
        """Draw the lines above the rows; none unless told otherwise."""
        return ()

    async def read(self, desk: Services) -> None:
        """Read what the page shows; nothing unless told otherwise. Raises ApiError."""

    def job_moved(self) -> None:
        """Take in that the job, or the time of the newest data, has moved."""

    def on_mount(self) -> None:
        """Begin to read, and hear of the job from the polls behind."""
        self.watch(self.main, "scene", self._main_moved, init=False)
        self.run_worker(self._read(), group="reading", exclusive=True)

    async def _read(self) -> None:
        try:
            await self.read(await self._feed.desk())
        except ApiError as error:
            self.problem = error
            self.redraw_frame()

    def _main_moved(self, before: Scene, after: Scene) -> None:
        if before.snapshot is after.snapshot or after.snapshot is None:
            return
        key = self.job.key
        self.job = next((view for view in after.snapshot.jobs if view.key == key), self.job)
        self.job_moved()
        self.redraw_frame()

    # The frame ------------------------------------------------------------------------------------

    def redraw_frame(self) -> None:
        """Repaint what differs in the head and the foot."""
        for lines in self.query(DrawnLines):
            lines.repaint_changes()

    def say(self, text: str) -> None:
        """Answer a key in the foot, or where that has no room for it in a dialog."""
        self._note = text
        self.redraw_frame()
        short = len(text) + 2 <= self.size.width and not self.has_class("-tiny")
        if not short and self.is_current:
            from slurper_tui.tui.screens.dialogs import TextDialog

            self.app.push_screen(TextDialog(self.look, "", (text,)))

    def _foot(self, width: int) -> Sequence[Line]:
        hints = list(hints_of(self.KEYS, self.HINTS, self._options.keymap, self.look))
        if self._note:
            glyphs = self.look.glyphs
            note = shorten(glyphs.clean(glyphs.say(self._note)), width - 2, glyphs.ellipsis)
            left: Line = (Piece(" "), Piece(note, "accent"))
        else:
            left = ()
        while hints and width_of(left) + width_of(_hinted(hints)) + 3 > width:
            hints.pop(0)
        return (spread(left, (*_hinted(hints), Piece(" ")), width),)

    def on_key(self) -> None:
        """Put the last answer away; what was copied counts while it stood."""
        self._last_copy = self._last_copy if self._note else ""
        if self._note:
            self._note = ""
            self.redraw_frame()

    def on_resize(self, event: Resize) -> None:
        """Leave nothing empty where there is little room."""
        self._fit(event.size.width, event.size.height)

    def _fit(self, width: int, height: int) -> None:
        self.set_class(height < LOW, "-low")
        self.set_class(width < 30 or height < 6, "-tiny")

    # What every page can do -----------------------------------------------------------------------

    def copy(self, what: str, text: str) -> None:
        """Copy exactly, and show the text where that may not have worked or is asked for again."""
        from slurper_tui.tui.export import can_copy, terminal_copies
        from slurper_tui.tui.screens.dialogs import CopyDialog

        if not can_copy(text):
            self.say(f"not copied: the {what} is not UTF-8")
            return
        self.app.copy_to_clipboard(text)
        if self._last_copy == text or not terminal_copies(self._options.environ):
            self.app.push_screen(CopyDialog(self.look, text))
            return
        self._last_copy = text
        self.say(f"{what} copied; again to see it in full")

    def turn_to(self, page: type[JobPage]) -> None:
        """Go to another page about this job: back to it, where it stands below."""
        below = self.app.screen_stack[-2]
        if isinstance(below, page) and below.job.key == self.job.key:
            self.action_back()
        else:
            self.app.push_screen(page(self.main, self.job, self._feed, self._options))

    def action_back(self) -> None:
        """Put the page away, and stop reading."""
        if self.is_current:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys of this page."""
        from slurper_tui.tui.screens.dialogs import PageHelp

        self.app.push_screen(PageHelp(self.look, self.KEYS, self._options.keymap))

    def action_problem(self) -> None:
        """Tell what keeps the page from being read on, or the standing problem, in full."""
        from slurper_tui.tui.screens.dialogs import ErrorDialog

        if self.problem is None:
            self.main.action_problem()
        else:
            self.app.push_screen(ErrorDialog(self.look, self.problem))

    def action_repaint(self) -> None:
        """Write every cell again, in case something else has written over them."""
        self.refresh(layout=True)


def _hinted(hints: Sequence[tuple[str, str]]) -> Line:
    return join([(Piece(key, "key"), Piece(f" {word}", "muted")) for key, word in hints])


@asynccontextmanager
async def closing(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Let whoever makes these know at once when no more are wanted."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
