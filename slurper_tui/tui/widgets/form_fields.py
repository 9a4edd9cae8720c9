"""What a form is made of: lines to type in, choices, and faults below them.

The fields of a form as data: what they are called, for which vendor, and what they make.

The line to type a filter in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Paste
from textual.message import Message
from textual.reactive import var
from textual.widgets import Input, Static

from slurper_tui.api.models import Secret
from slurper_tui.monitor.model.plans import Draft, Secrets
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.state import TERMS

VENDORS = ("s3", "gcs", "r2")
JURISDICTIONS = ("default", "eu", "us", "fedramp")
YES_NO = ("yes", "no")
PREFIX_OF_VARIABLES = "SLURPER_"

Values = Mapping[str, str]
"""What is filled in, by the names of the fields."""


class Field(msgspec.Struct, frozen=True):
    """One field. label: what stands before it. hint: what stands in it while it is empty.

    choices: what can be chosen from; the first, unless told otherwise. vendors: those for whose
    sources it is asked. secret: it is never shown. part: its place in the create request.
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
        """The variable of the environment that a secret may come from."""
        return PREFIX_OF_VARIABLES + self.name.upper()


class Section(msgspec.Struct, frozen=True):
    """Fields under one heading."""

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
    """The draft that is filled in; what its vendor does not have is left out."""
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
    """The default is what the API takes where nothing is said."""
    return chosen if has_one and chosen != JURISDICTIONS[0] else None


def secrets_of(values: Values, environ: Mapping[str, str], vendor: str) -> Secrets:
    """The keys to both buckets: what is typed, else what the environment has."""
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


class FieldInput(Input):
    """A line to type in. What is pasted may hold anything; it is shown harmless."""

    cursor_blink = var(False, init=False)

    def __init__(self, look: Look, hint: str, *, id: str, password: bool = False) -> None:
        super().__init__(placeholder=look.glyphs.say(hint), password=password, id=id)
        self.select_on_focus = False
        self._look = look

    @property
    def _value(self) -> Text:
        """What stands in the line, cell by cell as harmless as everything else."""
        shown = self._look.glyphs.clean(self.value)
        return Text(shown, no_wrap=True, overflow="ignore", end="")

    def _on_paste(self, event: Paste) -> None:
        """Take the first line that says anything, without the blanks around it."""
        event.stop()
        event.prevent_default()
        self.replace(self.pasted(event.text), *self.selection)

    def pasted(self, text: str) -> str:
        """What is taken of a pasted text."""
        return next((line.strip() for line in text.splitlines() if line.strip()), "")


class SecretInput(FieldInput):
    """A line whose text is shown as stars, copied nowhere, and told to nobody."""

    def __init__(self, look: Look, hint: str, *, id: str) -> None:
        super().__init__(look, hint, id=id, password=True)

    @property
    def _value(self) -> Text:
        return Text("*" * len(self.value), no_wrap=True, overflow="ignore", end="")

    def pasted(self, text: str) -> str:
        """A private key has many lines; all of them are taken."""
        return text.strip()

    def post_message(self, message: Message) -> bool:
        """Say nothing that repeats what was typed: Textual writes messages into its own log."""
        if isinstance(message, Input.Changed | Input.Blurred | Input.Submitted):
            return False
        return super().post_message(message)

    def action_copy(self) -> None:
        """Copy nothing."""

    def action_cut(self) -> None:
        """Cut nothing."""


