"""The pages that show a create request, check its buckets and send it.

`SendPage` runs the prechecks, asks once and sends once: a single job, or a plan of several jobs.
The rest of the module builds the lines: the request without its secrets (`request_lines`), and the
answers of the API to prechecks and create requests (`check_lines`, `made_lines`, `plan_lines`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.message import Message

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, Conflict
from slurper_tui.monitor.jobs.create import FRESH_KEYS, NO_ID, Check, CreateResult, Prechecks
from slurper_tui.monitor.model.job import State
from slurper_tui.monitor.model.verification import BY_VERIFICATION
from slurper_tui.monitor.reports.wording import (
    NOT_DURABLE,
    bucket_words,
    check_words,
    not_made_words,
)
from slurper_tui.tui.availability import WATCH_ONLY
from slurper_tui.tui.keys import may_confirm
from slurper_tui.tui.render.columns import DrawContext, account_name, migration, short_id
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, width_of, wrap, wrap_words
from slurper_tui.tui.render.problem_text import error_details
from slurper_tui.tui.screens.base import NARROW, SCROLL_KEYS, FramedScreen
from slurper_tui.tui.widgets.line_list import TextLines

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.plans import Draft, PlanView, Secrets
    from slurper_tui.monitor.session import Services

LABEL = 14
NARROW_LABEL = 13
INDENT = "  "


class PendingRequest(NamedTuple):
    """The jobs to create. secrets: None until they have been entered.

    notes: warnings to show first. retry_of: the job that each draft retries; empty for new jobs.
    log_types: of the rows that name the keys of a retry.
    """

    account_id: str
    drafts: tuple[Draft, ...]
    secrets: Secrets | None = None
    notes: tuple[str, ...] = ()
    retry_of: tuple[JobKey, ...] = ()
    log_types: tuple[str, ...] = ()

    @property
    def plans(self) -> Iterator[tuple[JobKey | None, tuple[Draft, ...]]]:
        """The drafts of each plan: those that retry the same job, with that job, or all."""
        if not self.retry_of:
            yield None, self.drafts
            return
        for parent in dict.fromkeys(self.retry_of):
            pairs = zip(self.retry_of, self.drafts, strict=True)
            yield parent, tuple(draft for job, draft in pairs if job == parent)


class Listed(Sequence[Line]):
    """A sequence of lines: `head`, then the entries, each wrapped only when it is read.

    entries: raw text, which is sanitised and wrapped, or finished lines.
    """

    def __init__(
        self, head: Sequence[Line], entries: Sequence[str | Line], look: Look, width: int
    ) -> None:
        self._head = head
        self._entries = entries
        self._look = look
        self._width = max(4, width - len(INDENT))
        self._ends = array("L", accumulate(self._height(entry) for entry in entries))

    def __len__(self) -> int:
        return len(self._head) + (self._ends[-1] if self._ends else 0)

    @overload
    def __getitem__(self, place: int) -> Line: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Line]: ...
    def __getitem__(self, place: int | slice) -> Line | Sequence[Line]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if place < len(self._head):
            return self._head[place]
        place -= len(self._head)
        number = bisect_right(self._ends, place)
        entry = self._entries[number]
        if not isinstance(entry, str):
            return entry
        first = self._ends[number - 1] if number else 0
        return (Piece(INDENT), Piece(self._wrapped(entry)[place - first]))

    def _height(self, entry: str | Line) -> int:
        if not isinstance(entry, str) or (entry.isascii() and len(entry) <= self._width):
            return 1
        return len(self._wrapped(entry))

    def _wrapped(self, entry: str) -> list[str]:
        return wrap(self._look.sanitise(entry), self._width)


class RequestPane(TextLines):
    """The scrollable text of a `RequestScreen`."""

    def lines_for(self, width: int) -> Sequence[Line]:
        """Return the screen's `pane_lines`."""
        draw = getattr(self.screen, "pane_lines", None)
        lines: Sequence[Line] = draw(width) if draw else ()
        return lines


def request_lines(
    pending: PendingRequest, look: Look, width: int, news: Sequence[Line] = ()
) -> Sequence[Line]:
    """Return the news, the warnings, the request, then each of its keys or prefixes."""
    head = [*news]
    for note in pending.notes:
        head += labelled("note", note, look, width, "warning")
    if pending.notes:
        head.append(())
    for label, text in _pairs(pending, look):
        head += labelled(label, text, look, width)
    if any(draft.keys for draft in pending.drafts) or len(pending.drafts) > 1:
        head.append(())
    return Listed(head, _entries(pending, look), look, width)


