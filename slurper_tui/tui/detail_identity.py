"""Who a job is, exactly, as lines."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurper_tui import format as words
from slurper_tui.api.models import Source
from slurper_tui.monitor.model.job import JobView
from slurper_tui.tui.columns import Facts
from slurper_tui.tui.lines import Line, Piece, pad, wrap

LABEL = 13
"""Cells for the word before a value."""


class _Field(msgspec.Struct, frozen=True):
    label: str
    text: str


def identity_lines(view: JobView, facts: Facts, width: int) -> Iterator[Line]:
    """Tell who the job is, exactly; long values continue on the next line.

    What has no id is no job but the sum of several.
    """
    for field in (*_job_fields(view, facts), *_source_fields(view.job.source, facts)):
        yield from _field_lines(field, width)
    target = view.job.target
    clean = facts.look.glyphs.clean
    yield from _field_lines(_Field("target", clean(target.bucket if target else None)), width)
    if target and target.jurisdiction:
        yield from _field_lines(_Field("jurisdiction", clean(target.jurisdiction)), width)


def _job_fields(view: JobView, facts: Facts) -> Iterator[_Field]:
    job, clean = view.job, facts.look.glyphs.clean
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
    clean = facts.look.glyphs.clean
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
    """A time in the person's zone, or the API's own text when it is none that we know."""
    at = words.parse_time(text)
    if at is None:
        return facts.look.glyphs.clean(text)
    return words.iso(at, facts.look.zone).replace("T", " ")[:19]


def _field_lines(field: _Field, width: int) -> Iterator[Line]:
    label = pad(field.label, LABEL)
    for part in wrap(field.text, width - LABEL):
        yield (Piece(label, "muted"), Piece(part))
        label = " " * LABEL
