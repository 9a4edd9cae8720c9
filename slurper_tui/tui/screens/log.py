"""The log page: the newest rows first, with following, search, filter and saving.

`LogPage` owns one frozen `LogState`; its rows receive it through `data_bind`. The functions above
it build the head: title, how much of the log has been read, and the active search or filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import var
from textual.widgets import Input, Static

from slurper_tui import format as fmt
from slurper_tui.monitor.model.logs import LogView, reason_of
from slurper_tui.monitor.reports.wording import job_names, row_count_words
from slurper_tui.tui.keys import LOG_KEYS
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, width_of
from slurper_tui.tui.screens.dialogs import PairsDialog, copy_text
from slurper_tui.tui.screens.job_page import JobPage, closing, save_log, title_line, trouble_line
from slurper_tui.tui.widgets import log_lines as states
from slurper_tui.tui.widgets.form_fields import MOST_TYPED, FilterInput
from slurper_tui.tui.widgets.log_lines import NOTHING, LogLines, LogState, kinds

if TYPE_CHECKING:
    from slurper_tui.api.models import LogRow
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.session import Services
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.screens.main import MainScreen

MOST_WORDS = 28
"""Maximum width in cells of a search or filter text."""


def log_head(state: LogState, jobs: Sequence[JobView], look: Look, width: int) -> list[Line]:
    """Return the two lines above a log."""
    parts = [*_state(state, look, width)]
    line = join(parts, look.to_ascii(" · "))
    while len(parts) > 1 and width_of(line) + 2 > width:
        parts.pop()
        line = join(parts, look.to_ascii(" · "))
    return [title_line("Log", jobs, read_words(state.view), look, width), (Piece(" "), *line)]


def read_words(view: LogView) -> tuple[str, ...]:
    """Return how much of a log has been read, from the longest wording to the shortest."""
    here, read = len(view.rows), fmt.count(view.read)
    if not view.read:
        return ("no rows" if view.whole else "reading…",)
    if here < view.read:
        shown = fmt.count(here)
        if view.whole:
            return (f"showing the last {shown} of {read} rows", f"last {shown} of {read}")
        return (f"showing the last {shown} of at least {read}", f"{shown} of {read}+")
    if view.whole:
        return (row_count_words(view.read, whole=True),)
    return (f"reading… {row_count_words(view.read, whole=False)}", f"reading… {read}", "reading…")


def _state(state: LogState, look: Look, width: int) -> Iterator[Line]:
    """Yield the parts of the state line, most important first."""
    view = state.view
    trouble = trouble_line(view, view.problem, look, max(1, width - 2))
    if trouble:
        yield trouble
    if state.fresh:
        yield (Piece(look.to_ascii(f"↑ {fmt.count(state.fresh)} new"), "accent"),)
    if state.sought:
        text = look.to_ascii("“") + _typed(state.sought, look) + look.to_ascii("”")
        yield (Piece(f"{text} {_found(state)}", "accent"),)
    if state.only:
        yield (Piece(f"only {_kind_words(state, look)}", "accent"),)
    if state.filter_text:
        yield (Piece("& ", "key"), Piece(_typed(state.filter_text, look), "accent"))
    following = "following" if state.sticks else "following paused"
    yield (Piece(following if state.following else "not following", "muted"),)


def _found(state: LogState) -> str:
    total = len(state.matches)
    if not total:
        return "not found"
    if state.place:
        return f"{fmt.count(state.place)} of {fmt.count(total)}"
    return f"{fmt.count(total)} matches" if total > 1 else "1 match"


def _kind_words(state: LogState, look: Look) -> str:
    """Return the shown type, its number of rows, and its position among all types."""
    found = kinds(state)
    only = state.only[0]
    number = next((n for n, (type, _) in enumerate(found, 1) if type == only), 0)
    rows = fmt.count(sum(count for type, count in found if type == only))
    name = shorten(look.sanitise(reason_of(only)), MOST_WORDS, look.ellipsis)
    return f"{name} ({rows}; type {number} of {len(found)})"


def _row_dialog(look: Look, row: LogRow) -> PairsDialog:
    """Return a dialog with every field of a log row, and this program's wording of the reason."""
    fields: dict[str, str | None] = {
        "time": row.created_at,
        "reason": reason_of(row.log_type),
        "type": row.log_type,
        "key": row.object_key,
        "message": row.message,
    }
    pairs = [(name, look.sanitise(value)) for name, value in fields.items()]
    pairs += [(look.sanitise(name), look.sanitise(str(value))) for name, value in row.extra.items()]
    return PairsDialog(look, "Log row", pairs)


def _typed(text: str, look: Look) -> str:
    return shorten(look.sanitise(text), MOST_WORDS, look.ellipsis)


SEARCH, TEXT = "/", "&"
"""The two purposes of the input line."""

_PLACEHOLDERS = {SEARCH: "what to find; n and N: next, previous", TEXT: "words, !not"}


class TypedLine(Horizontal):
    """The input line: a sign and the text after it."""

    def compose(self) -> ComposeResult:
        """Yield the sign and the input."""
        yield Static(Content(""))
        yield FilterInput(select_on_focus=False, max_length=MOST_TYPED, id="typed-text")


