"""The dialogs of two reports: the digest of an absence, and the receipt of some jobs.

`DigestDialog` shows what changed and what needs action now. `ReceiptPage` builds a receipt in a
worker, which may read logs, to read, copy and save it as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.events import Key

from slurper_tui import version
from slurper_tui.api.errors import ApiError
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
from slurper_tui.monitor.reports.wording import STOPPED_READING, hold_up, reading_words, source_name
from slurper_tui.tui.render.columns import DrawContext, migration
from slurper_tui.tui.render.glyphs import Look, style_of
from slurper_tui.tui.render.lines import Line, Piece, fill, spread, width_of, wrap_words
from slurper_tui.tui.screens.base import Dialog, Page
from slurper_tui.tui.screens.dialogs import copy_text

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.reports.receipt import Receipt
    from slurper_tui.tui.screens.main import MainScreen

SCROLLING = frozenset({"down", "j", "up", "k", "pagedown", "pageup"})
"""Keys that scroll a digest that does not fit; any other key closes it."""

HOW_TO_CLOSE = "any key closes"
HOW_TO_SCROLL = "↓ scrolls, others close"
AIRY_JOBS = 3
"""Maximum number of jobs that are separated by blank lines."""

ONE_LINE = 60
"""Width in cells from which a job and its progress share one line."""

_STATUS = 14
"""Width in cells of a job's sign and status word; the longest is `completed !`."""


