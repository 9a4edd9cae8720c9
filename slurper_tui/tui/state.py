"""The main screen's state as one frozen value (`ScreenState`), and the functions that change it.

Data flow: a new snapshot replaces the one in the state; `arrange` filters the jobs, groups them
into migrations, sorts them into `lines` and places the highlight. `adopt` merges a state that was
arranged elsewhere into the current one. The module also holds the filter language (`matcher`), the
layout classes by terminal size, the options fixed for a run and the view settings that are saved.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

import msgspec
from msgspec.structs import replace
from textual.geometry import Size

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import BudgetView, JobView, Outage, Snapshot
from slurper_tui.monitor.reports.migrations import (
    Migration,
    MigrationKey,
    is_running,
    migration_of,
    migrations,
    with_changes,
)
from slurper_tui.tui.render.columns import SORTS, sorted_jobs

TERMS = "words, !not, status:failed, source:, target:, account:, id:"
"""One-line help for the filter."""

Test = Callable[[JobView], bool]


def matcher(text: str) -> Test:
    """Compile a filter: `word`, `!word`, `status:`, `account:`, `source:`, `target:`, `id:`.

    All terms must match. Case and Unicode normal form are ignored, an unfinished term (`status:`)
    matches every job, and `status:failed` also matches jobs with failed objects.
    """
    tests = [_term(term) for term in fold_text(text).split()]
    return lambda view: all(test(view) for test in tests)


def fold_text(text: str) -> str:
    """Normalise a text for comparison, ignoring case and Unicode normal form."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", decomposed.casefold())


def _term(term: str) -> Test:
    inverted, wanted = term.startswith("!"), term.removeprefix("!")
    test = _test(wanted)
    return (lambda view: not test(view)) if inverted and wanted else test


def _test(wanted: str) -> Test:
    name, colon, value = wanted.partition(":")
    if colon and name in _FIELDS:
        return _field(name, value)
    return lambda view: any(wanted in text for read in _FIELDS.values() for text in read(view))


def _field(name: str, value: str) -> Test:
    read = _FIELDS[name]
    if name == "status" and value == "failed":
        return lambda view: bool(view.counts.failed) or any(value in text for text in read(view))
    return lambda view: any(value in text for text in read(view))


def _status(view: JobView) -> Iterable[str]:
    return _folded(view.word, view.status)


def _source(view: JobView) -> Iterable[str]:
    source = view.job.source
    if source is None:
        return ()
    path = f"{source.bucket or ''}/{source.path_prefix or ''}"
    return _folded(path, source.vendor, source.endpoint)


def _target(view: JobView) -> Iterable[str]:
    return _folded(view.job.target.bucket) if view.job.target else ()


def _folded(*texts: str | None) -> Iterable[str]:
    return (fold_text(text) for text in texts if text)


_FIELDS: Mapping[str, Callable[[JobView], Iterable[str]]] = {
    "status": _status,
    "account": lambda view: _folded(view.account_id),
    "source": _source,
    "target": _target,
    "id": lambda view: _folded(view.job.id),
}


def layout_for(size: Size) -> frozenset[str]:
    """Return the CSS classes of the layout for a terminal size.

    Side by side, stacked, the list alone (`-single`), or one line (`-tiny`).
    """
    if size.width < 30 or size.height < 6:
        return frozenset({"-tiny"})
    if size.width >= 100 and size.height >= 16:
        return frozenset({"-side", "-spacious"} if size.width >= 160 else {"-side"})
    if size.width >= 60 and size.height >= 18:
        return frozenset({"-stacked", "-low"} if size.height < 24 else {"-stacked"})
    return frozenset({"-single"})


LAYOUTS = ("-tiny", "-side", "-spacious", "-stacked", "-low", "-single")


def layout_classes(size: Size) -> dict[str, bool]:
    """Map every layout class to whether the screen has it at this size."""
    classes = layout_for(size)
    return {name: name in classes for name in LAYOUTS}


