"""The failure report of a job: a tree of reasons, messages, prefixes and keys below a summary.

`FailureState` is the state as one frozen value, `entries` its visible lines, and `FailureLines` the
widget. A path identifies an entry across newer views, so that the cursor and the unfolded entries
are kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    FailureGroup,
    FailuresView,
    reason_of,
)
from slurper_tui.monitor.reports.wording import failed_words, group_words, skipped_words
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import (
    Line,
    Piece,
    fill,
    join,
    pad,
    shorten,
    spread,
    text_lines,
    width_of,
)
from slurper_tui.tui.widgets.line_list import MARGIN, LineList
from slurper_tui.tui.widgets.log_rows import cached_time, sign_of

Path = tuple[str, ...]
"""The path of an entry: its log type; then `message` or `prefix` and its text; then the key."""

MESSAGE, PREFIX, SPAN = "message", "prefix", "span"


class Entry(msgspec.Struct, frozen=True):
    """One line of the tree.

    text: exactly as the API sent it.
    count: objects; None for a single key.
    opens: it has entries below it.
    """

    path: Path
    group: FailureGroup
    text: str
    count: int | None = None
    opens: bool = False

    @property
    def is_group(self) -> bool:
        """Whether the entry is a reason."""
        return len(self.path) == 1

    @property
    def is_key(self) -> bool:
        """Whether the entry is an example key."""
        return len(self.path) == 4


class FailureState(msgspec.Struct, frozen=True, eq=False):
    """The failure report as displayed.

    cursor: the path of the highlighted entry.
    opened: the paths of the unfolded entries.
    """

    view: FailuresView
    cursor: Path = ()
    opened: frozenset[Path] = frozenset()

    @property
    def log_type(self) -> str:
        """The log type of the highlighted entry, or that of failed objects if there is none."""
        return self.cursor[0] if self.cursor else FAILED_TYPE


def entries(state: FailureState) -> tuple[Entry, ...]:
    """Return every visible entry, in order."""
    found: list[Entry] = []
    for group in state.view.groups:
        path = (group.log_type,)
        found.append(Entry(path, group, group.log_type, group.count, opens=True))
        if path not in state.opened:
            continue
        found.append(Entry((*path, SPAN, ""), group, ""))
        for text, count in group.messages:
            found.append(Entry((*path, MESSAGE, text), group, text, count))
        for prefix in group.prefixes:
            inner = (*path, PREFIX, prefix.prefix)
            opens = bool(prefix.examples)
            found.append(Entry(inner, group, prefix.prefix, prefix.count, opens=opens))
            if inner in state.opened:
                found.extend(Entry((*inner, key), group, key) for key in prefix.examples)
    return tuple(found)


def see(state: FailureState, view: FailuresView) -> FailureState:
    """Return the state with a newer view; the cursor keeps its entry, or moves to its parent."""
    return _placed(replace(state, view=view))


def _placed(state: FailureState) -> FailureState:
    """Put the cursor on a visible entry: its own, the nearest parent, or the first entry."""
    paths = [entry.path for entry in entries(state)]
    sizes = (len(state.cursor), 3, 1)
    nearest = (state.cursor[:size] for size in sizes if size <= len(state.cursor))
    cursor = next((path for path in nearest if path in paths), paths[0] if paths else ())
    return replace(state, cursor=cursor)


def current(state: FailureState) -> Entry | None:
    """Return the highlighted entry; None if there is none."""
    return next((entry for entry in entries(state) if entry.path == state.cursor), None)


def move(state: FailureState, step: int) -> FailureState:
    """Move the cursor down by `step` entries (up if negative), clamped to the entries."""
    paths = [entry.path for entry in entries(state)]
    if not paths:
        return state
    place = paths.index(state.cursor) if state.cursor in paths else 0
    return replace(state, cursor=paths[max(0, min(place + step, len(paths) - 1))])


def unfold(state: FailureState) -> FailureState:
    """Show the entries below the highlighted one."""
    entry = current(state)
    if entry is None or not entry.opens:
        return state
    return replace(state, opened=state.opened | {entry.path})


def fold(state: FailureState) -> FailureState:
    """Hide the entries below the highlighted one; if it is not unfolded, move to its parent."""
    if state.cursor in state.opened:
        return replace(state, opened=state.opened - {state.cursor})
    outer = state.cursor[:3] if len(state.cursor) > 3 else state.cursor[:1]
    return _placed(replace(state, cursor=outer))


ROOMY = 64
"""The width in cells from which a reason's line also shows when it was seen."""


def read_words(view: FailuresView) -> tuple[str, ...]:
    """Return how much of the log has been read, the longest text first."""
    rows = fmt.count(view.rows_read)
    if view.counts.whole:
        return (f"{rows} rows read",)
    return (f"read {rows} rows…", "reading…") if view.rows_read else ("reading…",)


def failed_line(view: FailuresView, width: int) -> Line:
    """Return the longest text of `failed_words` that fits, in its colour."""
    texts = failed_words(view)
    text = next((text for text in texts if len(text) <= width), texts[-1])
    return (Piece(text, "error" if view.named or view.failed_objects != 0 else "success"),)


