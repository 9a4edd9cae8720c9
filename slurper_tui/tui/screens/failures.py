"""The failures page: failed and skipped objects of some jobs by reason, message, prefix and job.

`FailuresPage` reads the whole logs; saving keys and drafting retries need their ends.
`export_failed` and `retry_failed` do the same from the list, without the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.reactive import var
from textual.worker import get_current_worker

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError
from slurper_tui.monitor.model.logs import FAILED_TYPE, Cause, FailuresView, cause_of, reason_of
from slurper_tui.monitor.reports.migrations import family
from slurper_tui.monitor.reports.retries import (
    FoundAfterAll,
    keys_left,
    less_those_there,
    looked_up,
    number_retried,
)
from slurper_tui.monitor.reports.wording import (
    NO_FAILED_KEY,
    hold_up,
    job_names,
    left_out_words,
    missing_keys,
    price_words,
    retried_words,
    source_name,
)
from slurper_tui.tui.keys import FAILURE_KEYS
from slurper_tui.tui.render.lines import Line, Piece, join, shorten
from slurper_tui.tui.screens.confirm import ConfirmDialog, Question
from slurper_tui.tui.screens.dialogs import TextDialog, copy_text
from slurper_tui.tui.screens.job_page import (
    JobPage,
    Saved,
    closing,
    save_keys,
    title_line,
    trouble_line,
)
from slurper_tui.tui.widgets import failure_tree as states
from slurper_tui.tui.widgets.failure_tree import (
    NOTHING,
    FailureLines,
    FailureState,
    failed_line,
    read_words,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.logs.reader import FailingObjects
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.session import Services
    from slurper_tui.monitor.verify.reading import KeyLookup
    from slurper_tui.tui.render.glyphs import Look
    from slurper_tui.tui.screens.base import NotedScreen
    from slurper_tui.tui.screens.main import MainScreen


class FailuresPage(JobPage):
    """The failures of one job, or those of several together, as a tree.

    Of the jobs of a migration, those that a later job repeats completely are left out.
    """

    NAME = "failures"
    BINDINGS: ClassVar[list[BindingType]] = [*FAILURE_KEYS]
    KEYS = FAILURE_KEYS
    HINTS = (
        *("failures.copy", "show.log", "failures.check", "show.export", "failures.retry"),
        "pane.open",
        *("show.help", "page.back"),
    )
    rows: FailureLines
    state: var[FailureState] = var(NOTHING, init=False)

    def __init__(self, main: MainScreen, jobs: tuple[JobView, ...]) -> None:
        super().__init__(main, jobs)
        self._reading: FailingObjects | None = None
        self._finished = False
        self._export_then = ""
        self._exported = ""
        self._warned_of = ""
        self._lookup: KeyLookup | None = None
        self._counted = frozenset(job.key for job in counted(jobs))
        names = job_names(jobs) if len(jobs) > 1 else {}
        self.rows = FailureLines(
            self.look,
            {key.job_id: name for key, name in names.items()},
            superseded=len(jobs) - len(self._counted),
            id="rows",
        )
        self.rows.now = main.state.now
        self.set_reactive(FailuresPage.state, FailureState(FailuresView(self.keys[0])))

    @property
    def counted(self) -> tuple[JobView, ...]:
        """The jobs whose logs are read."""
        return tuple(job for job in self.jobs if job.key in self._counted)

    def compose(self) -> ComposeResult:
        """Yield the tree in its frame."""
        yield from self.framed(self.rows.data_bind(FailuresPage.state))

    def head(self, width: int) -> Sequence[Line]:
        """Return the title, the reading progress, and whether the log names all failures."""
        view = self.state.view
        title = title_line("Failures", self.counted, read_words(view), self.look, width)
        problem = self.problem or view.problem
        trouble = trouble_line(view, problem, self.look, width - 2)
        has_data = view.rows_read or view.counts.whole
        parts = (trouble, failed_line(view, width - 2) if has_data and not problem else ())
        return [title, (Piece(" "), *join(parts, self.look.to_ascii(" · ")))]

    async def read(self, services: Services) -> None:
        """Show the failures after every page of the logs; at their end, run a pending export."""
        self._reading = services.logs.failures([job.key for job in self.counted])
        async with closing(self._reading.views()) as views:
            async for view in views:
                self.problem = view.problem
                self.rows.now = self.main.state.now
                self.state = states.see(self.state, view)
        self._finished = self.problem is None or len(self.counted) > 1
        if self._export_then:
            self._export_now(self._export_then)

    def action_move(self, step: int) -> None:
        """Move by `step` entries."""
        self.state = states.move(self.state, step)

    @on(FailureLines.RowClicked)
    def _row_clicked(self, event: FailureLines.RowClicked) -> None:
        self.state = replace(self.state, cursor=states.entries(self.state)[event.row].path)

    def action_unfold(self) -> None:
        """Unfold the entry; show an entry without children in full."""
        entry = states.current(self.state)
        if entry is not None and not entry.opens and entry.text:
            title = entry.kind.capitalize()
            self.app.push_screen(TextDialog(self.look, title, (), entry.text))
        self.state = states.unfold(self.state)

    def action_fold(self) -> None:
        """Fold the entry, or move to its parent."""
        self.state = states.fold(self.state)

    def on_key(self, event: Key) -> None:
        """Forget the retry warning: it counts only while its note is visible."""
        if not self.note:
            self._warned_of = ""

    def action_log(self) -> None:
        """Open the log page."""
        self.turn_to("log")

    def action_copy(self) -> None:
        """Copy the highlighted key, prefix or message."""
        entry = states.current(self.state)
        if entry is not None and entry.text:
            copy_text(self, entry.kind, entry.text)

    def action_export(self) -> None:
        """Save the exact keys of the highlighted reason, once the whole log has been read.

        Of several jobs, save one file of all; when asked again, one file of each job.
        """
        if self._finished:
            self._export_now(self.state.log_type)
        else:
            self._export_then = self.state.log_type
            self.show_note("the keys are saved once the log is read to its end")

    def _export_now(self, log_type: str) -> None:
        self._export_then = ""
        if not self._finished or self._reading is None:
            self.show_note("nothing saved: the log cannot be read to its end")
            return
        found = self._found(self._reading, log_type)
        again = self._exported == log_type and len(found.keys) > 1
        work = save_each(self, found) if again else self._save(found)
        self.run_worker(work, group="saving", exclusive=True)

    async def _save(self, found: Found) -> None:
        if not found.keys:
            self.show_note(found.doubts[0] if found.doubts else _none_words(found.log_type))
            return
        saved = await self.save(partial(save_keys, Path(), *found.file))
        if saved is None:
            return
        self._exported = found.log_type
        if not self.is_current:  # a dialog would take the next key from the page above
            self.show_note(f"{fmt.count(saved.number)} keys saved to ./{saved.path.name}")
            return

        def each() -> None:
            self.run_worker(save_each(self, found), group="saving", exclusive=True)

        self.app.push_screen(SavedKeysDialog(self.look, saved, found, each))

    def _found(self, reading: FailingObjects, log_type: str) -> Found:
        """Return the keys of a log type, without those that are in the target after all."""
        after_all = self.state.after_all.get(log_type)
        return Found(self.counted, self.state.view, reading, log_type, after_all)

    async def action_check_target(self) -> None:
        """Ask whether to look all keys up in the target, with the price."""
        if self._lookup is not None:
            self.show_note("the keys are being looked up already")
            return
        if self._reading is None or not self._finished:
            self.show_note("still reading: the lookup needs the whole log")
            return
        types = [group.log_type for group in self.state.view.groups]
        keys = self._reading.keys(types)
        services = await self.main.services()
        lookup = services.buckets.lookup(self.counted[0], keys) if keys else None
        if lookup is None:
            self.show_note("no key to look up" if not keys else "the target's name is not known")
            return
        price = price_words(lookup.price)
        question = Question(
            title="Are these objects in the target after all?",
            consequence=f"the target is listed from just before each of {price}",
            yes="look up",
        )
        reading = self._reading

        def start() -> None:
            work = self._look_up(lookup, reading, types)
            self.run_worker(work, group="lookup", exclusive=True)

        self.app.push_screen(ConfirmDialog(self.look, question, start))

    async def _look_up(
        self, lookup: KeyLookup, reading: FailingObjects, types: Sequence[str]
    ) -> None:
        self._lookup = lookup
        of = fmt.count(lookup.price.keys)
        try:
            async with closing(lookup.run()) as steps:
                async for checked in steps:
                    self.show_note(f"{fmt.count(checked)} of {of} keys looked up in the target")
        except ApiError as error:
            self.show_note(f"the target could not be listed: {error.message}")
            return
        finally:
            self._lookup = None
        after_all = looked_up(self.counted, reading, types, lookup.found)
        opened = self.state.opened | {(log_type,) for log_type in types}
        self.state = replace(self.state, after_all=after_all, opened=opened)
        there = sum(len(known.there) for known in after_all.values())
        self.show_note(f"{fmt.count(there)} of {of} keys are in the target after all")

    async def action_retry(self) -> None:
        """Draft jobs with exactly the keys of the highlighted reason, one or more for each job.

        For skipped objects, warn first: the new jobs would skip them again.
        """
        log_type = self.state.log_type
        if self._reading is None or not self._finished:
            self.show_note("still reading: a retry needs the whole log")
            return
        found = self._found(self._reading, log_type)
        if not found.keys:
            self.show_note(found.doubts[-1] if found.left_out else _none_words(log_type))
        elif cause_of(log_type) is Cause.NOT_COPIED and self._warned_of != log_type:
            self._warned_of = log_type
            self.show_note("these would be skipped again; c again drafts them anyway")
        else:
            await self.main.new_jobs.draft_retry(
                found.owners, found.keys, (log_type,), found.doubts
            )
            if self.is_current and self.main.note:  # the main screen has refused to draft it
                self.show_note(self.main.note)


def counted(jobs: Sequence[JobView]) -> tuple[JobView, ...]:
    """Return the jobs without those that a later one of them repeats completely."""
    return family(jobs).counted if len(jobs) > 1 else tuple(jobs)


class Found:
    """The keys of one log type that are still to be copied, by job, and what may be missing.

    after_all: what a lookup in the target tells about these keys; None if there was none.
    left_out: number of keys that it found there, and that are left out.
    """

    def __init__(
        self,
        jobs: Sequence[JobView],
        view: FailuresView,
        reading: FailingObjects,
        log_type: str,
        after_all: FoundAfterAll | None = None,
    ) -> None:
        self.log_type = log_type
        self.jobs = tuple(jobs)
        left = keys_left(jobs, reading, view, (log_type,))
        self.keys = left if after_all is None else less_those_there(left, (after_all,))
        self.left_out = sum(map(len, left.values())) - sum(map(len, self.keys.values()))
        inexact, keyless = reading.inexact_keys((log_type,)), reading.without_key((log_type,))
        retried = number_retried(jobs, reading, left, (log_type,))
        missing = missing_keys(view, inexact=len(inexact), keyless=keyless)
        self.doubts = (*missing, *retried_words(retried), *left_out_words(self.left_out))

    @property
    def owners(self) -> tuple[JobView, ...]:
        """The jobs that have keys."""
        return tuple(job for job in self.jobs if job.key in self.keys)

    @property
    def file(self) -> tuple[tuple[JobView, ...], str, tuple[str, ...]]:
        """The jobs, the log type and all keys, for one file."""
        keys = tuple(key for job in self.owners for key in self.keys[job.key])
        return self.jobs, self.log_type, keys

    @property
    def files(self) -> Iterator[tuple[tuple[JobView, ...], str, tuple[str, ...]]]:
        """The same for one file of each job."""
        return (((job,), self.log_type, self.keys[job.key]) for job in self.owners)


def _none_words(log_type: str) -> str:
    if cause_of(log_type) is Cause.FAILED:
        return NO_FAILED_KEY
    return f"the log lists no key: {reason_of(log_type)}"


MOST_NAME = 16
"""Cells for a job's name in a progress note, which fits 80 columns with what delays it."""


