"""Everything about one job, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

from slurper_tui import format as words
from slurper_tui.monitor.model.events import Event
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.timeline import Trace
from slurper_tui.tui.columns import Facts, migration
from slurper_tui.tui.detail_events import asked_lines, earlier_lines, newest_lines, own_events
from slurper_tui.tui.detail_identity import LABEL, identity_lines
from slurper_tui.tui.detail_pace import pace_lines
from slurper_tui.tui.glyphs import Look, role_of
from slurper_tui.tui.lines import Line, Piece, fill, pad, shorten, spread, width_of

COUNT, SHARE = 13, 8
MILLIONS = 11
"""The cells for all but billions of objects."""
TWO_COLUMNS = 70
"""The width from which on the numbers stand beside the identity instead of above it."""

_PART_ROLES = {
    "transferred": "primary",
    "skipped": "secondary",
    "failed": "error",
    "remaining": "faint",
}


def detail_lines(
    view: JobView,
    facts: Facts,
    width: int,
    trace: Trace | None = None,
    *,
    key: str = "",
    events: Sequence[Event] = (),
) -> tuple[Line, ...]:
    """Tell what matters first; beside each other where there is room.

    key: what switches how far back the pictures reach, as a person reads it. events: oldest first.
    """
    width, events = max(8, width), own_events(view, events)
    status, asked = status_line(view, facts, width), asked_lines(view, facts, width)
    if width >= TWO_COLUMNS:
        half = width // 2 - 2
        name = strong(migration(view, facts, max(half, width - width_of(status) - 3)))
        right = [*pace_lines(view, facts, half), (), *identity_lines(view, facts, half)]
        left = [*number_lines(view, facts, half), *newest_lines(events, facts, half)]
        pictures = _pictures(view, trace, facts, width, key)
        earlier = earlier_lines(events, facts, width)
        return (
            spread(name, status, width),
            *asked,
            (),
            *beside(left, right, half),
            (),
            *pictures,
            *earlier,
        )
    name = strong(migration(view, facts, width))
    numbers, pace = number_lines(view, facts, width), pace_lines(view, facts, width)
    pictures = _pictures(view, trace, facts, width, key)
    rest = (*pictures, *(((),) if pictures else ()), *identity_lines(view, facts, width))
    newest, earlier = newest_lines(events, facts, width), earlier_lines(events, facts, width)
    return (name, status, *asked, (), *numbers, (), *pace, *newest, (), *rest, *earlier)


def _pictures(
    view: JobView, trace: Trace | None, facts: Facts, width: int, key: str
) -> tuple[Line, ...]:
    """Draw the job's past, once it has been read."""
    if trace is None or trace.key != view.key or not trace.points:
        return ()
    from slurper_tui.tui.pictures import picture_lines  # the first picture has none

    return picture_lines(view, trace, facts, width, key=key, beside=width >= TWO_COLUMNS)


def beside(left: Sequence[Line], right: Sequence[Line], half: int) -> Iterator[Line]:
    """Set lines beside others, each in half of the width."""
    for one, other in zip_longest(left, right, fillvalue=()):
        yield (*fill(one, half), Piece("    "), *other)


def strong(line: Line) -> Line:
    """Let what has no role of its own stand out."""
    return tuple(Piece(piece.text, piece.role or "strong") for piece in line)


def status_line(view: JobView, facts: Facts, width: int) -> Line:
    """Tell the status, and since when."""
    glyphs = facts.look.glyphs
    word = f"{glyphs.sign(view.state)} {glyphs.clean(view.word)}"
    word = shorten(word, width, glyphs.ellipsis)
    room = width - cell_len(word) - 2
    since = next((text for text in _since(view, facts) if len(text) <= room), "")
    return (Piece(word, role_of(view)), Piece(f"  {since}" if since else "", "muted"))


def _since(view: JobView, facts: Facts) -> tuple[str, ...]:
    """Say how long it runs, or when it ended: in full, and shorter where that has no room."""
    zone = facts.look.zone
    created = words.parse_time(view.job.created_at)
    finished = words.parse_time(view.job.finished_at)
    if not view.live and finished is not None:
        return (words.moment(finished, facts.now, zone),)
    if created is None or not view.live:
        return ()
    span = words.duration(facts.now - created)
    return (f"{span} since {words.moment(created, facts.now, zone)}", span)


# Numbers --------------------------------------------------------------------------------------


def number_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Tell every count in full with its share, below a bar that is divided by them."""
    counts, say = view.counts, facts.look.glyphs.say
    percent = words.percent(view.percent, provisional=view.provisional)
    yield (
        *_split_bar(counts, facts.look, max(1, width - 7)),
        Piece(pad(say(percent), 5, right=True), "strong"),
        Piece(" %", "muted"),
    )
    yield ()
    for name, number in _parts(counts):
        if view.lower_bound:  # nobody knows what is left, nor the share of it
            left = None if name == "remaining" else number
            yield _count_line(name, left, None, facts.look, width)
        else:
            yield _count_line(name, number, counts.objects, facts.look, width)
    more = "+" if view.growing or view.partial else ""
    total = pad(say(words.count(counts.objects)), _count_width(width), right=True)
    yield (Piece(pad("total", LABEL), "muted"), Piece(total + more))


def _parts(counts: Counts) -> tuple[tuple[str, int | None], ...]:
    return (
        ("transferred", counts.transferred),
        ("skipped", counts.skipped),
        ("failed", counts.failed),
        ("remaining", counts.remaining),
    )


def _count_width(width: int) -> int:
    """The cells for a count in full: the share gives up its air first, then its place."""
    beside_share = width - LABEL - SHARE
    room = beside_share if beside_share >= MILLIONS else width - LABEL - 1
    return max(1, min(COUNT, room))


def _count_line(name: str, number: int | None, whole: int | None, look: Look, width: int) -> Line:
    role = _PART_ROLES[name] if number else "faint"
    count = pad(look.glyphs.say(words.count(number)), _count_width(width), right=True)
    roomy = width >= LABEL + max(_count_width(width), len(count)) + SHARE
    share = pad(look.glyphs.say(words.share(number, whole)), SHARE, right=True) if roomy else ""
    failed = "error" if name == "failed" and number else ""
    return (
        Piece(look.glyphs.part(name), role),
        Piece(pad(f" {name}", LABEL - 1), "muted"),
        Piece(count, failed),
        Piece(share, "muted"),
    )


def _split_bar(counts: Counts, look: Look, width: int) -> Line:
    """Divide a bar in whole cells; what exists at all is seen as at least one cell, if it can."""
    parts = [(name, number or 0) for name, number in _parts(counts)]
    whole = sum(number for _, number in parts)
    if not whole:
        return (Piece(look.glyphs.part("remaining") * width, "faint"),)
    sizes = _share_out([number for _, number in parts], width)
    return tuple(
        Piece(look.glyphs.part(name) * size, _PART_ROLES[name])
        for (name, _), size in zip(parts, sizes, strict=True)
    )


def _share_out(numbers: Sequence[int], width: int) -> list[int]:
    """Give each number its cells, at least one if it is any, and the largest what is left."""
    whole = sum(numbers)
    sizes = [max(1, n * width // whole) if n else 0 for n in numbers]
    largest = max(range(len(numbers)), key=lambda place: numbers[place])
    sizes[largest] = max(0, sizes[largest] + width - sum(sizes))
    return sizes
