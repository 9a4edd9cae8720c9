"""The parts of the forms: fields as data, the widgets that edit them, and the filter line.

`SOURCE`, `TARGET` and `CREDENTIALS` list the fields of a new job; `draft_of` and `secrets_of` turn
their values into a draft and its secrets. Secrets are never shown, copied or logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec.structs import replace
from rich.highlighter import Highlighter
from rich.segment import Segment
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Paste
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip
from textual.widgets import Input, Static, TextArea

from slurper_tui.api.models import Secret
from slurper_tui.monitor.model.plans import JURISDICTIONS, VENDORS, Draft, Secrets
from slurper_tui.tui.render.lines import Line, Piece, width_of
from slurper_tui.tui.widgets.line_list import FocusedLines

if TYPE_CHECKING:
    from slurper_tui.tui.render.glyphs import Look

PREFIX_OF_VARIABLES = "SLURPER_"

Values = Mapping[str, str]
"""The values of a form by field name."""


class Field(msgspec.Struct, frozen=True):
    """One field of a form.

    label: the text before it.
    hint: the placeholder while it is empty.
    choices: the allowed words; the first is the default. Empty for free text.
    lines: it takes several lines.
    vendors: the source vendors that have this field.
    secret: it is never shown.
    part: its place in the create request.
    """

    name: str
    label: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    lines: bool = False
    vendors: tuple[str, ...] = VENDORS
    secret: bool = False
    part: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that may provide the value of a secret."""
        return PREFIX_OF_VARIABLES + self.name.upper()


class Section(msgspec.Struct, frozen=True):
    """Fields with a heading."""

    title: str
    fields: tuple[Field, ...]


def _secret(name: str, label: str, part: str, vendors: tuple[str, ...] = VENDORS) -> Field:
    return Field(name, label, vendors=vendors, secret=True, part=part)


_ENDPOINT = "https://... unless it is Amazon's"
_NOT_GCS = ("s3", "r2")
_REGION = Field("region", "region", "optional", vendors=("s3",), part="source.region")

NOT_LISTED, SPLIT, COUNT, SPLIT_AND_COUNT = LISTINGS = ("no", "split", "count", "both")
"""What the listing of a source is used for: a job for each prefix at its top, a total."""

SOURCE = Section(
    "Copy from",
    (
        Field("vendor", "vendor", choices=VENDORS, part="source.vendor"),
        Field("bucket", "bucket", "its name", part="source.bucket"),
        Field("endpoint", "endpoint", _ENDPOINT, vendors=("s3",), part="source.endpoint"),
        _REGION,
        Field(
            "source_jurisdiction",
            "jurisdiction",
            choices=JURISDICTIONS,
            vendors=("r2",),
            part="source.jurisdiction",
        ),
        Field(
            "path_prefix",
            "prefixes",
            "all, or one a line: a job each",
            lines=True,
            part="source.pathPrefix",
        ),
        Field("prefixes_file", "prefix file", "or a file of prefixes"),
        Field("keys_file", "key file", "or a file of keys", part="source.keys"),
        Field("listing", "list it", choices=LISTINGS, vendors=_NOT_GCS),
    ),
)

TARGET = Section(
    "Copy to",
    (
        Field("target", "R2 bucket", "its name", part="target.bucket"),
        Field(
            "target_jurisdiction",
            "jurisdiction",
            choices=JURISDICTIONS,
            part="target.jurisdiction",
        ),
        Field("overwrite", "overwrite", choices=("yes", "no"), part="overwrite"),
    ),
)

TYPED, OF_TOKEN = "typed", "token"

R2_KEYS = Field("r2_keys", "R2 keys", choices=(TYPED, OF_TOKEN))
"""Where the keys to R2 buckets come from: the fields of secrets, or the API token."""

CREDENTIALS = Section(
    "Keys to the buckets, not stored",
    (
        R2_KEYS,
        _secret("source_access_key_id", "source key id", "source.secret.accessKeyId", _NOT_GCS),
        _secret(
            "source_secret_access_key", "source secret", "source.secret.secretAccessKey", _NOT_GCS
        ),
        _secret("source_client_email", "client email", "source.secret.clientEmail", ("gcs",)),
        _secret("source_private_key", "private key", "source.secret.privateKey", ("gcs",)),
        _secret("target_access_key_id", "target key id", "target.secret.accessKeyId"),
        _secret("target_secret_access_key", "target secret", "target.secret.secretAccessKey"),
    ),
)

REGION = Section("Not returned by the API", (replace(_REGION, label="source region"),))