class ViewState(msgspec.Struct, frozen=True):
    """View settings that are saved between runs.

    theme, sort: None for the defaults.
    migrations: fold jobs with the same buckets into one line.
    """

    theme: str | None = None
    sort: str | None = None
    inverted: bool = False
    hide_ended: bool = False
    migrations: bool = True


class ScreenOptions(msgspec.Struct, frozen=True):
    """Options that are fixed for one run.

    zone: None for local time.
    keymap: binding id to keys, from the configuration file.
    theme: the theme at the start; None for the saved one.
    environ: environment variables that identify the terminal.
    deadline: UTC seconds by which all jobs should be done.
    write: changing jobs is allowed from the start.
    read_only: changing jobs cannot be allowed, because pasted keys cannot be recognised.
    """

    ascii_only: bool = False
    zone: tzinfo | None = None
    demo: bool = False
    keymap: Mapping[str, str] = msgspec.field(default_factory=dict)
    view: ViewState = ViewState()
    theme: str | None = None
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    deadline: float | None = None
    write: bool = False
    read_only: bool = False


RowKey = JobKey | MigrationKey


class Row(msgspec.Struct, frozen=True, eq=False):
    """One line of the list.

    view: the job, or the sums of a migration.
    migration: the migration that this line shows or that its job belongs to, else None.
    unfolded: the migration's jobs are listed below it.
    retry: the job copies again what failed in another job.
    """

    key: RowKey
    view: JobView
    migration: Migration | None = None
    unfolded: bool = False
    retry: bool = False

    @property
    def is_migration(self) -> bool:
        """Whether the line shows a migration."""
        return isinstance(self.key, MigrationKey)

    @property
    def is_folded(self) -> bool:
        """Whether the line shows a migration whose jobs are not listed."""
        return self.is_migration and not self.unfolded


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The migrations of one snapshot. by_job: the migration key of each job that belongs to one."""

    snapshot: Snapshot | None = None
    by_key: Mapping[MigrationKey, Migration] = {}
    by_job: Mapping[RowKey | None, MigrationKey] = {}


def grouped(snapshot: Snapshot | None, before: Groups) -> Groups:
    """Group a snapshot's jobs into migrations; an unchanged migration is the same value."""
    if snapshot is None or _has_same_jobs(snapshot, before.snapshot):
        return before
    if before.snapshot is not None and _groups_alike(snapshot, before.snapshot):
        return _regrouped(snapshot, before.snapshot, before)
    found = migrations(snapshot.jobs, snapshot.links, before.by_key, snapshot.unstarted)
    by_job: dict[RowKey | None, MigrationKey] = {key: one.key for one in found for key in one.keys}
    return Groups(snapshot, {one.key: one for one in found}, by_job)


def _has_same_jobs(snapshot: Snapshot, before: Snapshot | None) -> bool:
    if before is None or snapshot.jobs is not before.jobs:
        return False
    return (snapshot.links, snapshot.unstarted) == (before.links, before.unstarted)


def _groups_alike(snapshot: Snapshot, before: Snapshot) -> bool:
    """Whether both snapshots have the same jobs of the same migrations, in the same order."""
    return (
        len(snapshot.jobs) == len(before.jobs)
        and (snapshot.links, snapshot.unstarted) == (before.links, before.unstarted)
        and all(
            one is other or (one.key == other.key and migration_of(one) == migration_of(other))
            for one, other in zip(snapshot.jobs, before.jobs, strict=True)
        )
    )


def _regrouped(snapshot: Snapshot, before: Snapshot, groups: Groups) -> Groups:
    """Sum up only the migrations with changed jobs."""
    pairs = zip(snapshot.jobs, before.jobs, strict=True)
    changed = [(new, old) for new, old in pairs if new is not old]
    started: Counter[str] = Counter()
    by_migration: dict[MigrationKey, dict[JobKey, JobView]] = {}
    for new, old in changed:
        started[new.account_id] += is_running(new) - is_running(old)
        if key := groups.by_job.get(new.key):
            by_migration.setdefault(key, {})[new.key] = new
    by_key = dict(groups.by_key)
    for key, views in by_migration.items():
        by_key[key] = with_changes(by_key[key], views, snapshot.links)
    for key, one in by_key.items() if any(started.values()) else ():
        if more := started[key.account_id]:
            by_key[key] = replace(one, running=one.running + more)
    return replace(groups, snapshot=snapshot, by_key=by_key)


