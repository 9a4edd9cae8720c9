"""Dialogs with text to read, open until a key closes them: help, problems, copies, log rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerCancelled

from slurper_tui import format as fmt
from slurper_tui.monitor.model.job import Snapshot, State
from slurper_tui.tui.keys import MAIN_KEYS, PALETTE_ONLY, key_hint, signs
from slurper_tui.tui.render.glyphs import STATUS, Look
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, wrap, wrap_words
from slurper_tui.tui.render.problem_text import error_details, problem_details
from slurper_tui.tui.screens.base import CopyingApp, Dialog, NotedScreen

if TYPE_CHECKING:
    from slurper_tui.api.errors import ApiError

MOST_HELP_WIDTH = 164
"""Maximum width in cells that the stylesheet gives the help."""

KEY_COLUMN, NARROW_KEY_COLUMN = 16, 10
"""Cells for a term of the help, and in a narrow column; a longer term has a line of its own."""

HELP_COLUMN, HELP_GAP, HELP_COLUMNS = 34, 3, 3
"""Least width in cells of a column of the help, the blanks between two, and the most of them."""

BROAD_COLUMN = 42
"""A narrower column of the help has `NARROW_KEY_COLUMN` cells for a term."""


def _title(text: str, hint: str = "") -> Iterator[Line]:
    yield (Piece(text, "strong"), Piece(f"{hint}   Esc closes", "faint"))
    yield ()


def _labelled(
    label: str, parts: Sequence[str], column: int, style: str = "muted", text_style: str = ""
) -> Iterator[Line]:
    """Yield a label in a column of that many cells, and the wrapped parts of its text beside it."""
    for number, part in enumerate(parts):
        yield (Piece(pad("" if number else label, column), style), Piece(part, text_style))


Block = tuple[str, Iterable[Line]]
"""A part of the help: its title and its lines."""


class PageHelp(Dialog):
    """The keys of one page by group, in several columns where there is room."""

    TITLE_TEXT = "Keys of this page"
    most_width = MOST_HELP_WIDTH

    def __init__(self, look: Look, bindings: Sequence[Binding], keymap: Mapping[str, str]) -> None:
        super().__init__(look)
        self._keys = bindings
        self._keymap = keymap

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the title, then the blocks in as many columns as fit."""
        yield from _title(self.TITLE_TEXT)
        number = max(1, min(HELP_COLUMNS, (width + HELP_GAP) // (HELP_COLUMN + HELP_GAP)))
        if number > 2 and (width + HELP_GAP) // number - HELP_GAP < BROAD_COLUMN:
            number = 2
        column = (width + HELP_GAP) // number - HELP_GAP
        blocks = [[(Piece(title, "strong"),), *lines, ()] for title, lines in self.blocks(column)]
        for row in zip_longest(*_in_columns(blocks, number), fillvalue=()):
            line: Line = ()
            for part in row:
                line = (*line, *fill(part, column), Piece(" " * HELP_GAP))
            yield line

    def blocks(self, width: int) -> Iterator[Block]:
        """Yield the keys by group, each with its description."""
        groups = dict.fromkeys(binding.group for binding in self._keys)
        for group in groups:
            keys = [binding for binding in self._keys if binding.group is group]
            lines = (line for binding in keys for line in self._key_lines(binding, width))
            yield group.description if group else "", lines

    def _key_lines(self, binding: Binding, width: int) -> Iterator[Line]:
        why = self.why_not(binding)
        text = f"{binding.tooltip} ({why})" if why else binding.tooltip
        keys = signs(binding, self._keymap, self.look)
        return self._row(keys, text, width, text_style="faint" if why else "")

    def why_not(self, binding: Binding) -> str:
        """Return why a key is unavailable now; "" if it is available."""
        return ""

    def _rows(self, pairs: Iterable[tuple[str, str]], width: int) -> Iterator[Line]:
        for term, text in pairs:
            yield from self._row(term, text, width)

    def _row(
        self, term: str, text: str, width: int, style: str = "key", text_style: str = ""
    ) -> Iterator[Line]:
        column, label = KEY_COLUMN, self.look.to_ascii(term)
        if width < BROAD_COLUMN:
            column = NARROW_KEY_COLUMN
            if cell_len(label) >= column:
                yield (Piece(label, style),)
                label = ""
        parts = wrap_words(self.look.to_ascii(text), max(8, width - column))
        yield from _labelled(label, parts, column, style, text_style)


def _in_columns(blocks: Sequence[list[Line]], number: int) -> list[list[Line]]:
    """Distribute blocks over columns in their order, as evenly as whole blocks allow."""
    height = max(map(len, blocks), default=0)
    while True:
        columns: list[list[Line]] = [[]]
        for block in blocks:
            if columns[-1] and len(columns[-1]) + len(block) > height:
                columns.append([])
            columns[-1].extend(block)
        if len(columns) <= number:
            return columns
        height += 1


class HelpDialog(PageHelp):
    """The keys of the main screen, the actions of the palette, the filter and the signs.

    reasons: why a key is unavailable now, by binding id.
    """

    TITLE_TEXT = "Keys and signs"

    def __init__(
        self,
        look: Look,
        keys: Sequence[Binding],
        keymap: Mapping[str, str],
        reasons: Mapping[str, str],
    ) -> None:
        super().__init__(look, keys, keymap)
        self._reasons = reasons

    def why_not(self, binding: Binding) -> str:
        """Return why a key is unavailable now; "" if it is available."""
        return self.look.sanitise(self._reasons.get(binding.id or "", ""))

    def blocks(self, width: int) -> Iterator[Block]:
        """Yield the groups of keys, then what is typed, then the signs."""
        yield from super().blocks(width)
        palette = key_hint(MAIN_KEYS, ["show.palette"], self._keymap, self.look)[0]
        yield f"Only in the palette: {palette} and a word", self._rows(PALETTE_ONLY.items(), width)
        yield "Filter", self._rows(_FILTER_HELP, width)
        yield "Signs of a status", self._states(width)
        yield "Other signs", self._rows(_SIGN_HELP, width)

    def _states(self, width: int) -> Iterator[Line]:
        for state in State:
            sign = f"{self.look.sign(state)} {_STATE_WORDS.get(state, state)}"
            yield from self._row(sign, _STATE_HELP[state], width, STATUS[state].style)


_FILTER_HELP = (
    ("words", "Jobs in which every word occurs: names, ids, status."),
    ("!word", "Jobs in which it does not occur."),
    ("status:failed", "Jobs with failed objects; also any status word, as status:paused."),
    ("source: target:", "Buckets and prefixes, as source:photos/2024."),
    ("account: id:", "Accounts and job ids."),
)
_SIGN_HELP = (
    ("~35 %", "It may still fall: the source may not be listed to its end."),
    ("1.2M+", "And more: the total grows, or jobs are still to be started."),
    ("≥4h", "At least: more work may be added."),
    ("completed !", "Objects failed, are missing in the target or unaccounted for."),
    ("completed ?", "Objects were skipped, and the log is not read yet."),
    ("340!", "Failed objects and those that were skipped and not copied, together."),
    ("name !", "Prefixes overlap: some objects may be copied twice."),
    ("▲", "Look at it first: nothing moves, or many objects fail."),
    ("● ○", "Marked with Space; ○ some jobs of this migration."),
    ("▸ ▾", "A migration, folded and unfolded."),
    ("↻", "A job that copies again what failed."),
)
_STATE_WORDS = {State.OTHER: "(any word)"}
_STATE_HELP = {
    State.RUNNING: "Objects are being copied.",
    State.LISTING: "The total still grows, so percent and total may change: ~ and +.",
    State.STALLED: "It should run, but nothing has moved for too long.",
    State.FAILING: "It runs, but many objects have failed lately.",
    State.PAUSED: "It was paused.",
    State.VERIFIED: "Completed, and every object is proven to be in the target.",
    State.COMPLETED: "Ended with nothing failed; grey while its counts are not known yet.",
    State.COMPLETED_UNREAD: "Ended, but why objects were skipped is not known (yet).",
    State.COMPLETED_WITH_LOSS: "Ended, but objects failed, are missing or unaccounted for.",
    State.ABORTED: "It was aborted.",
    State.WAITING: "Planned: jobs start as slots become free, while this program runs.",
    State.OTHER: "A status that this program does not know, in the API's own word.",
    State.GONE: "The API no longer lists it; the last values stay.",
}


class ProblemDialog(Dialog):
    """All details of the current problems."""

    def __init__(self, look: Look, snapshot: Snapshot | None) -> None:
        super().__init__(look)
        self._snapshot = snapshot

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield every code and message with its label."""
        yield from _title("Problems")
        for number, (label, text) in enumerate(problem_details(self._snapshot, self.look)):
            if not label:
                yield from ([()] if number else [])
                yield from ((Piece(part, "strong"),) for part in wrap(text, width))
                continue
            yield from _labelled(label, wrap(text, max(8, width - KEY_COLUMN)), KEY_COLUMN)


def terminal_copies(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal may support OSC 52 (copying to the clipboard).

    tmux and screen block it unless they are configured to pass it on.
    """
    term = environ.get("TERM", "")
    inside = "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen"))
    refuses = term == "linux" or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    return not inside and not refuses


