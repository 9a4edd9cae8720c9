"""What stands over the pages about one job until a key puts it away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from slurper_tui import format as words
from slurper_tui.api.errors import ApiError
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.model.logs import reason_of
from slurper_tui.tui.clipboard import can_copy
from slurper_tui.tui.dialogs import KEY_COLUMN, Dialog
from slurper_tui.tui.export import Saved
from slurper_tui.tui.log_page_keys import signs
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, pad, wrap
from slurper_tui.tui.render.problem_text import error_details
from slurper_tui.tui.widgets.job_table import wrap_words

CLOSES = "   Esc closes"


class PageHelp(Dialog):
    """The keys of one page."""

    def __init__(self, look: Look, bindings: Sequence[Binding], keymap: Mapping[str, str]) -> None:
        super().__init__(look)
        self._told = [(signs(b, keymap, look), b.tooltip) for b in bindings]

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell key, and what it does."""
        yield (Piece("Keys of this page", "strong"), Piece(CLOSES, "faint"))
        yield ()
        for keys, tooltip in self._told:
            shown = pad(keys, KEY_COLUMN)
            for part in wrap_words(self.look.glyphs.say(tooltip), max(8, width - KEY_COLUMN)):
                yield (Piece(shown, "key"), Piece(part))
                shown = " " * KEY_COLUMN


class TextDialog(Dialog):
    """An answer that needs more room than a line. exact: what `y` copies."""

    BINDINGS: ClassVar[list[BindingType]] = [("y", "copy", "copy")]

    def __init__(self, look: Look, title: str, texts: Sequence[str], exact: str = "") -> None:
        super().__init__(look)
        self._title, self._texts, self._exact = title, texts, exact

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell it, in whole words."""
        glyphs = self.look.glyphs
        if self._title:
            hint = f"   y copies{CLOSES}" if can_copy(self._exact) and self._exact else CLOSES
            yield (Piece(self._title, "strong"), Piece(hint, "faint"))
            yield ()
        for text in self._texts:
            said = wrap_words(glyphs.clean(glyphs.say(text)), width)
            yield from ((Piece(part),) for part in said)
        if self._exact:
            yield ()
            yield from ((Piece(part, "accent"),) for part in wrap(glyphs.clean(self._exact), width))

    def action_copy(self) -> None:
        """Copy it exactly, and close."""
        if self._exact and can_copy(self._exact):
            self.app.copy_to_clipboard(self._exact)
            self.dismiss()


class PairsDialog(Dialog):
    """Labels with what belongs to them."""

    TITLE_TEXT = ""

    def pairs(self) -> Iterator[tuple[str, str]]:
        """What is told; harmless already."""
        return iter(())

    def page_lines(self, width: int) -> Iterator[Line]:
        """Tell each with its label, nothing left out."""
        yield (Piece(self.TITLE_TEXT, "strong"), Piece(CLOSES, "faint"))
        yield ()
        column = KEY_COLUMN if width >= 3 * KEY_COLUMN else KEY_COLUMN - 4
        for label, text in self.pairs():
            shown = pad(label, column)
            for part in wrap(text, max(8, width - column)):
                yield (Piece(shown, "muted"), Piece(part))
                shown = " " * column


class ErrorDialog(PairsDialog):
    """Everything known about what keeps a page from being read on."""

    TITLE_TEXT = "What stands in the way"

    def __init__(self, look: Look, error: ApiError) -> None:
        super().__init__(look)
        self._error = error

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every code and message with its label."""
        return error_details(self._error, self.look)


class RowDialog(PairsDialog):
    """One row of a log in full."""

    TITLE_TEXT = "Log row"

    def __init__(self, look: Look, row: LogRow) -> None:
        super().__init__(look)
        self._row = row

    def pairs(self) -> Iterator[tuple[str, str]]:
        """All that the API said, and the reason in our words."""
        row, clean = self._row, self.look.glyphs.clean
        yield "time", clean(row.created_at)
        yield "reason", clean(reason_of(row.log_type))
        yield "type", clean(row.log_type)
        yield "key", clean(row.object_key)
        yield "message", clean(row.message)
        for name, value in row.extra.items():
            yield clean(name), clean(str(value))


def saved_keys_dialog(
    look: Look, saved: Saved, log_type: str, *, doubts: Sequence[str]
) -> TextDialog:
    """Say where the keys are, how many, and what would fetch them. doubts: why some are missing."""
    count = f"{words.count(saved.number)} {'key' if saved.number == 1 else 'keys'} saved"
    said = [f"{reason_of(log_type)}: ./{saved.path.name}"]
    said += doubts
    if saved.rclone:
        how = "This would fetch them; SRC and DST are your own names for the stores:"
    else:
        how = "A JSON array, for some keys hold line breaks; it serves as source.keys of a new job"
    return TextDialog(look, count, (*said, "", how), saved.rclone)