class LogPage(JobPage):
    """The log of one job, or those of several, merged by time."""

    NAME = "log"
    BINDINGS: ClassVar[list[BindingType]] = [*LOG_KEYS]
    KEYS = LOG_KEYS
    HINTS = (
        *("show.failures", "log.times", "log.wrap", "log.save", "log.text", "log.type"),
        *("log.follow", "log.search", "show.help", "page.back"),
    )
    rows: LogLines
    state: var[LogState] = var(NOTHING, init=False)

    def __init__(self, main: MainScreen, jobs: tuple[JobView, ...]) -> None:
        super().__init__(main, jobs)
        self._typing = SEARCH
        found = job_names(jobs) if len(jobs) > 1 else {}
        names = {key.job_id: name for key, name in found.items()}
        self.rows = LogLines(self.look, names, id="rows")
        self.rows.now = main.state.now
        self.set_reactive(LogPage.state, LogState(LogView(self.keys[0]), names=names))

    def compose(self) -> ComposeResult:
        """Yield the rows in their frame, and the input line."""
        yield from self.framed(self.rows.data_bind(LogPage.state))
        yield TypedLine(id="typed")

    def head(self, width: int) -> Sequence[Line]:
        """Return the title and state lines."""
        state = self.state
        if self.problem is not None:
            state = replace(state, view=replace(state.view, problem=self.problem))
        return log_head(state, self.jobs, self.look, width)

    async def read(self, services: Services) -> None:
        """Follow the logs until the page is closed."""
        async with closing(services.logs.follow(self.keys)) as views:
            async for view in views:
                self.problem = view.problem
                self._keep_now()
                self.state = states.see(self.state, view)

    def job_moved(self) -> None:
        """Update the ages after each poll."""
        self._keep_now()
        if self.state.ages:
            self.rows.redraw()

    def _keep_now(self) -> None:
        self.rows.now = self.main.state.now

    def action_move(self, step: int) -> None:
        """Move the cursor by `step` rows."""
        self.state = states.move_to(self.state, self.state.cursor + step)

    @on(LogLines.RowClicked)
    def _row_clicked(self, event: LogLines.RowClicked) -> None:
        self.state = states.move_to(self.state, event.row)

    def action_follow(self) -> None:
        """Toggle staying on the newest row."""
        self.state = states.follow(self.state)

    def action_wrap(self) -> None:
        """Toggle between wrapped rows and one line per row."""
        self.state = replace(self.state, wrapped=not self.state.wrapped)

    def action_times(self) -> None:
        """Toggle between times and ages."""
        self.state = replace(self.state, ages=not self.state.ages)
        self.show_note("ages, as of the newest data" if self.state.ages else "times by the clock")

    def action_kind(self) -> None:
        """Show only the next type, or all types after the last one."""
        self.state = states.next_kind(self.state)

    def action_match(self, step: int) -> None:
        """Move to the next older or newer match."""
        if not self.state.sought:
            self.show_note("nothing is searched for: / searches")
        self.state = states.to_match(self.state, step)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `type` while an input has the focus (keys are text) or none is mounted yet."""
        typing = isinstance(self.focused, Input) or not self.query(Input)
        return not (action == "type" and typing)

    def action_type(self, sign: str) -> None:
        """Open the input line for a search or for a filter text."""
        self.clear_note()
        self._typing = sign
        line = self.query_one("#typed-text", Input)
        with line.prevent(Input.Changed):
            line.value = "" if sign == SEARCH else self.state.filter_text
        line.cursor_position = len(line.value)
        line.placeholder = _PLACEHOLDERS[sign]
        self.query_one("#typed > Static", Static).update(Content(f" {sign} "))
        self.add_class("-typing")
        self.set_focus(line)

    @on(Input.Changed, "#typed-text")
    def _typed(self, event: Input.Changed) -> None:
        self._take(event.value)

    def _take(self, text: str) -> None:
        if self._typing == SEARCH:
            self.state = states.seek(self.state, text)
        else:
            self.state = states.show(self.state, filter_text=text.strip())

    @on(Input.Submitted, "#typed-text")
    def _submitted(self) -> None:
        self._close_line()
        if self._typing == SEARCH:
            self.state = states.to_first_match(self.state)

    def _close_line(self) -> None:
        self.remove_class("-typing")
        self.rows.focus()

    def action_back(self) -> None:
        """Cancel the input and discard its text; without an open input, close the page."""
        if not self.has_class("-typing"):
            super().action_back()
            return
        self._take("")
        self._close_line()

    def action_open(self) -> None:
        """Show the highlighted row in full."""
        if self.state.row is not None:
            self.app.push_screen(_row_dialog(self.look, self.state.row))

    def action_copy(self) -> None:
        """Copy the highlighted row's key."""
        row = self.state.row
        if row is None or row.object_key is None:
            self.show_note("this row has no key")
        else:
            copy_text(self, "key", row.object_key)

    def action_failures(self) -> None:
        """Open the failures page."""
        self.turn_to("failures")

    def action_save(self) -> None:
        """Save the rows read so far to a file."""
        self.run_worker(self._save(self.state.view), group="saving")

    async def _save(self, view: LogView) -> None:
        saved = await self.save(partial(save_log, Path(), self.jobs, view))
        if saved is None:
            return
        rows = row_count_words(saved.number, whole=view.whole)
        if saved.number < view.read:
            least = "" if view.whole else "at least "
            rows = f"the last {fmt.count(saved.number)} of {least}{fmt.count(view.read)} rows"
        self.show_note(f"{rows} saved to ./{saved.path.name}")
