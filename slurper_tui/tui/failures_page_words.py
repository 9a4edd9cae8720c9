"""What failed, in words: the log held against the job's counters, and each entry of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurper_tui import format as words
from slurper_tui.monitor.model.logs import Cause, FailureGroup, FailuresView, reason_of
from slurper_tui.tui.failures_page_scene import MESSAGE, SPAN, Entry
from slurper_tui.tui.log_rows import known_time, sign_of
from slurper_tui.tui.notices import wrap_words
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.lines import Line, Piece, join, pad, shorten, spread, width_of

ROOMY = 64
"""Cells from which a reason's line also says when it was seen."""

BROKE = "source listing broke: the total is incomplete"
MOST_REASONS = 3
"""More reasons than so many are told as others; the tree has them all."""


def read_words(view: FailuresView) -> tuple[str, ...]:
    """How far the log is read, at length and in short."""
    rows = words.count(view.rows_read)
    if view.counts.whole:
        return (f"{rows} rows read",)
    return (f"read {rows} rows…", "reading…") if view.rows_read else ("reading…",)


def failed_words(view: FailuresView) -> tuple[str, ...]:
    """The failed objects that the log names, held against the job's; at length, then short."""
    named, failed = words.count(view.named), view.failed_objects
    so_far = "" if view.counts.whole else " so far"
    if failed is None:
        short = f"log names {named} failed{so_far}"
        return (f"{short}; the job's counter is unknown", short)
    if view.named > failed:
        return (f"log names {named} failed, the job counts {words.count(failed)}",)
    if not failed:
        return ("nothing failed",)
    short = f"log names {named} of {words.count(failed)} failed{so_far}"
    missing = failed - view.named
    if not missing or so_far:
        return (short,)
    return (f"{short}; {words.count(missing)} it does not name", short)


def failed_line(view: FailuresView, width: int) -> Line:
    """The same, in its colour, as long as there is room for."""
    said = failed_words(view)
    clean = not view.named and view.failed_objects == 0
    fits = (text for text in said if len(text) <= width)
    return (Piece(next(fits, said[-1]), "success" if clean else "error"),)


def export_doubts(view: FailuresView, inexact: Sequence[str]) -> tuple[str, ...]:
    """Say why a list of keys is not all. inexact: keys with bytes that are not UTF-8, left out."""
    doubts = []
    if inexact:
        number = "1 key holds" if len(inexact) == 1 else f"{words.count(len(inexact))} keys hold"
        doubts.append(f"{number} bytes that are not UTF-8, and cannot be told exactly: left out")
    if view.failed_objects is not None and view.named < view.failed_objects:
        failed = words.count(view.failed_objects)
        doubts.append(f"The log names {words.count(view.named)} of {failed} failed objects")
    if not view.counts.whole:
        doubts.append("The log grew too fast to be read without a gap: there may be more")
    return tuple(doubts)


def skipped_words(view: FailuresView) -> tuple[str, str]:
    """What was skipped and is there, and what was skipped and is not; each may be empty."""
    skipped, missing = view.skipped_objects, view.not_copied
    lost = f"{words.count(missing)} not copied{_so_far(view)}{_reasons(view)}" if missing else ""
    if skipped is None:
        return ("how many were skipped is unknown", lost)
    if missing > skipped:
        return (f"skipped {words.count(skipped)}, but the log names more", lost)
    if not skipped:
        return ("", "")
    return (f"skipped {words.count(skipped)}: {_rest_words(view, skipped - missing)}", lost)


def _rest_words(view: FailuresView, number: int) -> str:
    """Skipped objects that the log does not name: in the target only if it names all failures."""
    if not view.counts.whole:
        return f"at most {words.count(number)} already there"
    word = "for unknown reasons" if view.harmless is None else "already there"
    return f"{words.count(number)} {word}"


def _so_far(view: FailuresView) -> str:
    return "" if view.counts.whole else " so far"


def _reasons(view: FailuresView) -> str:
    groups = [group for group in view.groups if group.cause is Cause.NOT_COPIED]
    parts = [f"{words.count(g.count)} {reason_of(g.log_type)}" for g in groups[:MOST_REASONS]]
    rest = sum(group.count for group in groups[MOST_REASONS:])
    return f" ({', '.join([*parts, *([f'{words.count(rest)} others'] if rest else [])])})"


