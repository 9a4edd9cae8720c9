"""The parts of the forms: fields as data, the widgets that edit them, and the filter line.

`SOURCE`, `TARGET` and `KEYS` list the fields of a new job; `draft_of` and `secrets_of` turn their
values into a draft and its secrets. Secrets are never shown, copied or logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec
from rich.highlighter import Highlighter
from rich.segment import Segment
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Paste
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip
from textual.widgets import Input, Static

from slurper_tui.api.models import Secret
from slurper_tui.monitor.jobs.validation import JURISDICTIONS, VENDORS
from slurper_tui.monitor.model.plans import Draft, Secrets
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.state import TERMS

YES_NO = ("yes", "no")
PREFIX_OF_VARIABLES = "SLURPER_"

Values = Mapping[str, str]
"""The values of a form by field name."""


class Field(msgspec.Struct, frozen=True):
    """One field of a form.

    label: the text before it.
    hint: the placeholder while it is empty.
    choices: the allowed words; the first is the default. Empty for free text.
    vendors: the source vendors that have this field.
    secret: it is never shown.
    part: its place in the create request.
    """

    name: str
    label: str
    hint: str = ""
    choices: tuple[str, ...] = ()
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


_NOT_GCS = ("s3", "r2")

SOURCE = Section(
    "Copy from",
    (
        Field("vendor", "vendor", choices=VENDORS, part="source.vendor"),
        Field("bucket", "bucket", "its name", part="source.bucket"),
        Field(
            "endpoint",
            "endpoint",
            "https://... unless it is Amazon's",
            vendors=("s3",),
            part="source.endpoint",
        ),
        Field("region", "region", "optional", vendors=("s3",), part="source.region"),
        Field(
            "source_jurisdiction",
            "jurisdiction",
            choices=JURISDICTIONS,
            vendors=("r2",),
            part="source.jurisdiction",
        ),
        Field("path_prefix", "prefix", "only keys that begin so", part="source.pathPrefix"),
        Field("keys_file", "key list", "or a file of keys", part="source.keys"),
        Field("prefixes_file", "split by", "or a file of prefixes: a job each"),
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
        Field("overwrite", "overwrite", choices=YES_NO, part="overwrite"),
    ),
)

KEYS = Section(
    "Keys to the buckets, never kept",
    (
        Field(
            "source_access_key_id",
            "source key id",
            vendors=_NOT_GCS,
            secret=True,
            part="source.secret.accessKeyId",
        ),
        Field(
            "source_secret_access_key",
            "source secret",
            vendors=_NOT_GCS,
            secret=True,
            part="source.secret.secretAccessKey",
        ),
        Field(
            "source_client_email",
            "client email",
            vendors=("gcs",),
            secret=True,
            part="source.secret.clientEmail",
        ),
        Field(
            "source_private_key",
            "private key",
            vendors=("gcs",),
            secret=True,
            part="source.secret.privateKey",
        ),
        Field(
            "target_access_key_id",
            "target key id",
            secret=True,
            part="target.secret.accessKeyId",
        ),
        Field(
            "target_secret_access_key",
            "target secret",
            secret=True,
            part="target.secret.secretAccessKey",
        ),
    ),
)

REGION = Section(
    "What the API does not tell",
    (Field("region", "source region", "optional", vendors=("s3",), part="source.region"),),
)


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
        for field in KEYS.fields
        if vendor in field.vendors
    }
    source = ("access_key_id", "secret_access_key", "client_email", "private_key")
    return Secrets(
        Secret(**{name: given.get(f"source_{name}") for name in source}),
        Secret(given["target_access_key_id"], given["target_secret_access_key"]),
    )


FROM_THE_ENVIRONMENT = "from the environment"


class Sanitised(Highlighter):
    """Shows the text of an input with the control characters replaced."""

    def __init__(self, entry: Input, look: Look) -> None:
        self._entry = entry
        self._look = look

    def highlight(self, text: Text) -> None:
        """Replace the text by the sanitised one, which has the same length."""
        text.plain = self._look.sanitise(self._entry.value)


class FieldInput(Input):
    """A text input; pasted text may contain anything, and is sanitised for display."""

    cursor_blink = var(False, init=False)

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


class Choice(PaintedLines, can_focus=True):
    """A choice between a few words with the arrow keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("left,h", "step(-1)", "previous"),
        ("right,l,space", "step(1)", "next"),
    ]
    place: var[int] = var(0, init=False)

    class Changed(Message):
        """Posted when another word was chosen."""

    def __init__(self, look: Look, words: tuple[str, ...], shown: tuple[str, ...], id: str) -> None:
        super().__init__(id=id)
        self._look = look
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
        line = tuple(self._all())
        if width_of(line) <= self.size.width:
            return line
        place = f"{self.place + 1} of {len(self._words)}"
        return (Piece(f"[{self._shown[self.place]}]", "accent"), Piece(f" {place}", "muted"))

    def _all(self) -> Iterator[Piece]:
        for place, word in enumerate(self._shown):
            mine = place == self.place
            yield Piece(f"[{word}]" if mine else f" {word} ", "accent" if mine else "muted")
            yield Piece(" ")

    def row_style(self, y: int) -> str:
        """Return the style of the row, which shows whether the field has the focus."""
        return "cursor" if self.has_focus else "cursor-blurred"

    def action_step(self, step: int) -> None:
        """Choose the next or the previous word, stopping at the ends."""
        self.place = max(0, min(self.place + step, len(self._words) - 1))

    def watch_place(self) -> None:
        """Repaint and post `Changed`."""
        self.repaint_changes()
        if self.is_mounted:
            self.post_message(self.Changed())

    def watch_has_focus(self, focused: bool) -> None:
        """Repaint when the focus changes."""
        super().watch_has_focus(focused)
        self.repaint_changes()


