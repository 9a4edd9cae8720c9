"""The plans: what waits for a free slot, what was started, and what needs a person's word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.screen import Screen

from slurper_tui.monitor.model.plans import PlanView, Step, StepState
from slurper_tui.tui.confirm_dialog import ConfirmDialog
from slurper_tui.tui.create_form_base import OneLine
from slurper_tui.tui.create_form_request import LOW
from slurper_tui.tui.create_form_send import Means
from slurper_tui.tui.plans_page_lines import Place, Row, plan_rows, waits_for_keys
from slurper_tui.tui.plans_page_words import again_question, cancel_question
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill
from slurper_tui.tui.secrets_form import Given, SecretsForm
from slurper_tui.tui.widgets.detail_pane import TextLines

LOCKED = "read-only now: W allows changes"


class PlansPane(TextLines):
    """Rows with a cursor. place: what it stands on."""

    def __init__(self, look: Look, rows: Callable[[int], Iterator[Row]]) -> None:
        super().__init__(look, id="plans")
        self._make = rows
        self._rows: list[Row] = []
        self.place: Place | None = None

    def lines_for(self, width: int) -> list[Line]:
        """Make the rows; the cursor stays on what it stood on, or goes to the first."""
        self._rows = [*self._make(width)]
        places = self._places
        if self.place not in places:
            self.place = next(iter(places), None)
        return [row.line for row in self._rows]

    def row_role(self, y: int) -> str:
        """Mark the row of the cursor."""
        row = y + self.first
        mine = row < len(self._rows) and self._rows[row].place == self.place
        return "cursor" if mine and self.place is not None else ""

    def line_at(self, y: int) -> Line:
        """Draw the row, with a sign where the cursor stands."""
        line = super().line_at(y)
        if self.row_role(y):
            return (Piece(self._look.glyphs.say("▌"), "accent"), *_without_first_cell(line))
        return line

    def move(self, step: int) -> None:
        """Move the cursor, and scroll so that it is seen."""
        places = self._places
        if not places:
            return
        here = places.index(self.place) if self.place in places else 0
        self.place = places[max(0, min(here + step, len(places) - 1))]
        row = next(y for y, row in enumerate(self._rows) if row.place == self.place)
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if not top <= row < top + height:
            self.scroll_lines(row - top if row < top else row - top - height + 1)
        self.repaint_changes()

    @property
    def _places(self) -> list[Place]:
        return [row.place for row in self._rows if row.place is not None]


def _without_first_cell(line: Line) -> Line:
    """Every row begins with a blank, where the cursor's sign has its place."""
    first, *others = line
    return (Piece(first.text[1:], first.role), *others)