class Choice(PaintedLines, can_focus=True):
    """One of a few words, chosen with the arrows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("left,h", "step(-1)", "previous"),
        ("right,l,space", "step(1)", "next"),
    ]
    place: var[int] = var(0, init=False)

    class Changed(Message):
        """Another word was chosen."""

    def __init__(self, look: Look, words: tuple[str, ...], shown: tuple[str, ...], id: str) -> None:
        super().__init__(id=id)
        self._look = look
        self._words = words
        self._shown = shown

    @property
    def value(self) -> str:
        """The word that is chosen."""
        return self._words[self.place]

    @value.setter
    def value(self, word: str) -> None:
        self.place = self._words.index(word) if word in self._words else 0

    def line_at(self, y: int) -> Line:
        """Draw all words with brackets around the chosen one; that alone where they do not fit."""
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

    def row_role(self, y: int) -> str:
        """Stand out while it has the focus."""
        return "cursor" if self.has_focus else "cursor-blurred"

    def action_step(self, step: int) -> None:
        """Choose the next or the previous word; there is no way round the ends."""
        self.place = max(0, min(self.place + step, len(self._words) - 1))

    def watch_place(self) -> None:
        """Show what is chosen."""
        self.repaint_changes()
        if self.is_mounted:
            self.post_message(self.Changed())

    def watch_has_focus(self, focused: bool) -> None:
        """Show whether the arrows choose here."""
        super().watch_has_focus(focused)
        self.repaint_changes()


class GoOn(PaintedLines, can_focus=True):
    """What a form leads to."""

    def __init__(self, look: Look, words: str) -> None:
        super().__init__(id="go-on")
        self._line = (Piece(look.glyphs.say(f" {words} "), "key"),)

    def line_at(self, y: int) -> Line:
        """Draw the words."""
        return self._line if y == 0 else ()

    def row_role(self, y: int) -> str:
        """Stand out while it has the focus."""
        return "cursor" if self.has_focus else "cursor-blurred"

    def watch_has_focus(self, focused: bool) -> None:
        """Show whether Enter goes on here."""
        super().watch_has_focus(focused)
        self.repaint_changes()


class FieldRow(Vertical):
    """A label, what is typed or chosen, and below it what is wrong with that."""

    def __init__(self, look: Look, field: Field, shown: tuple[str, ...], *, known: bool) -> None:
        super().__init__(id=f"row-{field.name}", classes="field")
        self._look = look
        self.field = field
        self._shown = shown
        self._known = known
        self.fault = ""

    def compose(self) -> ComposeResult:
        """Lay out the mark of the focus, the label and the field."""
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
        """What is typed or chosen in."""
        found = self.query(FieldInput)
        return found.first() if found else self.query_one(Choice)

    @property
    def value(self) -> str:
        """What is typed or chosen."""
        return self.entry.value

    @value.setter
    def value(self, text: str) -> None:
        self.entry.value = text

    def point(self, *, here: bool) -> None:
        """Show whether this is the field that hears the keys."""
        self.set_class(here, "-here")
        mark = self._look.glyphs.say("▌") if here else ""
        self.query_one(".mark", Static).update(Content(mark))

    def say(self, fault: str) -> None:
        """Tell what is wrong with it; "" when nothing is."""
        if fault != self.fault:
            self.fault = fault
            clean = self._look.glyphs.clean(self._look.glyphs.say(fault))
            self.query_one(".fault", Static).update(Content(clean))
            self.set_class(bool(fault), "-wrong")


MOST_TYPED = 500
"""Characters that a line to search with takes; a longer paste is left out."""


class FilterInput(Input):
    """A line to type in whose cursor stands still: a blinking one writes 2.5 KB/s."""

    cursor_blink = var(False, init=False)


class FilterLine(Horizontal):
    """A slash and what is typed after it."""

    def compose(self) -> ComposeResult:
        """Lay out the sign and the line."""
        yield Static(Content(" / "))
        yield FilterInput(
            placeholder=TERMS, select_on_focus=False, max_length=MOST_TYPED, id="filter"
        )


class OneLine(PaintedLines):
    """A line that its page tells it."""

    line: var[Line] = var((), init=False)

    def line_at(self, y: int) -> Line:
        """Draw it."""
        return self.line if y == 0 else ()

    def watch_line(self) -> None:
        """Show what is told now."""
        self.repaint_changes()
