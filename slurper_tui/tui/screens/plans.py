"""The page of plans: the state of their jobs, and actions to supply keys, cancel or send again.

`plan_rows` draws the plans as rows; `PlansPane` adds the cursor; `PlansPage` follows each plan
until it is over. `cancel_question` and `again_question` build the confirmations.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from slurper_tui import format as fmt
from slurper_tui.monitor.jobs.plan_runner import NEEDS_KEYS, JobCreation
from slurper_tui.monitor.model.plans import Plan, PlanView, Step, StepState
from slurper_tui.monitor.reports.wording import NOT_DURABLE, draft_name
from slurper_tui.tui.availability import WATCH_ONLY
from slurper_tui.tui.render.columns import short_id
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, shorten, wrap, wrap_words
from slurper_tui.tui.screens.base import FramedScreen
from slurper_tui.tui.screens.confirm import ConfirmDialog, Question
from slurper_tui.tui.screens.create_form import Given, SecretsForm
from slurper_tui.tui.widgets.line_list import MARGIN, LineList

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.screens.send import PageContext

NONE_YET = (
    "There are no plans.",
    "",
    "A split by prefix makes one, and so does a retry of more than 10,000 keys: their jobs are "
    "started one after another, as slots become free.",
)
_STATE = 13
_NARROW = 50

_SIGNS: dict[StepState, tuple[str, str, str]] = {
    StepState.WAITING: ("◔", "~", "muted"),
    StepState.SENDING: ("▶", ">", "primary"),
    StepState.STARTED: ("✔", "+", "success"),
    StepState.UNDECIDED: ("?", "?", "warning"),
    StepState.REFUSED: ("✖", "x", "error"),
    StepState.CANCELLED: ("·", ".", "muted"),
}


class Place(NamedTuple):
    """A cursor position: a plan (number 0) or one of its jobs."""

    plan_id: int
    number: int = 0


class Row(NamedTuple):
    """A line and its cursor position.

    place: None if the cursor skips the line; else a cell for the cursor's mark precedes the line.
    """

    line: Line
    place: Place | None = None


def plan_rows(plans: Collection[PlanView], look: Look, now: float, width: int) -> Iterator[Row]:
    """Yield each plan with its jobs, separated by blank lines. now: UTC seconds."""
    if not plans:
        for text in NONE_YET:
            yield from (Row((Piece(part, "muted"),)) for part in wrap_words(text, max(8, width)))
    for number, view in enumerate(plans):
        if number > 0:
            yield Row(())
        yield from _plan(view, look, now, width)


def waits_for_keys(view: PlanView) -> bool:
    """Whether jobs that can be started wait and the keys to the buckets are unknown."""
    waiting = any(step.state is StepState.WAITING for step in view.plan.steps)
    return waiting and not view.has_secrets and not view.plan.is_copy


def _plan(view: PlanView, look: Look, now: float, width: int) -> Iterator[Row]:
    plan, draft = view.plan, view.plan.steps[0].draft
    title = look.sanitise(draft.bucket) + look.to_ascii(" → ") + look.sanitise(draft.target)
    if plan.retry_of:
        title += f"  retry of {short_id(plan.retry_of.job_id, look)}"
    title = shorten(title, max(8, width - 2), look.ellipsis)
    yield Row((Piece(" "), Piece(title, "strong")), Place(plan.id))
    for text, style in _state_of(view, look, now):
        for part in wrap_words(text, max(8, width - 2)):
            yield Row((Piece("  "), Piece(part, style)))
    room = len(str(len(plan.steps)))
    for step in plan.steps:
        yield from _step(step, plan.id, room, look, now, width)


def _state_of(view: PlanView, look: Look, now: float) -> Iterator[tuple[str, str]]:
    """Yield (text, style) pairs: creation time, job counts by state, what the plan waits for."""
    made = fmt.moment(view.plan.made_at, now or view.plan.made_at, look.zone)
    dot = look.to_ascii(" · ")
    yield look.sanitise(dot.join([f"made {made}", view.plan.tally])), "muted"
    if waits_for_keys(view):
        yield NEEDS_KEYS, "warning"
    elif view.note:
        yield look.sentence(view.note), "accent"
    if not view.durable and not view.plan.over:
        yield NOT_DURABLE, "warning"


def _step(step: Step, plan_id: int, room: int, look: Look, now: float, width: int) -> Iterator[Row]:
    """Yield number, state, name, time of the last change and job id; below it, the API's answer."""
    unicode, plain, style = _SIGNS[step.state]
    sign = plain if look.ascii_only else unicode
    number = pad(str(step.number), room, right=True)
    head = (Piece(f" {number} ", "faint"), Piece(pad(f"{sign} {step.state}", _STATE), style))
    after = ""
    if width >= _NARROW:
        changed = step.at and step.state is not StepState.WAITING
        when = fmt.moment(step.at, now or step.at, look.zone) if changed else ""
        after = "  ".join(filter(None, (when, short_id(step.job_id, look) if step.job_id else "")))
    left = max(4, width - 3 - room - _STATE - (cell_len(after) + 1 if after else 0))
    name = shorten(look.sanitise(draft_name(step.draft)), left, look.ellipsis)
    tail = (Piece(pad(name, left)), Piece(f" {after}" if after else "", "muted"))
    yield Row((*head, *tail), Place(plan_id, step.number))
    if step.message and step.state in (StepState.UNDECIDED, StepState.REFUSED):
        indent = " " * (3 + room)
        for part in wrap(look.sanitise(step.message), max(8, width - len(indent))):
            yield Row((Piece(indent), Piece(part, "muted")))