class CopyDialog(Dialog):
    """The full text of a copy, to select with the terminal's own mouse.

    in_tmux: tmux has taken the text.
    """

    def __init__(self, look: Look, text: str, *, in_tmux: bool) -> None:
        super().__init__(look)
        self._text = text
        self._hint, self._setting = _TAKEN_BY_TMUX if in_tmux else _NOT_TAKEN

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the text, and how to let the terminal take it."""
        yield from _title("Select and copy")
        for line in self._text.splitlines():
            for part in wrap(self.look.sanitise(line), width):
                yield (Piece(part),)
        yield ()
        yield from ((Piece(part, "muted"),) for part in wrap_words(self._hint, width))
        yield (Piece(f"  {self._setting}", "accent"),)


_NOT_TAKEN = (
    "Some terminals do not let a program copy. In tmux, allow it with:",
    "set -g set-clipboard on",
)
_TAKEN_BY_TMUX = (
    "tmux has it too: its prefix, then ], pastes it. If the terminal's clipboard stays empty "
    "though the terminal could take it, tell tmux so:",
    "set -as terminal-features ',*:clipboard'",
)


def copy_text(screen: NotedScreen[Any], what: str, text: str, *, them: bool = False) -> None:
    """Copy a text exactly; a repeat, or a terminal that may refuse, opens the text to select.

    In tmux, its answer is awaited first. what: the name of the text in the note, "" for none;
    them: it is a plural.
    """
    if not fmt.is_utf8(text):
        screen.show_note(f"not copied: the {what} is not UTF-8")
        return
    screen.app.copy_to_clipboard(text)
    beside = screen.app.copying if isinstance(screen.app, CopyingApp) else None
    again = f"again to see {'them' if them else 'it'} in full"
    if screen.copied == text:
        screen.app.push_screen(CopyDialog(screen.look, text, in_tmux=beside is not None))
    elif beside is not None:
        note = f"{what} copied to tmux; {again}".lstrip()
        screen.run_worker(_tell_of_copy(screen, text, note, beside), group="copy", exclusive=True)
    elif terminal_copies(screen.environ):
        screen.copied = text
        screen.show_note(f"{what} copied; {again}".lstrip())
    else:
        screen.app.push_screen(CopyDialog(screen.look, text, in_tmux=False))


async def _tell_of_copy(
    screen: NotedScreen[Any], text: str, note: str, beside: Worker[bool]
) -> None:
    """Show a note once tmux has taken the text, or the text to select if it has not."""
    with suppress(WorkerCancelled):  # another copy began
        if await beside.wait():
            screen.copied = text
            screen.show_note(note)
        elif screen.is_current:
            screen.app.push_screen(CopyDialog(screen.look, text, in_tmux=False))


class TextDialog(Dialog):
    """An answer that is too long for one line. exact: the text that `y` copies."""

    BINDINGS: ClassVar[list[BindingType]] = [("y", "copy", "copy")]

    def __init__(self, look: Look, title: str, texts: Sequence[str], exact: str = "") -> None:
        super().__init__(look)
        self._title, self._texts, self._exact = title, texts, exact

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the title, the wrapped texts and the exact text."""
        look = self.look
        if self._title:
            copies = self._exact and fmt.is_utf8(self._exact)
            yield from _title(self._title, "   y copies" if copies else "")
        for text in self._texts:
            yield from ((Piece(part),) for part in wrap_words(look.sentence(text), width))
        if self._exact:
            yield ()
            yield from (
                (Piece(part, "accent"),) for part in wrap(look.sanitise(self._exact), width)
            )

    def action_copy(self) -> None:
        """Copy the exact text and close."""
        if self._exact and fmt.is_utf8(self._exact):
            self.app.copy_to_clipboard(self._exact)
            self.dismiss()


class PairsDialog(Dialog):
    """A list of labels with their texts; both are already sanitised."""

    def __init__(self, look: Look, title: str, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__(look)
        self._title, self._pairs = title, tuple(pairs)

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield each label with its full text."""
        yield from _title(self._title)
        column = KEY_COLUMN if width >= 3 * KEY_COLUMN else KEY_COLUMN - 4
        for label, text in self._pairs:
            yield from _labelled(label, wrap(text, max(8, width - column)), column)


def error_dialog(look: Look, error: ApiError) -> PairsDialog:
    """Return a dialog with all details of the error that stops a page from reading on."""
    return PairsDialog(look, "Problems", error_details(error, look))
