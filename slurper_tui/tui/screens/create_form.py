"""The forms for a new migration and for the keys to its buckets.

`FormScreen` is the base: fields under headings, movement between them, faults per field.
`CreateForm` asks for a whole migration; `filled` turns its values into drafts, faults and notes,
and reads the key list and the prefix list from disk (`read_text`). `KeysForm` and `SecretsForm`
ask for the keys to the buckets only. Secrets are erased from the fields when a form closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from msgspec.structs import replace
from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import DescendantBlur, DescendantFocus, Key, Resize
from textual.message import Message
from textual.screen import ScreenResultType
from textual.widget import Widget
from textual.widgets import Static, TextArea

from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.jobs.draft import NoKeys, keys_of
from slurper_tui.monitor.jobs.prefixes import UNLISTED, read_prefixes, split
from slurper_tui.monitor.model.plans import (
    MOST_LIST_BYTES,
    Draft,
    FieldFault,
    Secrets,
    doubt_words,
    secret_faults,
    with_counts,
)
from slurper_tui.monitor.model.plans import faults as draft_faults
from slurper_tui.monitor.reports.wording import count_price_words, top_level_words
from slurper_tui.monitor.verify.source import count, count_price, top_level, uncovered
from slurper_tui.tui.keys import may_confirm
from slurper_tui.tui.render.columns import account_name
from slurper_tui.tui.render.lines import Line, Piece, fill, spread
from slurper_tui.tui.screens.base import NARROW, FramedScreen
from slurper_tui.tui.screens.confirm import ConfirmDialog, Question
from slurper_tui.tui.screens.send import PageContext, PendingRequest, SendPage, Sent
from slurper_tui.tui.widgets.form_fields import (
    COUNT,
    CREDENTIALS,
    NOT_LISTED,
    OF_TOKEN,
    R2_KEYS,
    REGION,
    SOURCE,
    SPLIT,
    SPLIT_AND_COUNT,
    TARGET,
    Choice,
    Field,
    FieldRow,
    LinesInput,
    SecretInput,
    Section,
    SubmitButton,
    Values,
    draft_of,
    secrets_of,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.verify.buckets import Buckets, ObjectListing
    from slurper_tui.tui.render.glyphs import Look

T = TypeVar("T")
HOW_TO_MOVE = "↑ ↓ move · ← → choose · Enter next · Esc back"
HOW_TO_MOVE_SHORT = "↑ ↓ move · Esc back"


def _row_of(widget: Widget) -> FieldRow | None:
    """Return the form field that contains a widget; None outside all fields."""
    return next((node for node in widget.ancestors if isinstance(node, FieldRow)), None)


class Body(VerticalScroll, inherit_bindings=False):
    """The scrolling part of a form. It has no bindings: the arrow keys belong to the form."""


class FormScreen(FramedScreen[ScreenResultType]):
    """A page of fields under headings with one action at the end.

    environ: environment variables that may hold secrets.
    """

    CSS_PATH = "../forms.tcss"
    TITLE_OF_PAGE = ""
    SECTIONS: tuple[Section, ...] = ()
    LEADS_TO = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        # Priority: the text typed next, perhaps a secret, belongs in the newly focused field.
        Binding("escape", "back", "back", priority=True),
        Binding("tab", "walk(1)", "next", priority=True),
        Binding("shift+tab", "walk(-1)", "previous", priority=True),
        Binding("down", "arrow('down')", "next", priority=True),
        Binding("up", "arrow('up')", "previous", priority=True),
        Binding("enter", "enter", "next", priority=True),
        Binding("pagedown", "edge(-1)", "last", priority=True),
        Binding("pageup", "edge(0)", "first", priority=True),
    ]

    def __init__(
        self, look: Look, environ: Mapping[str, str], values: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(look, environ)
        self._initial = dict(values or {})
        self._fault = ""
        self._visited: set[str] = set()
        self._check_number = 0
        self._shown_at = Message().time  # same clock as key events

    def sections(self) -> Sequence[Section]:
        """Return the sections of the form."""
        return self.SECTIONS

    def words_for(self, name: str) -> tuple[str, ...]:
        """Return the labels for the choices of a field; () to show the choices themselves."""
        return ()

    def vendor(self) -> str:
        """Return the vendor of the source bucket: the selected one by default."""
        return self.row("vendor").value

    def compose(self) -> ComposeResult:
        """Yield all fields; `show_fields` hides those of other vendors."""
        rows: list[Widget] = []
        for section in self.sections():
            rows.append(Static(Content(section.title), classes="heading"))
            for field in section.fields:
                given = field.secret and bool(self.environ.get(field.variable, "").strip())
                labels = self.words_for(field.name)
                rows.append(FieldRow(self.look, field, labels, in_environment=given))
        body = Body(*rows, id="form-body", can_focus=False)
        yield from self.framed(body, SubmitButton(self.look, self.LEADS_TO))

    def on_mount(self) -> None:
        """Fill in the initial values."""
        for row in self.query(FieldRow):
            if row.field.name in self._initial:
                row.value = self._initial[row.field.name]
        self.show_fields()

    def show_fields(self) -> None:
        """Show the fields that apply to the vendor, and hide the others."""
        vendor = self.vendor()
        for row in self.query(FieldRow):
            row.display = vendor in row.field.vendors

    def values(self) -> dict[str, str]:
        """Return all values by field name, secrets included."""
        return {row.field.name: row.value for row in self.query(FieldRow)}

    def open_values(self) -> dict[str, str]:
        """Return the values by field name, without secrets."""
        return {r.field.name: r.value for r in self.query(FieldRow) if not r.field.secret}

    def row(self, name: str) -> FieldRow:
        """Return a field by its name."""
        return self.query_one(f"#row-{name}", FieldRow)

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close, and erase the secrets from the fields."""
        for secret in self.query(SecretInput):
            secret.value = ""
        return super().dismiss(result)

    async def faults(self) -> Sequence[FieldFault]:
        """Return all current faults, by field of the request or of the form; none by default."""
        return ()

    async def check(self) -> list[FieldRow]:
        """Check all shown fields, display the faults, and return the fields that have one."""
        self._visited |= {row.field.name for row in self._shown_rows()}
        self._show(await self.faults())
        return [row for row in self._shown_rows() if row.fault]

    async def _check_visited(self) -> None:
        """Display the faults of visited fields, unless a newer check has started meanwhile."""
        self._check_number += 1
        number, faults = self._check_number, await self.faults()
        if number == self._check_number:
            self._show(faults)

    def _show(self, faults: Sequence[FieldFault]) -> None:
        found: dict[str, str] = {}
        for fault in faults:
            found.setdefault(fault.field, fault.text)
        for row in self._shown_rows():
            if row.field.name in self._visited:
                row.show_fault(found.get(row.field.part) or found.get(row.field.name) or "")
        self._show_focused()

    def _show_focused(self) -> None:
        """Scroll the focused field into view, with its fault, once the layout is up to date."""
        row = _row_of(self.focused) if self.focused is not None else None
        if row is not None:
            self.call_after_refresh(row.scroll_visible, animate=False)

    def on_resize(self, event: Resize) -> None:
        """Choose the layout for the new size; the focused field stays visible."""
        super().on_resize(event)
        self._show_focused()

    @on(TextArea.Changed)
    def _grown(self) -> None:
        self._show_focused()

    def _shown_rows(self) -> list[FieldRow]:
        return [row for row in self.query(FieldRow) if row.display]

    @property
    def place(self) -> str:
        """The position of the focus among the fields: `3 of 7`; "" outside of them."""
        rows, here = self._shown_rows(), self.focused and _row_of(self.focused)
        return f"{rows.index(here) + 1} of {len(rows)}" if here in rows else ""

    def _point(self) -> None:
        """Show which field has the focus now, whichever event came last."""
        here = self.focused and _row_of(self.focused)
        for row in self.query(FieldRow):
            row.point(here=row is here)
        self.redraw_frame()

    @on(DescendantBlur)
    def _left(self, event: DescendantBlur) -> None:
        row = _row_of(event.widget)
        if row is not None and self.is_current:
            self._fault = ""
            self._point()
            self._visited.add(row.field.name)
            self.run_worker(self._check_visited(), group="check")

    @on(Choice.Changed)
    def _chosen(self) -> None:
        self.show_fields()
        self.redraw_frame()

    def action_walk(self, step: int) -> None:
        """Focus the next (1) or the previous (-1) field; the order wraps around."""
        self.focus_next() if step > 0 else self.focus_previous()

    def action_arrow(self, key: str) -> None:
        """Focus the next or the previous field, unless the key moves in the focused one."""
        if isinstance(self.focused, LinesInput) and self.focused.takes(key):
            raise SkipAction
        self.action_walk(1 if key == "down" else -1)

    def action_enter(self) -> None:
        """Focus the next field; on the last stop, leave the key to `on_key`."""
        focused = self.focused
        if isinstance(focused, SubmitButton):
            raise SkipAction
        if isinstance(focused, LinesInput) and focused.takes("enter"):
            raise SkipAction
        self.focus_next()

    def on_key(self, event: Key) -> None:
        """Run `go_on` on Enter at the last stop, if it was pressed after the form was shown."""
        enter = event.key == "enter" and isinstance(self.focused, SubmitButton)
        if enter and may_confirm(event, self._shown_at, alone=False):
            event.stop()
            self.run_worker(self.go_on(), group="go-on", exclusive=True)

    async def go_on(self) -> None:
        """Check everything; focus the first wrong field, or call `take` if there is none."""
        wrong = await self.check()
        if wrong:
            number = len(wrong)
            self._fault = f"{number} {'fields are' if number > 1 else 'field is'} not right yet"
            self.set_focus(wrong[0].entry)
            self.redraw_frame()
            return
        await self.take()

    def _fail(self, fault: str) -> None:
        """Show in the foot, instead of a note, why the form's action cannot be run."""
        self._fault = fault
        self.clear_note()
        self.redraw_frame()

    async def take(self) -> None:
        """Run the form's action on its values, which have passed the check: close by default."""
        self.dismiss(None)

    def action_edge(self, place: int) -> None:
        """Focus the first (0) field or the last stop (-1)."""
        stops = [row.entry for row in self._shown_rows()]
        last = self.query_one(SubmitButton)
        self.set_focus(last if place else stops[0])  # immediate; `focus` is deferred

    def action_back(self) -> None:
        """Close without a result."""
        self.dismiss(None)

    @on(DescendantFocus)
    def _focused(self) -> None:
        self._point()
        self._show_focused()

    def head(self, width: int) -> Sequence[Line]:
        """Return the title, and the position among the fields."""
        title = (Piece(f" {self.TITLE_OF_PAGE}", "strong"),)
        place = f"{self.place} " if self.place else ""
        return (spread(title, (Piece(place, "faint"),), width),)

    def foot(self, width: int) -> Sequence[Line]:
        """Return what is wrong, or else the keys."""
        keys = HOW_TO_MOVE if width >= NARROW else HOW_TO_MOVE_SHORT
        text = self.look.to_ascii(f" {self._fault or self.note or keys}")
        return (fill((Piece(text, "error" if self._fault else "muted"),), width),)


