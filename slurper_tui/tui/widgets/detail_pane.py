"""The detail pane (`DetailPane`) and its lines, for one job (`detail_lines`) or one migration.

A job's lines are its status and request, its counts, its rate and forecast, the newest events, the
charts, its identity and the earlier events. From `TWO_COLUMNS` cells on, the counts are beside the
identity. job_text and charts are imported on first use, because the first screen needs neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec.structs import replace
from rich.cells import cell_len
from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.eta_format import eta_long, finish
from slurper_tui.monitor.estimate.deadline import needed_words, outlook_of, outlook_words
from slurper_tui.monitor.model.base import SLOTS
from slurper_tui.monitor.model.job import Counts, JobView, State, Total, shown_forecast, shown_rate
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    FAILED_TYPE,
    NEWEST_REASONS,
    Cause,
    cause_of,
    newest_rows,
    reason_of,
)
from slurper_tui.monitor.reports.wording import (
    counted_words,
    failing_words,
    if_resumed_words,
    superseded_words,
    target_growth_words,
)
from slurper_tui.tui.render.columns import DEADLINE_STYLES, DrawContext, migration, short_id
from slurper_tui.tui.render.glyphs import STATUS, Look, style_of
from slurper_tui.tui.render.lines import (
    Line,
    Piece,
    cut,
    fill,
    join,
    pad,
    shorten,
    spread,
    width_of,
    wrap,
)
from slurper_tui.tui.render.problem_text import error_details, full_account
from slurper_tui.tui.state import ScreenState, Verifying
from slurper_tui.tui.widgets.line_list import TextLines

if TYPE_CHECKING:
    from slurper_tui.monitor.model.events import Event
    from slurper_tui.monitor.model.timeline import Trace
    from slurper_tui.monitor.reports.migrations import Migration

FEWER_REASONS = 2
"""In one column, this many reasons of a failing job are shown."""

MOST_ROWS, FEWER_ROWS = 6, 4
"""At most this many of the newest log rows are shown, in two columns and in one."""

NEWEST = 4
"""This many of the newest events are shown near the top; earlier ones follow at the end."""

MOST_EVENTS = 20
"""At most this many events of a migration are shown."""

LABEL = 13
"""Cells for the label before a value."""

LEAST_SHARE = 0.02
"""Transferred and skipped rates are shown separately if each is at least this share of their sum.
"""

COUNT, SHARE = 13, 8
MILLIONS = 11
"""Cells for a count of less than a billion objects."""

TWO_COLUMNS = 70
"""The width in cells from which the counts are beside the identity instead of above it."""

LOSSES = (Cause.FAILED, Cause.NOT_COPIED, Cause.LISTING_BROKE)

MOST_REASONS = 6
"""Lines of reasons, at most."""

COUNT_OF_REASON = 9
"""Cells for the rows of a reason."""

MOST_OVERLAPS = 3
"""At most this many overlapping pairs are named."""

_PART_STYLES = {
    "transferred": "primary",
    "skipped": "secondary",
    "failed": "error",
    "remaining": "faint",
}


def detail_lines(
    view: JobView,
    context: DrawContext,
    width: int,
    trace: Trace | None = None,
    *,
    key: str = "",
    events: Sequence[Event] = (),
) -> tuple[Line, ...]:
    """Return all lines about a job, the most important first; in two columns if they fit.

    width: cells.
    trace: the job's history; None until it has been read.
    key: the keys that change the time window of the charts, as they are shown.
    events: oldest first; those of other jobs are skipped.
    """
    width = max(8, width)
    roomy = width >= TWO_COLUMNS
    column = width // 2 - 2 if roomy else width
    own = [event for event in events if event.key == view.key]
    heading = [*_heading(view, context, width)]
    numbers, pace = _numbers(view, context, column), _pace(view, context, column)
    newest: list[Line] = []
    earlier: list[Line] = []
    if view.request or own:
        from slurper_tui.tui.render.job_text import event_lines, request_lines

        heading += request_lines(view, context.look, width)
        newest += event_lines(own[-NEWEST:], context, column)
        earlier += event_lines(own[:-NEWEST], context, width)
    identity = _identity(view, context, column)
    its_trace = trace if trace is not None and trace.key == view.key else None
    charts = _charts(view, its_trace, context, width, key)
    failing, why = [*_failing(view, context, column)], [*_newest_reasons(view, context, width)]
    rows, below = [*_newest_rows((view,), context, width)], [*identity, *earlier]
    proof = _verification(view, context, width)
    if not roomy:
        above = [*failing, *why, *pace, *newest]
        return _in_one_column(heading, [*numbers], above, proof, charts, rows, below)
    above, middle = [*failing, *pace, *newest], [proof, charts, why]
    return _in_two_columns(heading, [*numbers], above, middle, below, [], rows, column)


def migration_lines(
    one: Migration,
    context: DrawContext,
    width: int,
    trace: Trace | None = None,
    *,
    key: str = "",
    events: Sequence[Event] = (),
) -> tuple[Line, ...]:
    """Return all lines about a migration: its sums, rate, forecast, jobs, charts and identity.

    The arguments are those of `detail_lines`; the trace is the sum of the migration's jobs.
    """
    width, view = max(8, width), one.view
    roomy = width >= TWO_COLUMNS
    column = width // 2 - 2 if roomy else width
    heading, numbers = [*_heading(view, context, width)], [*_numbers(view, context, column)]
    rest = [*_pace(view, context, column), ()]
    if one.overlaps:
        rest += [*_overlaps(one, context, column), ()]
    rest += _jobs(one, context, column)
    its_trace = trace if trace is not None and trace.of and trace.of == one.charted else None
    charts = _charts(view, its_trace, context, width, key)
    happened: list[Line] = []
    if own := [event for event in events if event.key in one.keys]:
        from slurper_tui.tui.render.job_text import event_lines

        names = {job.key: part_name(job, context.look) for job in one.jobs}
        happened += event_lines(own[-MOST_EVENTS:], context, column, names)
    identity = [*_identity(view, context, column)]
    reasons = [*_reasons(one, context, column)]
    failing, why = [*_failing(view, context, column)], [*_newest_reasons(view, context, width)]
    rows, proof = [*_newest_rows(one.jobs, context, width)], _verification(view, context, width)
    if not roomy:
        above = [*failing, *why, *rest]
        return _in_one_column(
            heading, numbers, above, proof, reasons, charts, happened[1:], rows, identity
        )
    right = [*reasons, *(happened if reasons else happened[1:])]
    rest = [*failing, *rest]
    middle = [proof, charts, why]
    return _in_two_columns(heading, numbers, rest, middle, identity, right, rows, column)


def _charts(
    view: JobView, trace: Trace | None, context: DrawContext, width: int, key: str
) -> tuple[Line, ...]:
    """Return the charts of a job or of a migration; none without its history."""
    if trace is None or not trace.points:
        return ()
    from slurper_tui.tui.render.charts import chart_lines

    return chart_lines(view, trace, context, width, key=key, beside=width >= TWO_COLUMNS)


def _in_one_column(*parts: Sequence[Line]) -> tuple[Line, ...]:
    """Put the parts below each other, an empty line between two."""
    return tuple(line for part in parts if part for line in (*part, ()))[:-1]


def _in_two_columns(
    heading: Sequence[Line],
    numbers: Sequence[Line],
    pace: Sequence[Line],
    middle: Iterable[Sequence[Line]],
    identity: Sequence[Line],
    beside: Sequence[Line],
    rows: Sequence[Line],
    column: int,
) -> tuple[Line, ...]:
    """Put numbers and pace side by side, and below the middle the identity and another part.

    column: cells of each of two columns; the other parts have the whole width.
    """
    above, below = [*_beside(numbers, pace, column)], [*_beside(identity, beside, column)]
    return _in_one_column(heading, above, *middle, below, rows)


def _beside(left: Sequence[Line], right: Sequence[Line], column: int) -> Iterator[Line]:
    """Put two blocks of lines side by side. column: the cells of each."""
    for one, other in zip_longest(left, right, fillvalue=()):
        yield (*fill(one, column), Piece("    "), *other)


def _wrapped(text: str, width: int, style: str) -> Iterator[Line]:
    for part in wrap(text, width):
        yield (Piece(part, style),)


def _field(label: str, text: str, width: int) -> Iterator[Line]:
    """Yield a value after its label; a long value continues on the next line.

    A single word that fits on a line of its own, such as an id, is below its label instead.
    """
    if " " not in text and width - LABEL < cell_len(text) <= width:
        yield (Piece(label, "muted"),)
        yield (Piece(text),)
        return
    for part in wrap(text, width - LABEL):
        yield (Piece(pad(label, LABEL), "muted"), Piece(part))
        label = ""


def _in_a_row(parts: list[Line], look: Look, width: int) -> Iterator[Line]:
    """Put parts on one line, or on a line each if they do not fit."""
    line = join(parts, look.to_ascii(" · "), "muted")
    yield from [line] if width_of(line) <= width else parts


def _heading(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the buckets and the status, on one line if there is room for two columns."""
    status = _status(view, context, width)
    roomy = width >= TWO_COLUMNS
    room = max(width // 2 - 2, width - width_of(status) - 3) if roomy else width
    pieces = migration(view, context, room)
    name = tuple(Piece(piece.text, piece.style or "strong") for piece in pieces)
    yield from [spread(name, status, width)] if roomy else [name, status]


def _status(view: JobView, context: DrawContext, width: int) -> Line:
    """Return the status word, the time in that state and the start, or the time of the end."""
    look = context.look
    word = f"{look.sign(view.state)} {look.sanitise(view.word)}"
    word = shorten(word, width, look.ellipsis)
    created = fmt.parse_time(view.job.created_at)
    finished = fmt.parse_time(view.job.finished_at)
    texts: tuple[str, ...] = ()
    if not view.live and finished is not None:
        texts = (f" {fmt.moment(finished, context.now, look.zone)}",)
    elif view.live and created is not None:
        started = f"started {fmt.moment(created, context.now, look.zone)}"
        span = ""
        if view.since is not None and view.state is State.PAUSED:
            span = f"since {fmt.moment(view.since, context.now, look.zone)}"
        elif view.since is not None:
            seconds = context.now - view.since
            span = fmt.duration(seconds) if seconds >= 60 else "< 1 min"
        texts = (f"{span} · {started}", span) if span else (f"· {started}",)
    room = width - cell_len(word) - 1
    since = next((text for text in texts if len(text) <= room), "")
    since = look.to_ascii(f" {since}" if since else "")
    return (Piece(word, style_of(view)), Piece(since, "muted"))


def _identity(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the job's exact identity; the sums of a migration have no job id."""
    job, source, target, look = view.job, view.job.source, view.job.target, context.look
    fields: list[tuple[str, str | None]] = [("job", job.id)] if job.id is not None else []
    fields += [
        ("account", full_account(view.account_id, look)),
        ("created", _time(job.created_at, look)),
    ]
    if job.finished_at is not None:
        fields.append(("finished", _time(job.finished_at, look)))
    if job.overwrite is not None:
        fields.append(("overwrite", "yes" if job.overwrite else "no"))
    if source is not None:
        fields.append(("source", source.bucket))
        if source.path_prefix:
            fields.append(("prefix", source.path_prefix))
        if source.keys is not None:
            fields.append(("keys", fmt.count(len(source.keys))))
        fields.append(("vendor", source.vendor))
        optional = (
            ("endpoint", source.endpoint),
            ("region", source.region),
            ("jurisdiction", source.jurisdiction),
        )
        fields += [(label, text) for label, text in optional if text]
    fields.append(("target", target.bucket if target else None))
    if target and target.jurisdiction:
        fields.append(("jurisdiction", target.jurisdiction))
    for label, value in fields:
        yield from _field(label, look.sanitise(value), width)


def _time(text: str | None, look: Look) -> str | None:
    """Return a time in the configured zone, or the API's text if it cannot be parsed."""
    at = fmt.parse_time(text)
    return text if at is None else fmt.iso(at, look.zone).replace("T", " ")[:19]


def _pace(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the verdict, stall, rates, forecast and deadline, then notes and the last problem."""
    if view.verdict:
        style = "success" if view.verdict.clean else "warning"
        style = "neutral" if view.lacks or view.state is State.COMPLETED_UNREAD else style
        style = "error" if view.verdict.listing_broke else style
        yield from _wrapped(context.look.sentence(view.verdict.text), width, style)
    if view.verification is not None:
        from slurper_tui.tui.render.job_text import proof_lines

        yield from proof_lines(view, context, width)
    if view.live:
        if view.state is State.STALLED and view.stalled_since is not None and not view.parts:
            since = fmt.moment(view.stalled_since, context.now, context.look.zone)
            span = fmt.duration(context.now - view.stalled_since)
            text = f"{context.look.sign(view.state)} nothing has moved since {since} ({span})"
            yield from _wrapped(text, width, style_of(view))
            if not view.missed:
                yield from _wrapped("the API answers, the counters stand still", width, "muted")
        if words := target_growth_words(view, context.now, context.look.zone):
            yield from _wrapped(context.look.sentence(words), width, "")
        yield from _rates(view, context, width)
        yield from _eta(view, context, width)
        yield from _deadline(view, context, width)
    elif view.lifetime_rate is not None:
        yield (Piece(fmt.rate(view.lifetime_rate)), Piece("/s on average", "muted"))
    yield from _notes(view, context, width)


def _verification(view: JobView, context: DrawContext, width: int) -> Sequence[Line]:
    """Return what the last verification has found and compared."""
    if view.verification is None:
        return ()
    from slurper_tui.tui.render.job_text import verification_lines

    return [*verification_lines(view.verification, context, width)]


def _failing(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield how much of a live job fails."""
    if view.live and (words := failing_words(view)):
        text = f"{context.look.sign(State.FAILING)} {words}"
        yield from _wrapped(text, width, STATUS[State.FAILING].style)


def _newest_reasons(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the reasons in the newest rows of a failing job's log."""
    if not (view.live and view.failing):
        return
    if view.newest_reasons:
        yield from _wrapped("reasons in the newest log rows", width, "muted")
    number = NEWEST_REASONS if width >= TWO_COLUMNS else FEWER_REASONS
    for reason, rows in view.newest_reasons[:number]:
        count = pad(fmt.count(rows), 5, right=True)
        for part in wrap(context.look.sentence(reason), max(1, width - 7)):
            yield (Piece(f"{count}  ", "error"), Piece(part))
            count = " " * 5


def _rates(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the current and the average rate, and both kinds of objects separately if both move."""
    if view.from_history:
        return

    def rate(value: float | None, what: str) -> Line:
        return (Piece(context.look.to_ascii(fmt.rate(value))), Piece(what, "muted"))

    both = [rate(shown_rate(view), "/s now"), rate(view.lifetime_rate, "/s since start")]
    yield join(both, context.look.to_ascii(" · "), "muted")
    kinds = (view.transferred_rate or 0.0, view.skipped_rate or 0.0)
    both_move = min(kinds) > 0 and min(kinds) >= LEAST_SHARE * sum(kinds)
    if shown_rate(view) is not None and both_move:
        parts = [rate(kinds[0], "/s transferred"), rate(kinds[1], "/s skipped")]
        yield from _in_a_row(parts, context.look, width)


def _eta(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the forecast and the reason for its uncertainty."""
    forecast, look = shown_forecast(view), context.look
    above = view.state is State.STALLED and not view.parts  # the line above says why
    reason = "" if above or view.from_history else view.reason
    words = if_resumed_words(view)
    if forecast is not None:
        low, high, at_least = forecast.low, forecast.high, forecast.at_least
        span = eta_long(forecast.low_seconds, forecast.high_seconds, at_least=at_least)
        clock = finish(low, high, context.now, look.zone, at_least=at_least)
        parts: list[Line] = [(Piece(look.sentence(span), "strong"),)]
        parts += [(Piece(look.sentence(clock)),)] if clock else []
        yield from _in_a_row(parts, look, width)
        if forecast.seeded:
            yield from _wrapped("by its average since start", width, "muted")
    elif not (reason.startswith("no ETA") or words):
        yield (Piece("ETA ", "muted"), Piece(look.to_ascii(fmt.DASH), "faint"))
    if reason:
        yield from _wrapped(look.sentence(reason), width, "muted")
    if words:
        yield from _wrapped(look.sentence(words), width, "")


def _deadline(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the deadline, how the job compares with it, and the rate that it needs."""
    if context.deadline is None:
        return
    outlook = outlook_of(view, context.deadline, context.now)
    minute = context.deadline // 60 * 60
    due = finish(minute, minute, context.now, context.look.zone)
    yield (Piece(f"due {context.look.to_ascii(due)}", "muted"),)
    words = context.look.sentence(outlook_words(outlook))
    yield from _wrapped(words, width, DEADLINE_STYLES[outlook.state])
    if needed := needed_words(outlook):
        yield (Piece(needed, "muted"),)


def _notes(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield what is unusual about the job and its numbers, then its last problem."""
    if view.live and view.listing_broke:
        yield from _wrapped(reason_of(BROKE_TYPE), width, "error")
    if view.live and view.restarts:
        yield from _wrapped("its counters restarted, and so did the rate", width, "muted")
    if view.gone:
        yield from _wrapped("no longer known to the API", width, "muted")
    if view.as_of is not None and view.from_history:
        at = fmt.moment(view.as_of, context.now, context.look.zone)
        yield from _wrapped(f"as of {at}, not yet confirmed", width, "warning")
    elif view.as_of is not None and view.missed:
        age = context.now - view.as_of
        span = fmt.duration(age) if age >= 60 else "< 1 min"
        style = "warning" if view.stale else "muted"
        yield from _wrapped(f"these numbers are {span} old", width, style)
    if view.problem:
        for label, text in error_details(view.problem, context.look):
            yield from _wrapped(f"{label}: {text}", width, "error")


def _numbers(view: JobView, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield a bar divided by the counts, then each count in full with its share."""
    counts, look = view.counts, context.look
    percent = fmt.percent(view.percent, provisional=view.provisional)
    yield (
        *_split_bar(counts, look, max(1, width - 7)),
        Piece(look.to_ascii(percent).rjust(5), "strong"),
        Piece(" %", "muted"),
    )
    yield ()
    incomplete = view.total is Total.INCOMPLETE  # the remaining count and the shares are unknown
    for name, number in _parts(counts):
        shown = None if incomplete and name == "remaining" else number
        yield _count_line(name, shown, None if incomplete else counts.objects, look, width)
        if name == "skipped" and view.not_copied_at_least:
            yield _not_copied_line(view, look, width)
    total = pad(look.to_ascii(fmt.count(counts.objects)), _count_width(width), right=True)
    more = "+" if view.total_at_least else ""
    yield (Piece(pad("total", LABEL), "muted"), Piece(total + more))
    if words := counted_words(view, context.now, look.zone):
        yield from _wrapped(look.sentence(words), width, "muted")


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
    count = look.to_ascii(fmt.count(number)).rjust(_count_width(width))
    roomy = width >= LABEL + max(_count_width(width), len(count)) + SHARE
    share = look.to_ascii(fmt.share(number, whole)).rjust(SHARE) if roomy else ""
    failed = "error" if name == "failed" and number else ""
    return (
        Piece(look.part(name), style),
        Piece(pad(f" {name}", LABEL - 1), "muted"),
        Piece(count, failed),
        Piece(share, "muted"),
    )


def _not_copied_line(view: JobView, look: Look, width: int) -> Line:
    """Return how many of the skipped objects were not copied; a lower bound has a `+`."""
    more = "+" if view.not_copied is None else ""
    count = pad(fmt.count(view.not_copied_at_least), _count_width(width), right=True)
    label = pad(look.to_ascii("· not copied"), LABEL)
    return (Piece(label, "muted"), Piece(count, "warning"), Piece(more, "warning"))


def _split_bar(counts: Counts, look: Look, width: int) -> Line:
    """Return a bar in whole cells.

    A part that is not zero gets at least one cell if there is room, the largest one the rest.
    """
    parts = {name: number or 0 for name, number in _parts(counts)}
    whole = sum(parts.values())
    if not whole:
        return (Piece(look.part("remaining") * width, "faint"),)
    sizes = {name: max(1, n * width // whole) if n else 0 for name, n in parts.items()}
    largest = max(parts, key=lambda name: parts[name])
    sizes[largest] = max(0, sizes[largest] + width - sum(sizes.values()))
    return tuple(Piece(look.part(name) * size, _PART_STYLES[name]) for name, size in sizes.items())


def _overlaps(one: Migration, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the warning about overlapping prefixes and the pairs that overlap."""
    names = {view.key: part_name(view, context.look) for view in one.jobs}
    yield from _wrapped("! prefixes overlap: some objects may be copied twice", width, "warning")
    for pair in one.overlaps[:MOST_OVERLAPS]:
        inner, outer = (names[key] for key in pair)
        text = f"two jobs copy {inner}" if inner == outer else f"{inner} is part of {outer}"
        yield from _wrapped(text, width, "muted")
    more = len(one.overlaps) - MOST_OVERLAPS
    if more > 0:
        yield from _wrapped(f"and {fmt.count(more)} more", width, "muted")


def part_name(view: JobView, look: Look) -> str:
    """Return what a job copies of its bucket: its prefix, or the whole bucket."""
    prefix = view.job.prefix
    return look.sanitise(prefix) if prefix else "the whole bucket"


def _jobs(one: Migration, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the number of jobs by status, then the slots, retries and jobs that are not counted."""
    look = context.look
    if one.jobs:
        counted = Counter(view.word for view in one.jobs).most_common()
        states = [look.sanitise(f"{fmt.count(number)} {word}") for word, number in counted]
        jobs = fmt.counted(len(one.jobs), "job")
        text = f"{jobs}: {look.to_ascii(' · ').join(states)}"
        yield from _wrapped(text, width, "")
    if one.unstarted:
        every = fmt.count(len(one.jobs) + one.unstarted)
        coming = f"{fmt.count(one.unstarted)} of {every}, as slots become free"
        yield from _field("to start", coming, width)
    if one.view.partial:
        yield from _field("counts", "not known of every job yet", width)
    if one.view.live:
        text = f"{one.running} of {SLOTS} slots in use in this account"
        yield from _wrapped(text, width, "")
    for child, parent in one.retries.items():
        if child not in one.superseded:
            text = f"{short_id(child.job_id, look)} of {short_id(parent.job_id, look)}"
            yield from _field("retry", text, width)
    if number := len(one.superseded):
        yield from _wrapped(superseded_words(number), width, "muted")


def _reasons(one: Migration, context: DrawContext, width: int) -> Iterator[Line]:
    """Yield the rows of failed and uncopied objects in the logs by type, the most first."""
    logs = [view.log for view in one.counted if view.log is not None]
    rows: Counter[str] = Counter()
    for log in logs:
        rows.update({kind: n for kind, n in log.by_type.items() if cause_of(kind) in LOSSES})
    if one.retries and (failed := one.view.counts.failed) is not None:
        rows[FAILED_TYPE] = min(rows[FAILED_TYPE], failed)  # the others were copied since
    rows = +rows
    if not rows:
        return
    dots = context.look.ellipsis
    yield (Piece(cut(f"reasons in {len(logs)} of {len(one.counted)} logs", width, dots), "muted"),)
    ordered = rows.most_common()
    number = len(ordered) if len(ordered) <= MOST_REASONS else MOST_REASONS - 1
    shown = [
        (count, reason_of(kind), "error" if cause_of(kind) is Cause.FAILED else "warning")
        for kind, count in ordered[:number]
    ]
    if more := ordered[number:]:
        shown.append((sum(n for _, n in more), f"{len(more)} other reasons", "warning"))
    for count, reason, style in shown:
        digits = pad(fmt.count(count), COUNT_OF_REASON, right=True)
        text = cut(context.look.sanitise(reason), max(1, width - len(digits) - 2), dots)
        yield (Piece(digits, style), Piece(f"  {text}"))


def _newest_rows(views: Sequence[JobView], context: DrawContext, width: int) -> tuple[Line, ...]:
    """Return the newest log rows of some jobs, each on one line; empty if none was read."""
    found = [replace(row, job=view.key.job_id) for view in views for row in view.newest_rows]
    if not found:
        return ()
    from slurper_tui.monitor.reports.wording import job_names
    from slurper_tui.tui.render.log_text import layout_for, row_line

    rows = newest_rows(found, MOST_ROWS if width >= TWO_COLUMNS else FEWER_ROWS)
    names = {key.job_id: name for key, name in job_names(views).items()} if len(views) > 1 else {}
    layout = layout_for(rows, names, context.look, width, context.now)
    title = "newest in the log" if len(views) == 1 else "newest in the logs"
    return ((Piece(title, "muted"),), *(row_line(row, layout) for row in rows))


def verifying_lines(verifying: Verifying, look: Look, width: int) -> Iterator[Line]:
    """Yield how far a verification is, its pace and what it has found so far."""
    style = "warning" if verifying.paused else "accent"
    for text in filter(None, (verifying.words, verifying.more)):
        for part in wrap(look.sentence(text), width):
            yield (Piece(part, style),)
        style = "muted"


class DetailPane(TextLines):
    """The details of the highlighted job or migration.

    Has the class `-empty` if there are no jobs.
    """

    LEFT = 1
    state: var[ScreenState] = var(ScreenState, init=False)

    def __init__(self, look: Look, *, id: str, window_key: str) -> None:
        super().__init__(look, id=id)
        self._window_key = window_key

    def lines_for(self, width: int) -> tuple[Line, ...]:
        """Return the lines of the highlighted job or migration; none if nothing is highlighted."""
        state = self.state
        context = DrawContext(self._look, state.now, state.deadline)
        trace, events = state.snapshot.trace if state.snapshot else None, _events(state)
        key = self._window_key
        if state.line is None:
            return ()
        if one := state.migration:
            lines = migration_lines(one, context, width, trace, key=key, events=events)
        else:
            view = state.line.view
            lines = detail_lines(view, context, width, trace, key=key, events=events)
        verifying = state.verifying_in(state.line)
        if verifying is None:
            return lines
        heading = 1 if width >= TWO_COLUMNS else 2
        return (*lines[:heading], *verifying_lines(verifying, self._look, width), *lines[heading:])

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Show the new data, scrolled to the top if another line was highlighted."""
        self.set_class(not after.total, "-empty")
        one, other = before.line, after.line
        same = (one and one.view) is (other and other.view)
        same = same and before.migration is after.migration and before.deadline == after.deadline
        same = same and before.verifying == after.verifying
        if same and before.now == after.now and _events(before) == _events(after):
            return
        if before.place != after.place:
            self.scroll_to(y=0, animate=False, force=True)
        self.remake()


def _events(state: ScreenState) -> tuple[Event, ...]:
    """Return the events of the highlighted job that have been read."""
    return state.snapshot.events if state.snapshot else ()
