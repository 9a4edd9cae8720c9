"""The pages that verify a target against what its jobs were to copy.

`VerifyForm` asks what is expected, how R2 is listed, and for the keys that this needs. `VerifyPage`
shows what the verification costs, asks once, then shows the progress and the result.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.message import Message
from textual.worker import Worker

from slurper_tui import format as fmt
from slurper_tui.monitor.jobs.prefixes import read_prefixes
from slurper_tui.monitor.logs.paging import log_requests
from slurper_tui.monitor.model.plans import Draft, FieldFault, secret_faults
from slurper_tui.monitor.model.verification import (
    BY_VERIFICATION,
    CannotVerify,
    Outcome,
    Through,
    VerifyOptions,
)
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.verification_text import LISTS_ONLY, cost_rows, manifest_words
from slurper_tui.tui.keys import VERIFY_KEYS, Hint, may_confirm
from slurper_tui.tui.render.columns import source_text
from slurper_tui.tui.render.lines import Line, Piece, fill, shorten
from slurper_tui.tui.render.problem_text import blocked_words, problem_of_all_accounts
from slurper_tui.tui.render.verify_text import (
    fact,
    progress_lines,
    result_lines,
    run_words,
    sentences,
)
from slurper_tui.tui.screens.base import LOW
from slurper_tui.tui.screens.create_form import FormScreen
from slurper_tui.tui.screens.dialogs import TextDialog
from slurper_tui.tui.screens.job_page import JobPage, save_differences, title_line
from slurper_tui.tui.screens.verify_run import (
    VerifyRun,
    again,
    explained_words,
    last_run,
    make_run,
)
from slurper_tui.tui.widgets.form_fields import (
    CREDENTIALS,
    Field,
    FieldRow,
    Section,
    secrets_of,
)
from slurper_tui.tui.widgets.line_list import TextLines

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Secrets
    from slurper_tui.monitor.session import Services
    from slurper_tui.tui.screens.main import MainScreen

# What is compared with what

TITLE = "Verification"
SOURCE, MANIFEST = "source", "manifest"

MOST_SAMPLE = 100_000

PREPARING = "reading what the jobs were to copy …"

_EXPECTED = Section(
    "What should be there",
    (
        Field("expected", "expected", choices=(SOURCE, MANIFEST)),
        Field("region", "region", "optional", vendors=("s3",)),
        Field("manifest", "manifest", "a file of keys, JSON, rclone's, S3 Inventory"),
        Field("prefixes", "only below", "everything, or prefixes, one a line", lines=True),
    ),
)
_HOW = Section(
    "How it is compared",
    (
        Field("r2", "R2 through", choices=tuple(Through)),
        Field("headers", "headers of", "no object, or of a sample: 1000"),
    ),
)
_LABELS: Mapping[str, tuple[str, ...]] = {
    "expected": ("the source", "a manifest"),
    "r2": ("the API", "the token's R2 keys", "R2 keys typed here"),
}
_KEYS = Section(
    CREDENTIALS.title,
    tuple(
        replace(field, vendors=("s3", "gcs", "r2"))
        for field in CREDENTIALS.fields
        if field.name.endswith("access_key_id") or field.name.endswith("secret_access_key")
    ),
)
"""A source at Google has HMAC keys for its S3 interface, which have the same two parts."""


class VerifyForm(FormScreen[None]):
    """The form for what is compared with what, and for the keys that this needs.

    open: makes the verification and opens its page; returns why that is not possible, or "".
    """

    TITLE_OF_PAGE = TITLE
    LEADS_TO = "Show what it costs, then ask"

    def __init__(
        self, main: MainScreen, jobs: Sequence[JobView], values: Mapping[str, str]
    ) -> None:
        super().__init__(main.look, main.options.environ, values)
        self.main = main
        self.jobs = tuple(jobs)
        source = jobs[0].job.source
        self._vendor = (source and source.vendor) or "s3"
        self._preparing = ""
        self._released: Worker[None] | None = None

    def sections(self) -> Sequence[Section]:
        """Return the sections."""
        return (_EXPECTED, _HOW, _KEYS)

    def words_for(self, name: str) -> tuple[str, ...]:
        """Return the labels of the choices."""
        return _LABELS.get(name, ())

    def vendor(self) -> str:
        """Return the vendor of the jobs' source."""
        return self._vendor

    def show_fields(self) -> None:
        """Show the manifest, or the region and keys of a source that is listed now.

        The simulated buckets of the demo need no keys.
        """
        super().show_fields()
        source = self.row("expected").value == SOURCE
        typed = self.row("r2").value == Through.KEYS
        of_source = source and (typed or self._vendor != "r2")
        for row in self.query(FieldRow):
            name = row.field.name
            if name == "manifest":
                row.display = not source
            elif name == "region":
                row.display = source and self._vendor == "s3"
            elif row.field.secret:
                needed = of_source if name.startswith("source") else typed
                row.display = needed and not self.main.options.demo
        *_, of_keys = self.query(".heading")
        of_keys.display = any(row.display for row in self.query(FieldRow) if row.field.secret)

    def head(self, width: int) -> Sequence[Line]:
        """Return the title with the migration, and the position among the fields."""
        return (title_line(self.TITLE_OF_PAGE, self.jobs, (self.place,), self.look, width),)

    def foot(self, width: int) -> Sequence[Line]:
        """Return what it is being prepared from, or else what is wrong, or the keys."""
        if not self._preparing:
            return super().foot(width)
        return (fill((Piece(self.look.to_ascii(f" {self._preparing}"), "accent"),), width),)

    def on_key(self, event: Key) -> None:
        """Ignore a second Enter while the first one is prepared; the base would begin anew."""
        if self._preparing and event.key == "enter":
            event.stop()
            event.prevent_default()

    async def faults(self) -> Sequence[FieldFault]:
        """Return what is missing or cannot be read."""
        return [*self._faults()]

    def _faults(self) -> Iterator[FieldFault]:
        values = self.values()
        if values["expected"] == MANIFEST and (why := why_no_manifest(values["manifest"].strip())):
            yield FieldFault("manifest", why)
        number = _digits(values["headers"])
        if not (number.isascii() and number.isdigit() and int(number) <= MOST_SAMPLE):
            yield FieldFault("headers", f"a number of objects, at most {MOST_SAMPLE:,}")
        yield from secret_faults(Draft("s3", "", ""), self._secrets())

    def _secrets(self) -> Secrets:
        return secrets_of(self.values(), self.environ, "s3")

    @property
    def options(self) -> VerifyOptions:
        """The values, once they are without faults."""
        values = self.values()
        manifest = values["manifest"].strip() if values["expected"] == MANIFEST else None
        return VerifyOptions(
            manifest if manifest is None else os.path.expanduser(manifest),
            tuple(read_prefixes(values["prefixes"])),
            values["region"].strip() or None,
            Through(values["r2"]),
            self._secrets(),
            int(_digits(values["headers"])),
        )

    async def take(self) -> None:
        """Open the page that shows what it costs."""
        self.main.verify_values = self.open_values()
        if self._released is not None:
            await self._released.wait()  # it has the work file of these jobs
        loop = asyncio.get_running_loop()
        self._prepare(PREPARING)

        def on_manifest(entries: int) -> None:
            words = f"reading {manifest_words(entries)}"
            loop.call_soon_threadsafe(self._prepare, words)

        try:
            run = await make_run(self.main, self.jobs, self.options, on_manifest)
        finally:
            self._prepare("")
        if isinstance(run, str):
            self._fault = run
            self.redraw_frame()
            return
        page = VerifyPage(self.main, run)
        self.app.push_screen(page, lambda _: self._page_closed(page, run))

    def _prepare(self, words: str) -> None:
        """Show what it is being prepared from; "" once it is."""
        self._preparing = words
        self.redraw_frame()

    def _page_closed(self, page: VerifyPage, run: VerifyRun) -> None:
        """Close this form too, unless the question was declined or another run is wanted."""
        if run.began and not page.again:
            self.dismiss()
        elif not run.began:
            self._released = self.run_worker(run.close(), group="closing")