class NoList(ValueError):
    """Raised for an unusable list file; the message is a clause without the file name."""


def read_text(name: str) -> str:
    """Return the text of a regular UTF-8 file. Raises NoList."""
    try:
        path = Path(name).expanduser()
        if "\0" in name or not path.exists():
            raise NoList("no such file")
        if not path.is_file():  # a pipe might never end
            raise NoList("this is not a regular file")
        if path.stat().st_size > MOST_LIST_BYTES:
            raise NoList(f"larger than {MOST_LIST_BYTES // 2**20} MB")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoList("not UTF-8 text") from None
    except OSError as error:
        raise NoList((error.strerror or "cannot be read").lower()) from None
    except RuntimeError:
        raise NoList("there is no such home folder") from None


KEY_LIST, PREFIXES, PREFIX_FILE = "source.keys", "source.pathPrefix", "prefixes_file"
"""Fields that show the faults of keys and prefixes."""


class Filled(NamedTuple):
    """The evaluation of a form. drafts: one, or one per prefix.

    notes: warnings about values that the API would accept.
    """

    drafts: tuple[Draft, ...] = ()
    faults: tuple[FieldFault, ...] = ()
    notes: tuple[str, ...] = ()


async def filled(values: Values, jobs: Sequence[JobView] = ()) -> Filled:
    """Read the list files and check all values, in a thread to keep the screen responsive.

    jobs: the listed jobs, to find gaps between prefixes and jobs that copy the same objects.
    """
    return await asyncio.to_thread(_filled, values, jobs)


