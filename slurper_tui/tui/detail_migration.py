"""Everything about one migration, as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from slurper_tui import format as words
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.reports.migrations import SLOTS, Migration
from slurper_tui.tui.columns import Facts, migration, short_id
from slurper_tui.tui.detail import TWO_COLUMNS, beside, number_lines, status_line, strong
from slurper_tui.tui.detail_identity import LABEL, identity_lines
from slurper_tui.tui.detail_pace import pace_lines
from slurper_tui.tui.lines import Line, Piece, pad, spread, width_of, wrap

MOST_OVERLAPS = 3
"""So many pairs are named; more would say no more."""


def migration_lines(one: Migration, facts: Facts, width: int) -> tuple[Line, ...]:
    """Tell a migration as a job is told: its sums, its pace and end, its jobs, and who it is."""
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
    """Name the prefixes that overlap, and what that may do."""
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
    return facts.look.glyphs.clean(prefix) if prefix else "the whole bucket"


def _jobs(one: Migration, facts: Facts, width: int) -> Iterator[Line]:
    """How many jobs there are, what they do, and which of them are counted how."""
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
    parts = facts.look.glyphs.say(" · ").join(facts.look.glyphs.clean(text) for text in states)
    return f"{words.count(len(one.jobs))}: {parts}"


def _retry(child: JobKey, parent: JobKey, facts: Facts) -> str:
    return f"{short_id(child.job_id, facts.look)} of {short_id(parent.job_id, facts.look)}"


def _field(label: str, text: str, width: int) -> Iterator[Line]:
    for part in wrap(text, width - LABEL):
        yield (Piece(pad(label, LABEL), "muted"), Piece(part))
        label = ""


def _wrapped(text: str, width: int, role: str) -> Iterator[Line]:
    for part in wrap(text, width):
        yield (Piece(part, role),)