def progress_words(view: FailuresView, job: JobView, look: Look) -> str:
    """Return how much was read of the log of `job`, or of several logs, and what delays it."""
    if view.jobs:
        done = sum(one.counts.whole or one.problem is not None for one in view.jobs)
        what = f"{len(view.jobs)} logs, {done} done"
    else:
        what = shorten(look.sanitise(source_name(job)), MOST_NAME, look.ellipsis)
    rows = f"reading {what}: {fmt.count(view.rows_read)} rows"
    return "; ".join(filter(None, (rows, hold_up(view.problem, waiting=view.waiting))))


async def read_failed(main: MainScreen, jobs: tuple[JobView, ...], without: str) -> Found | None:
    """Read the whole logs with progress notes; return None, with a note, if nothing was found.

    The main screen may end the reading, see `MainScreen.reading`. It keeps what was read whole, so
    that saving the keys and then drafting a retry read the logs once. without: how the note begins.
    """
    jobs = counted(jobs)
    state = [(job.key, job.status, job.counts.failed, job.counts.skipped) for job in jobs]
    if main.last_failed is not None and main.last_failed[0] == state:
        return main.last_failed[1]
    main.show_note("reading the log for what failed …")
    view = FailuresView(jobs[0].key)
    main.reading = worker = get_current_worker()
    try:
        reading = (await main.services()).logs.failures([job.key for job in jobs])
        async with closing(reading.views()) as views:
            async for view in views:
                main.show_note(progress_words(view, jobs[0], main.look))
    except ApiError as error:
        view = replace(view, problem=error)
    finally:
        if main.reading is worker:
            main.reading = None
    if view.problem is not None and len(jobs) == 1:
        main.show_note(f"{without}: {view.problem.message}")
        return None
    found = Found(jobs, view, reading, FAILED_TYPE)
    if not found.keys:
        main.show_note(f"{without}: {found.doubts[0] if found.doubts else NO_FAILED_KEY}")
        return None
    main.last_failed = (state, found) if view.counts.whole else None
    return found


