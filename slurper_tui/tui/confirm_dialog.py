"""The dialog that stands between a key and a request: cancelling is always nearer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key, Paste, Resize
from textual.message import Message
from textual.strip import Strip

from slurper_tui.tui.confirm_words import Answer, Question, answer_lines, question_lines
from slurper_tui.tui.deliberate import may_confirm
from slurper_tui.tui.dialogs import PADDING, Dialog, Page
from slurper_tui.tui.render.columns import Facts
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line
from slurper_tui.tui.render.painted import PaintedLines

WIDTH = 72
AIRY = 16
"""Rows of a terminal from which on there is air around the words."""

AIR = 5
"""So many rows that is: around everything, and between the words and the choice."""

SCROLLING = frozenset({"down", "up", "pagedown", "pageup"})
LEAVING = frozenset({"escape", "n", "q"})
CHOOSING = frozenset({"left", "right", "tab", "shift+tab"})


class Foot(PaintedLines):
    """The line to type in and the choice; they never scroll away."""

    def render_line(self, y: int) -> Strip:
        """Draw a line, and let the dialog know that it is."""
        if isinstance(self.screen, ConfirmDialog):
            self.screen.drawn()
        return super().render_line(y)

    def line_at(self, y: int) -> Line:
        """Take the dialog's lines."""
        dialog = self.screen
        if not isinstance(dialog, ConfirmDialog):
            return ()
        lines = dialog.foot_lines(self.room.width)
        return lines[y] if y < len(lines) else ()


class ConfirmDialog(Dialog, inherit_bindings=False):
    """Asks one question. confirmed: called once, when the person has said yes.

    Only a key that was pressed after the question stood on the screen can confirm it, and none that
    arrived together with other keys or just after input that could not be parsed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("down", "scroll(1)", "down"),
        ("up", "scroll(-1)", "up"),
        ("pagedown", "scroll(10)", "page down"),
        ("pageup", "scroll(-10)", "page up"),
    ]

    def __init__(self, look: Look, question: Question, confirmed: Callable[[], None]) -> None:
        super().__init__(look)
        self.question = question
        self.answer = Answer()
        self._confirmed = confirmed
        self._stood_at: float | None = None

    def compose(self) -> ComposeResult:
        """Put the words above, and under them the choice."""
        with Vertical(id="ask"):
            yield Page(self.look, id="page")
            yield Foot(id="foot")

    def on_mount(self) -> None:
        """Where there is no room for the choice, the question stands after the first drawing."""
        self.call_after_refresh(self.drawn)

    def drawn(self) -> None:
        """Hear what is pressed from when the question is drawn first, just before it is written."""
        if self._stood_at is None:
            self._stood_at = Message().time  # the clock of the keys

    @property
    def stands(self) -> bool:
        """The person can see it."""
        return self._stood_at is not None

    def show(self, question: Question) -> None:
        """Ask with newer numbers. What was typed stays, unless the question names another job."""
        if question != self.question:
            if not {v.key for v in question.jobs} <= {v.key for v in self.question.jobs}:
                self.answer, self._stood_at = Answer(), None
                self.call_after_refresh(self.drawn)
            self.question = question
            self._fit()
            self.query_one(Page).remake()
            self.query_one(Foot).repaint_changes()

    # What stands there ------------------------------------------------------------------------

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell what is asked."""
        return question_lines(self.question, Facts(self.look), width, airy=self._airy)

    @property
    def _airy(self) -> bool:
        """There are rows to spare."""
        return self.app.size.height >= AIRY

    def foot_lines(self, width: int) -> list[Line]:
        """Draw what was typed, and the choice."""
        shown = (self.question, self.answer, self.look, max(1, width))
        return [*answer_lines(*shown, airy=self._airy)]

    def on_resize(self, event: Resize) -> None:
        """Fit the size, in this dialog's own way."""
        event.prevent_default()
        self._fit()

    def _fit(self) -> None:
        """Give the choice all its rows, and the words what is left of those that they need."""
        size, airy = self.app.size, self._airy
        self.set_class(not airy, "-low")
        width = max(1, min(WIDTH, size.width) - PADDING)
        lines = sum(1 for _ in self.page_lines(max(1, width - Page.MARK)))
        foot = len(self.foot_lines(width))
        room = size.height - foot - (AIR if airy else 0)
        self.query_one(Foot).styles.height = foot
        self.query_one(Page).styles.height = max(1, min(lines, room))

    # What is pressed --------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """Take every key but those that scroll."""
        if event.key in SCROLLING:
            return
        event.stop()
        if not self.is_current:
            return
        if event.key == "escape":
            self.dismiss()
        elif self._seen_before(event):
            self._press(event)

    def on_paste(self, event: Paste) -> None:
        """Take a word that is pasted."""
        event.stop()
        if self.question.word and self._seen_before(event):
            self._type(self.answer.typed + event.text.strip("\r\n"))

    def _seen_before(self, event: Message) -> bool:
        """The person could see the question when this was pressed."""
        return self._stood_at is not None and event.time > self._stood_at

    def _press(self, event: Key) -> None:
        if self.question.word:
            self._press_typing(event)
        elif event.key in LEAVING or (event.key == "enter" and not self.answer.on_yes):
            self.dismiss()
        elif event.key in ("y", "enter"):
            self._confirm(event, alone=True)
        elif event.key in CHOOSING:
            self._answered(Answer(on_yes=not self.answer.on_yes))

    def _press_typing(self, event: Key) -> None:
        typed, word = self.answer.typed, self.question.word
        if event.key == "enter" and typed == word:
            self._confirm(event, alone=False)
        elif event.key == "enter" and typed:
            self._answered(Answer(typed, wrong=True))
        elif not typed and (event.key == "enter" or (event.key == "n" and word[0] != "n")):
            self.dismiss()
        elif event.key == "backspace":
            self._type(typed[:-1])
        elif event.key == "ctrl+u":
            self._type("")
        elif event.is_printable and event.character:
            self._type(typed + event.character)

    def _type(self, typed: str) -> None:
        self._answered(Answer(typed))

    def _answered(self, answer: Answer) -> None:
        self.answer = answer
        self.query_one(Foot).repaint_changes()

    def _confirm(self, event: Key, *, alone: bool) -> None:
        """Take a yes. alone: a key in a burst is none; a word may be typed in one."""
        if may_confirm(event, self._stood_at, alone=alone):
            self.dismiss()
            self._confirmed()
