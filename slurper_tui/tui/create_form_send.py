"""What stands between a filled-in form and a job: the prechecks, one question, and the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key, Resize
from textual.message import Message
from textual.screen import Screen

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.desk import Check, Desk, Made, Prechecks
from slurper_tui.tui.create_form_base import OneLine
from slurper_tui.tui.create_form_outcome import (
    Sent,
    check_lines,
    made_lines,
    plan_lines,
    refused,
)
from slurper_tui.tui.create_form_request import LOW, Offer, RequestPane, request_lines, told
from slurper_tui.tui.deliberate import may_confirm
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, fill, width_of


class Means(NamedTuple):
    """What the pages of new jobs work with. unlock: asks the person whether jobs may be changed."""

    look: Look
    environ: Mapping[str, str]
    desk: Callable[[], Awaitable[Desk]]
    unlock: Callable[[], Awaitable[object]]


class Stage(StrEnum):
    """How far it is. LOCKED: this program may only read. OVER: there is an answer."""

    OPENING = "opening"
    LOCKED = "locked"
    CHECKING = "checking"
    ASKING = "asking"
    SENDING = "sending"
    OVER = "over"


_READ_ONLY = "this program may only read now, so nothing was sent; W allows more"


class RequestScreen(Screen[Sent]):
    """A request in full that can be scrolled, under a title and over one line of answers."""

    CSS_PATH = "forms.tcss"
    TITLE_OF_PAGE = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        ("down,j", "scroll(1)", "down"),
        ("up,k", "scroll(-1)", "up"),
        ("pagedown,ctrl+d,space", "scroll(10)", "page down"),
        ("pageup,ctrl+u", "scroll(-10)", "page up"),
        ("home,g", "scroll(-1000000000)", "top"),
        ("end,G", "scroll(1000000000)", "bottom"),
    ]

    def __init__(self, means: Means, offer: Offer) -> None:
        super().__init__()
        self.means = means
        self.look = means.look
        self.offer = offer
        self.set_class(self.look.glyphs.ascii_only, "-ascii")

    def compose(self) -> ComposeResult:
        """Lay out the title, the request and the answers."""
        yield OneLine(id="form-head")
        yield RequestPane(self.look, id="request")
        yield OneLine(id="form-foot")

    @property
    def title_now(self) -> str:
        """What this page is, at this moment."""
        return self.TITLE_OF_PAGE

    def news(self, width: int) -> Sequence[Line]:
        """What stands above the request."""
        return ()

    def answers(self) -> Line:
        """Which keys there are."""
        raise NotImplementedError

    def pane_lines(self, width: int) -> Sequence[Line]:
        """News, then the request."""
        return request_lines(self.offer, self.look, width, self.news(width))

    def on_resize(self, event: Resize) -> None:
        """Tell head and foot for this width."""
        self.set_class(event.size.height < LOW, "-low")
        self.retell()

    def retell(self) -> None:
        """Tell everything as it stands now."""
        width = self.size.width
        title = (Piece(f" {self.title_now}", "strong"),)
        self.query_one("#form-head", OneLine).line = fill(title, width)
        self.query_one("#form-foot", OneLine).line = fill(self.answers(), width)
        self.query_one(RequestPane).remake()

    def action_scroll(self, lines: int) -> None:
        """Scroll the request."""
        self.query_one(RequestPane).scroll_lines(lines)

    def offers(self, standing: str, *others: str, said: str = "") -> Line:
        """Answers, the one that the focus stands on first. Each is its key and a few words."""
        say = self.look.glyphs.say
        key, _, words = standing.partition(" ")
        line = [Piece(say(" ▌ "), "accent"), Piece(key, "key"), Piece(f" {words}", "strong")]
        for other in others:
            key, _, words = other.partition(" ")
            more = [Piece("    "), Piece(key, "key"), Piece(f" {words}", "muted")]
            line += more if width_of([*line, *more]) <= self.size.width else []
        return (*line, Piece(say(f"   {said}"), "muted")) if said else tuple(line)


class SendPage(RequestScreen):
    """Checks both buckets, shows the request, asks once, sends once."""

    TITLE_OF_PAGE = "To be sent"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,n,q,enter", "back", "back"),
        ("r", "check", "check again"),
        ("W", "unlock", "unlock"),
    ]

    def __init__(self, means: Means, offer: Offer) -> None:
        super().__init__(means, offer)
        self.stage = Stage.OPENING
        self._checks: Prechecks | None = None
        self._sent = Sent()
        self._asked_at: float | None = None

    def on_mount(self) -> None:
        """Begin with the prechecks."""
        self._begin()

    def on_screen_resume(self) -> None:
        """Go on once changing was allowed."""
        if self.stage is Stage.LOCKED:
            self._begin()

    def _begin(self) -> None:
        self.run_worker(self._check(), group="check", exclusive=True)

    async def _check(self) -> None:
        """Ask whether both buckets can be reached; both questions are PUT, so only if allowed."""
        desk = await self.means.desk()
        if not desk.control.unlocked:
            self._reach(Stage.LOCKED)
            return
        self._reach(Stage.CHECKING)
        assert self.offer.secrets is not None
        ask = desk.creation.precheck
        try:
            self._checks = await ask(
                self.offer.account_id, self.offer.drafts[0], self.offer.secrets
            )
        except ApiError as error:
            self._checks = Prechecks(Check(None, error), Check(None, error))
        self._reach(Stage.ASKING)

    def _reach(self, stage: Stage) -> None:
        self.stage = stage
        self._asked_at = Message().time  # the clock of the keys
        self.retell()

    async def _send(self, *, planned: bool = False) -> None:
        """Send it, once; or keep it as a plan, to be sent when there is a slot."""
        self._sent = await send(await self.means.desk(), self.offer, planned=planned)
        self._reach(Stage.OVER)
        self.action_scroll(-(10**9))

    @property
    def _may_send(self) -> bool:
        reached = self._checks is not None and not refused(self._checks)
        return self.stage is Stage.ASKING and reached

    # What is told -----------------------------------------------------------------------------

    @property
    def title_now(self) -> str:
        """Whether it is sent."""
        if self.stage is not Stage.OVER:
            return self.TITLE_OF_PAGE
        return "Sent" if self._sent.settled else "Not made"

    def news(self, width: int) -> Sequence[Line]:
        """What the API said last."""
        look = self.look
        if self.stage is Stage.LOCKED:
            return [*told("locked", _READ_ONLY, look, width, "warning"), ()]
        if self._sent.made:
            return [*made_lines(self._sent.made, look, width)]
        if self._sent.plan:
            return [*plan_lines(self._sent.plan, look, width)]
        return [*check_lines(self._checks, look, width)] if self._checks else ()

    def answers(self) -> Line:
        """Which keys there are now; going back is what Enter does."""
        if self.stage is Stage.LOCKED:
            return self.offers("Esc back", "W allow changes")
        if self.stage is Stage.SENDING:
            return (Piece(self.look.glyphs.say(" being sent …"), "accent"),)
        if self.stage is Stage.OVER:
            wait = ("w wait for a free slot",) if self._sent.no_slot else ()
            return self.offers("Enter close" if self._sent.settled else "Esc back", *wait)
        if self.stage is not Stage.ASKING:
            return self.offers("Esc back", said="asking whether both buckets can be reached …")
        if not self._may_send:
            return self.offers("n back", "r check again")
        return self.offers("n back", f"y {self._deed}")

    @property
    def _deed(self) -> str:
        number = len(self.offer.drafts)
        return "start it" if number == 1 else f"start these {number} jobs"

    # What is done -----------------------------------------------------------------------------

    def action_back(self) -> None:
        """Go back, unless something is on its way."""
        if self.stage is not Stage.SENDING:
            self.offer = self.offer._replace(secrets=None)
            self.dismiss(self._sent)

    def on_key(self, event: Key) -> None:
        """Send at a `y`, or plan at a `w`, that was pressed as the answer to what is asked now."""
        if event.key not in ("y", "w") or not may_confirm(event, self._asked_at):
            return
        if event.key == "y" and self._may_send:
            event.stop()
            self._reach(Stage.SENDING)
            self.run_worker(self._send(), group="send")
        elif event.key == "w" and self.stage is Stage.OVER and self._sent.no_slot:
            event.stop()
            self._sent = Sent()
            self._reach(Stage.SENDING)
            self.run_worker(self._send(planned=True), group="send")

    def action_check(self) -> None:
        """Ask both buckets again."""
        if self.stage is Stage.ASKING:
            self._asked_at = None
            self._begin()

    async def action_unlock(self) -> None:
        """Ask whether jobs may be changed."""
        if self.stage is Stage.LOCKED:
            await self.means.unlock()


async def send(desk: Desk, offer: Offer, *, planned: bool = False) -> Sent:
    """Make one job, or keep a plan of it or of several. Nothing here is ever sent twice."""
    account_id, drafts, secrets, _, retry_of, log_types = offer
    assert secrets is not None
    make, plan = desk.creation.create, desk.creation.plan
    try:
        if len(drafts) == 1 and not planned:
            one = make(account_id, drafts[0], secrets, retry_of=retry_of, log_types=log_types)
            return Sent(account_id, made=await one)
        all_of_them = plan(account_id, drafts, secrets, retry_of=retry_of, log_types=log_types)
        return Sent(account_id, plan=await all_of_them)
    except ApiError as error:
        return Sent(account_id, made=Made(error=error))