def _digits(text: str) -> str:
    """Return a typed number without its grouping; `0` for none."""
    return text.strip().replace(",", "").replace("_", "") or "0"


def why_no_manifest(name: str) -> str:
    """Return why a file cannot be read as a manifest; "" if it can."""
    if not name:
        return "missing"
    try:
        path = Path(name).expanduser()
        if "\0" in name or not path.exists():
            return "no such file"
        return "" if path.is_file() else "this is not a regular file"
    except OSError as error:
        return (error.strerror or "cannot be read").lower()
    except RuntimeError:
        return "there is no such home folder"


async def open_verification(main: MainScreen, jobs: Sequence[JobView]) -> None:
    """Open the verification of some jobs that runs or has ended; without one, the form for one."""
    run, keys = main.verify_run, frozenset(job.key for job in jobs)
    if run is not None and run.running and not keys & run.keys:
        which = source_text(family(run.jobs).view, main.look)
        main.show_note(f"{which} is being verified: one verification at a time")
        return
    if run is None or not (run.running or keys == run.keys):
        run = await last_run(main, jobs)
    if run is None:
        open_form(main, jobs)
    else:
        page = VerifyPage(main, run)
        main.app.push_screen(page, lambda _: open_form(main, jobs) if page.again else None)


def open_form(main: MainScreen, jobs: Sequence[JobView]) -> None:
    """Open the form for a verification."""
    main.app.push_screen(VerifyForm(main, jobs, main.verify_values))