class DigestDialog(Dialog):
    """The changes of each job, and the advice. Any key closes it."""

    def __init__(self, look: Look, digest: Digest) -> None:
        super().__init__(look)
        self._digest = digest

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the digest; if it does not fit, its head names the scroll keys."""
        lines = [*digest_lines(self._digest, self.look, width)]
        room = min(self.size.height - 2, self.size.height * 9 // 10) - 2  # set in the stylesheet
        if len(lines) > room:
            lines[0] = _head(self._digest, self.look, width, HOW_TO_SCROLL)[0]
        yield from lines

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
    if not (advised := jobs_with_advice(digest)):
        yield (Piece("Nothing to do now.", "success"),)
        return
    yield (Piece("To do now", "strong"),)
    for job in advised:
        sign = f"{look.sign(job.view.state)} "
        name = migration(job.view, DrawContext(look, digest.until), width - len(sign))
        yield (Piece(sign, style_of(job.view)), *name)
        yield from _text(job.advice, look, width, "", indent=2)


def _head(digest: Digest, look: Look, width: int, keys: str) -> tuple[Line, ...]:
    """Return the period, with the key hint beside it if there is room."""
    parts = wrap_words(look.sentence(head_words(digest)), width)
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
        room = width - len(sign) - 1
        return (Piece(f"{sign} ", style), *migration(job.view, context, room))
    word = fill((Piece(f"{sign} {look.sanitise(job.view.word)}", style),), _STATUS - 1)
    return (*word, Piece(" "), *migration(job.view, context, width - _STATUS))


def _text(text: str, look: Look, width: int, style: str, *, indent: int = 0) -> Iterator[Line]:
    for part in wrap_words(look.sentence(text), max(8, width - indent)):
        yield (Piece(" " * indent), Piece(part, style))


_KEYS = "y copies · w saves · Esc closes"
_SHORT_KEYS = "y copy · w save"


class ReceiptPage(Dialog):
    """A dialog with the receipt; while logs are read, a draft of it below the reading progress.

    Closing it ends the reading. A draft can be neither copied nor saved.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "copy", "copy"),
        ("w", "save", "save"),
    ]

    def __init__(self, main: MainScreen, keys: Sequence[JobKey], unstarted: int = 0) -> None:
        super().__init__(main.look)
        self.text = ""
        self._title = "Receipt"
        self._unstarted = unstarted
        self._main = main
        self._keys = keys
        self.environ = main.environ
        self._progress = "reading what is known"
        self._draft = ""
        self._log = ""  # the name of the log that is being read
        self._reading = True
        self._file_name = ""  # the source bucket, plus the job id for a single job

    def on_mount(self) -> None:
        """Start building the receipt."""
        self.run_worker(self._read(), group="receipt", exclusive=True)

    async def _read(self) -> None:
        from slurper_tui.monitor.reports.receipt_markdown import markdown  # imported on first use

        try:
            services = await self._main.services()
            receipt = await services.receipts.receipt(
                self._keys, unstarted=self._unstarted, on_draft=self._show_draft
            )
        except ApiError as error:
            if self._draft:  # what is known stays
                log = f"the log of {self._log} cannot be read"
                self._progress = f"no more than a draft: {log}: {error}"
            else:
                self._title, self._progress = "Receipt", f"no receipt: {error}"
        else:
            self.text = markdown(receipt, version())
            single = [receipt.jobs[0].view.key.job_id[:12]] if len(receipt.jobs) == 1 else []
            self._file_name = "-".join([receipt.family.key.source, *single])
            self._title = "Interim receipt" if receipt.interim else "Receipt"
            if receipt.interim:
                self._file_name = f"interim-{self._file_name}"
        self._reading = False
        self.remake()

    def _show_draft(self, draft: Receipt) -> None:
        """Show the draft, how much was read, and what delays the reading, if anything."""
        from slurper_tui.monitor.reports.receipt_markdown import markdown  # imported on first use

        reading = draft.reading
        assert reading is not None
        view, name = reading.view, source_name(reading.job)
        self._log = name
        read = reading_words(name, reading.number, reading.logs, view.rows_read)
        held_up = hold_up(view.problem, waiting=view.waiting)
        self._progress = " · ".join(filter(None, (f"reasons: {read}", held_up)))
        self._title, self._draft = "Draft of a receipt", markdown(draft, version())
        self.remake()

    def action_close(self) -> None:
        """Close the page; say so if that ends the reading."""
        if self._reading:
            self._main.show_note(STOPPED_READING)
        super().action_close()

    def remake(self) -> None:
        """Redraw the page and fit its height."""
        self.fit_page(self.app.size)
        self.query_one(Page).remake()

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the keys or the note, then the receipt."""
        title: Line = (Piece(self._title, "strong"),)
        if self.note:
            yield title
            yield from self._plain(self.note, width, "accent")
        else:
            keys = _KEYS if self.text else "Esc closes"
            short = keys if len(keys) + len(self._title) + 2 <= width else _SHORT_KEYS
            yield spread(title, (Piece(self.look.to_ascii(short), "faint"),), width)
        yield ()
        if not self.text:
            style = "accent" if self._reading else "error"
            yield from self._plain(self._progress, width, style if self._draft else "muted")
            if not self._draft:
                return
            yield ()
        for line in (self.text or self._draft).removesuffix("\n").split("\n"):
            yield from self._markdown(line, width)

    def _markdown(self, line: str, width: int) -> Iterator[Line]:
        """Yield one line of Markdown, with headings and bold as styles."""
        if line.startswith("#"):
            yield from self._plain(line.lstrip("# "), width, "strong")
        elif line.startswith("**") and line.endswith("**"):
            yield from self._plain(line[2:-2], width, "strong")
        elif line.startswith("| "):
            yield from self._row(line, width)
        else:
            yield from self._plain(line, width, "")

    def _row(self, line: str, width: int) -> Iterator[Line]:
        """Yield a table row; if it is wider than the page, as a list item with its cells."""
        rule = line.startswith(("| :", "| --"))
        shown = self.look.sentence(line)
        if len(shown) <= width:
            yield (Piece(shown, "faint" if rule else ""),)
        elif not rule:
            cells = (cell.strip() for cell in line.strip("| ").split(" | "))
            yield from self._plain("- " + "  ".join(filter(None, cells)), width, "")

    def _plain(self, text: str, width: int, style: str) -> Iterator[Line]:
        """Yield wrapped text; continuation lines are indented to the start of the text."""
        clean = self.look.sentence(text)
        bare = clean.lstrip(" ")
        inset = len(clean) - len(bare)
        label = " " * inset + ("- " if bare.startswith("- ") else "")
        body = bare.removeprefix("- ") if label.endswith("- ") else bare
        for part in wrap_words(body, max(8, width - len(label))):
            yield (Piece(label), Piece(part, style))
            label = " " * len(label)

    def action_copy(self) -> None:
        """Copy the Markdown."""
        if self.text:
            copy_text(self, "", self.text)

    def action_save(self) -> None:
        """Save the Markdown in the current folder."""
        if self.text:
            self.run_worker(self._save(), group="saving", exclusive=True)

    async def _save(self) -> None:
        from slurper_tui.tui.screens.job_page import save_receipt

        path = await self.save(partial(save_receipt, Path(), self._file_name, self.text))
        if path is not None:
            self.show_note(f"saved to ./{path.name}")

    def watch_note(self) -> None:
        """Redraw the page: its head shows the note."""
        self.remake()
