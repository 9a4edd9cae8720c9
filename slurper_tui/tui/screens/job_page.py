"""The base of the pages about one or several jobs, and the files that the user saves.

A page lies over the main screen, which keeps polling. `JobPage` follows the main screen's state,
so that its jobs stay current; `read` runs in a worker until the page is closed.

Logs, exact keys and receipts go to new files in a given folder; an existing file is never
overwritten. File contents are exact; only file names are sanitised.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from textual.binding import Binding

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.base import SHORT_ID
from slurper_tui.monitor.model.logs import FAILED_TYPE, FailuresView, LogView
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.records import row_record
from slurper_tui.monitor.reports.wording import WAITING, next_step, rclone_line
from slurper_tui.monitor.verify.diff import DiffForm, diff_entry
from slurper_tui.new_file import new_file
from slurper_tui.tui.keys import Hint, key_hint
from slurper_tui.tui.render.columns import DrawContext, migration
from slurper_tui.tui.render.lines import Line, Piece, hint_line, shorten, spread, width_of
from slurper_tui.tui.screens.base import FramedScreen
from slurper_tui.tui.screens.dialogs import PageHelp, TextDialog, error_dialog

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.session import Services
    from slurper_tui.monitor.verify.compare import Difference
    from slurper_tui.monitor.verify.headers import HeaderDifference
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.screens.main import MainScreen
    from slurper_tui.tui.state import ScreenState
    from slurper_tui.tui.widgets.line_list import LineList

T = TypeVar("T")

LEAST_NAME = 16
"""Minimum width in cells of the migration's name."""

MOST_NAMES = 1000
"""The most files of one name in a folder; a number in the name distinguishes them."""

_MOST_BUCKET, _MOST_ID = 40, 12


class JobPage(FramedScreen[None]):
    """A page about one job or the jobs of a migration, over the main screen, which keeps running.

    The page's data is read until the page is closed.
    """

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = ["../logs.tcss"]
    AUTO_FOCUS = "#rows"
    NAME: ClassVar[str] = ""
    """The name of the page for `MainScreen.open_page`."""
    KEYS: ClassVar[tuple[Binding, ...]] = ()
    HINTS: ClassVar[tuple[str, ...]] = ()
    """Ids of the keys shown in the foot, least important first."""

    rows: LineList

    def __init__(self, main: MainScreen, jobs: tuple[JobView, ...]) -> None:
        super().__init__(main.look, main.options.environ)
        self.main = main
        self.jobs = jobs
        self.keys = tuple(job.key for job in jobs)
        self.problem: ApiError | None = None

    def action_move(self, step: int) -> None:
        """Move the cursor by `step` rows."""

    def action_page(self, step: int) -> None:
        """Move by `step` pages."""
        self.action_move(step * self.rows.page_rows())

    def action_ends(self, step: int) -> None:
        """Move to the first (-1) or the last (1) row."""
        self.action_move(step * 10**9)

    def watch_state(self) -> None:
        """Redraw the head and the foot, which show the state."""
        self.redraw_frame()

    async def read(self, services: Services) -> None:
        """Read the page's data; does nothing by default. Raises ApiError."""

    def job_moved(self) -> None:
        """Called when a new snapshot has arrived: the jobs or the current time have changed."""

    def on_mount(self) -> None:
        """Start reading, and follow the jobs in the main screen's snapshots."""
        self.watch(self.main, "state", self._main_moved, init=False)
        self.run_worker(self._read(), group="reading", exclusive=True)

    async def _read(self) -> None:
        try:
            await self.read(await self.main.services())
        except ApiError as error:
            self.problem = error
            self.redraw_frame()

    def _main_moved(self, before: ScreenState, after: ScreenState) -> None:
        if before.snapshot is after.snapshot or after.snapshot is None:
            return
        views = {view.key: view for view in after.snapshot.jobs}
        self.jobs = tuple(views.get(job.key, job) for job in self.jobs)
        self.job_moved()
        self.redraw_frame()

    def show_note(self, text: str) -> None:
        """Show a note in the foot, or in a dialog if it does not fit."""
        super().show_note(text)
        short = len(text) + 2 <= self.size.width and not self.has_class("-tiny")
        if not short and self.is_current:
            self.app.push_screen(TextDialog(self.look, "", (text,)))

    @property
    def hints(self) -> tuple[str, ...]:
        """Ids of the keys shown in the foot now, least important first."""
        return self.HINTS

    def hint(self, id: str) -> Hint:
        """Return the key of a binding as it is shown, and its word."""
        return key_hint(self.KEYS, [id], self.main.options.keymap, self.look)

    def foot(self, width: int) -> Sequence[Line]:
        """Return the note and the key hints; hints that do not fit are dropped."""
        hints = [self.hint(id) for id in self.hints]
        if self.note:
            look = self.look
            note = shorten(look.sentence(self.note), width - 2, look.ellipsis)
            left: Line = (Piece(" "), Piece(note, "accent"))
        else:
            left = ()
        while hints and width_of(left) + width_of(hint_line(hints)) + 3 > width:
            hints.pop(0)
        return (spread(left, (*hint_line(hints), Piece(" ")), width),)

    def turn_to(self, name: str) -> None:
        """Open another page about these jobs, or go back to it if it is directly below."""
        below = self.app.screen_stack[-2]
        if isinstance(below, JobPage) and (below.NAME, below.keys) == (name, self.keys):
            self.action_back()
        else:
            self.main.open_page(name, self.jobs)

    def action_back(self) -> None:
        """Close the page, which stops the reading."""
        if self.is_current:
            self.dismiss()

    def action_help(self) -> None:
        """Show the keys of this page."""
        self.app.push_screen(PageHelp(self.look, self.KEYS, self.main.options.keymap))

    def action_problem(self) -> None:
        """Show the page's error in full, or else the main screen's current problem."""
        if self.problem is None:
            self.main.action_problem()
        else:
            self.app.push_screen(error_dialog(self.look, self.problem))


