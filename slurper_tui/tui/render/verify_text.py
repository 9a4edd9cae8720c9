"""The lines of a verification: what it costs, how far it is, and what it found; no app needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

from slurper_tui import format as fmt
from slurper_tui.monitor.model.verification import DIFFERS, Outcome, Tally, Verification
from slurper_tui.monitor.reports.verification_text import (
    count_rows,
    detail_words,
    fault_words,
    meaning_words,
    prefix_rows,
    sorting_words,
    verdict_words,
)
from slurper_tui.tui.render.lines import Line, Piece, fill, pad, shorten, wrap_words

if TYPE_CHECKING:
    from slurper_tui.monitor.verify.plan import VerifyProgress
    from slurper_tui.tui.render.glyphs import Look

INDENT = "  "
LABEL, NARROW_LABEL = 13, 11
NARROW = 50
NUMBER = 12
"""Cells for a number of objects."""

SHARE = 9
MOST_BAR = 90
MOST_NAME = 46
"""Cells for the label of a count, or for a prefix, at most."""

TWO_COLUMNS = 130
"""Width in cells from which the prefixes are beside the rest of a result."""

GAP = 4
MOST_TEXT = 100
"""Cells for a line of text, at most; longer ones are hard to read."""


def fact(label: str, text: str, look: Look, width: int, style: str = "") -> Iterator[Line]:
    """Yield a label and a text of our own, wrapped with a hanging indent."""
    room = NARROW_LABEL if width < NARROW else LABEL
    shown = pad(look.to_ascii(label), room)
    for part in wrap_words(look.sentence(text), max(8, width - room - len(INDENT))):
        yield (Piece(INDENT), Piece(shown, "muted"), Piece(part, style))
        shown = " " * room


def sentences(texts: Sequence[str], look: Look, width: int, style: str = "muted") -> Iterator[Line]:
    """Yield sentences, each on lines of its own."""
    for text in texts:
        for part in wrap_words(look.sentence(text), max(8, width - len(INDENT))):
            yield (Piece(INDENT), Piece(part, style))


def heading(text: str, look: Look) -> Line:
    """Return a heading between two parts of a page."""
    return (Piece(INDENT), Piece(look.to_ascii(text), "heading"))


def progress_lines(
    progress: VerifyProgress, objects: int | None, look: Look, width: int, *, airy: bool = True
) -> Iterator[Line]:
    """Yield how far a verification is. objects: of the jobs, None if not known.

    airy: with blank lines between the parts.
    """
    air: list[Line] = [()] if airy else []
    yield _bar(progress, look, width)
    yield from air
    of_all = f" of {fmt.count(objects)}" if objects else ""
    yield from fact("compared", f"{fmt.count(progress.compared)}{of_all}", look, width, "strong")
    if progress.sorting is not None:
        yield from fact("sorting", sorting_words(progress.sorting), look, width, "warning")
    yield from fact("pace", pace_words(progress), look, width)
    if progress.position is not None:
        room = max(8, width - LABEL - len(INDENT))
        key = shorten(look.sanitise(progress.position), room, look.ellipsis)
        yield from fact("at", key, look, width)
    expected, actual = (fmt.count(number) for number in progress.requests)
    requests = f"{expected} to the source, {actual} to the target"
    yield from fact("requests", requests, look, width)
    if progress.heads is not None:
        done, every = (fmt.count(number) for number in progress.heads)
        yield from fact("headers", f"{done} of {every} objects of the sample", look, width)
    yield from air
    yield from count_lines(progress.tally, look, width)


def pace_words(progress: VerifyProgress) -> str:
    """Return the keys a second and the time that is left: `12.3k keys/s · about 2 min left`."""
    if progress.paused:
        return "paused"
    if progress.per_second is None:
        return fmt.DASH
    pace = f"{fmt.rate(progress.per_second)} keys/s"
    return pace if progress.eta is None else f"{pace} · about {left_words(progress.eta)} left"


def run_words(progress: VerifyProgress | None, reading: str = "") -> str:
    """Return how far a verification is: `verifying 61 %`, `verification paused at 61 %`."""
    if reading:
        return "verifying: reading the log"
    if progress is None:
        return "verifying"
    far = percent_words(progress) or fmt.short_count(progress.compared)
    return f"verification paused at {far}" if progress.paused else f"verifying {far}"


def more_words(progress: VerifyProgress | None) -> str:
    """Return the pace, the rest of the time, and the faults so far."""
    if progress is None:
        return ""
    return " · ".join(filter(None, (pace_words(progress), fault_words(progress.tally))))


def left_words(seconds: float) -> str:
    """Return a rest of time in steps that do not change with every second."""
    step = 5 if seconds < 60 else 60
    return fmt.duration(max(step, seconds // step * step))


def percent_words(progress: VerifyProgress) -> str:
    """Return the whole percentage; "" if the number of objects is not known."""
    return "" if progress.share is None else f"{int(progress.share * 100)} %"


def _bar(progress: VerifyProgress, look: Look, width: int) -> Line:
    if progress.share is None:
        text = "the number of objects is not known: no percentage"
        return (Piece(INDENT), Piece(shorten(text, max(8, width - 2), look.ellipsis), "muted"))
    percent = percent_words(progress)
    room = max(4, min(MOST_BAR, width - len(INDENT) - 7))
    bar = look.bar(int(progress.share * 10**6), 10**6, room)
    style = "bar-ended" if progress.paused else "bar"
    return (Piece(INDENT), Piece(bar, style), Piece(f"  {percent}", "strong"))


def count_style(outcome: Outcome, number: int) -> str:
    """Return the style of a number of objects: faults stand out, a zero does not."""
    if not number:
        return "faint"
    if outcome is Outcome.SAME:
        return "success"
    if outcome in (Outcome.CHANGED, Outcome.EXPECTED):
        return "warning"
    return "error" if outcome is Outcome.MISSING or outcome in DIFFERS else "muted"


def count_lines(
    tally: Tally,
    look: Look,
    width: int,
    *,
    shares: bool = False,
    meanings: bool = False,
    live: bool = False,
    indent: str = INDENT,
) -> Iterator[Line]:
    """Yield the number of objects by class.

    shares: with their share of the expected objects. meanings: with what each fault means.
    live: a job had not ended.
    """
    extra = SHARE if shares and width >= NARROW else 0
    name = min(MOST_NAME, max(8, width - len(indent) - NUMBER - extra))
    for row in count_rows(tally):
        number = pad(fmt.count(row.number), NUMBER, right=True)
        style = count_style(row.outcome, row.number)
        share = _share(row.number, tally.expected) if extra else ""
        share = "" if row.outcome is Outcome.EXTRA else share
        first, *more = wrap_words(look.to_ascii(row.label), name)
        yield (
            Piece(indent),
            Piece(pad(first, name), "" if row.number else "muted"),
            Piece(number, style),
            Piece(pad(look.to_ascii(share), extra, right=True), "faint"),
        )
        for part in more:
            yield (Piece(indent), Piece(part, "" if row.number else "muted"))
        if meanings and row.is_fault and row.number:
            yield from _indented(meaning_words(row.outcome, live=live), look, width)


def _share(number: int, of: int) -> str:
    """Return the share of the expected objects; "" for none, and a small one is not rounded off."""
    if not number:
        return ""
    return "<0.1 %" if 0 < number * 1000 < of else fmt.share(number, of)


def _indented(text: str, look: Look, width: int) -> Iterator[Line]:
    for part in wrap_words(look.to_ascii(text), max(8, width - 4)):
        yield (Piece(INDENT * 2), Piece(part, "muted"))


def verdict_style(result: Verification) -> str:
    """Return the style of a verdict."""
    if result.verified and not result.live:
        return "success"
    faults = result.tally.faults or result.tally.of(Outcome.EXPECTED)
    return "error" if result.tally.of(Outcome.MISSING) else "warning" if faults else "accent"


def result_lines(
    result: Verification, look: Look, width: int, *, airy: bool = True
) -> Iterator[Line]:
    """Yield what a verification found: verdict, classes, prefixes, what was compared, what not.

    The prefixes are beside the rest from `TWO_COLUMNS` cells on.
    """
    column = width // 2 - GAP if width >= TWO_COLUMNS else min(width, MOST_TEXT)
    air: list[Line] = [()] if airy else []
    good = verdict_style(result) == "success"
    sign = ("##" if look.ascii_only else "✔✔") if good else look.to_ascii("▲")
    verdict = f"{sign} {verdict_words(result)}"
    yield from sentences([verdict], look, min(width, MOST_TEXT), verdict_style(result))
    yield from air
    counts = [
        *count_lines(result.tally, look, column, shares=True, meanings=airy, live=result.live)
    ]
    prefixes = [*_prefixes(result, look, column)]
    compared = [(), *_compared(result, look, column)]
    if width < TWO_COLUMNS:
        yield from (*counts, *([()] if prefixes else []), *prefixes, *compared)
        return
    for left, right in zip_longest([*counts, *compared], prefixes, fillvalue=()):
        yield (*fill(left, column), Piece(" " * GAP), *right)


def _compared(result: Verification, look: Look, width: int) -> Iterator[Line]:
    """Yield what was compared, and last what was not."""
    yield heading("What was compared", look)
    *compared, not_compared = detail_words(result)
    took = f"it took {fmt.duration(result.ended_at - result.started_at)}"
    for text in (*compared, took, not_compared):
        bullet = look.to_ascii("· ")
        for part in wrap_words(look.sentence(text), max(8, width - 4)):
            style = "muted" if text == not_compared else ""
            yield (Piece(INDENT), Piece(bullet, "faint"), Piece(part, style))
            bullet = "  "


def _prefixes(result: Verification, look: Look, width: int) -> Iterator[Line]:
    """Yield the objects by the first part of their keys, if there are several."""
    rows = [*prefix_rows(result)]
    if len(rows) < 2:
        return
    names = [look.sanitise(row.name) for row in rows]
    most = max(8, width - len(INDENT) - NUMBER)
    name = min(max(cell_len(each) for each in (*names, "By prefix")), MOST_NAME, most)
    title = pad("By prefix", name)
    yield (Piece(INDENT), Piece(f"{title}{pad('objects', NUMBER, right=True)}", "heading"))
    room = width - len(INDENT) - name - NUMBER - 3
    for row, shown in zip(rows, names, strict=True):
        line: Line = (
            Piece(INDENT),
            Piece(pad(shorten(shown, name, look.ellipsis), name)),
            Piece(pad(fmt.count(row.expected), NUMBER, right=True), "muted"),
        )
        good = "all there" if row.same == row.expected else "no fault"
        faults = look.sentence(row.faults) or ("" if room < len(good) else good)
        style = "warning" if row.faults else "faint"
        if cell_len(faults) <= room:
            yield (*line, Piece(f"   {faults}", style))
        else:
            yield line
            yield from (
                (Piece(INDENT * 2), Piece(part, style))
                for part in wrap_words(faults, max(8, width - 4))
            )