def cancel_question(plan: Plan) -> Question:
    """Return the question whether to cancel the open jobs of a plan."""
    number = len(plan.given_up)
    if all(step.state is StepState.UNDECIDED for step in plan.given_up):
        return Question(
            title=f"Drop the {_jobs(number)} whose request was not answered?",
            consequence="a job that the API created all the same continues; none is sent again",
            yes="drop",
            no="keep",
            harsh=True,
        )
    return Question(
        title=f"Cancel the {_jobs(number)} not yet started?",
        consequence="running jobs continue",
        yes="cancel them" if number > 1 else "cancel it",
        no="keep",
        harsh=True,
    )


def _jobs(number: int) -> str:
    return "job" if number == 1 else f"{number} jobs"


def again_question(step: Step, look: Look) -> Question:
    """Return the question whether to send a step again."""
    outcome = look.sanitise(step.message) or str(step.state)
    if step.state is StepState.REFUSED:
        consequence = f"{outcome}. No job was created"
    else:
        consequence = (
            f"{outcome}. If the API created the job all the same, its objects are copied twice. "
            "The list is read once more before anything is sent"
        )
    return Question(
        title=f"Send job {step.number} again?", consequence=consequence, yes="send it", harsh=True
    )


LOCKED = "read-only now: W allows changes"