def _filled(values: Values, jobs: Sequence[JobView]) -> Filled:
    keys: tuple[str, ...] | None = None
    faults: tuple[FieldFault, ...] = ()
    if name := values["keys_file"].strip():
        try:
            keys = keys_of(read_text(name))
        except (NoKeys, NoList) as error:
            faults = (FieldFault(KEY_LIST, str(error)),)
    prefixes, field = read_prefixes(values["path_prefix"]), PREFIXES
    draft = draft_of({**values, "path_prefix": prefixes[0] if len(prefixes) == 1 else ""}, keys)
    faults = (*faults, *draft_faults(draft))
    if name := values["prefixes_file"].strip():
        field = PREFIX_FILE
        try:
            if prefixes:
                raise NoList("give prefixes either here or above")
            prefixes = read_prefixes(read_text(name))
            if not prefixes:
                raise NoList("the file has no prefixes")
        except NoList as error:
            return Filled((draft,), (*faults, FieldFault(field, str(error))))
    elif len(prefixes) < 2:
        return Filled((draft,), faults, doubt_words([draft]))
    if values["keys_file"].strip():
        fault = FieldFault(field, "prefixes and a file of keys cannot be combined")
        return Filled((draft,), (*faults, fault))
    return _split(draft, prefixes, field, faults, jobs)