def draft_of(values: Values, keys: tuple[str, ...] | None = None) -> Draft:
    """Return the draft with these values, without the fields that its vendor does not have."""
    vendor = values["vendor"]
    return Draft(
        vendor=vendor,
        bucket=values["bucket"],
        target=values["target"],
        path_prefix=values["path_prefix"] or None,
        keys=keys,
        endpoint=(values["endpoint"] or None) if vendor == "s3" else None,
        region=(values["region"] or None) if vendor == "s3" else None,
        source_jurisdiction=_jurisdiction(values["source_jurisdiction"], vendor == "r2"),
        target_jurisdiction=_jurisdiction(values["target_jurisdiction"], True),
        overwrite=values["overwrite"] == "yes",
    )


def _jurisdiction(chosen: str, has_one: bool) -> str | None:
    """Return a jurisdiction, or None for the default, which the API assumes if none is sent."""
    return chosen if has_one and chosen != JURISDICTIONS[0] else None


def secrets_of(values: Values, environ: Mapping[str, str], vendor: str) -> Secrets:
    """Return the secrets for both buckets: the typed value, else the environment variable's."""
    given = {
        field.name: (values.get(field.name, "") or environ.get(field.variable, "")).strip() or None
        for field in CREDENTIALS.fields
        if field.secret and vendor in field.vendors
    }
    source = ("access_key_id", "secret_access_key", "client_email", "private_key")
    return Secrets(
        Secret(**{name: given.get(f"source_{name}") for name in source}),
        Secret(given["target_access_key_id"], given["target_secret_access_key"]),
    )


class Sanitised(Highlighter):
    """Shows the text of an input with the control characters replaced."""

    def __init__(self, entry: Input, look: Look) -> None:
        self._entry = entry
        self._look = look

    def highlight(self, text: Text) -> None:
        """Replace the text by the sanitised one, which has the same length."""
        text.plain = self._look.sanitise(self._entry.value)


class FilterInput(Input):
    """An input whose cursor does not blink: a blinking cursor writes 2.5 KB/s."""

    cursor_blink = var(False, init=False)

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the cursor is on the screen; Textual's is a cell too far at the end of the text."""
        return super().cursor_screen_offset - Offset(int(self.cursor_at_end), 0)


class FieldInput(FilterInput):
    """A text input; pasted text may contain anything, and is sanitised for display."""

    def __init__(self, look: Look, hint: str, *, id: str, password: bool = False) -> None:
        super().__init__(
            placeholder=look.to_ascii(hint),
            highlighter=Sanitised(self, look),
            password=password,
            id=id,
        )
        self.select_on_focus = False
        self._look = look

    def on_paste(self, event: Paste) -> None:
        """Insert only the part of the pasted text that `pasted` returns."""
        event.stop()
        event.prevent_default()
        self.replace(self.pasted(event.text), *self.selection)

    def pasted(self, text: str) -> str:
        """Return the first line that is not blank, stripped."""
        return next((line.strip() for line in text.splitlines() if line.strip()), "")


class SecretInput(FieldInput):
    """An input for a secret: shown as stars, never copied, never part of a message."""

    def __init__(self, look: Look, hint: str, *, id: str) -> None:
        super().__init__(look, hint, id=id, password=True)

    def render_line(self, y: int) -> Strip:
        """Draw the line with stars, which every terminal shows, instead of Textual's bullets."""
        strip = super().render_line(y)
        if not self.value:
            return strip
        stars = (Segment(text.replace("•", "*"), style) for text, style, _ in strip)
        return Strip(stars, strip.cell_length)

    def pasted(self, text: str) -> str:
        """Return all lines: a private key has many."""
        return text.strip()

    def post_message(self, message: Message) -> bool:
        """Drop messages that contain the typed text, because Textual logs messages."""
        if isinstance(message, Input.Changed | Input.Blurred | Input.Submitted):
            return False
        return super().post_message(message)

    def action_copy(self) -> None:
        """Do nothing."""

    def action_cut(self) -> None:
        """Do nothing."""


class LinesInput(TextArea):
    """An input of several lines, sanitised for display; it grows with its lines.

    Enter begins a new line, after an empty one it is the form's; so are the arrow keys at the edge.
    """

    cursor_blink = var(False, init=False)

    def __init__(self, look: Look, hint: str, *, id: str) -> None:
        super().__init__(
            soft_wrap=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder=look.to_ascii(hint),
            id=id,
        )
        self._look = look

    @property
    def value(self) -> str:
        """The text, with a newline between two lines."""
        return self.text

    @value.setter
    def value(self, text: str) -> None:
        self.load_text(text)

    def on_paste(self, event: Paste) -> None:
        """Insert the pasted lines; it replaces Textual's own handler."""
        event.stop()
        event.prevent_default()
        self.move_cursor(self.replace(event.text, *self.selection).end_location)

    def get_line(self, line_index: int) -> Text:
        """Return the sanitised text of a line, which has the same length."""
        return Text(self._look.sanitise(self.document.get_line(line_index)), end="", no_wrap=True)

    def takes(self, key: str) -> bool:
        """Whether a key is handled here, and not by the form."""
        line, _ = self.cursor_location
        if key == "enter":
            return bool(self.document.get_line(line))
        return not (self.cursor_at_first_line if key == "up" else self.cursor_at_last_line)