class GoOn(PaintedLines, can_focus=True):
    """The button at the end of a form."""

    def __init__(self, look: Look, words: str) -> None:
        super().__init__(id="go-on")
        self._line = (Piece(look.to_ascii(f" {words} "), "key"),)

    def line_at(self, y: int) -> Line:
        """Draw the label."""
        return self._line if y == 0 else ()

    def row_style(self, y: int) -> str:
        """Return the style of the row, which shows whether the button has the focus."""
        return "cursor" if self.has_focus else "cursor-blurred"

    def watch_has_focus(self, focused: bool) -> None:
        """Repaint when the focus changes."""
        super().watch_has_focus(focused)
        self.repaint_changes()


class FieldRow(Vertical):
    """A label, its input or choice, and the error below.

    shown: the displayed forms of the choices.
    known: a secret is set in the environment.
    """

    def __init__(self, look: Look, field: Field, shown: tuple[str, ...], *, known: bool) -> None:
        super().__init__(id=f"row-{field.name}", classes="field")
        self._look = look
        self.field = field
        self._shown = shown
        self._known = known
        self.fault = ""

    def compose(self) -> ComposeResult:
        """Create the focus mark, the label, the input and the error line."""
        with Horizontal():
            yield Static(classes="mark")
            yield Static(Content(self.field.label), classes="label")
            yield self._entry()
        yield Static(classes="fault")

    def _entry(self) -> FieldInput | Choice:
        field, look = self.field, self._look
        if field.choices:
            return Choice(look, field.choices, self._shown or field.choices, field.name)
        if field.secret:
            hint = FROM_THE_ENVIRONMENT if self._known else field.hint
            return SecretInput(look, hint, id=field.name)
        return FieldInput(look, field.hint, id=field.name)

    @property
    def entry(self) -> FieldInput | Choice:
        """The input or choice of the row."""
        found = self.query(FieldInput)
        return found.first() if found else self.query_one(Choice)

    @property
    def value(self) -> str:
        """The typed or chosen value."""
        return self.entry.value

    @value.setter
    def value(self, text: str) -> None:
        self.entry.value = text

    def point(self, *, here: bool) -> None:
        """Show whether this field has the focus."""
        self.set_class(here, "-here")
        mark = self._look.to_ascii("▌") if here else ""
        self.query_one(".mark", Static).update(Content(mark))

    def say(self, fault: str) -> None:
        """Show the error of this field; "" clears it."""
        if fault != self.fault:
            self.fault = fault
            clean = self._look.sentence(fault)
            self.query_one(".fault", Static).update(Content(clean))
            self.set_class(bool(fault), "-wrong")


MOST_TYPED = 500
"""The most characters in a filter or search line; a longer paste is ignored."""


class FilterInput(Input):
    """An input whose cursor does not blink: a blinking cursor writes 2.5 KB/s."""

    cursor_blink = var(False, init=False)


class FilterLine(Horizontal):
    """A slash and the filter input."""

    def compose(self) -> ComposeResult:
        """Create the slash and the input."""
        yield Static(Content(" / "))
        yield FilterInput(
            placeholder=TERMS, select_on_focus=False, max_length=MOST_TYPED, id="filter"
        )


class OneLine(PaintedLines):
    """A widget of one line, which its screen sets."""

    line: var[Line] = var((), init=False)

    def line_at(self, y: int) -> Line:
        """Draw the line."""
        return self.line if y == 0 else ()

    def watch_line(self) -> None:
        """Repaint the differences."""
        self.repaint_changes()