def list_rows(
    jobs: Iterable[JobView],
    groups: Groups,
    view: ViewState,
    unfolded: Collection[MigrationKey] | None,
    retries: Collection[JobKey] = (),
) -> tuple[Row, ...]:
    """Return the lines in order: migrations sorted by their sums among the other jobs.

    The jobs of an unfolded migration follow it, sorted the same way.
    jobs: the jobs that pass the filter.
    unfolded: keys of the migrations whose jobs are listed; None for all.
    retries: jobs that copy again what failed in other jobs.
    """
    inside: dict[MigrationKey, list[JobView]] = {}
    tops: dict[int, Row] = {}
    for job in jobs:
        key = groups.by_job.get(job.key)
        if key is not None:
            inside.setdefault(key, []).append(job)
        else:
            tops[id(job)] = Row(job.key, job, retry=job.key in retries)
    for key in inside:
        one = groups.by_key[key]
        tops[id(one.view)] = Row(key, one.view, one, unfolded is None or key in unfolded)
    order = sorted_jobs((row.view for row in tops.values()), view.sort, view.inverted)
    return tuple(line for sum in order for line in _with_jobs(tops[id(sum)], inside, view))


def _with_jobs(
    row: Row, inside: Mapping[MigrationKey, Sequence[JobView]], view: ViewState
) -> Iterator[Row]:
    yield row
    if isinstance(row.key, MigrationKey) and row.unfolded:
        for job in sorted_jobs(inside[row.key], view.sort, view.inverted):
            yield Row(job.key, job, row.migration)


BUDGET_STEP = 5
BUDGET_PART = 0.05
"""If nothing else has changed, the request figure is redrawn only when it is off by this many
requests and by this share.
"""

NOTE_ROUNDS = 2
"""A note disappears after this many polling rounds, so it stays for at least one whole interval."""


class ScreenState(msgspec.Struct, frozen=True, eq=False):
    """The state of the main screen.

    snapshot: None before the first poll.
    jobs: the jobs that pass the filter, folded or not.
    lines: the lines of the list, in order.
    rows: the index of each line by its key.
    place: the key of the highlighted line.
    sought: the line that the user last went to, or wants as soon as it exists; the highlight
    returns to it when possible.
    home: the line that the highlight returns to as long as the user has not gone anywhere.
    groups: the migrations, empty while jobs are not folded.
    unfolded: the migrations whose jobs are listed.
    frozen: the snapshot is not replaced while polling continues.
    news: an outage that has just ended.
    note: a short answer to the last key, shown until the next key or for `NOTE_ROUNDS` rounds.
    noted_in: the polling round in which the note appeared.
    demo: the data is simulated.
    deadline: UTC seconds by which all jobs should be done.
    marked: the jobs marked for pause or resume.
    writing: changing jobs is allowed.
    """

    snapshot: Snapshot | None = None
    jobs: tuple[JobView, ...] = ()
    lines: tuple[Row, ...] = ()
    rows: Mapping[RowKey, int] = msgspec.field(default_factory=dict)
    place: RowKey | None = None
    sought: RowKey | None = None
    home: RowKey | None = None
    groups: Groups = Groups()
    unfolded: frozenset[MigrationKey] = frozenset()
    view: ViewState = msgspec.field(default_factory=ViewState)
    filter_text: str = ""
    frozen: bool = False
    news: Outage | None = None
    note: str = ""
    noted_in: int = 0
    demo: bool = False
    deadline: float | None = None
    marked: frozenset[JobKey] = frozenset()
    writing: bool = False

    @property
    def now(self) -> float:
        """The time of the snapshot, UTC seconds; 0 before the first one."""
        return self.snapshot.taken_at if self.snapshot else 0.0

    @property
    def cursor(self) -> int | None:
        """The index of the highlighted line; None if there is none."""
        return self.rows.get(self.place) if self.place else None

    @property
    def line(self) -> Row | None:
        """The highlighted line; None if there is none."""
        return None if self.cursor is None else self.lines[self.cursor]

    @property
    def highlighted(self) -> JobKey | None:
        """The highlighted job's key; None if a migration or no line is highlighted."""
        return self.place if isinstance(self.place, JobKey) else None

    @property
    def job(self) -> JobView | None:
        """The highlighted job; None if a migration or no line is highlighted."""
        return None if self.line is None or self.line.is_migration else self.line.view

    @property
    def migration(self) -> Migration | None:
        """The highlighted migration; None if a job or no line is highlighted."""
        return self.line.migration if self.line and self.line.is_migration else None

    @property
    def many_accounts(self) -> bool:
        """Whether there is more than one account."""
        return self.snapshot is not None and len(self.snapshot.accounts) > 1

    def same_jobs(self, other: ScreenState) -> bool:
        """Return whether both states show the same data.

        Highlight, freezing and note may differ.
        """
        same = self.lines is other.lines and self.snapshot is other.snapshot
        marks = self.marked == other.marked and self.writing == other.writing
        return same and self.deadline == other.deadline and marks

    @property
    def total(self) -> int:
        """The number of jobs, shown or not."""
        return len(self.snapshot.jobs) if self.snapshot else 0