def _split(
    draft: Draft,
    prefixes: Sequence[str],
    field: str,
    faults: tuple[FieldFault, ...],
    jobs: Sequence[JobView],
) -> Filled:
    """Return one draft for each prefix. field: shows the faults of the prefixes."""
    parted = split(draft, prefixes, jobs)
    if parted.overlaps:
        more = len(parted.overlaps) - 1
        text = parted.overlaps[0] + (f" (and {more} more)" if more else "")
        faults = (*faults, FieldFault(field, text))
    notes = (*doubt_words(parted.drafts), *parted.doubts, UNLISTED)
    return Filled(parted.drafts, faults, notes)


class BucketForm(FormScreen[ScreenResultType]):
    """A form that ends with the keys to the buckets: all typed, or R2's those of the API token."""

    def __init__(self, context: PageContext, values: Mapping[str, str] | None = None) -> None:
        super().__init__(context.look, context.environ, values)
        self.context = context

    def words_for(self, name: str) -> tuple[str, ...]:
        """Return the labels for the choice of keys."""
        return ("typed here", "those of the API token") if name == R2_KEYS.name else ()

    def show_fields(self) -> None:
        """Show the fields that apply, without secrets that the API token provides."""
        super().show_fields()
        for row in self.query(FieldRow):
            row.display = row.display and not self._is_of_token(row.field.part)

    def _is_of_token(self, part: str) -> bool:
        """Whether a part of the request is a secret that the API token provides."""
        ends = ("target", "source") if self.vendor() == "r2" else ("target",)
        is_r2 = part.startswith(tuple(f"{end}.secret." for end in ends))
        return is_r2 and self.row(R2_KEYS.name).value == OF_TOKEN

    def missing(self, draft: Draft) -> list[FieldFault]:
        """Return the secrets that are neither typed nor provided by the API token."""
        faults = secret_faults(draft, self._typed())
        return [fault for fault in faults if not self._is_of_token(fault.field)]

    async def secrets(self, account_id: str) -> Secrets | None:
        """Return the keys to both buckets; None, with the reason, if the token has none."""
        typed = self._typed()
        if self.row(R2_KEYS.name).value != OF_TOKEN:
            return typed
        try:
            keys = await (await self.context.services()).creation.r2_keys(account_id)
        except ApiError as error:
            self._fail(f"no R2 keys: {error}")
            return None
        return Secrets(keys if self.vendor() == "r2" else typed.source, keys)

    def _typed(self) -> Secrets:
        return secrets_of(self.values(), self.environ, self.vendor())


