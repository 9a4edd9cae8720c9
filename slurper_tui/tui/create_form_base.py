"""A page of fields: moving between them, what is wrong at each, and what is filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import DescendantBlur, DescendantFocus, Key, Resize
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Static

from slurper_tui.monitor.model.plans import FieldFault
from slurper_tui.tui.create_form_request import LOW, NARROW
from slurper_tui.tui.deliberate import may_confirm
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill, spread
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.widgets.form_fields import Choice, FieldRow, GoOn, SecretInput, Section

T = TypeVar("T")
HOW_TO_MOVE = "↑ ↓ move · ← → choose · Enter next · Esc back"
HOW_TO_MOVE_SHORT = "↑ ↓ move · Esc back"


class OneLine(PaintedLines):
    """A line that its page tells it."""

    line: var[Line] = var((), init=False)

    def line_at(self, y: int) -> Line:
        """Draw it."""
        return self.line if y == 0 else ()

    def watch_line(self) -> None:
        """Show what is told now."""
        self.repaint_changes()


def _row_of(widget: Widget) -> FieldRow | None:
    """The field that a widget is a part of."""
    return next((node for node in widget.ancestors if isinstance(node, FieldRow)), None)


class Body(VerticalScroll, inherit_bindings=False):
    """What scrolls with the focus, and leaves the arrows to its page."""


class FormScreen(Screen[ScreenResultType]):
    """Fields under headings, from which one thing follows. environ: where secrets may stand."""

    CSS_PATH = "forms.tcss"
    TITLE_OF_PAGE = ""
    SECTIONS: tuple[Section, ...] = ()
    LEADS_TO = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        # At once: what is typed behind them, maybe a secret, is meant for the field they lead to.
        Binding("escape", "back", "back", priority=True),
        Binding("down,tab", "walk(1)", "next", priority=True),
        Binding("up,shift+tab", "walk(-1)", "previous", priority=True),
        Binding("enter", "enter", "next", priority=True),
        Binding("pagedown", "edge(-1)", "last", priority=True),
        Binding("pageup", "edge(0)", "first", priority=True),
    ]

    def __init__(
        self, look: Look, environ: Mapping[str, str], values: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.look = look
        self.environ = environ
        self._given = dict(values or {})
        self._said = ""
        self._visited: set[str] = set()
        self._asked = 0
        self._shown_at = Message().time  # the clock of the keys
        self.set_class(look.glyphs.ascii_only, "-ascii")

    def sections(self) -> Sequence[Section]:
        """The form's parts."""
        return self.SECTIONS

    def words_for(self, name: str) -> tuple[str, ...]:
        """How the choices of a field are written; () for as they are."""
        return ()

    def vendor(self) -> str:
        """Of which vendor the source is."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Lay out every field; those of other vendors are hidden."""
        yield OneLine(id="form-head")
        with Body(id="form-body", can_focus=False):
            for section in self.sections():
                yield Static(Content(section.title), classes="heading")
                yield from self._rows(section)
            yield GoOn(self.look, self.LEADS_TO)
        yield OneLine(id="form-foot")

    def _rows(self, section: Section) -> Iterator[FieldRow]:
        for field in section.fields:
            known = field.secret and bool(self.environ.get(field.variable, "").strip())
            yield FieldRow(self.look, field, self.words_for(field.name), known=known)

    def on_mount(self) -> None:
        """Fill in what is known."""
        for row in self.query(FieldRow):
            if row.field.name in self._given:
                row.value = self._given[row.field.name]
        self.show_fields()

    def show_fields(self) -> None:
        """Show the fields that the vendor has, and hide the others."""
        vendor = self.vendor()
        for row in self.query(FieldRow):
            row.display = vendor in row.field.vendors

    def values(self) -> dict[str, str]:
        """Everything that is filled in, secrets too."""
        return {row.field.name: row.value for row in self.query(FieldRow)}

    def open_values(self) -> dict[str, str]:
        """What is filled in and no secret."""
        return {r.field.name: r.value for r in self.query(FieldRow) if not r.field.secret}

    def row(self, name: str) -> FieldRow:
        """A field by its name."""
        return self.query_one(f"#row-{name}", FieldRow)

    def dismiss(self, result: ScreenResultType | None = None) -> object:  # type: ignore[override]  # as awaitable as before
        """Close, and let no secret stand in a field any more."""
        for secret in self.query(SecretInput):
            secret.value = ""
        return super().dismiss(result)

    # What is wrong ----------------------------------------------------------------------------

    async def faults(self) -> Sequence[FieldFault]:
        """Everything that is wrong now, by the fields of the request or of the form."""
        raise NotImplementedError

    async def check(self) -> list[FieldRow]:
        """Show what is wrong in any field; those that something is wrong with."""
        self._visited |= {row.field.name for row in self._shown_rows()}
        self._show(await self.faults())
        return [row for row in self._shown_rows() if row.fault]

    async def _check_visited(self) -> None:
        """Show what is wrong in the fields that were left, unless a later question is under way."""
        self._asked += 1
        asked, faults = self._asked, await self.faults()
        if asked == self._asked:
            self._show(faults)

    def _show(self, faults: Sequence[FieldFault]) -> None:
        found: dict[str, str] = {}
        for fault in faults:
            found.setdefault(fault.field, fault.text)
        for row in self._shown_rows():
            if row.field.name in self._visited:
                row.say(found.get(row.field.part) or found.get(row.field.name) or "")

    def _shown_rows(self) -> list[FieldRow]:
        return [row for row in self.query(FieldRow) if row.display]

    @on(DescendantBlur)
    def _left(self, event: DescendantBlur) -> None:
        row = _row_of(event.widget)
        if row is not None and self.is_current:
            self._said = ""
            row.point(here=False)
            self._visited.add(row.field.name)
            self.run_worker(self._check_visited(), group="check")

    @on(Choice.Changed)
    def _chosen(self) -> None:
        self.show_fields()
        self.remark()

    # Moving -----------------------------------------------------------------------------------

    def action_walk(self, step: int) -> None:
        """Go to the next or the previous field; from the last, to the first."""
        self.focus_next() if step > 0 else self.focus_previous()

    def action_enter(self) -> None:
        """Go to the next field; after the last, `on_key` judges the key."""
        if isinstance(self.focused, GoOn):
            raise SkipAction
        self.focus_next()

    def on_key(self, event: Key) -> None:
        """Do what the form is for at an Enter that was pressed for it."""
        enter = event.key == "enter" and isinstance(self.focused, GoOn)
        if enter and may_confirm(event, self._shown_at, alone=False):
            event.stop()
            self.run_worker(self.go_on(), group="go-on", exclusive=True)

    async def go_on(self) -> None:
        """Do what the form is for, once all of it is right."""
        wrong = await self.check()
        if wrong:
            number = len(wrong)
            self._said = f"{number} {'fields are' if number > 1 else 'field is'} not right yet"
            self.set_focus(wrong[0].entry)
            self.remark()
            return
        await self.take()

    async def take(self) -> None:
        """Take what is filled in; all of it is right."""
        raise NotImplementedError

    def action_edge(self, place: int) -> None:
        """Go to the first or the last field."""
        stops = [row.entry for row in self._shown_rows()]
        last = self.query_one(GoOn)
        self.set_focus(last if place else stops[0])  # at once, which `focus` is not

    def action_back(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)

    # Head and foot ----------------------------------------------------------------------------

    @on(DescendantFocus)
    def _focused(self, event: DescendantFocus) -> None:
        row = _row_of(event.widget)
        if row is not None:
            row.point(here=True)
        self.remark()

    def on_resize(self, event: Resize) -> None:
        """Tell head and foot for this width."""
        self.set_class(event.size.width < NARROW, "-narrow")
        self.set_class(event.size.height < LOW, "-low")
        self.remark()

    def remark(self) -> None:
        """Tell which field this is, and which keys there are, or what is wrong."""
        rows = self._shown_rows()
        here = [place for place, row in enumerate(rows, 1) if row.has_class("-here")]
        place = f"{here[0]} of {len(rows)} " if here else ""
        width = self.size.width
        title = (Piece(f" {self.TITLE_OF_PAGE}", "strong"),)
        self.query_one("#form-head", OneLine).line = spread(title, (Piece(place, "faint"),), width)
        keys = HOW_TO_MOVE if width >= NARROW else HOW_TO_MOVE_SHORT
        text = self.look.glyphs.say(f" {self._said or keys}")
        foot = (Piece(text, "error" if self._said else "muted"),)
        self.query_one("#form-foot", OneLine).line = fill(foot, width)
