"""The digest dialog: what changed during an absence, and what needs action now."""

from __future__ import annotations

from collections.abc import Iterator

from textual.events import Key

from slurper_tui.monitor.reports.digest import (
    Digest,
    JobDigest,
    head_words,
    job_words,
    jobs_with_advice,
    moved_words,
    quiet_words,
    unobserved_words,
)
from slurper_tui.tui.render.columns import DrawContext, migration
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import Line, Piece, fill, spread, width_of, wrap_words
from slurper_tui.tui.screens.dialogs import Dialog, Page

SCROLLING = frozenset({"down", "j", "up", "k", "pagedown", "pageup"})
"""Keys that scroll a digest that does not fit; any other key closes it."""

HOW_TO_CLOSE = "any key closes"
HOW_TO_SCROLL = "↓ scrolls, others close"
AIRY_JOBS = 3
"""Maximum number of jobs that are separated by blank lines."""

ONE_LINE = 60
"""Width in cells from which a job and its progress share one line."""

_STATUS = 13
"""Width in cells of a job's sign and status word; the longest is `completed!`."""


class DigestDialog(Dialog):
    """The changes of each job, and the advice. Any key closes it."""

    def __init__(self, look: Look, digest: Digest) -> None:
        super().__init__(look)
        self._digest = digest

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the digest; if it does not fit, its head names the scroll keys."""
        lines = [*digest_lines(self._digest, self.look, width)]
        if len(lines) > self._room():
            lines[0] = _head(self._digest, self.look, width, HOW_TO_SCROLL)[0]
        yield from lines

    def _room(self) -> int:
        """Return the page height in lines that the stylesheet allows, without its padding."""
        return min(self.size.height - 2, self.size.height * 9 // 10) - 2

    def on_key(self, event: Key) -> None:
        """Close, unless the key scrolls a digest that does not fit."""
        page = self.query_one(Page)
        fits = page.virtual_size.height <= page.size.height
        if event.key in SCROLLING and not fits:
            return
        event.stop()
        if self.is_current:
            self.dismiss()


def digest_lines(digest: Digest, look: Look, width: int) -> Iterator[Line]:
    """Yield the lines for a width in cells: the period, each job, and the advice."""
    yield from _head(digest, look, width, HOW_TO_CLOSE)
    for text in unobserved_words(digest):
        yield from _text(text, look, width, "muted")
    for number, job in enumerate(digest.jobs):
        if number == 0 or len(digest.jobs) <= AIRY_JOBS:
            yield ()
        yield from _job(job, digest, look, width)
    if text := quiet_words(digest):
        yield ()
        yield from _text(text, look, width, "muted")
    yield ()
    yield from _todo(digest, look, width)


def _head(digest: Digest, look: Look, width: int, keys: str) -> tuple[Line, ...]:
    """Return the period, with the key hint beside it if there is room."""
    parts = wrap_words(_clean(head_words(digest), look), width)
    hint: Line = (Piece(look.to_ascii(keys), "faint"),)
    first = spread((Piece(parts[0], "strong"),), hint, width)
    return (first, *((Piece(part, "strong"),) for part in parts[1:]))


def _job(job: JobDigest, digest: Digest, look: Look, width: int) -> Iterator[Line]:
    """Yield the job and its progress, on one line if there is room, then its other changes."""
    moved: Line = (Piece(moved_words(job), "" if job.moved else "muted"),)
    if width >= ONE_LINE:
        room = width - width_of(moved) - 2
        yield spread(_name(job, digest, look, room), moved, width)
    else:
        yield _name(job, digest, look, width)
        yield (Piece("  "), *moved)
    for text in job_words(job, digest):
        yield from _text(text, look, width, "muted", indent=2)


def _name(job: JobDigest, digest: Digest, look: Look, width: int) -> Line:
    """Return sign, status and migration; below 36 cells no status, to leave room for the names."""
    style = style_of(job.view)
    context = DrawContext(look, digest.until)
    sign = look.sign(job.view.state)
    if width < 36:
        return (Piece(f"{sign} ", style), *migration(job.view, context, width - 2))
    word = fill((Piece(f"{sign} {look.sanitise(job.view.word)}", style),), _STATUS - 1)
    return (*word, Piece(" "), *migration(job.view, context, width - _STATUS))


def _todo(digest: Digest, look: Look, width: int) -> Iterator[Line]:
    """Yield the advice, most urgent first."""
    todo = jobs_with_advice(digest)
    if not todo:
        yield (Piece("Nothing to do now.", "success"),)
        return
    yield (Piece("To do now", "strong"),)
    for job in todo:
        name = migration(job.view, DrawContext(look, digest.until), width - 2)
        yield (Piece(f"{look.sign(job.view.state)} ", style_of(job.view)), *name)
        yield from _text(job.advice, look, width, "", indent=2)


def _text(text: str, look: Look, width: int, style: str, *, indent: int = 0) -> Iterator[Line]:
    for part in wrap_words(_clean(text, look), max(8, width - indent)):
        yield (Piece(" " * indent), Piece(part, style))


def _clean(text: str, look: Look) -> str:
    return look.sentence(text)