async def export_failed(main: MainScreen, jobs: tuple[JobView, ...]) -> None:
    """Read the whole logs with progress notes, then save the keys."""
    found = await read_failed(main, jobs, "nothing saved")
    if found is None:
        return
    saved = await main.save(partial(save_keys, Path(), *found.file), "nothing saved")
    if saved is None:
        return
    main.show_note(f"{fmt.count(saved.number)} keys saved to ./{saved.path.name}")
    if main.at_rest:
        each = partial(main.start, partial(save_each, main, found), "export")
        main.app.push_screen(SavedKeysDialog(main.look, saved, found, each))


async def retry_failed(main: MainScreen, jobs: tuple[JobView, ...]) -> None:
    """Read the whole logs with progress notes, then open the draft of the retries."""
    found = await read_failed(main, jobs, "nothing drafted")
    if found is None:
        return
    if main.at_rest:  # else the draft would take the next key from the page above
        main.clear_note()
        await main.new_jobs.draft_retry(found.owners, found.keys, (FAILED_TYPE,), found.doubts)
    else:
        main.show_note("what failed is known now: ask for the retry again")


async def save_each(screen: NotedScreen[Any], found: Found) -> None:
    """Save the keys in one file for each job, and show a note with their number."""
    saved = [await screen.save(partial(save_keys, Path(), *file)) for file in found.files]
    done = [file for file in saved if file is not None]
    if len(done) == len(saved):
        keys = fmt.count(sum(file.number for file in done))
        screen.show_note(f"{keys} keys saved to {len(done)} files, one for each job")


class SavedKeysDialog(TextDialog):
    """The file, the number of keys and an rclone command that fetches them.

    If a key holds a line break, there is no rclone command: the file is a JSON array. each: saves
    one file for each job; offered if several jobs have keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("E", "each", "one file for each job")]

    def __init__(self, look: Look, saved: Saved, found: Found, each: Callable[[], object]) -> None:
        count = f"{fmt.counted(saved.number, 'key')} saved"
        texts = [f"{reason_of(found.log_type)}: ./{saved.path.name}"]
        texts += [doubt[:1].upper() + doubt[1:] for doubt in found.doubts]
        self._each = each if len(found.keys) > 1 else None
        if self._each:
            texts.append(f"E saves one file for each of the {len(found.keys)} jobs too")
        if saved.rclone:
            how = "This would fetch them; SRC and DST are your own names for the stores:"
        else:
            how = "A JSON array, for some keys hold line breaks; it serves as source.keys of a job"
        super().__init__(look, count, (*texts, "", how), saved.rclone)

    def action_each(self) -> None:
        """Close, and save one file for each job."""
        if self._each:
            self.dismiss()
            self._each()