def summary(view: FailuresView, look: Look, width: int) -> Iterator[Line]:
    """Give the lines above the tree, in whole words."""
    if view.counts.listing_broke:
        sign = "x" if look.glyphs.ascii_only else "✖"
        yield from _wrapped(f"{sign} {BROKE}", "error", look, width)
    there, lost = skipped_words(view)
    dot = look.glyphs.say(" · ")
    line = join([_piece(there, "muted", look), _piece(lost, "warning", look)], dot)
    if line and width_of(line) <= width:
        yield line
    else:
        yield from _wrapped(there, "muted", look, width)
        yield from _wrapped(lost, "warning", look, width)
    if view.counts.whole and not view.groups:
        yield from _wrapped("The log names no object that failed or was left out", "", look, width)


def _piece(text: str, role: str, look: Look) -> Line:
    return (Piece(look.glyphs.clean(look.glyphs.say(text)), role),) if text else ()


def _wrapped(text: str, role: str, look: Look, width: int) -> Iterator[Line]:
    if text:
        said = look.glyphs.clean(look.glyphs.say(text))
        yield from ((Piece(part, role),) for part in wrap_words(said, width))


def count_width(shown: Sequence[Entry]) -> int:
    """Cells for the largest count in sight."""
    return max((len(words.count(e.count)) for e in shown if e.count is not None), default=1)


def entry_line(
    entry: Entry, look: Look, width: int, *, counts: int, opened: bool, now: float
) -> Line:
    """Draw one line of the tree. counts: cells for counts. now: UTC seconds."""
    if entry.is_group:
        return _group_line(entry, look, width, counts, opened, now)
    number = pad(words.count(entry.count) if entry.count is not None else "", counts, right=True)
    sign = Piece(_fold_sign(opened, look) if entry.opens else " ", "faint")
    head: Line = (Piece("  "), sign, Piece(" "), Piece(number, "muted"), Piece("  "))
    if entry.is_key:
        head = (*head, Piece("  "))
    room = max(1, width - width_of(head))
    return (
        *head,
        Piece(shorten(_entry_text(entry, look, now), room, look.glyphs.ellipsis), _role(entry)),
    )


def _entry_text(entry: Entry, look: Look, now: float) -> str:
    if entry.path[1] == SPAN:
        return _seen_words(entry.group, look, now)
    if not entry.text and entry.path[1] != MESSAGE:
        return "(no prefix)"
    return look.glyphs.clean(entry.text)


def _role(entry: Entry) -> str:
    return "muted" if entry.is_key or entry.path[1] in (MESSAGE, SPAN) else ""


def _fold_sign(opened: bool, look: Look) -> str:
    if look.glyphs.ascii_only:
        return "-" if opened else "+"
    return "▾" if opened else "▸"


def _group_line(
    entry: Entry, look: Look, width: int, counts: int, opened: bool, now: float
) -> Line:
    group = entry.group
    head: Line = (
        *(Piece(_fold_sign(opened, look), "faint"), Piece(" ")),
        *(sign_of(group.log_type, look), Piece(" ")),
        *(Piece(pad(words.count(group.count), counts, right=True)), Piece("  ")),
    )
    seen = _seen_words(group, look, now) if width >= ROOMY and not opened else ""
    room = max(1, width - width_of(head) - (len(seen) + 2 if seen else 0))
    name = shorten(look.glyphs.clean(group_words(group)), room, look.glyphs.ellipsis)
    left: Line = (*head, Piece(name, sign_of(group.log_type, look).role))
    return spread(left, (Piece(seen, "muted"),) if seen else (), width)


def group_words(group: FailureGroup) -> str:
    """A reason, and what it means for the objects."""
    if group.cause is Cause.NOT_COPIED:
        return f"not copied: {reason_of(group.log_type)}"
    return reason_of(group.log_type)


def _seen_words(group: FailureGroup, look: Look, now: float) -> str:
    """When it was seen first and last: `Thu 14:01 – today 09:12`."""
    first, last = (_when(text, look, now) for text in (group.first_seen, group.last_seen))
    if " " in first and " " not in last:
        last = f"today {last}"
    said = first if first == last else f"{first} – {last}"
    return look.glyphs.clean(look.glyphs.say(f"seen {said}"))


def _when(text: str | None, look: Look, now: float) -> str:
    at = known_time(text)
    return look.glyphs.clean(text) if at is None else words.moment(at, now or at, look.zone)