def arrange(state: ScreenState) -> ScreenState:
    """Filter, fold and sort the jobs again; the highlight keeps its line or moves to a near one.

    The migration that contains the `sought` job is unfolded.
    """
    jobs = tuple(_seen(state))
    groups = grouped(state.snapshot, state.groups) if state.view.migrations else Groups()
    unfolded, sought = state.unfolded, state.sought
    if sought in groups.by_job and any(view.key == sought for view in jobs):
        unfolded |= {groups.by_job[sought]}
    shown, retries = None if state.filter_text else unfolded, _retries(state.snapshot)
    lines = list_rows(jobs, groups, state.view, shown, retries)
    rows = {line.key: row for row, line in enumerate(lines)}
    place = _place(state, rows, groups)
    if place is None and lines:
        place = lines[min(state.cursor or 0, len(lines) - 1)].key
    return replace(
        state,
        jobs=jobs,
        lines=lines,
        rows=rows,
        place=place,
        home=state.home or place,
        groups=groups,
        unfolded=unfolded,
    )


def adopt(state: ScreenState, made: ScreenState, arranged: ScreenState) -> ScreenState:
    """Merge `arranged`, which was computed from `made`, into the current state.

    If the filter, sorting or folding has changed since `made`, the state is arranged again. It is
    not if the user only went to another line that is still in the list.
    """
    unchanged = (
        state.view is made.view
        and state.filter_text == made.filter_text
        and state.unfolded is made.unfolded
        and (state.sought == made.sought or state.sought in arranged.rows)
    )
    news = state.news if state.news is not made.news else arranged.news
    note = state.note if state.noted_in != made.noted_in else arranged.note
    newer = replace(state, snapshot=arranged.snapshot, groups=arranged.groups, news=news, note=note)
    if not unchanged:
        return arrange(newer)
    place = _place(state, arranged.rows, arranged.groups) or arranged.place
    return replace(
        newer,
        jobs=arranged.jobs,
        lines=arranged.lines,
        rows=arranged.rows,
        place=place,
        home=state.home or arranged.home,
        unfolded=arranged.unfolded,
    )


def _retries(snapshot: Snapshot | None) -> frozenset[JobKey]:
    return frozenset(link.child for link in snapshot.links) if snapshot else frozenset()


def _seen(state: ScreenState) -> Iterator[JobView]:
    """Iterate over the jobs that pass the filter, in no particular order."""
    jobs: Iterable[JobView] = state.snapshot.jobs if state.snapshot else ()
    if state.filter_text:
        jobs = filter(matcher(state.filter_text), jobs)
    return (view for view in jobs if view.live or not state.view.hide_ended)