def summary(view: FailuresView, look: Look, width: int) -> Iterator[Line]:
    """Yield the lines above the tree, broken only between words."""
    if view.counts.listing_broke:
        sign = "x" if look.ascii_only else "✖"
        yield from text_lines(f"{sign} {reason_of(BROKE_TYPE)}", width, "error")
    skipped = [
        Piece(look.sentence(text), style)
        for text, style in zip(skipped_words(view), ("muted", "warning"), strict=True)
        if text
    ]
    line = join([(piece,) for piece in skipped], look.to_ascii(" · "))
    if line and width_of(line) <= width:
        yield line
    else:
        for piece in skipped:
            yield from text_lines(piece.text, width, piece.style)
    if view.counts.whole and not view.groups:
        yield from text_lines("The log names no object that failed or was left out", width)


def _fold_sign(opened: bool, look: Look) -> str:
    if look.ascii_only:
        return "-" if opened else "+"
    return "▾" if opened else "▸"


def _seen_words(group: FailureGroup, look: Look, now: float) -> str:
    """Return when a reason was first and last seen: `seen Thu 14:01 – today 09:12`."""
    times = [(text, cached_time(text)) for text in (group.first_seen, group.last_seen)]
    first, last = (
        look.sanitise(text) if at is None else fmt.moment(at, now or at, look.zone)
        for text, at in times
    )
    if " " in first and " " not in last:
        last = f"today {last}"
    return look.sentence(f"seen {first if first == last else f'{first} – {last}'}")


NOTHING = FailureState(FailuresView(JobKey("", "")))


class FailureLines(LineList):
    """The failure report as a list with a cursor. now: the time of the newest data, UTC seconds."""

    state: var[FailureState] = var(NOTHING, init=False)

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self.now = 0.0
        self._above: tuple[Line, ...] = ()
        self._entries: tuple[Entry, ...] = ()
        self._cursor: int | None = None
        self._counts = 1

    def line_at(self, y: int) -> Line:
        """Draw a line of the summary, or an entry."""
        line = y + self.first
        if line < len(self._above):
            return (Piece(" " * (MARGIN - 1)), *self._above[line], Piece(" "))
        row = self.row_of(line)
        if row is None:
            return ()
        entry, width = self._entries[row], max(1, self.room.width - MARGIN - 1)
        draw = self._group_line if entry.is_group else self._inner_line
        head = (self.cursor_sign(row), Piece(" " * (MARGIN - 1)))
        return fill((*head, *draw(entry, width)), self.room.width)

    def _group_line(self, entry: Entry, width: int) -> Line:
        """Draw a reason: its sign, its count and its name, then when it was seen."""
        group, look, opened = entry.group, self._look, entry.path in self.state.opened
        sign = sign_of(group.log_type, look)
        head: Line = (
            *(Piece(_fold_sign(opened, look), "faint"), Piece(" ")),
            *(sign, Piece(" ")),
            *(Piece(pad(fmt.count(group.count), self._counts, right=True)), Piece("  ")),
        )
        seen = _seen_words(group, look, self.now) if width >= ROOMY and not opened else ""
        room = max(1, width - width_of(head) - (len(seen) + 2 if seen else 0))
        name = shorten(look.sanitise(group_words(group)), room, look.ellipsis)
        left: Line = (*head, Piece(name, sign.style))
        return spread(left, (Piece(seen, "muted"),) if seen else (), width)

    def _inner_line(self, entry: Entry, width: int) -> Line:
        """Draw an entry below a reason: its count, then its text."""
        look = self._look
        kind, text = entry.path[1], look.sanitise(entry.text)
        if kind == SPAN:
            text = _seen_words(entry.group, look, self.now)
        elif kind == PREFIX and not entry.text:
            text = "(no prefix)"
        number = "" if entry.count is None else fmt.count(entry.count)
        sign = _fold_sign(entry.path in self.state.opened, look) if entry.opens else " "
        head: Line = (
            *(Piece("  "), Piece(sign, "faint"), Piece(" ")),
            Piece(pad(number, self._counts, right=True), "muted"),
            Piece("    " if entry.is_key else "  "),
        )
        style = "" if kind == PREFIX and not entry.is_key else "muted"
        room = max(1, width - width_of(head))
        return (*head, Piece(shorten(text, room, look.ellipsis), style))

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted entry; None if there is none."""
        return self._cursor

    @property
    def lines(self) -> int:
        """The number of lines, those of the summary included."""
        return len(self._above) + len(self._entries)

    def row_of(self, line: int) -> int | None:
        """Return the index of the entry at a line; None for the summary and empty lines."""
        row = line - len(self._above)
        return row if 0 <= row < len(self._entries) else None

    def watch_state(self) -> None:
        """Show the new state."""
        self.redraw()

    def lines_of(self, row: int) -> range:
        """Return the line of an entry; for the first, the summary above too if both fit."""
        line = row + len(self._above)
        with_summary = row == 0 and line < self.page
        return range(0 if with_summary else line, line + 1)

    def fit(self) -> None:
        """Compute the summary and the entries for this width."""
        width = max(1, self.size.width - MARGIN - 1)
        above = [*summary(self.state.view, self._look, width)]
        self._entries = entries(self.state)
        air = [()] if above and self._entries and self.size.height > len(above) + 2 else []
        self._above = (*above, *air)
        paths = [entry.path for entry in self._entries]
        self._cursor = paths.index(self.state.cursor) if self.state.cursor in paths else None
        counts = (entry.count for entry in self._entries if entry.count is not None)
        self._counts = max((len(fmt.count(count)) for count in counts), default=1)
        self.set_lines(self.lines)
