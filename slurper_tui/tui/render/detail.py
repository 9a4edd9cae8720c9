"""Rendering of the detail pane as lines, for one job (`detail_lines`) or one migration.

A job's lines are its status and request, its counts, its rate and forecast, the newest events, the
charts, its identity and the earlier events. From `TWO_COLUMNS` cells on, the counts are beside the
identity. job_text and charts are imported on first use, because the first screen needs neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import msgspec
from rich.cells import cell_len

from slurper_tui import format as words
from slurper_tui.api.models import Source
from slurper_tui.eta import eta_long, finish
from slurper_tui.monitor.model.base import SLOTS, JobKey
from slurper_tui.monitor.model.events import Event
from slurper_tui.monitor.model.job import (
    Counts,
    Forecast,
    JobView,
    State,
    shown_forecast,
    shown_rate,
)
from slurper_tui.monitor.model.logs import BROKE_TYPE, reason_of
from slurper_tui.monitor.model.timeline import Trace
from slurper_tui.monitor.reports.migrations import Migration
from slurper_tui.tui.render.columns import Facts, migration, short_id
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import (
    Line,
    Piece,
    fill,
    join,
    pad,
    shorten,
    spread,
    width_of,
    wrap,
)
from slurper_tui.tui.render.problem_text import error_details

NEWEST = 4
"""This many of the newest events are shown near the top; earlier ones follow at the end."""


def own_events(view: JobView, events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events of this job.

    A snapshot may still hold those of the job highlighted before.
    """
    return tuple(event for event in events if event.key == view.key)