def _place(state: ScreenState, rows: Mapping[RowKey, int], groups: Groups) -> RowKey | None:
    """Return the line to highlight: the sought one, the previous one, or its folded migration."""
    keys = (state.sought or state.home, state.place, groups.by_job.get(state.place))
    return next((key for key in keys if key in rows), None)


def see(state: ScreenState, snapshot: Snapshot) -> ScreenState:
    """Return the state with a new snapshot; an outage that has just ended is shown as `news`."""
    news = _fresh_outage(state.snapshot, snapshot) or state.news
    if state.snapshot is not None:
        snapshot = _steady_budget(state.snapshot, snapshot)
    note = state.note if snapshot.rounds < state.noted_in + NOTE_ROUNDS else ""
    return arrange(replace(state, snapshot=snapshot, news=news, note=note))


def noted(state: ScreenState, text: str) -> ScreenState:
    """Set the note that answers the last key."""
    return replace(state, note=text, noted_in=state.snapshot.rounds if state.snapshot else 0)


def _fresh_outage(before: Snapshot | None, after: Snapshot) -> Outage | None:
    known = {account.outage for account in before.accounts} if before else set()
    ended = (account.outage for account in after.accounts)
    return next((outage for outage in ended if outage and outage not in known), None)


def _steady_budget(before: Snapshot, after: Snapshot) -> Snapshot:
    """Keep the shown request figure if no count moved, so that a quiet round repaints nothing."""
    used_now, shown = after.budget.used, before.budget.used
    moved = abs(used_now - shown) >= max(BUDGET_STEP, BUDGET_PART * used_now)
    if moved or [v.counts for v in after.jobs] != [v.counts for v in before.jobs]:
        return after
    used: BudgetView = replace(after.budget, used=before.budget.used)
    return replace(after, budget=used)


def highlight_row(state: ScreenState, row: int) -> ScreenState:
    """Highlight the line at an index, clamped to the lines."""
    if not state.lines:
        return state
    row = max(0, min(row, len(state.lines) - 1))
    return highlight(state, state.lines[row].key)


def highlight(state: ScreenState, key: RowKey) -> ScreenState:
    """Highlight a line that is in the list."""
    return replace(state, place=key, sought=key)


def seek(state: ScreenState, key: RowKey) -> ScreenState:
    """Highlight a line now, or as soon as the list contains it."""
    return arrange(replace(state, sought=key))


def sort_step(view: ViewState, step: int) -> ViewState:
    """Sort by the next (1) or previous (-1) column; the default order is one of the steps."""
    place = SORTS.index(view.sort) if view.sort in SORTS else 0
    return replace(view, sort=SORTS[(place + step) % len(SORTS)])


def reveal(state: ScreenState, key: JobKey) -> ScreenState:
    """Highlight a job.

    Clear the filter and show ended jobs if they hide it, and unfold its migration.
    """
    if key not in state.rows:
        state = seek(state, key)
    if key not in state.rows:
        view = replace(state.view, hide_ended=False)
        state = arrange(replace(state, filter_text="", view=view))
    return highlight(state, key) if key in state.rows else state


def unfold(state: ScreenState) -> ScreenState:
    """List the jobs of the highlighted migration below it."""
    if state.migration is None:
        return state
    key = state.migration.key
    return arrange(replace(highlight(state, key), unfolded=state.unfolded | {key}))


def fold(state: ScreenState) -> ScreenState:
    """Move from a job to its migration, or fold the highlighted migration.

    While a filter is set, all migrations stay unfolded.
    """
    line = state.line
    if line is None or line.migration is None:
        return state
    key = line.migration.key
    there = highlight(state, key)
    if not line.is_migration:
        return there
    return arrange(replace(there, unfolded=state.unfolded - {key}))


def with_migrations(state: ScreenState, view: ViewState) -> ScreenState:
    """Switch folding into migrations on or off.

    The highlight moves to the migration of the highlighted job, or to the first job of the
    highlighted migration.
    """
    inside = state.migration.keys if state.migration else frozenset()
    after = arrange(replace(state, view=view, sought=None, unfolded=frozenset()))
    first = next((line.key for line in after.lines if line.key in inside), after.place)
    return after if first is None else highlight(after, first)