class _NotListed(Exception):
    """The source is not listed, or not split; the message is one clause."""


ACCOUNT = "account"


class CreateForm(BucketForm[Sent]):
    """The form for a new migration.

    accounts: account ids; the form asks for one if there are several. jobs: the listed jobs, to
    compare prefixes with. keep: receives the values without secrets, for when the form reopens.
    """

    TITLE_OF_PAGE = "New migration"
    LEADS_TO = "Check both buckets, then ask"

    def __init__(
        self,
        context: PageContext,
        accounts: Sequence[str],
        values: Mapping[str, str],
        jobs: Sequence[JobView],
        keep: Callable[[Mapping[str, str]], None],
    ) -> None:
        super().__init__(context, values)
        self._accounts = tuple(accounts)
        self._jobs = jobs
        self._keep = keep

    def sections(self) -> Sequence[Section]:
        """Return source, target and secrets, after the account if there are several."""
        if len(self._accounts) == 1:
            return (SOURCE, TARGET, CREDENTIALS)
        account = Field(ACCOUNT, "id", choices=self._accounts)
        return (Section("Account", (account,)), SOURCE, TARGET, CREDENTIALS)

    def words_for(self, name: str) -> tuple[str, ...]:
        """Return the labels of the choice of keys, and shortened account ids."""
        if name == "listing":
            return ("no", "to split it", "to count it", "both")
        if name != ACCOUNT:
            return super().words_for(name)
        return tuple(account_name(account, self.look) for account in self._accounts)

    async def faults(self) -> Sequence[FieldFault]:
        """Return the faults of the drafts and the missing secrets."""
        values = self.values()
        return (*(await filled(values, self._jobs)).faults, *self.missing(draft_of(values)))

    async def take(self) -> None:
        """Open the page that runs the prechecks."""
        values = self.values()
        read = await filled(values, self._jobs)
        if read.faults:  # a list file has changed since the check
            await self.check()
            return
        account = values.get(ACCOUNT, self._accounts[0])
        secrets = await self.secrets(account)
        if secrets is None:
            return
        buckets = (await self.context.services()).buckets
        listing = values["listing"] if values["vendor"] != "gcs" else NOT_LISTED
        try:
            read = await self._listed(buckets, account, read, secrets, listing)
        except _NotListed as error:
            self._fail(str(error))
            return
        self.clear_note()
        pending = PendingRequest(account, read.drafts, secrets, read.notes)
        if listing in (COUNT, SPLIT_AND_COUNT):
            await self._ask_to_count(buckets, pending)
        else:
            self._send(pending)

    def _send(self, pending: PendingRequest) -> None:
        self.app.push_screen(SendPage(self.context, pending), self.close_with)

    async def _listed(
        self, buckets: Buckets, account: str, read: Filled, secrets: Secrets, listing: str
    ) -> Filled:
        """Split the source by its top level, or compare the prefixes with it. Raises _NotListed.

        Prefixes that cannot be compared keep the notes about gaps that are guessed.
        """
        drafts, splits = read.drafts, listing in (SPLIT, SPLIT_AND_COUNT)
        compares = len(drafts) > 1 and (drafts[0].vendor == "r2" or listing == COUNT)
        if not (splits or compares):
            return read
        if splits and (len(drafts) > 1 or drafts[0].keys is not None):
            raise _NotListed("prefixes or keys are given already: it cannot be split too")
        self.show_note("listing the source …")
        base = replace(drafts[0], path_prefix=None)
        try:
            side = buckets.source(account, drafts[0], secrets.source)
            if not splits:
                prefixes = [draft.path_prefix or "" for draft in drafts]
                gaps = tuple((await uncovered(side, prefixes)).clauses())
                found = split(base, prefixes, self._jobs, gaps)
                return read._replace(notes=(*doubt_words(drafts), *found.doubts))
            level = await top_level(side, drafts[0].path_prefix or "")
        except ApiError as error:
            if not splits:
                return read
            raise _NotListed(f"the source cannot be listed: {error.message}") from None
        if level.why_not:
            raise _NotListed(f"not split: {level.why_not}")
        found = split(base, level.prefixes, self._jobs, (), level.objects)
        for why in (*found.overlaps, *(f.text for d in found.drafts for f in draft_faults(d))):
            raise _NotListed(f"not split: {why}")
        notes = (top_level_words(level, side.name), *found.doubts)
        return Filled(found.drafts, (), (*doubt_words(found.drafts), *notes))

    async def _ask_to_count(self, buckets: Buckets, pending: PendingRequest) -> None:
        """Ask whether to count the objects, with the price; then count them and go on."""
        drafts = [draft for draft in pending.drafts if draft.keys is None]
        if not drafts:
            self._send(pending)
            return
        keys = pending.secrets.source if pending.secrets else None
        try:
            side = buckets.source(pending.account_id, drafts[0], keys)
        except ApiError as error:
            self._fail(f"the source cannot be listed: {error.message}")
            return
        objects = await buckets.objects(pending.account_id, drafts[0])
        price = count_price_words(count_price(side, len(drafts), objects))
        question = Question(
            title="Count the objects of the source first?",
            consequence=f"the total of each job is then exact from the start; it takes {price}",
            yes="count",
        )

        def start() -> None:
            self.run_worker(self._count(buckets, side, pending), group="go-on", exclusive=True)

        self.app.push_screen(ConfirmDialog(self.look, question, start))

    async def _count(self, buckets: Buckets, side: ObjectListing, pending: PendingRequest) -> None:
        drafts = [draft for draft in pending.drafts if draft.keys is None]
        numbers: tuple[int, ...] = ()
        try:
            async for numbers in count(side, [draft.path_prefix or "" for draft in drafts]):
                self.show_note(f"{sum(numbers):,} objects counted · Esc ends it")
        except ApiError as error:
            self._fail(f"the source cannot be listed: {error.message}")
            return
        self.clear_note()
        found = with_counts(pending.drafts, numbers, buckets.wall, side.name)
        self._send(pending._replace(drafts=found))

    def dismiss(self, result: Sent | None = None) -> AwaitComplete:
        """Close; keep the values without secrets, unless a job was made or may have been."""
        self._keep({} if result else self.open_values())
        return super().dismiss(result)