class PlansPane(LineList):
    """The rows of plans with a cursor.

    rows: makes the rows for a width in cells.
    place: the cursor position; None if there is no plan.
    """

    def __init__(self, look: Look, rows: Callable[[int], Iterator[Row]]) -> None:
        super().__init__(look, id="plans")
        self._make = rows
        self._rows: list[Row] = []
        self._cursor: int | None = None

    @property
    def place(self) -> Place | None:
        """The plan or job of the highlighted row; None if there is none."""
        return None if self._cursor is None else self._rows[self._cursor].place

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted row; None if there is none."""
        return self._cursor

    @property
    def lines(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def row_of(self, line: int) -> int | None:
        """Return the index of the row at a line; None if the cursor skips it."""
        row = super().row_of(line)
        return None if row is None or self._rows[row].place is None else row

    def fit(self) -> None:
        """Make the rows; the cursor keeps its place, or moves to the first one if it is gone."""
        place = self.place
        self._rows = [*self._make(max(1, self.size.width - MARGIN))]
        rows = [y for y, row in enumerate(self._rows) if row.place is not None]
        same_place = (y for y in rows if self._rows[y].place == place)
        self._cursor = next(same_place, rows[0] if rows else None)
        self.set_lines(self.lines)

    def line_at(self, y: int) -> Line:
        """Draw a row and the scroll bar; a row that the cursor can be on begins with its mark."""
        row = y + self.first
        if row >= self.lines:
            return ()
        line, place = self._rows[row]
        line = line if place is None else (self.cursor_sign(row), *line)
        return (*fill(line, self.room.width - 1), self.thumb(y))

    def move(self, step: int) -> None:
        """Move the cursor by `step` places."""
        rows = [y for y in range(self.lines) if self.row_of(y) is not None]
        if self._cursor is not None:
            here = rows.index(self._cursor) + step
            self.highlight(rows[max(0, min(here, len(rows) - 1))])

    def highlight(self, row: int) -> None:
        """Put the cursor on a row and scroll it into view."""
        self._cursor = row
        self.show_cursor()
        self.repaint_changes()


class PlansPage(FramedScreen[None]):
    """The page of all plans that are open or ended in this run. now: returns UTC seconds."""

    CSS_PATH = "../forms.tcss"
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

    def __init__(self, context: PageContext, now: Callable[[], float]) -> None:
        super().__init__(context.look, context.environ)
        self.context = context
        self._now = now
        self._views: dict[int, PlanView] = {}
        self._loaded = False

    def compose(self) -> ComposeResult:
        """Yield the title, the plans and the keys."""
        yield from self.framed(PlansPane(self.look, self._rows))

    def on_mount(self) -> None:
        """Start loading the plans."""
        self.run_worker(self._load(), group="load")

    async def _load(self) -> None:
        """Load the plans, then follow each of them."""
        services = await self.context.services()
        self._views = {view.plan.id: view for view in await services.creation.plans()}
        self._loaded = True
        self.redraw()
        for plan_id in self._views:
            self._follow(plan_id)

    def _follow(self, plan_id: int) -> None:
        """Show every change of a plan until it is over."""

        async def follow() -> None:
            services = await self.context.services()
            async for view in services.creation.follow(plan_id):
                self._views[plan_id] = view
                self.redraw()

        self.run_worker(follow(), group=f"plan-{plan_id}", exclusive=True)

    def _rows(self, width: int) -> Iterator[Row]:
        if not self._loaded:
            return iter(())
        return plan_rows(self._views.values(), self.look, self._now(), width)

    def redraw(self) -> None:
        """Redraw the plans and the available keys."""
        self.query_one(PlansPane).redraw()
        self.redraw_frame()

    def head(self, width: int) -> Sequence[Line]:
        """Return the title."""
        return (fill((Piece(" Plans", "strong"),), width),)

    def foot(self, width: int) -> Sequence[Line]:
        """Return the note, or else the keys that apply at the cursor."""
        if self.note:
            return (fill((Piece(" "), Piece(self.look.to_ascii(self.note), "accent")), width),)
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
        return (fill(tuple(line), width),)

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

    def action_move(self, step: int) -> None:
        """Move the cursor by `step` places."""
        self.query_one(PlansPane).move(step)
        self.redraw_frame()

    @on(PlansPane.RowClicked)
    def _row_clicked(self, event: PlansPane.RowClicked) -> None:
        self.query_one(PlansPane).highlight(event.row)
        self.redraw_frame()

    def action_back(self) -> None:
        """Close the page; the plans continue."""
        self.dismiss()

    async def action_unlock(self) -> None:
        """Ask whether jobs may be changed."""
        if self.context.unlock:
            await self.context.unlock()
        else:
            self.show_note(WATCH_ONLY)

    async def _allowed(self) -> bool:
        """Return whether changes are unlocked; if not, show a note."""
        unlocked = (await self.context.services()).control.unlocked
        if not unlocked:
            self.show_note(LOCKED if self.context.unlock else WATCH_ONLY)
        return unlocked

    async def action_supply(self) -> None:
        """Ask for the keys to the buckets of a plan that lacks them."""
        view = self._view
        if view is None or not waits_for_keys(view) or not await self._allowed():
            return
        waiting = (s.draft for s in view.plan.steps if s.state is StepState.WAITING)
        plan_id, account_id = view.plan.id, view.plan.account_id

        def closed(given: Given | None) -> None:
            if given is not None:
                self._change(plan_id, lambda creation: creation.supply(plan_id, given.secrets))

        self.app.push_screen(SecretsForm(self.context, account_id, next(waiting)), closed)

    async def action_send_again(self) -> None:
        """Ask whether to send an undecided or refused step again."""
        view, step = self._view, self._step
        if view is None or step is None:
            return
        if step.state not in (StepState.UNDECIDED, StepState.REFUSED) or not await self._allowed():
            return
        plan_id, number = view.plan.id, step.number

        def confirmed() -> None:
            self.show_note("reading the list once more first")
            self._change(plan_id, lambda creation: creation.send_again(plan_id, number))

        self.app.push_screen(ConfirmDialog(self.look, again_question(step, self.look), confirmed))

    def action_cancel(self) -> None:
        """Ask whether to cancel the open jobs of the plan."""
        view = self._view
        if view is not None and view.plan.given_up:
            plan_id = view.plan.id

            def confirmed() -> None:
                self._change(plan_id, lambda creation: creation.cancel(plan_id))

            self.app.push_screen(ConfirmDialog(self.look, cancel_question(view.plan), confirmed))

    def _change(
        self, plan_id: int, change: Callable[[JobCreation], Awaitable[None] | None]
    ) -> None:
        """Change a plan in a worker, then follow it."""

        async def work() -> None:
            done = change((await self.context.services()).creation)
            if done is not None:
                await done
            self._follow(plan_id)

        self.run_worker(work(), group="change")