class PlansPage(Screen[None]):
    """Every plan that is not over, and those that ended in this run. now: UTC seconds."""

    CSS_PATH = "forms.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q", "back", "back"),
        ("down,j", "move(1)", "down"),
        ("up,k", "move(-1)", "up"),
        ("pagedown,ctrl+d", "move(10)", "page down"),
        ("pageup,ctrl+u", "move(-10)", "page up"),
        ("home,g", "move(-1000000000)", "top"),
        ("end,G", "move(1000000000)", "bottom"),
        ("enter", "supply", "give the keys"),
        ("s", "send_again", "send again"),
        ("c", "cancel", "cancel"),
        ("W", "unlock", "unlock"),
    ]

    def __init__(self, means: Means, now: Callable[[], float]) -> None:
        super().__init__()
        self.means = means
        self.look = means.look
        self._now = now
        self._views: dict[int, PlanView] = {}
        self._loaded = False
        self._note = ""
        self.set_class(self.look.glyphs.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Lay out the title, the plans and the keys."""
        yield OneLine(id="form-head")
        yield PlansPane(self.look, self._rows)
        yield OneLine(id="form-foot")

    def on_mount(self) -> None:
        """Read the plans, and go on hearing of each."""
        self.run_worker(self._load(), group="load")

    async def _load(self) -> None:
        desk = await self.means.desk()
        self._views = {view.plan.id: view for view in await desk.creation.plans()}
        self._loaded = True
        self.retell()
        for plan_id in self._views:
            self._follow(plan_id)

    def _follow(self, plan_id: int) -> None:
        """Hear of a plan until nothing more will happen to it."""
        self.run_worker(self._hear(plan_id), group=f"plan-{plan_id}", exclusive=True)

    async def _hear(self, plan_id: int) -> None:
        desk = await self.means.desk()
        async for view in desk.creation.follow(plan_id):
            self._views[plan_id] = view
            self.retell()

    # What stands there ------------------------------------------------------------------------

    def _rows(self, width: int) -> Iterator[Row]:
        if not self._loaded:
            return iter(())
        return plan_rows(self._views.values(), self.look, self._now(), width)

    def on_resize(self, event: Resize) -> None:
        """Tell everything for this width."""
        self.set_class(event.size.height < LOW, "-low")
        self.retell()

    def retell(self) -> None:
        """Show the plans as they stand now, and the keys that do something."""
        width = self.size.width
        self.query_one("#form-head", OneLine).line = fill((Piece(" Plans", "strong"),), width)
        self.query_one(PlansPane).remake()
        self._offer()

    def _offer(self) -> None:
        """Offer what can be done with what the cursor stands on."""
        view, step = self._view, self._step
        offers = [("Esc", "back")]
        if view is not None and waits_for_keys(view):
            offers.append(("Enter", "give the keys"))
        if step is not None and step.state in (StepState.UNDECIDED, StepState.REFUSED):
            offers.append(("s", "send again"))
        if view is not None and view.plan.given_up:
            offers.append(("c", "cancel"))
        line = [Piece(" ")]
        for key, word in offers:
            line += [Piece(key, "key"), Piece(f" {word}   ", "muted")]
        noted = (Piece(self.look.glyphs.say(self._note), "accent"),) if self._note else ()
        foot = (Piece(" "), *noted) if noted else tuple(line)
        self.query_one("#form-foot", OneLine).line = fill(foot, self.size.width)

    def _say(self, note: str) -> None:
        self._note = note
        self._offer()

    @property
    def _place(self) -> Place | None:
        return self.query_one(PlansPane).place

    @property
    def _view(self) -> PlanView | None:
        return self._views.get(self._place.plan_id) if self._place else None

    @property
    def _step(self) -> Step | None:
        view, place = self._view, self._place
        steps = view.plan.steps if view else ()
        return next((step for step in steps if place and step.number == place.number), None)

    # What is done -----------------------------------------------------------------------------

    def on_key(self) -> None:
        """Put the last note away."""
        self._say("")

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self.query_one(PlansPane).move(step)
        self._offer()

    def action_back(self) -> None:
        """Close; the plans go on."""
        self.dismiss()

    async def action_unlock(self) -> None:
        """Ask whether jobs may be changed."""
        await self.means.unlock()

    async def _allowed(self) -> bool:
        """Whether anything may be sent; if not, the page says so."""
        unlocked = (await self.means.desk()).control.unlocked
        if not unlocked:
            self._say(LOCKED)
        return unlocked

    async def action_supply(self) -> None:
        """Ask for the keys to the buckets of a plan that needs them again."""
        view = self._view
        if view is None or not waits_for_keys(view) or not await self._allowed():
            return
        waiting = (s.draft for s in view.plan.steps if s.state is StepState.WAITING)
        form = SecretsForm(self.look, self.means.environ, next(waiting))
        self.app.push_screen(form, partial(self._given, view.plan.id))

    def _given(self, plan_id: int, given: Given | None) -> None:
        if given is not None:
            self.run_worker(self._supply(plan_id, given), group="supply")

    async def _supply(self, plan_id: int, given: Given) -> None:
        desk = await self.means.desk()
        desk.creation.supply(plan_id, given.secrets)
        self._follow(plan_id)

    async def action_send_again(self) -> None:
        """Ask for the person's word to send a step again."""
        view, step = self._view, self._step
        if view is None or step is None:
            return
        if step.state not in (StepState.UNDECIDED, StepState.REFUSED) or not await self._allowed():
            return
        deed = partial(self._again, view.plan.id, step.number)
        self.app.push_screen(ConfirmDialog(self.look, again_question(step, self.look), deed))

    def _again(self, plan_id: int, number: int) -> None:
        self._say("the list is looked into once more first")
        self.run_worker(self._send_again(plan_id, number), group="again")

    async def _send_again(self, plan_id: int, number: int) -> None:
        desk = await self.means.desk()
        await desk.creation.send_again(plan_id, number)
        self._follow(plan_id)

    def action_cancel(self) -> None:
        """Ask whether what is left is to be given up."""
        view = self._view
        if view is not None and view.plan.given_up:
            deed = partial(self._cancel, view.plan.id)
            self.app.push_screen(ConfirmDialog(self.look, cancel_question(view.plan), deed))

    def _cancel(self, plan_id: int) -> None:
        self.run_worker(self._cancel_plan(plan_id), group="cancel")

    async def _cancel_plan(self, plan_id: int) -> None:
        desk = await self.means.desk()
        await desk.creation.cancel(plan_id)
        self._follow(plan_id)
