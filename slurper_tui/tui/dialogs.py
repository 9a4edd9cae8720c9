"""Pages that stand over the screen until a key puts them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.screen import ModalScreen

from slurper_tui.monitor.model.job import Snapshot, State
from slurper_tui.tui.clipboard import HOW_IN_TMUX
from slurper_tui.tui.keys import KEYS, key_sign
from slurper_tui.tui.render.glyphs import STATUS, Look
from slurper_tui.tui.render.lines import Line, Piece, pad, wrap
from slurper_tui.tui.render.problem_text import problem_details
from slurper_tui.tui.widgets.detail_pane import TextLines
from slurper_tui.tui.widgets.job_table import wrap_words

PADDING = 4
"""Cells that the stylesheet leaves at the left and right of a page, together."""

KEY_COLUMN = 16


class Page(TextLines):
    """The text of a dialog."""

    MARK = 1

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Take the dialog's lines."""
        dialog = self.screen
        return tuple(dialog.page_lines(width)) if isinstance(dialog, Dialog) else ()


class Dialog(ModalScreen[None]):
    """Some lines to read, scrolled by the same keys as everything else."""

    CSS_PATH = "pages.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,enter,question_mark,exclamation_mark", "close", "close"),
        ("down,j", "scroll(1)", "down"),
        ("up,k", "scroll(-1)", "up"),
        ("pagedown,ctrl+d,space", "scroll(10)", "page down"),
        ("pageup,ctrl+u", "scroll(-10)", "page up"),
        ("home,g", "scroll(-1000000)", "top"),
        ("end,G", "scroll(1000000)", "bottom"),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.set_class(look.glyphs.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Show the page."""
        yield Page(self.look, id="page")

    def page_lines(self, width: int) -> Iterator[Line]:
        """Make the lines for a page of so many cells; none unless told otherwise."""
        return iter(())

    def on_resize(self, event: Resize) -> None:
        """Make the page as high as its text, if there is room."""
        page = self.query_one(Page)
        width = min(84, event.size.width)
        lines = sum(1 for _ in self.page_lines(max(1, width - PADDING - Page.MARK)))
        page.styles.height = min(lines + 2, max(1, event.size.height - 2))

    def action_scroll(self, lines: int) -> None:
        """Scroll the page."""
        self.query_one(Page).scroll_lines(lines)

    def action_close(self) -> None:
        """Put the page away."""
        self.dismiss()


def _title(text: str) -> Iterator[Line]:
    yield (Piece(text, "strong"), Piece("   Esc closes", "faint"))
    yield ()


class HelpDialog(Dialog):
    """All keys, the filter's terms, and what the signs mean.

    reasons: why a key cannot work now, by the binding's id.
    """

    def __init__(self, look: Look, keymap: Mapping[str, str], reasons: Mapping[str, str]) -> None:
        super().__init__(look)
        self._keymap = keymap
        self._reasons = reasons

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell key, and what it does."""
        yield from _title("Keys")
        for binding in KEYS:
            keys = self._keymap.get(binding.id or "", binding.key).split(",")
            signs = self.look.glyphs.say(" ".join(key_sign(key.strip()) for key in keys))
            why = self.look.glyphs.clean(self._reasons.get(binding.id or "", ""))
            text = f"{binding.tooltip} ({why})" if why else binding.tooltip
            yield from self._row(signs, text, width, text_role="faint" if why else "")
        yield ()
        yield from _title("Filter")
        for term, meaning in _FILTER_HELP:
            yield from self._row(term, meaning, width)
        yield ()
        yield from _title("Signs")
        for state in State:
            sign = f"{self.look.glyphs.sign(state)} {_STATE_WORDS.get(state, state)}"
            yield from self._row(sign, _STATE_HELP[state], width, STATUS[state].role)

    def _row(
        self, term: str, text: str, width: int, role: str = "key", text_role: str = ""
    ) -> Iterator[Line]:
        label = pad(term, KEY_COLUMN)
        for part in wrap_words(self.look.glyphs.say(text), max(8, width - KEY_COLUMN)):
            yield (Piece(label, role), Piece(part, text_role))
            label = " " * KEY_COLUMN


_FILTER_HELP = (
    ("words", "Jobs in which every word occurs: names, ids, status."),
    ("!word", "Jobs in which it does not occur."),
    ("status:failed", "Jobs with failed objects; also any status word, as status:paused."),
    ("source: target:", "Buckets and prefixes, as source:photos/2024."),
    ("account: id:", "Accounts and job ids."),
)
_STATE_WORDS = {State.OTHER: "(any word)"}
_STATE_HELP = {
    State.RUNNING: "Objects are being copied.",
    State.LISTING: "The total still grows, so percent and total may change: ~ and +.",
    State.STALLED: "It should run, but nothing has moved for too long.",
    State.PAUSED: "Somebody has paused it.",
    State.COMPLETED: "Ended with nothing failed; grey while its counts are not known yet.",
    State.COMPLETED_WITH_LOSS: "Ended, but objects failed or are unaccounted for.",
    State.ABORTED: "Somebody has ended it.",
    State.OTHER: "A status that only the API knows, in its own word.",
    State.GONE: "The API no longer knows it; the last values stay.",
}


class ProblemDialog(Dialog):
    """Everything known about what stands in the way."""

    def __init__(self, look: Look, snapshot: Snapshot | None) -> None:
        super().__init__(look)
        self._snapshot = snapshot

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell every code and message with its label."""
        yield from _title("What stands in the way")
        for number, (label, text) in enumerate(problem_details(self._snapshot, self.look)):
            if not label:
                yield from ([()] if number else [])
                yield from ((Piece(part, "strong"),) for part in wrap(text, width))
                continue
            yield from self._pair(label, text, width)

    def _pair(self, label: str, text: str, width: int) -> Iterator[Line]:
        shown = pad(label, KEY_COLUMN)
        for part in wrap(text, max(8, width - KEY_COLUMN)):
            yield (Piece(shown, "muted"), Piece(part))
            shown = " " * KEY_COLUMN


class CopyDialog(Dialog):
    """A text in full, to be selected with the terminal's own mouse."""

    def __init__(self, look: Look, text: str) -> None:
        super().__init__(look)
        self._text = text

    def page_lines(self, width: int) -> Iterator[Line]:
        """Show the text, and how to let the terminal copy by itself."""
        yield from _title("To be selected and copied")
        for line in self._text.splitlines():
            for part in wrap(self.look.glyphs.clean(line), width):
                yield (Piece(part),)
        yield ()
        hint = "Some terminals refuse to be copied to by a program. tmux allows it with:"
        yield from ((Piece(part, "muted"),) for part in wrap_words(hint, width))
        yield (Piece(f"  {HOW_IN_TMUX}", "accent"),)