def labelled(label: str, text: str, look: Look, width: int, style: str = "") -> Iterator[Line]:
    """Yield a label and its text, wrapped with a hanging indent."""
    room = NARROW_LABEL if width < NARROW else LABEL
    shown = pad(look.to_ascii(label), room)
    clean = look.sentence(text)
    for part in wrap_words(clean, max(8, width - room - len(INDENT))):
        yield (Piece(INDENT), Piece(shown, "muted"), Piece(part, style))
        shown = " " * room


def _pairs(pending: PendingRequest, look: Look) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each part of the request."""
    first, several = pending.drafts[0], len(pending.drafts) > 1
    yield "account", account_name(pending.account_id, look, 16)
    if pending.retry_of:
        number = len(set(pending.retry_of))
        one = short_id(pending.retry_of[0].job_id, look, 16)
        yield "retry of", f"{number} jobs" if number > 1 else one
    if pending.log_types == (BY_VERIFICATION,):
        yield "found by", "a verification"
    elif pending.log_types:
        yield "log rows", ", ".join(pending.log_types)
    yield from _source_pairs(first)
    if first.keys is not None:
        number = sum(len(draft.keys or ()) for draft in pending.drafts)
        keys = "the key" if number == 1 else f"exactly the {fmt.count(number)} keys"
        yield "objects", f"{keys} below"
    elif several:
        yield "objects", f"those under the {len(pending.drafts)} prefixes below"
    elif first.path_prefix:
        yield "prefix", first.path_prefix
    else:
        yield "objects", "the whole bucket"
    if counted := [draft.counted for draft in pending.drafts if draft.counted]:
        every = fmt.count(sum(one.objects for one in counted))
        yield "counted", f"{every} objects in {counted[0].source}"
    yield "to", f"r2  {first.target}"
    yield "jurisdiction", first.target_jurisdiction or "default"
    overwrite = {draft.overwrite for draft in pending.drafts}
    yield "overwrite", _OVERWRITE[first.overwrite] if len(overwrite) == 1 else _BOTH
    if several:
        yield "jobs", f"{len(pending.drafts)}, started in this order as slots become free"
    yield "secrets", _SECRETS if pending.secrets is None else "given; neither shown nor stored"


def _source_pairs(draft: Draft) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each part of the source, without its objects."""
    yield "from", f"{draft.vendor}  {draft.bucket}"
    if draft.endpoint:
        yield "endpoint", draft.endpoint
    if draft.region:
        yield "region", draft.region
    if draft.vendor == "r2":
        yield "jurisdiction", draft.source_jurisdiction or "default"


_OVERWRITE = {
    True: "yes: existing objects in the target are replaced",
    False: "no: existing objects in the target stay",
}
_BOTH = "see each job below"
_SECRETS = "asked for next; the API does not return them"


def _entries(pending: PendingRequest, look: Look) -> Sequence[str | Line]:
    """Return the keys, under a heading per job if there are several jobs, or the prefixes."""
    if len(pending.drafts) == 1:
        return pending.drafts[0].keys or ()
    entries: list[str | Line] = []
    if pending.drafts[0].keys is None:
        for draft in pending.drafts:
            counted = "" if draft.counted is None else f"  {draft.counted.objects:,} objects"
            keys = draft.keys or ()
            entries.append(f"{len(keys)} keys" if keys else f"{draft.path_prefix or ''}{counted}")
            entries += [f"  {key}" for key in keys]
        return entries
    for number, draft in enumerate(pending.drafts, 1):
        keys = draft.keys or ()
        title = f"job {number} of {len(pending.drafts)} · {fmt.count(len(keys))} keys"
        if len(set(pending.retry_of)) > 1:
            title += f" · retry of {short_id(pending.retry_of[number - 1].job_id, look)}"
        if len(set(pending.retry_of)) > 1 or len({one.overwrite for one in pending.drafts}) > 1:
            title += f" · {'overwrites' if draft.overwrite else 'keeps'}"
        entries.append((Piece(INDENT), Piece(look.to_ascii(title), "heading")))
        entries += keys
    return entries