class Stage(StrEnum):
    """The stages of `VerifyPage`."""

    ASKING = "asking"
    RUNNING = "running"
    OVER = "over"


class VerifyLines(TextLines):
    """The scrollable text of a `VerifyPage`."""

    def lines_for(self, width: int) -> Sequence[Line]:
        """Return the page's lines."""
        return [*self.screen.pane_lines(width)] if isinstance(self.screen, VerifyPage) else ()


class VerifyPage(JobPage):
    """What a verification costs, then its progress, then its result.

    Closing the page does not end the verification. again: it was closed to verify again.
    """

    NAME = "verify"
    BINDINGS: ClassVar[list[BindingType]] = [*VERIFY_KEYS]
    KEYS = VERIFY_KEYS
    CSS_PATH: ClassVar[list[str | PurePath]] = ["../logs.tcss"]

    def __init__(self, main: MainScreen, run: VerifyRun) -> None:
        super().__init__(main, run.jobs)
        self.run = run
        self._lines = VerifyLines(self.look, id="rows")
        self._shown_at: float | None = None
        self.again = False

    def compose(self) -> ComposeResult:
        """Yield the lines in their frame."""
        yield from self.framed(self._lines)

    @property
    def stage(self) -> Stage:
        """What is shown."""
        if self.run.running:
            return Stage.RUNNING
        return Stage.OVER if self.run.began else Stage.ASKING

    async def read(self, services: Services) -> None:
        """Follow the verification."""
        self.run.on_change = self.redraw
        self._shown_at = Message().time  # same clock as key events
        self.redraw()

    def redraw(self) -> None:
        """Redraw everything that has changed."""
        if self.is_mounted:
            if self.note == STOPPING and self.stage is Stage.OVER:
                self.clear_note()
            self.set_class(self.stage is not Stage.RUNNING, "-brief")
            self._lines.remake()
            self.redraw_frame()

    # What is drawn

    def head(self, width: int) -> Sequence[Line]:
        """Return the title with the migration, and how far it is."""
        run = self.run
        remarks: tuple[str, ...] = ()
        if self.stage is Stage.RUNNING:
            remarks = (run_words(run.progress, run.reading),)
        elif run.result is not None:
            ended = fmt.moment(run.result.ended_at, self.main.state.now, self.look.zone)
            remarks = (f"ended {ended}",)
        return (title_line(TITLE, self.jobs, remarks, self.look, width), self._sides(width))

    def _sides(self, width: int) -> Line:
        """Return what is compared with what, while it runs."""
        plan = self.run.plan
        if plan is None or self.stage is not Stage.RUNNING:
            return ()
        text = self.look.sentence(f" {plan.expected.name}, with {plan.actual.name}")
        return (Piece(shorten(text, width - 1, self.look.ellipsis), "muted"),)

    def pane_lines(self, width: int) -> Iterator[Line]:
        """Yield the lines of the stage."""
        look, run, airy = self.look, self.run, self.size.height >= LOW
        if self.stage is Stage.ASKING:
            yield from self._cost_lines(width)
        elif self.stage is Stage.RUNNING:
            if run.reading:
                yield from fact("log", run.reading, look, width)
            if run.progress is not None:
                objects = run.plan.objects if run.plan else None
                yield from progress_lines(run.progress, objects, look, width, airy=airy)
            if words := self._waits_for():
                yield from fact("waits", words, look, width, "warning")
            yield ()
            yield from sentences([run.unread] if run.unread else (), look, width, "warning")
            yield from sentences([GOES_ON], look, width, "faint")
        elif run.result is not None:
            yield from result_lines(run.result, look, width, airy=airy)
            if run.unread:
                yield ()
                yield from sentences([run.unread], look, width, "warning")
            if run.result.problem is not None:
                yield ()
                kept = RESUMABLE if run.durable else BEGINS_AGAIN
                yield from sentences([kept], look, width, "accent")
        else:
            yield from sentences([f"not verified: {run.problem}"], look, width, "error")

    def _waits_for(self) -> str:
        """Return why nothing arrives: the API has asked to wait, or does not answer; "" else."""
        snapshot = self.main.state.snapshot
        if snapshot is None:
            return ""
        problem = problem_of_all_accounts(snapshot)
        return blocked_words(snapshot, self.look) or (problem.error.message if problem else "")

    def _cost_lines(self, width: int) -> Iterator[Line]:
        if self.run.plan is None:
            return
        for label, text in cost_rows(self.run.plan, log_requests(self.jobs)):
            yield from fact(label, text, self.look, width)
        yield ()
        yield from sentences([LISTS_ONLY], self.look, width, "success")
        if any(job.live for job in self.jobs):
            yield from sentences([STILL_RUNS], self.look, width, "warning")

    @property
    def hints(self) -> tuple[str, ...]:
        """Ids of the keys that do something now, the least important first."""
        if self.stage is Stage.RUNNING:
            pause = () if self.run.reading else ("verify.pause",)
            return ("show.help", "verify.stop", *pause, "page.back")
        if self.stage is Stage.ASKING:
            return ()
        export = ("show.export",) if self._lists else ()
        retry = ("failures.retry",) if self._faults else ()
        return ("show.help", "show.verify", *export, *retry, "page.back")

    def hint(self, id: str) -> Hint:
        """Return the key of a binding and its word; a paused verification goes on."""
        key, word = super().hint(id)
        progress = self.run.progress
        paused = progress is not None and progress.paused
        return key, "go on" if id == "verify.pause" and paused else word

    def foot(self, width: int) -> Sequence[Line]:
        """Return the two answers of the question, or the note and the key hints."""
        if self.stage is not Stage.ASKING or self.note:
            return super().foot(width)
        to_ascii = self.look.to_ascii
        line = (
            Piece(to_ascii(" ▌ "), "accent"),
            *(Piece("n", "key"), Piece(" back", "strong")),
            *(Piece("    "), Piece("y", "key"), Piece(" start", "muted")),
        )
        return (fill(line, width),)

    # What the keys do

    def action_move(self, step: int) -> None:
        """Scroll by `step` lines."""
        self._lines.scroll_lines(step)

    def action_page(self, step: int) -> None:
        """Scroll by `step` pages."""
        self.action_move(step * max(1, self._lines.size.height - 2))

    def on_key(self, event: Key) -> None:
        """Begin on `y`, if it was pressed after the question was shown; `n` goes back."""
        if self.stage is not Stage.ASKING:
            return
        if event.key == "n":
            event.stop()
            self.action_back()
        elif event.key == "y" and may_confirm(event, self._shown_at):
            event.stop()
            self.run.start()
            self._lines.scroll_lines(-(10**9))

    def action_back(self) -> None:
        """Close the page; a verification that runs goes on."""
        self.run.on_change = None
        super().action_back()

    def action_pause(self) -> None:
        """Pause the verification, or go on."""
        if self.run.reading:
            self.show_note(f"the log is read without a pause: {self.hint('verify.stop')[0]} stops")
        self.run.pause_or_go_on()

    def action_stop(self) -> None:
        """Stop the verification; what was compared is kept."""
        if self.run.running:
            self.show_note(STOPPING)
            self.run.stop()

    def action_again(self) -> None:
        """Open the form for another verification of the same jobs."""
        if self.stage is Stage.OVER:
            self.again = True
            self.action_back()

    def action_export(self) -> None:
        """Write the exact keys of all differences to a file in the current folder."""
        if self._has("nothing to write", self._lists):
            self.run_worker(self._export(), group="saving", exclusive=True)

    async def _export(self) -> None:
        write = partial(save_differences, Path(), self.jobs, self.run.entries)
        try:
            saved = await self.save(write, "not written")
        except CannotVerify as error:
            self.show_note(f"not written: {error}")
            return
        if saved is None:
            return
        if self.is_current:
            texts = (f"./{saved.path.name}", "", SAVED)
            title = f"{fmt.count(saved.number)} keys saved"
            self.app.push_screen(TextDialog(self.look, title, texts))

    async def action_retry(self) -> None:
        """Draft jobs that copy exactly the missing and the different objects again."""
        none = "nothing to copy again"
        if self._explained:
            show, copy = self.main.sign("show.failures"), self.main.sign("failures.retry")
            none = f"the log explains them: {show} in the list shows, {copy} there copies them"
        if self._has(none, self._faults):
            self.run_worker(self._retry(), group="retry", exclusive=True)

    async def _retry(self) -> None:
        try:
            wanted = await asyncio.to_thread(again, self.jobs, self.run.differences)
        except CannotVerify as error:
            self.show_note(f"not drafted: {error}")
            return
        doubts = (*wanted.doubts, *explained_words(self._explained, self.main.sign))
        await self.main.new_jobs.draft_retry(
            wanted.owners, wanted.missing, (BY_VERIFICATION,), doubts, wanted.differing
        )
        if self.is_current and self.main.note:  # the main screen has refused to draft it
            self.show_note(self.main.note)

    @property
    def _faults(self) -> int:
        """The number of missing and different objects of the result."""
        return self.run.result.tally.faults if self.run.result else 0

    @property
    def _explained(self) -> int:
        """The number of objects that are missing as the log says; `c` in the list copies them."""
        return self.run.result.tally.of(Outcome.EXPECTED) if self.run.result else 0

    @property
    def _lists(self) -> int:
        """The number of objects of the result that are not the same, or have other headers."""
        result = self.run.result
        if result is None:
            return 0
        headers = result.headers.differing if result.headers else 0
        return sum(result.tally.counts.values()) - result.tally.of(Outcome.SAME) + headers

    def _has(self, none: str, number: int) -> bool:
        """Return whether there are such objects; show a note if not."""
        if not number:
            running = self.stage is not Stage.OVER
            self.show_note("it has not ended: stop it first" if running else none)
        return number > 0


SAVED = (
    "Each line is a class, a tab and an exact key, as `verify --diff` writes them; `retry "
    "--keys-from` copies the missing and the different ones."
)
STOPPING = "stopping after the pages that are on their way"
RESUMABLE = "What was compared is kept: V goes on from there."
BEGINS_AGAIN = "There is no history, so that V begins again."
GOES_ON = "Esc goes back to the list, and it goes on; leaving the program asks first."
STILL_RUNS = (
    "A job still runs: objects that are newer than the beginning are not judged, and what is not "
    "copied yet is missing."
)
