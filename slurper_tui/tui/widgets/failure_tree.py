"""The failure report of some jobs: a tree of reasons, messages, prefixes, jobs and keys.

`FailureState` is the state as one frozen value, `entries` its visible lines, and `FailureLines` the
widget. A path identifies an entry across newer views, so that the cursor and the unfolded entries
are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.monitor.model.base import SHORT_ID, JobKey
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    FailureGroup,
    FailuresView,
    PrefixGroup,
    reason_of,
)
from slurper_tui.monitor.reports.wording import (
    after_all_words,
    failed_words,
    group_words,
    skipped_words,
    superseded_words,
    unread_words,
)
from slurper_tui.tui.render.lines import (
    Line,
    Piece,
    cut,
    fill,
    join,
    pad,
    shorten,
    spread,
    text_lines,
    width_of,
)
from slurper_tui.tui.render.log_text import cached_time, sign_of
from slurper_tui.tui.widgets.line_list import MARGIN, LineList

if TYPE_CHECKING:
    from slurper_tui.monitor.reports.retries import FoundAfterAll
    from slurper_tui.tui.render.glyphs import Look

Path = tuple[str, ...]
"""The path of an entry: its log type, then the kind and the text of each entry down to its own."""

REASON, MESSAGE, PREFIX, SPAN, JOB, KEY = "type", "message", "prefix", "span", "job id", "key"
LOOKUP, ABSENT = "lookup", "absent"

MOST_ABSENT = 200
"""The most keys to list that are not in the target; saving the keys saves all of them."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the tree.

    text: exactly as the API sent it.
    count: objects; None for a single key.
    opens: it has entries below it.
    job_id: the job of a prefix or of keys, if it is one of several; "" if there is one job only.
    """

    path: Path
    group: FailureGroup
    text: str
    count: int | None = None
    opens: bool = False
    job_id: str = ""

    @property
    def kind(self) -> str:
        """What the entry is: `REASON`, `MESSAGE` and so on."""
        return self.path[-2] if len(self.path) > 1 else REASON


class FailureState(msgspec.Struct, frozen=True, eq=False):
    """The failure report as displayed.

    cursor: the path of the highlighted entry.
    opened: the paths of the unfolded entries.
    after_all: by log type, what a lookup in the target tells.
    """

    view: FailuresView
    cursor: Path = ()
    opened: frozenset[Path] = frozenset()
    after_all: Mapping[str, FoundAfterAll] = {}

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
        if group.log_type in state.after_all:
            found += _lookup_entries(state, path, group)
        for text, count in group.messages:
            found.append(Entry((*path, MESSAGE, text), group, text, count))
        for prefix in group.prefixes:
            found += _prefix_entries(state, path, group, prefix)
    return tuple(found)


def _lookup_entries(state: FailureState, path: Path, group: FailureGroup) -> Iterator[Entry]:
    """Yield what a lookup in the target tells, then the keys that it did not find."""
    known = state.after_all[group.log_type]
    yield Entry((*path, LOOKUP, ""), group, "")
    if not known.absent:
        return
    path = (*path, ABSENT, "")
    yield Entry(path, group, "", len(known.absent), opens=True)
    if path in state.opened:
        keys = known.absent[:MOST_ABSENT]
        yield from (Entry((*path, KEY, key), group, key) for key in keys)


def _prefix_entries(
    state: FailureState, path: Path, group: FailureGroup, prefix: PrefixGroup
) -> Iterator[Entry]:
    """Yield a prefix and what is visible below it: its jobs if there are several, then keys."""
    path = (*path, PREFIX, prefix.prefix)
    jobs = prefix.jobs if state.view.jobs else ()
    owner = jobs[0].key.job_id if len(jobs) == 1 else ""
    opens = bool(prefix.examples)
    yield Entry(path, group, prefix.prefix, prefix.count, opens=opens, job_id=owner)
    if path not in state.opened:
        return
    if len(jobs) < 2:
        yield from (Entry((*path, KEY, key), group, key, job_id=owner) for key in prefix.examples)
        return
    for job in jobs:
        inner, job_id = (*path, JOB, job.key.job_id), job.key.job_id
        yield Entry(inner, group, job_id, job.count, opens=bool(job.examples), job_id=job_id)
        if inner in state.opened:
            yield from (
                Entry((*inner, KEY, key), group, key, job_id=job_id) for key in job.examples
            )


def see(state: FailureState, view: FailuresView) -> FailureState:
    """Return the state with a newer view; the cursor keeps its entry, or moves to its parent.

    On the first reason, with nothing unfolded, it stays on the first one: failures come first, but
    their log may be read later.
    """
    groups = state.view.groups
    untouched = not state.opened and bool(groups) and state.cursor == (groups[0].log_type,)
    return _placed(replace(state, view=view, cursor=() if untouched else state.cursor))


def _placed(state: FailureState) -> FailureState:
    """Put the cursor on a visible entry: its own, the nearest parent, or the first entry."""
    paths = [entry.path for entry in entries(state)]
    nearest = (state.cursor[:size] for size in range(len(state.cursor), 0, -2))
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
    return _placed(replace(state, cursor=state.cursor[:-2] or state.cursor))


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
        yield from text_lines("The log lists no failed and no skipped object", width)
    for job in view.unread:
        if view.jobs and job.problem:
            yield from text_lines(look.sentence(unread_words(job)), width, "error")


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
    """The failure report as a list with a cursor.

    names: of several jobs, the name of each by its id.
    superseded: jobs that are left out, because a later one repeats them.
    now: the time of the newest data, UTC seconds.
    """

    state: var[FailureState] = var(NOTHING, init=False)

    def __init__(
        self, look: Look, names: Mapping[str, str], *, superseded: int = 0, id: str
    ) -> None:
        super().__init__(look, id=id)
        self._superseded = superseded
        self.now = 0.0
        self._names = names
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
        draw = self._group_line if entry.kind == REASON else self._inner_line
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
        name = shorten(look.sanitise(self._reason(group)), room, look.ellipsis)
        left: Line = (*head, Piece(name, sign.style))
        return spread(left, (Piece(seen, "muted"),) if seen else (), width)

    def _reason(self, group: FailureGroup) -> str:
        """Return the name of a reason, and how many of its objects are in the target after all."""
        known = self.state.after_all.get(group.log_type)
        there = f", {fmt.count(len(known.there))} there after all" if known else ""
        return f"{group_words(group)}{there}"

    def _inner_line(self, entry: Entry, width: int) -> Line:
        """Draw an entry below a reason: its count, then its text; behind a prefix, its one job."""
        look = self._look
        kind, text = entry.kind, look.sanitise(entry.text)
        owner = self._job_words(entry.job_id) if kind == PREFIX and entry.job_id else ""
        if kind == SPAN:
            text = _seen_words(entry.group, look, self.now)
        elif kind == LOOKUP:
            words = after_all_words(self.state.after_all[entry.path[0]], self.now, look.zone)
            text = look.sentence("; ".join(words[:-1] or words))
        elif kind == ABSENT:
            text = "not in the target"
        elif kind == PREFIX and not entry.text:
            text = "(no prefix)"
        elif kind == JOB:
            text = self._job_words(entry.job_id)
        number = "" if entry.count is None else fmt.count(entry.count)
        sign = _fold_sign(entry.path in self.state.opened, look) if entry.opens else " "
        head: Line = (
            *(Piece("  "), Piece(sign, "faint"), Piece(" ")),
            Piece(pad(number, self._counts, right=True), "muted"),
            Piece("  " * (len(entry.path) // 2)),
        )
        style = "" if kind in (PREFIX, JOB) else "muted"
        room = max(1, width - width_of(head))
        short = cut if kind == MESSAGE else shorten  # a message tells most at its beginning
        left: Line = (*head, Piece(short(text, room, look.ellipsis), style))
        return spread(left, (Piece(owner, "muted"),) if owner else (), width)

    def _job_words(self, job_id: str) -> str:
        """Return the short id of a job, and its prefix if that is its name."""
        short = self._look.sanitise(job_id[:SHORT_ID])
        name = self._look.sanitise(self._names.get(job_id, ""))
        return f"job {short}" if name in ("", short) else f"job {short}  {name}"

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
        if self._superseded:
            above += text_lines(superseded_words(self._superseded), width, "muted")
        self._entries = entries(self.state)
        air = [()] if above and self._entries and self.size.height > len(above) + 2 else []
        self._above = (*above, *air)
        paths = [entry.path for entry in self._entries]
        self._cursor = paths.index(self.state.cursor) if self.state.cursor in paths else None
        counts = (entry.count for entry in self._entries if entry.count is not None)
        self._counts = max((len(fmt.count(count)) for count in counts), default=1)
        self.set_lines(self.lines)
