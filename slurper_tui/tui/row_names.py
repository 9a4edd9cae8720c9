"""What the list calls a migration and the jobs below it."""

from __future__ import annotations

from slurper_tui import format as words
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.reports.migrations import SLOTS, Migration
from slurper_tui.tui.render.columns import Facts, migration, short_id
from slurper_tui.tui.render.lines import Line, Piece, shorten, width_of
from slurper_tui.tui.rows import Row

INDENT = 2
"""Cells before a migration's name, for its sign, and before that of a job below it."""


def row_name(row: Row, facts: Facts, width: int) -> Line:
    """Name a line: a migration with its sign, a job below one by what sets it apart there.

    A retry by itself has its sign before its buckets.
    """
    if row.migration is None:
        again: Line = (Piece(facts.look.glyphs.say("↻ "), "accent"),) if row.retry else ()
        return (*again, *migration(row.view, facts, max(1, width - width_of(again))))
    room = max(1, width - INDENT)
    if not row.is_migration:
        return (Piece(" " * INDENT), *_job(row.view, row.migration, facts, room))
    sign = facts.look.glyphs.say("▾ " if row.unfolded else "▸ ")
    return (Piece(sign, "accent"), *_migration(row.migration, facts, room))


def job_name(view: JobView, one: Migration, facts: Facts) -> str:
    """What sets a job apart in its migration: what it retries, its prefix, or its keys."""
    source, say = view.job.source, facts.look.glyphs.say
    parent = one.retries.get(view.key)
    if parent is not None:
        return f"{say('↻')} retry of {short_id(parent.job_id, facts.look)}"
    if source and source.keys is not None:
        return f"{words.count(len(source.keys))} keys"
    if source and source.path_prefix:
        return facts.look.glyphs.clean(source.path_prefix)
    return "the whole bucket"


def _job(view: JobView, one: Migration, facts: Facts, room: int) -> Line:
    name = Piece(shorten(job_name(view, one, facts), room, facts.look.glyphs.ellipsis))
    if view.key not in one.superseded:
        return (name,)
    later = Piece("  done again", "faint")
    name = Piece(name.text, "muted")
    return (name, later) if width_of((name, later)) <= room else (name,)


def _migration(one: Migration, facts: Facts, room: int) -> Line:
    """The buckets, and behind them as much of the rest as leaves their names whole."""
    name = migration(one.view, facts, 10**4)
    number = len(one.jobs)
    jobs = Piece("  1 job" if number == 1 else f"  {words.count(number)} jobs", "muted")
    slots = (Piece(f"  {one.running}/{SLOTS} slots", "muted"),) if one.view.live else ()
    overlap = (Piece(" !", "warning"),) if one.overlaps else ()
    for tail in ((jobs, *slots, *overlap), (*slots, *overlap)):
        if width_of(tail) + width_of(name) <= room:
            break
    else:
        tail = overlap
    return (*migration(one.view, facts, max(1, room - width_of(tail))), *tail)