def newest_lines(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    """Return the newest events after an empty line, or nothing."""
    told = _events(events[-NEWEST:], facts, width)
    return ((), *told) if told else ()


def earlier_lines(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    """Return the earlier events after an empty line, or nothing."""
    told = _events(events[:-NEWEST], facts, width)
    return ((), *told) if told else ()


def asked_lines(view: JobView, facts: Facts, width: int) -> tuple[Line, ...]:
    """Return the state of the job's action request, while it is still of interest."""
    if view.request is None:
        return ()
    from slurper_tui.tui.render.job_text import request_lines  # only for a request

    return (*request_lines(view, facts.look, width),)


def _events(events: Sequence[Event], facts: Facts, width: int) -> tuple[Line, ...]:
    if not events:
        return ()
    from slurper_tui.tui.render.job_text import event_lines  # not needed for the first screen

    return (*event_lines(events, facts, width),)


LABEL = 13
"""Cells for the label before a value."""


class _Field(msgspec.Struct, frozen=True):
    label: str
    text: str


def identity_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the job's exact identity; long values continue on the next line.

    The sums of a migration have no job id.
    """
    for field in (*_job_fields(view, facts), *_source_fields(view.job.source, facts)):
        yield from _field_lines(field, width)
    target = view.job.target
    clean = facts.look.sanitise
    yield from _field_lines(_Field("target", clean(target.bucket if target else None)), width)
    if target and target.jurisdiction:
        yield from _field_lines(_Field("jurisdiction", clean(target.jurisdiction)), width)


def _job_fields(view: JobView, facts: Facts) -> Iterator[_Field]:
    job, clean = view.job, facts.look.sanitise
    if job.id is not None:
        yield _Field("job", clean(job.id))
    yield _Field("account", clean(view.account_id))
    yield _Field("created", _time(job.created_at, facts))
    if job.finished_at is not None:
        yield _Field("finished", _time(job.finished_at, facts))
    if job.overwrite is not None:
        yield _Field("overwrite", "yes" if job.overwrite else "no")


def _source_fields(source: Source | None, facts: Facts) -> Iterator[_Field]:
    if source is None:
        return
    clean = facts.look.sanitise
    yield _Field("source", clean(source.bucket))
    if source.path_prefix:
        yield _Field("prefix", clean(source.path_prefix))
    if source.keys is not None:
        yield _Field("keys", words.count(len(source.keys)))
    yield _Field("vendor", clean(source.vendor))
    for label, text in (
        ("endpoint", source.endpoint),
        ("region", source.region),
        ("jurisdiction", source.jurisdiction),
    ):
        if text:
            yield _Field(label, clean(text))


def _time(text: str | None, facts: Facts) -> str:
    """Return a time in the configured zone, or the API's text if it cannot be parsed."""
    at = words.parse_time(text)
    if at is None:
        return facts.look.sanitise(text)
    return words.iso(at, facts.look.zone).replace("T", " ")[:19]


def _field_lines(field: _Field, width: int) -> Iterator[Line]:
    label = pad(field.label, LABEL)
    for part in wrap(field.text, width - LABEL):
        yield (Piece(label, "muted"), Piece(part))
        label = " " * LABEL


WORTH_TELLING = 0.02
"""Transferred and skipped rates are shown separately if each is at least this share of their sum.
"""


def pace_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the verdict, stall, rates, forecast and deadline, then notes and the last problem."""
    if view.verdict:
        style = "success" if view.verdict.clean else "warning"
        style = "error" if view.verdict.listing_broke else style
        yield from _wrapped(_sayable(view.verdict.text, facts), width, style)
    if view.live:
        yield from _stall(view, facts, width)
        yield from _rates(view, facts, width)
        yield from _eta(view, facts, width)
        yield from _deadline(view, facts, width)
    elif view.lifetime_rate is not None:
        yield (Piece(words.rate(view.lifetime_rate)), Piece("/s on average", "muted"))
    yield from _notes(view, facts, width)
    yield from _trouble(view, facts, width)


def _sayable(text: str, facts: Facts) -> str:
    """Sanitise our own sentence, which may quote API text, and translate its signs."""
    return facts.look.sentence(text)


def _stall(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.state is not State.STALLED or view.stalled_since is None:
        return
    since = words.moment(view.stalled_since, facts.now, facts.look.zone)
    span = words.duration(facts.now - view.stalled_since)
    sign = facts.look.sign(view.state)
    text = f"{sign} nothing has moved since {since} ({span})"
    yield from _wrapped(text, width, style_of(view))
    if not view.missed:
        yield from _wrapped("the API answers, the counters stand still", width, "muted")


def _rates(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the current and the average rate, and both kinds of objects separately if both move."""
    if view.remembered:
        return
    dot = facts.look.to_ascii(" · ")
    now = _rate(shown_rate(view), "/s now", facts)
    yield join([now, _rate(view.lifetime_rate, "/s since start", facts)], dot, "muted")
    kinds = (view.transferred_rate, view.skipped_rate)
    if shown_rate(view) is not None and _both_move(*kinds):
        transferred = _rate(kinds[0], "/s transferred", facts)
        yield from _in_a_row([transferred, _rate(kinds[1], "/s skipped", facts)], dot, width)


def _both_move(transferred: float | None, skipped: float | None) -> bool:
    rates = (transferred or 0.0, skipped or 0.0)
    return min(rates) > 0 and min(rates) >= WORTH_TELLING * sum(rates)


def _deadline(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if facts.deadline is None:
        return
    from slurper_tui.tui.render.job_text import deadline_lines  # only needed with a deadline

    yield from deadline_lines(view, facts, width)


def _rate(rate: float | None, what: str, facts: Facts) -> Line:
    return (Piece(facts.look.to_ascii(words.rate(rate))), Piece(what, "muted"))


def _in_a_row(parts: list[Line], gap: str, width: int) -> Iterator[Line]:
    """Put parts on one line, or on a line each if they do not fit."""
    line = join(parts, gap, "muted")
    yield from [line] if width_of(line) <= width else parts


def _eta(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the forecast and the reason for its uncertainty."""
    forecast, dash = shown_forecast(view), facts.look.to_ascii(words.DASH)
    reason = "" if view.state is State.STALLED or view.remembered else view.reason
    if forecast is not None:
        yield from _in_a_row(_forecast(forecast, facts), facts.look.to_ascii(" · "), width)
    elif not reason.startswith("no ETA"):
        yield (Piece("ETA ", "muted"), Piece(dash, "faint"))
    if forecast is not None and forecast.seeded:
        yield from _wrapped("by its average since start", width, "muted")
    if reason:
        yield from _wrapped(_sayable(reason, facts), width, "muted")


def _forecast(forecast: Forecast, facts: Facts) -> list[Line]:
    span = eta_long(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
    clock = finish(
        forecast.low, forecast.high, facts.now, facts.look.zone, at_least=forecast.at_least
    )
    parts = ((span, "strong"), (clock, ""))
    return [(Piece(_sayable(text, facts), style),) for text, style in parts if text]


def _notes(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.live and view.listing_broke:
        yield from _wrapped(reason_of(BROKE_TYPE), width, "error")
    if view.live and view.restarts:
        yield from _wrapped("its counters began anew, and so did the rate", width, "muted")
    if view.gone:
        yield from _wrapped("no longer known to the API", width, "muted")
    if view.remembered and view.as_of is not None:
        at = words.moment(view.as_of, facts.now, facts.look.zone)
        yield from _wrapped(f"as of {at}, not yet confirmed", width, "warning")


def _trouble(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    if view.missed and view.as_of is not None and not view.remembered:
        style = "warning" if view.stale else "muted"
        age = facts.now - view.as_of
        span = words.duration(age) if age >= 60 else "< 1 min"
        yield from _wrapped(f"these numbers are {span} old", width, style)
    if view.problem:
        for label, text in error_details(view.problem, facts.look):
            yield from _wrapped(f"{label}: {text}", width, "error")


COUNT, SHARE = 13, 8
MILLIONS = 11
"""Cells for a count of less than a billion objects."""
TWO_COLUMNS = 70
"""The width in cells from which the counts are beside the identity instead of above it."""

_PART_STYLES = {
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
    """Return all lines about a job, the most important first; in two columns if they fit.

    width: cells.
    trace: the job's past; None until it has been read.
    key: the keys that change the time window of the charts, as they are shown.
    events: oldest first.
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
    """Return the charts of the job's past, or nothing until it has been read."""
    if trace is None or trace.key != view.key or not trace.points:
        return ()
    from slurper_tui.tui.render.charts import picture_lines  # not needed for the first screen

    return picture_lines(view, trace, facts, width, key=key, beside=width >= TWO_COLUMNS)


def beside(left: Sequence[Line], right: Sequence[Line], half: int) -> Iterator[Line]:
    """Put two blocks of lines side by side. half: the cells of each."""
    for one, other in zip_longest(left, right, fillvalue=()):
        yield (*fill(one, half), Piece("    "), *other)


def strong(line: Line) -> Line:
    """Give the style `strong` to pieces without a style."""
    return tuple(Piece(piece.text, piece.style or "strong") for piece in line)


def status_line(view: JobView, facts: Facts, width: int) -> Line:
    """Return the status word, and since when it has been running or when it ended."""
    look = facts.look
    word = f"{look.sign(view.state)} {look.sanitise(view.word)}"
    word = shorten(word, width, look.ellipsis)
    room = width - cell_len(word) - 2
    since = next((text for text in _since(view, facts) if len(text) <= room), "")
    return (Piece(word, style_of(view)), Piece(f"  {since}" if since else "", "muted"))


def _since(view: JobView, facts: Facts) -> tuple[str, ...]:
    """Return texts for how long the job has run or when it ended, the longest first."""
    zone = facts.look.zone
    created = words.parse_time(view.job.created_at)
    finished = words.parse_time(view.job.finished_at)
    if not view.live and finished is not None:
        return (words.moment(finished, facts.now, zone),)
    if created is None or not view.live:
        return ()
    span = words.duration(facts.now - created)
    return (f"{span} since {words.moment(created, facts.now, zone)}", span)


def number_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Yield a bar divided by the counts, then each count in full with its share."""
    counts, say = view.counts, facts.look.to_ascii
    percent = words.percent(view.percent, provisional=view.provisional)
    yield (
        *_split_bar(counts, facts.look, max(1, width - 7)),
        Piece(pad(say(percent), 5, right=True), "strong"),
        Piece(" %", "muted"),
    )
    yield ()
    for name, number in _parts(counts):
        if view.lower_bound:  # neither the remaining count nor the shares are known
            left = None if name == "remaining" else number
            yield _count_line(name, left, None, facts.look, width)
        else:
            yield _count_line(name, number, counts.objects, facts.look, width)
    more = "+" if view.total_at_least else ""
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
    """Return the cells for a count in full.

    A narrow pane first drops the padding, then the share.
    """
    beside_share = width - LABEL - SHARE
    room = beside_share if beside_share >= MILLIONS else width - LABEL - 1
    return max(1, min(COUNT, room))


def _count_line(name: str, number: int | None, whole: int | None, look: Look, width: int) -> Line:
    style = _PART_STYLES[name] if number else "faint"
    count = pad(look.to_ascii(words.count(number)), _count_width(width), right=True)
    roomy = width >= LABEL + max(_count_width(width), len(count)) + SHARE
    share = pad(look.to_ascii(words.share(number, whole)), SHARE, right=True) if roomy else ""
    failed = "error" if name == "failed" and number else ""
    return (
        Piece(look.part(name), style),
        Piece(pad(f" {name}", LABEL - 1), "muted"),
        Piece(count, failed),
        Piece(share, "muted"),
    )


def _split_bar(counts: Counts, look: Look, width: int) -> Line:
    """Return a bar in whole cells.

    A part that is not zero gets at least one cell if there is room.
    """
    parts = [(name, number or 0) for name, number in _parts(counts)]
    whole = sum(number for _, number in parts)
    if not whole:
        return (Piece(look.part("remaining") * width, "faint"),)
    sizes = _share_out([number for _, number in parts], width)
    return tuple(
        Piece(look.part(name) * size, _PART_STYLES[name])
        for (name, _), size in zip(parts, sizes, strict=True)
    )


def _share_out(numbers: Sequence[int], width: int) -> list[int]:
    """Divide the width by the numbers, at least one cell for each that is not zero.

    The largest number gets the cells that are left.
    """
    whole = sum(numbers)
    sizes = [max(1, n * width // whole) if n else 0 for n in numbers]
    largest = max(range(len(numbers)), key=lambda place: numbers[place])
    sizes[largest] = max(0, sizes[largest] + width - sum(sizes))
    return sizes


MOST_OVERLAPS = 3
"""At most this many overlapping pairs are named."""


def migration_lines(one: Migration, facts: Facts, width: int) -> tuple[Line, ...]:
    """Return all lines about a migration: its sums, rate, forecast, jobs and identity."""
    width = max(8, width)
    status = status_line(one.view, facts, width)
    if width < TWO_COLUMNS:
        name = strong(migration(one.view, facts, width))
        numbers, told = number_lines(one.view, facts, width), _told(one, facts, width)
        return (name, status, (), *numbers, (), *told)
    half = width // 2 - 2
    name = strong(migration(one.view, facts, max(half, width - width_of(status) - 3)))
    numbers = number_lines(one.view, facts, half)
    return (
        spread(name, status, width),
        (),
        *beside([*numbers], [*_told(one, facts, half)], half),
    )


def _told(one: Migration, facts: Facts, width: int) -> Iterator[Line]:
    yield from pace_lines(one.view, facts, width)
    yield ()
    if one.overlaps:
        yield from _overlaps(one, facts, width)
        yield ()
    yield from _jobs(one, facts, width)
    yield from identity_lines(one.view, facts, width)


def _overlaps(one: Migration, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the warning about overlapping prefixes and the pairs that overlap."""
    by_key = {view.key: view for view in one.jobs}
    yield from _wrapped("! prefixes overlap: some objects may be copied twice", width, "warning")
    for pair in one.overlaps[:MOST_OVERLAPS]:
        inner, outer = (_part(by_key[key], facts) for key in pair)
        said = f"two jobs copy {inner}" if inner == outer else f"{inner} is part of {outer}"
        yield from _wrapped(said, width, "muted")
    more = len(one.overlaps) - MOST_OVERLAPS
    if more > 0:
        yield from _wrapped(f"and {words.count(more)} more", width, "muted")


def _part(view: JobView, facts: Facts) -> str:
    prefix = view.job.source.path_prefix if view.job.source else None
    return facts.look.sanitise(prefix) if prefix else "the whole bucket"


def _jobs(one: Migration, facts: Facts, width: int) -> Iterator[Line]:
    """Yield the number of jobs by status, then the slots, retries and jobs that are not counted."""
    yield from _field("jobs", _states(one, facts), width)
    if one.unstarted:
        coming = f"{words.count(one.unstarted)} more, as slots get free"
        yield from _field("to start", coming, width)
    if one.view.partial:
        yield from _field("counts", "not known of every job yet", width)
    if one.view.live:
        yield from _field("slots", f"{one.running} of {SLOTS} in use in this account", width)
    for child, parent in one.retries.items():
        if child not in one.superseded:
            yield from _field("retry", _retry(child, parent, facts), width)
    if number := len(one.superseded):
        said = "1 job, not counted" if number == 1 else f"{words.count(number)} jobs, not counted"
        yield from _field("done again", said, width)


def _states(one: Migration, facts: Facts) -> str:
    counted = Counter(view.word for view in one.jobs)
    states = (f"{words.count(number)} {word}" for word, number in counted.most_common())
    parts = facts.look.to_ascii(" · ").join(facts.look.sanitise(text) for text in states)
    return f"{words.count(len(one.jobs))}: {parts}"


def _retry(child: JobKey, parent: JobKey, facts: Facts) -> str:
    return f"{short_id(child.job_id, facts.look)} of {short_id(parent.job_id, facts.look)}"


def _field(label: str, text: str, width: int) -> Iterator[Line]:
    for part in wrap(text, width - LABEL):
        yield (Piece(pad(label, LABEL), "muted"), Piece(part))
        label = ""


def _wrapped(text: str, width: int, style: str) -> Iterator[Line]:
    for part in wrap(text, width):
        yield (Piece(part, style),)