class Sent(NamedTuple):
    """The result of sending: one job or plans; without either, nothing was sent.

    Both are set if some plans were stored before one was refused.
    """

    account_id: str = ""
    made: CreateResult | None = None
    plans: tuple[PlanView, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether a job or plan was made, or a job may have been: the page must not send again."""
        made = self.made
        return bool(self.plans) or (
            made is not None and (made.error is None or made.error.undecided)
        )

    @property
    def no_slot(self) -> bool:
        """Whether the API refused the job because too many jobs already run (`Conflict`)."""
        return self.made is not None and isinstance(self.made.error, Conflict)


def check_lines(checks: Prechecks, draft: Draft, look: Look, width: int) -> Iterator[Line]:
    """Yield for each bucket whether it can be reached, and the properties of the target bucket."""
    for label, check in (("source", checks.source), ("target", checks.target)):
        state, style = State.OTHER, "warning"
        if check.passed:
            state, style = State.COMPLETED, "success"
        elif check.refused:
            state, style = State.ABORTED, "error"
        yield from labelled(label, f"{look.sign(state)} {check_words(check)}", look, width, style)
    for line in bucket_words(checks.bucket, draft):
        style = "warning" if line.doubtful else ""
        yield from labelled(f"  {line.name}", line.text, look, width, style)
    yield ()


def made_lines(made: CreateResult, look: Look, width: int) -> Iterator[Line]:
    """Yield whether a job was made, and if not, why."""
    if made.error is not None:
        yield from _not_made(made, made.error, look, width)
        return
    yield from _words(f"{look.sign(State.COMPLETED)} started", look, width, "success")
    if made.job_id:
        yield from labelled("id", made.job_id, look, width)
    shown = "It appears in the list with the next poll." if made.job_id else NO_ID
    yield from _words(shown, look, width, "muted")
    yield ()


def plan_lines(views: Sequence[PlanView], look: Look, width: int) -> Iterator[Line]:
    """Yield the number of planned jobs, and when they are started or lost."""
    number = sum(len(view.plan.steps) for view in views)
    jobs = "job to be started as soon as a slot is free"
    if number > 1:
        jobs = "jobs to be started as slots become free"
    sign = look.sign(State.COMPLETED)
    yield from _words(f"{sign} {number} {jobs}", look, width, "success")
    going_on = "They start only while this program runs; “plans” in the palette shows them."
    yield from _words(going_on, look, width, "muted")
    if not all(view.durable for view in views):
        yield from _words(NOT_DURABLE, look, width, "warning")
    yield ()


def _not_made(made: CreateResult, error: ApiError, look: Look, width: int) -> Iterator[Line]:
    style = "warning" if error.undecided else "error"
    yield from _words(not_made_words(made, error), look, width, style)
    for label, text in error_details(error, look):
        yield from labelled(label, text, look, width)
    if isinstance(error, Conflict) and made.running:
        yield ()
        yield from _words("Jobs that use the slots:", look, width, "muted")
        for view in made.running:
            sign = Piece(f"{INDENT}{look.sign(view.state)} ", style_of(view))
            yield (sign, *migration(view, DrawContext(look), max(8, width - 4)))
        yield from _words("A job can be created as soon as one of them ends.", look, width, "muted")
    yield ()


def _words(text: str, look: Look, width: int, style: str) -> Iterator[Line]:
    clean = look.sentence(text)
    for part in wrap_words(clean, max(8, width - len(INDENT))):
        yield (Piece(INDENT), Piece(part, style))


class PageContext(NamedTuple):
    """The dependencies of the pages for new jobs.

    unlock: asks whether jobs may be changed; None if that cannot be allowed in this run.
    """

    look: Look
    environ: Mapping[str, str]
    services: Callable[[], Awaitable[Services]]
    unlock: Callable[[], Awaitable[object]] | None


class Stage(StrEnum):
    """The stages of `SendPage`. LOCKED: the program is read-only. OVER: the answer is there."""

    OPENING = "opening"
    LOCKED = "locked"
    CHECKING = "checking"
    ASKING = "asking"
    SENDING = "sending"
    OVER = "over"


_READ_ONLY = "read-only now: nothing was sent"


class RequestScreen(FramedScreen[Sent]):
    """A scrollable request, under a title and above one line of answer keys."""

    CSS_PATH = "../forms.tcss"
    TITLE_OF_PAGE = ""
    BINDINGS: ClassVar[list[BindingType]] = SCROLL_KEYS

    def __init__(self, context: PageContext, pending: PendingRequest) -> None:
        super().__init__(context.look, context.environ)
        self.context = context
        self.pending = pending

    def compose(self) -> ComposeResult:
        """Yield the title, the request and the answer keys."""
        yield from self.framed(RequestPane(self.look, id="request"))

    @property
    def title_now(self) -> str:
        """The current title."""
        return self.TITLE_OF_PAGE

    def news(self, width: int) -> Sequence[Line]:
        """Return the lines above the request; none by default."""
        return ()

    def answers(self) -> Line:
        """Return the line of answer keys; only the way back by default."""
        return self.offers("Esc back")

    def pane_lines(self, width: int) -> Sequence[Line]:
        """Return the news and the request as lines."""
        return request_lines(self.pending, self.look, width, self.news(width))

    def head(self, width: int) -> Sequence[Line]:
        """Return the title."""
        return (fill((Piece(f" {self.title_now}", "strong"),), width),)

    def foot(self, width: int) -> Sequence[Line]:
        """Return the answer keys."""
        return (fill(self.answers(), width),)

    def redraw(self) -> None:
        """Redraw the title, the request and the answer keys."""
        self.redraw_frame()
        self.query_one(RequestPane).remake()

    def action_scroll(self, lines: int) -> None:
        """Scroll the request by a number of lines."""
        self.query_one(RequestPane).scroll_lines(lines)

    def offers(self, default: str, *others: str, remark: str = "") -> Line:
        """Return the line of answers, the default first. Each is a key, a space and its label.

        Other answers that do not fit the width are left out. remark: shown after the answers.
        """
        to_ascii = self.look.to_ascii
        key, _, words = default.partition(" ")
        line = [Piece(to_ascii(" ▌ "), "accent"), Piece(key, "key"), Piece(f" {words}", "strong")]
        for other in others:
            key, _, words = other.partition(" ")
            more = [Piece("    "), Piece(key, "key"), Piece(f" {words}", "muted")]
            line += more if width_of([*line, *more]) <= self.size.width else []
        return (*line, Piece(to_ascii(f"   {remark}"), "muted")) if remark else tuple(line)


class SendPage(RequestScreen):
    """A page that checks both buckets, shows the request, asks once and sends once."""

    TITLE_OF_PAGE = "To be sent"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,n,q,enter", "back", "back"),
        ("r", "check", "check again"),
        ("W", "unlock", "unlock"),
    ]

    def __init__(self, context: PageContext, pending: PendingRequest) -> None:
        super().__init__(context, pending)
        self.stage = Stage.OPENING
        self._checks: Prechecks | None = None
        self._note = ""
        self._sent = Sent()
        self._shown_at: float | None = None

    def on_mount(self) -> None:
        """Start the prechecks."""
        self._begin()

    def on_screen_resume(self) -> None:
        """Retry if the page was locked: the user may have unlocked changes meanwhile."""
        if self.stage is Stage.LOCKED:
            self._begin()

    def _begin(self) -> None:
        self.run_worker(self._check(), group="check", exclusive=True)

    async def _check(self) -> None:
        """Check both buckets. Prechecks are PUT requests, so they run only when unlocked."""
        services = await self.context.services()
        if not services.control.unlocked:
            self._reach(Stage.LOCKED)
            return
        self._reach(Stage.CHECKING)
        assert self.pending.secrets is not None
        ask = services.creation.precheck
        account_id, draft = self.pending.account_id, self.pending.drafts[0]
        try:
            self._checks = await ask(account_id, draft, self.pending.secrets, self._await_keys)
        except ApiError as error:
            self._checks = Prechecks(Check(None, error), Check(None, error))
        self._reach(Stage.ASKING)

    def _await_keys(self) -> None:
        """Show that refused bucket keys are given time to work."""
        self._note = FRESH_KEYS
        self.redraw()

    def _reach(self, stage: Stage) -> None:
        self.stage, self._note = stage, ""
        self._shown_at = Message().time  # same clock as key events
        self.redraw()

    async def _send(self, *, planned: bool = False) -> None:
        """Send the request once, or store it as a plan that waits for a free slot."""
        self._sent = await send(
            await self.context.services(), self.pending, self._await_keys, planned=planned
        )
        self._reach(Stage.OVER)
        self.action_scroll(-(10**9))

    @property
    def _may_send(self) -> bool:
        reached = self._checks is not None and not self._checks.refused
        return self.stage is Stage.ASKING and reached

    @property
    def title_now(self) -> str:
        """The title: before sending, or the result."""
        if self.stage is not Stage.OVER:
            return self.TITLE_OF_PAGE
        return "Sent" if self._sent.settled else "Not created"

    def news(self, width: int) -> Sequence[Line]:
        """Return the latest answer of the API as lines."""
        look = self.look
        if self.stage is Stage.LOCKED:
            more = "W allows more" if self.context.unlock else WATCH_ONLY
            return [*labelled("locked", f"{_READ_ONLY}; {more}", look, width, "warning"), ()]
        if self._note:
            return [*labelled("keys", self._note, look, width, "warning"), ()]
        if self._sent.made or self._sent.plans:
            made = made_lines(self._sent.made, look, width) if self._sent.made else ()
            plans = plan_lines(self._sent.plans, look, width) if self._sent.plans else ()
            return [*made, *plans]
        draft = self.pending.drafts[0]
        return [*check_lines(self._checks, draft, look, width)] if self._checks else ()

    def answers(self) -> Line:
        """Return the answer keys of this stage. Enter never sends: it goes back."""
        if self.stage is Stage.LOCKED:
            return self.offers("Esc back", *(["W allow changes"] if self.context.unlock else []))
        if self.stage is Stage.SENDING:
            return (Piece(self.look.to_ascii(" being sent …"), "accent"),)
        if self.stage is Stage.OVER:
            wait = ("w wait for a free slot",) if self._sent.no_slot else ()
            return self.offers("Enter close" if self._sent.settled else "Esc back", *wait)
        if self.stage is not Stage.ASKING:
            return self.offers("Esc back", remark="checking both buckets …")
        if not self._may_send:
            return self.offers("n back", "r check again")
        number = len(self.pending.drafts)
        return self.offers("n back", f"y start {'it' if number == 1 else f'these {number} jobs'}")

    def action_back(self) -> None:
        """Forget the secrets and close, unless a request is being sent.

        The result is None if no job was created, so that the screen below stays open.
        """
        if self.stage is not Stage.SENDING:
            self.pending = self.pending._replace(secrets=None)
            self.dismiss(self._sent if self._sent.settled else None)

    def on_key(self, event: Key) -> None:
        """Send on `y`, or plan on `w`, if the key was pressed after the question was shown."""
        if event.key not in ("y", "w") or not may_confirm(event, self._shown_at):
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
        """Check both buckets again."""
        if self.stage is Stage.ASKING:
            self._shown_at = None
            self._begin()

    async def action_unlock(self) -> None:
        """Ask whether jobs may be changed."""
        if self.stage is Stage.LOCKED and self.context.unlock:
            await self.context.unlock()


async def send(
    services: Services,
    pending: PendingRequest,
    waiting: Callable[[], None],
    *,
    planned: bool = False,
) -> Sent:
    """Create one job, or store plans of one or more jobs, one for each job that is retried.

    waiting: called when refused bucket keys are given time to work. Nothing else is sent twice. An
    `ApiError` is returned in `Sent.made`, not raised.
    """
    account_id, drafts, secrets, log_types = (
        pending.account_id,
        pending.drafts,
        pending.secrets,
        pending.log_types,
    )
    assert secrets is not None
    make, plan = services.creation.create, services.creation.plan
    plans: list[PlanView] = []
    try:
        for parent, its in pending.plans:
            origin: dict[str, Any] = {"retry_of": parent, "log_types": log_types}
            if len(drafts) == 1 and not planned:
                made = await make(account_id, its[0], secrets, **origin, waiting=waiting)
                return Sent(account_id, made=made)
            plans.append(await plan(account_id, its, secrets, **origin))
    except ApiError as error:
        return Sent(account_id, CreateResult(error=error), tuple(plans))
    return Sent(account_id, plans=tuple(plans))