def title_line(
    title: str, jobs: Sequence[JobView], remarks: tuple[str, ...], look: Look, width: int
) -> Line:
    """Return the page's title and migration at the left, and a remark at the right.

    remarks: variants of the remark, longest first; the first that fits is shown.
    """
    job = jobs[0] if len(jobs) == 1 else family(jobs).view
    title = title if len(jobs) == 1 else f"{title} of {fmt.count(len(jobs))} jobs"
    fits = (text for text in remarks if len(text) + len(title) + LEAST_NAME + 6 <= width)
    right = look.to_ascii(next(fits, ""))
    room = max(1, width - len(title) - len(right) - 6)
    name = migration(job, DrawContext(look), room)
    left: Line = (Piece(" "), Piece(title, "strong"), Piece("  "), *name)
    return spread(left, (Piece(right, "muted"), Piece(" ")) if right else (), width)


def trouble_line(
    view: LogView | FailuresView, problem: ApiError | None, look: Look, room: int
) -> Line:
    """Return the problem or wait that holds up the reading; empty if there is none.

    Of several logs, it names the one that has the problem, or their number.
    """
    if problem is not None:
        troubled = [job.key.job_id for job in view.jobs if job.problem]
        whose = f"{len(troubled)} of {len(view.jobs)} logs: "
        if len(troubled) < 2:
            whose = f"log of job {troubled[0][:SHORT_ID]}: " if troubled else ""
        text = f"{whose}{problem.message} · {next_step(problem) or '! shows all'}"
        text = look.sanitise(look.to_ascii(text))
        return (Piece(shorten(text, room, look.ellipsis), "error"),)
    return (Piece(WAITING, "warning"),) if view.waiting else ()


@asynccontextmanager
async def closing(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an async iterator as soon as the block ends, so that its producer stops at once."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


class Saved(NamedTuple):
    """A file that was written.

    number: how many rows or keys it has.
    rclone: the command that copies the keys, or "" if rclone cannot read the file.
    """

    path: Path
    number: int
    rclone: str = ""


def save_log(folder: Path, jobs: Sequence[JobView], view: LogView) -> Saved:
    """Write a log's rows as JSON Lines with the API's own names. Raises OSError."""
    lines = (fmt.as_json(row_record(row)) for row in view.rows)
    return Saved(_write(folder, _name("log", jobs), ".jsonl", lines), len(view.rows))


def save_keys(folder: Path, jobs: Sequence[JobView], log_type: str, keys: Sequence[str]) -> Saved:
    """Write one key per line, or a JSON array if some key does not fit on a line.

    Raises OSError.
    """
    name = _name("failed" if log_type == FAILED_TYPE else log_type, jobs)
    if not all(key and "\n" not in key and "\r" not in key and fmt.is_utf8(key) for key in keys):
        rows = ",\n".join(map(fmt.as_json, keys))
        return Saved(_write(folder, name, ".json", ("[", rows, "]")), len(keys))
    path = _write(folder, name, ".txt", keys)
    return Saved(path, len(keys), rclone_line(path.name, jobs[0]))


def save_differences(
    folder: Path,
    jobs: Sequence[JobView],
    differences: Callable[[], Iterator[Difference | HeaderDifference]],
) -> Saved:
    """Write all differences as `verify --diff` does; as JSON Lines if a key holds a line break.

    Raises OSError.
    """
    number, form = 0, DiffForm.TEXT
    for one in differences():
        number += 1
        if not fmt.is_utf8(one.key) or not {"\n", "\r"}.isdisjoint(one.key):
            form = DiffForm.JSON
    suffix = ".txt" if form is DiffForm.TEXT else ".jsonl"
    lines = (diff_entry(one, form).removesuffix("\n") for one in differences())
    return Saved(_write(folder, _name("diff", jobs), suffix, lines), number)


def save_receipt(folder: Path, name: str, text: str) -> Path:
    """Write a receipt in Markdown. name: the job's or the bucket's name. Raises OSError."""
    harmless = re.sub(r"[^A-Za-z0-9._-]+", "_", name[:_MOST_BUCKET]).strip("._-")
    title = f"receipt-{harmless}" if harmless else "receipt"
    return _write(folder, title, ".md", text.removesuffix("\n").split("\n"))


def _name(what: str, jobs: Sequence[JobView]) -> str:
    """Return a file name of kind, bucket and job: `failed-photos-prod-3fa8b6c2`.

    Several jobs are told by their number: `failed-photos-prod-12-jobs`.
    """
    job = jobs[0].job
    which = (job.id or "")[:_MOST_ID] if len(jobs) == 1 else f"{len(jobs)}-jobs"
    parts = (what, job.source_bucket[:_MOST_BUCKET], which)
    harmless = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("._-") for part in parts)
    return "-".join(part for part in harmless if part)


def _write(folder: Path, name: str, suffix: str, lines: Iterable[str]) -> Path:
    """Write lines to a new file; none is left that is cut short. Raises OSError."""
    for number in range(1, MOST_NAMES + 1):
        path = folder / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        if os.path.lexists(path):
            continue
        with new_file(path, 0o666) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
        return path
    raise FileExistsError(f"there are {MOST_NAMES} files of this name already")