class Given(NamedTuple):
    """The result of a keys form. region: of an S3 source; None if empty or not asked for."""

    secrets: Secrets
    region: str | None = None


class KeysForm(BucketForm[ScreenResultType]):
    """A form for the keys to the buckets of a draft.

    with_region: also ask for the region of an S3 source.
    """

    TITLE_OF_PAGE = "Keys to the buckets"
    LEADS_TO = "Go on"

    def __init__(
        self, context: PageContext, account_id: str, draft: Draft, *, with_region: bool = False
    ) -> None:
        super().__init__(context, {"region": draft.region or ""})
        self._account_id = account_id
        self._draft = draft
        self._with_region = with_region and draft.vendor == "s3"

    def sections(self) -> Sequence[Section]:
        """Return the secrets, after the region if it is asked for."""
        return (REGION, CREDENTIALS) if self._with_region else (CREDENTIALS,)

    def vendor(self) -> str:
        """Return the vendor of the draft."""
        return self._draft.vendor

    async def faults(self) -> Sequence[FieldFault]:
        """Return the missing secrets."""
        return self.missing(self._draft)

    async def take(self) -> None:
        """Call `take_keys` with the entered values, unless the API token has no keys."""
        secrets = await self.secrets(self._account_id)
        if secrets is not None:
            self.take_keys(Given(secrets, self.values().get("region", "").strip() or None))

    def take_keys(self, given: Given) -> None:
        """Run the form's action on the entered values."""
        raise NotImplementedError


class SecretsForm(KeysForm[Given]):
    """A keys form that returns its values to the caller."""

    def take_keys(self, given: Given) -> None:
        """Close with the entered values as the result."""
        self.dismiss(given)
