"""The bases of the screens.

`NotedScreen` has a note, `FramedScreen` a head and a foot too; `Dialog` is a text to read over
another screen: a subclass yields its lines for a width.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.events import Key, Resize
from textual.geometry import Size
from textual.reactive import var
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget
from textual.worker import Worker

from slurper_tui.tui.render.painted import PaintedApp, PaintedLines
from slurper_tui.tui.widgets.line_list import TextLines

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.render.lines import Line

LOW = 16
"""Height in rows below which a page has no blank lines."""

NARROW = 50
"""Width in cells below which labels are shorter."""

PADDING = 4
"""Total padding in cells at the left and right of a dialog's page, as set in the stylesheet."""

MOST_WIDTH = 84
"""Maximum width in cells that the stylesheet gives a dialog."""

T = TypeVar("T")


SCROLL_KEYS: list[BindingType] = [
    ("down,j", "scroll(1)", "down"),
    ("up,k", "scroll(-1)", "up"),
    ("pagedown,ctrl+d,space", "scroll(10)", "page down"),
    ("pageup,ctrl+u", "scroll(-10)", "page up"),
    ("home,g", "scroll(-1000000000)", "top"),
    ("end,G", "scroll(1000000000)", "bottom"),
]
"""The bindings of a screen with one text to scroll."""


class CopyingApp(PaintedApp):
    """An app that copies by OSC 52, and beside it in another way.

    copy_beside: copies a text and returns whether that worked; None for no other way. copying: the
    other way of the last copy; None where there is none.
    """

    copy_beside: Callable[[str], Awaitable[bool]] | None = None
    copying: Worker[bool] | None = None

    def copy_to_clipboard(self, text: str) -> None:
        """Copy a text in both ways."""
        super().copy_to_clipboard(text)
        if self.copy_beside is not None:
            self.copying = self.run_worker(self.copy_beside(text), group="copy", exclusive=True)


class NotedScreen(Screen[ScreenResultType]):
    """A screen with a note: a short answer to the last key, cleared by the next key.

    note: "" for none.
    copied: the last text that was copied; "" once its note has been cleared.
    """

    note: var[str] = var("", init=False)
    copied = ""
    look: Look
    environ: Mapping[str, str]

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close, unless another screen covers this one, as after two keys in a burst.

        Textual would close the other one, and fail when this one is to be closed again.
        """
        if self.app.screen is self:
            return super().dismiss(result)
        return AwaitComplete()

    def show_note(self, text: str) -> None:
        """Show a note until the next key."""
        self.note = text

    def clear_note(self) -> None:
        """Clear the note. A key pressed without a note makes the next copy a first one again."""
        if self.note:
            self.note = ""
        else:
            self.copied = ""

    async def save(self, write: Callable[[], T], failed: str = "not saved") -> T | None:
        """Write a file in a thread; if that fails, show a note and return None."""
        try:
            return await asyncio.to_thread(write)
        except OSError as error:
            self.show_note(f"{failed}: {error.strerror or error}")
            return None

    def action_repaint(self) -> None:
        """Repaint every cell, in case other output has overwritten the terminal."""
        self.refresh(layout=True)

    def on_key(self, event: Key) -> None:
        """Clear the note before the key is handled."""
        self.clear_note()
        self.explain_unknown(event)

    def explain_unknown(self, event: Key) -> None:
        """Show that a key has no meaning on this screen; does nothing by default."""


class DrawnLines(PaintedLines):
    """Lines drawn by a function that receives the available width in cells."""

    def __init__(self, look: Look, draw: Callable[[int], Sequence[Line]], *, id: str) -> None:
        super().__init__(look, id=id)
        self._draw = draw

    def line_at(self, y: int) -> Line:
        """Return line `y`, empty if there is none."""
        lines = self._draw(self.room.width)
        return lines[y] if y < len(lines) else ()


class FramedScreen(NotedScreen[ScreenResultType]):
    """A full screen with lines above and below its content.

    environ: environment variables that identify the terminal or hold secrets.
    """

    def __init__(self, look: Look, environ: Mapping[str, str]) -> None:
        super().__init__()
        self.look = look
        self.environ = environ
        self.set_class(look.ascii_only, "-ascii")

    def framed(self, *content: Widget) -> ComposeResult:
        """Yield the head, the content and the foot."""
        self._set_size_classes(self.app.size)
        yield DrawnLines(self.look, self.head, id="head")
        yield from content
        yield DrawnLines(self.look, self.foot, id="foot")

    def head(self, width: int) -> Sequence[Line]:
        """Return the lines above the content; none by default."""
        return ()

    def foot(self, width: int) -> Sequence[Line]:
        """Return the lines below the content; none by default."""
        return ()

    def close_with(self, result: ScreenResultType | None) -> None:
        """Close with the result of the screen above; stay open if it has none."""
        if result is not None:
            self.dismiss(result)

    def redraw_frame(self) -> None:
        """Repaint changed lines in the head and the foot."""
        for lines in self.query(DrawnLines):
            lines.repaint_changes()

    def watch_note(self) -> None:
        """Redraw the frame, which shows the note."""
        self.redraw_frame()

    def on_resize(self, event: Resize) -> None:
        """Choose the layout classes for the new size."""
        self._set_size_classes(event.size)

    def _set_size_classes(self, size: Size) -> None:
        self.set_class(size.height < LOW, "-low")
        self.set_class(size.width < NARROW, "-narrow")
        self.set_class(size.width < 30 or size.height < 6, "-tiny")


class Page(TextLines):
    """The text of a dialog."""

    MARK = 1

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Return the dialog's lines."""
        dialog = self.screen
        return tuple(dialog.page_lines(width)) if isinstance(dialog, Dialog) else ()


class Dialog(ModalScreen[None], NotedScreen[None]):
    """A modal screen with lines to read and the usual scroll keys.

    most_width: cells, as in the stylesheet.
    """

    most_width = MOST_WIDTH
    CSS_PATH = "../pages.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,enter,question_mark,f1,exclamation_mark", "close", "close"),
        *SCROLL_KEYS,
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.set_class(look.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Yield the page."""
        yield Page(self.look, id="page")

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the lines for a width in cells; none by default."""
        return iter(())

    def on_resize(self, event: Resize) -> None:
        """Fit the page to the new size."""
        self.fit_page(event.size)

    def fit_page(self, size: Size) -> None:
        """Make the page as high as its text, if a terminal of this size has room."""
        room = max(1, min(self.most_width, size.width) - PADDING - Page.MARK)
        lines = sum(1 for _ in self.page_lines(room))
        self.query_one(Page).styles.height = min(lines + 2, max(1, size.height - 2))

    def action_scroll(self, lines: int) -> None:
        """Scroll the page by a number of lines."""
        self.query_one(Page).scroll_lines(lines)

    def action_close(self) -> None:
        """Close the dialog."""
        self.dismiss()
