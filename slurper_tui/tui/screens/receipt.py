"""The receipt of an ended job or migration, to read, copy and save as Markdown.

A worker builds the receipt; meanwhile the page shows how much of the logs has been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from slurper_tui import format as fmt
from slurper_tui import version
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.base import SHORT_ID, JobKey
from slurper_tui.monitor.model.logs import FailuresView
from slurper_tui.monitor.reports.receipt import NotEnded
from slurper_tui.monitor.reports.wording import hold_up
from slurper_tui.tui.render.lines import Line, Piece, spread, wrap_words
from slurper_tui.tui.screens.dialogs import Dialog, Page, copy_text

if TYPE_CHECKING:
    from slurper_tui.tui.screens.main import MainScreen

_KEYS = "y copies · w saves · Esc closes"
_SHORT_KEYS = "y copy · w save"


class ReceiptPage(Dialog):
    """A dialog with the receipt or, until it is ready, the reading progress."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "copy", "copy"),
        ("w", "save", "save"),
    ]

    def __init__(self, main: MainScreen, keys: Sequence[JobKey]) -> None:
        super().__init__(main.look)
        self.text = ""
        self._main = main
        self._keys = keys
        self.environ = main.environ
        self._progress = "reading what is known"
        self._file_name = ""  # the source bucket, plus the job id for a single job

    def on_mount(self) -> None:
        """Start building the receipt."""
        self.run_worker(self._read(), group="receipt", exclusive=True)

    async def _read(self) -> None:
        from slurper_tui.monitor.reports.receipt_markdown import markdown  # imported on first use

        try:
            services = await self._main.services()
            receipt = await services.receipts.receipt(self._keys, self._report)
        except (NotEnded, ApiError) as error:
            self._progress = f"no receipt: {error}"
        else:
            self.text = markdown(receipt, version())
            single = [receipt.jobs[0].view.key.job_id[:12]] if len(receipt.jobs) == 1 else []
            self._file_name = "-".join([receipt.family.key.source, *single])
        self.remake()

    def _report(self, view: FailuresView) -> None:
        """Show how many log rows have been read, and the problem or wait that delays it, if any."""
        alone = [*self._keys] == [view.key]
        whose = "" if alone else f" of {view.key.job_id[:SHORT_ID]}"
        rows = f"reading the log{whose}: {fmt.count(view.rows_read)} rows"
        self._progress = " · ".join(
            filter(None, (rows, hold_up(view.problem, waiting=view.waiting)))
        )
        self.remake()

    def remake(self) -> None:
        """Redraw the page and fit its height."""
        self.fit_page(self.app.size)
        self.query_one(Page).remake()

    def page_lines(self, width: int) -> Iterator[Line]:
        """Yield the keys or the note, then the receipt."""
        title: Line = (Piece("Receipt", "strong"),)
        if self.note:
            yield title
            yield from self._plain(self.note, width, "accent")
        else:
            keys = _KEYS if self.text else "Esc closes"
            short = keys if len(keys) + 9 <= width else _SHORT_KEYS
            yield spread(title, (Piece(self.look.to_ascii(short), "faint"),), width)
        yield ()
        if not self.text:
            yield from self._plain(self._progress, width, "muted")
            return
        for line in self.text.removesuffix("\n").split("\n"):
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
        from slurper_tui.tui.export import save_receipt

        path = await self.save(partial(save_receipt, Path(), self._file_name, self.text))
        if path is not None:
            self.show_note(f"saved to ./{path.name}")

    def watch_note(self) -> None:
        """Redraw the page: its head shows the note."""
        self.remake()