class Choice(FocusedLines):
    """A choice between a few words with the arrow keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("left,h", "step(-1)", "previous"),
        ("right,l,space", "step(1)", "next"),
    ]
    place: var[int] = var(0, init=False)

    class Changed(Message):
        """Posted when another word was chosen."""

    def __init__(self, look: Look, words: tuple[str, ...], shown: tuple[str, ...], id: str) -> None:
        super().__init__(look, id=id)
        self._words = words
        self._shown = shown

    @property
    def value(self) -> str:
        """The chosen word."""
        return self._words[self.place]

    @value.setter
    def value(self, word: str) -> None:
        self.place = self._words.index(word) if word in self._words else 0

    def line_at(self, y: int) -> Line:
        """Draw all words, the chosen one in brackets; only the chosen one if they do not fit."""
        if y > 0:
            return ()
        line: list[Piece] = []
        for place, word in enumerate(self._shown):
            chosen = place == self.place
            style = "accent" if chosen else "muted"
            line += [Piece(f"[{word}]" if chosen else f" {word} ", style), Piece(" ")]
        if width_of(line) <= self.size.width:
            return tuple(line)
        number = f"{self.place + 1} of {len(self._words)}"
        return (Piece(f"[{self._shown[self.place]}]", "accent"), Piece(f" {number}", "muted"))

    def action_step(self, step: int) -> None:
        """Choose the next or the previous word, stopping at the ends."""
        self.place = max(0, min(self.place + step, len(self._words) - 1))

    def watch_place(self) -> None:
        """Repaint and post `Changed`."""
        self.repaint_changes()
        if self.is_mounted:
            self.post_message(self.Changed())


class SubmitButton(FocusedLines):
    """The button at the end of a form."""

    def __init__(self, look: Look, words: str) -> None:
        super().__init__(look, id="go-on")
        self._line = (Piece(look.to_ascii(f" {words} "), "key"),)

    def line_at(self, y: int) -> Line:
        """Draw the label."""
        return self._line if y == 0 else ()


class FieldRow(Vertical):
    """A label, its input or choice, and the error below.

    shown: the displayed forms of the choices; empty if they are the choices.
    in_environment: the secret is set in the environment.
    """

    def __init__(
        self, look: Look, field: Field, shown: tuple[str, ...], *, in_environment: bool
    ) -> None:
        super().__init__(id=f"row-{field.name}", classes="field")
        self._look = look
        self.field = field
        self._shown = shown or field.choices
        self._hint = "from the environment" if in_environment else field.hint
        self.fault = ""

    def compose(self) -> ComposeResult:
        """Create the focus mark, the label, the input and the error line."""
        with Horizontal():
            yield Static(classes="mark")
            yield Static(Content(self.field.label), classes="label")
            field = self.field
            if field.choices:
                yield Choice(self._look, field.choices, self._shown, field.name)
            elif field.lines:
                yield LinesInput(self._look, self._hint, id=field.name)
            else:
                entry = SecretInput if field.secret else FieldInput
                yield entry(self._look, self._hint, id=field.name)
        yield Static(classes="fault")

    @property
    def entry(self) -> FieldInput | LinesInput | Choice:
        """The input or choice of the row."""
        if self.field.choices:
            return self.query_one(Choice)
        return self.query_one(LinesInput) if self.field.lines else self.query_one(FieldInput)

    @property
    def value(self) -> str:
        """The typed or chosen value."""
        return self.entry.value

    @value.setter
    def value(self, text: str) -> None:
        self.entry.value = text

    def point(self, *, here: bool) -> None:
        """Show whether this field has the focus."""
        if here == self.has_class("-here"):
            return
        self.set_class(here, "-here")
        mark = self._look.to_ascii("▌") if here else ""
        self.query_one(".mark", Static).update(Content(mark), layout=False)  # it has a fixed size

    def show_fault(self, fault: str) -> None:
        """Show the error of this field; "" clears it."""
        if fault != self.fault:
            self.fault = fault
            self.query_one(".fault", Static).update(Content(self._look.sentence(fault)))
            self.set_class(bool(fault), "-wrong")


MOST_TYPED = 500
"""The most characters in a filter or search line; a longer paste is ignored."""


class FilterLine(Horizontal):
    """A slash and the filter input."""

    def compose(self) -> ComposeResult:
        """Create the slash and the input."""
        yield Static(Content(" / "))
        yield FilterInput(
            placeholder="words, !not, status:failed, source:, target:, account:, id:",
            select_on_focus=False,
            max_length=MOST_TYPED,
            id="filter",
        )
