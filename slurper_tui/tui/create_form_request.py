"""A create request in full, without its secrets, as lines to be read before it is sent."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, overload

from slurper_tui import format as words
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.plans import Draft, Secrets
from slurper_tui.tui.render.columns import short_id
from slurper_tui.tui.render.glyphs import Glyphs, Look
from slurper_tui.tui.render.lines import Line, Piece, pad, wrap
from slurper_tui.tui.widgets.detail_pane import TextLines
from slurper_tui.tui.widgets.job_table import wrap_words

LABEL = 14
NARROW, NARROW_LABEL = 50, 13
LOW = 16
INDENT = "  "


class Offer(NamedTuple):
    """What is about to be sent. secrets: None while they have not been asked for.

    notes: what the person should know before. retry_of, log_types: as of `Creation.create`.
    """

    account_id: str
    drafts: tuple[Draft, ...]
    secrets: Secrets | None = None
    notes: tuple[str, ...] = ()
    retry_of: JobKey | None = None
    log_types: tuple[str, ...] = ()


class Listed(Sequence[Line]):
    """Ready lines, then one entry after another, each wrapped when it is looked at.

    An entry is a text from outside, or a ready line.
    """

    def __init__(
        self, head: Sequence[Line], entries: Sequence[str | Line], glyphs: Glyphs, width: int
    ) -> None:
        self._head = head
        self._entries = entries
        self._glyphs = glyphs
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
        return wrap(self._glyphs.clean(entry), self._width)


class RequestPane(TextLines):
    """What is told by its screen, scrolled through."""

    def lines_for(self, width: int) -> Sequence[Line]:
        """Take the screen's lines."""
        tell = getattr(self.screen, "pane_lines", None)
        told: Sequence[Line] = tell(width) if tell else ()
        return told


def request_lines(
    offer: Offer, look: Look, width: int, news: Sequence[Line] = ()
) -> Sequence[Line]:
    """News, then the request, then everything that it names: each key, or each prefix."""
    head = [*news, *_facts(offer, look, width)]
    return Listed(head, _entries(offer, look), look.glyphs, width)


def told(label: str, text: str, look: Look, width: int, role: str = "") -> Iterator[Line]:
    """A label and what it stands for, below each other's beginnings."""
    room = NARROW_LABEL if width < NARROW else LABEL
    shown = pad(look.glyphs.say(label), room)
    clean = look.glyphs.clean(look.glyphs.say(text))
    for part in wrap_words(clean, max(8, width - room - len(INDENT))):
        yield (Piece(INDENT), Piece(shown, "muted"), Piece(part, role))
        shown = " " * room


def _facts(offer: Offer, look: Look, width: int) -> Iterator[Line]:
    for label, text in _pairs(offer, look):
        yield from told(label, text, look, width)
    for note in offer.notes:
        yield from told("note", note, look, width, "warning")
    if any(draft.keys for draft in offer.drafts) or len(offer.drafts) > 1:
        yield ()


def _pairs(offer: Offer, look: Look) -> Iterator[tuple[str, str]]:
    first, several = offer.drafts[0], len(offer.drafts) > 1
    yield "account", short_id(offer.account_id, look, 16)
    if offer.retry_of:
        yield "retry of", short_id(offer.retry_of.job_id, look, 16)
    if offer.log_types:
        yield "log rows", ", ".join(offer.log_types)
    yield "from", f"{first.vendor}  {first.bucket}"
    if first.endpoint:
        yield "endpoint", first.endpoint
    if first.region:
        yield "region", first.region
    if first.vendor == "r2":
        yield "jurisdiction", first.source_jurisdiction or "default"
    yield from _what(offer.drafts)
    yield "to", f"r2  {first.target}"
    yield "jurisdiction", first.target_jurisdiction or "default"
    yield "overwrite", _OVERWRITE[first.overwrite]
    if several:
        yield "jobs", f"{len(offer.drafts)}, started in this order as slots become free"
    yield "secrets", _SECRETS if offer.secrets is None else "given; shown and kept nowhere"


_OVERWRITE = {
    True: "yes: what is in the target already is replaced",
    False: "no: what is in the target already stays",
}
_SECRETS = "asked for next; the API never tells them"


def _what(drafts: Sequence[Draft]) -> Iterator[tuple[str, str]]:
    first, several = drafts[0], len(drafts) > 1
    if first.keys is not None:
        number = sum(len(draft.keys or ()) for draft in drafts)
        keys = "the key" if number == 1 else f"exactly the {words.count(number)} keys"
        yield "objects", f"{keys} below"
    elif several:
        yield "objects", f"those under the {len(drafts)} prefixes below"
    elif first.path_prefix:
        yield "prefix", first.path_prefix
    else:
        yield "objects", "all of the bucket"


def _entries(offer: Offer, look: Look) -> Sequence[str | Line]:
    """Each key, under its job's number where there are several jobs; or each prefix."""
    if len(offer.drafts) == 1:
        return offer.drafts[0].keys or ()
    if offer.drafts[0].keys is None:
        return [draft.path_prefix or "" for draft in offer.drafts]
    return [*_of_several(offer.drafts, look)]


def _of_several(drafts: Sequence[Draft], look: Look) -> Iterator[str | Line]:
    for number, draft in enumerate(drafts, 1):
        keys = draft.keys or ()
        title = f"job {number} of {len(drafts)} · {words.count(len(keys))} keys"
        yield (Piece(INDENT), Piece(look.glyphs.say(title), "heading"))
        yield from keys
