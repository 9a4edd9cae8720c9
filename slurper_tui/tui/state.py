"""The main screen's state as one frozen value (`ScreenState`), and the functions that change it.

Data flow: a new snapshot replaces the one in the state; `arrange` filters the jobs, groups them
into migrations, sorts them into `lines` and places the highlight. `adopt` merges a state that was
arranged elsewhere into the current one. The module also holds the filter language (`matcher`), the
layout classes by terminal size, the options fixed for a run and the view settings that are saved.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from textual.geometry import Size

from slurper_tui.monitor.model.base import JobKey, Window
from slurper_tui.monitor.model.job import JobView, PastOutage, Snapshot, default_order
from slurper_tui.monitor.reports.migrations import (
    Migration,
    MigrationKey,
    is_running,
    migration_of,
    migrations,
    with_changes,
)
from slurper_tui.tui.render.columns import SORTS, sorting

if TYPE_CHECKING:
    from slurper_tui.monitor.polling.clock import ReplayClock

Test = Callable[[JobView], bool]

_STATUS_SPACE = re.compile(r"(?<=completed) (?=[!?](?!\S))")
"""The space in `completed !` and `completed ?`, which a filter may omit."""


def matcher(text: str, names: Mapping[str, str] | None = None) -> Test:
    """Compile a filter: `word`, `!word`, `status:`, `account:`, `source:`, `target:`, `id:`.

    names: account id to name. `account:` with a whole name means this account alone.

    All terms must match. Case and Unicode normal form are ignored, an unfinished term (`status:`)
    matches every job, `status:failed` also matches jobs with failed objects, and the space in
    `completed !` may be omitted.
    """
    folded = {id: fold_text(name) for id, name in (names or {}).items()}
    tests = [_test(term, folded) for term in _STATUS_SPACE.sub("", fold_text(text)).split()]
    return lambda view: all(test(view) for test in tests)


def fold_text(text: str) -> str:
    """Normalise a text for comparison, ignoring case and Unicode normal form."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", decomposed.casefold())


def _test(term: str, names: Mapping[str, str]) -> Test:
    """Compile one term of a filter. names: account id to name, folded."""
    text = term.removeprefix("!")
    inverted = text != term and text != ""
    name, colon, value = text.partition(":")
    fields: Collection[_Field] = _FIELDS.values()
    if colon and name in _FIELDS:
        text, fields = value, (_FIELDS[name],)
    whole = name == "account" and text in names.values()
    of_account = bool(names) and (not colon or name == "account")
    asks_for_failed = (name, value) == ("status", "failed")

    def test(view: JobView) -> bool:
        values = (value for field in fields for value in field(view) if value)
        if whole:
            return (names.get(view.account_id) == text) != inverted
        found = any(text in fold_text(value) for value in values)
        if of_account and not found:
            found = text in names.get(view.account_id, "")
        return (found or (asks_for_failed and bool(view.counts.failed))) != inverted

    return test


def _source(view: JobView) -> Iterable[str | None]:
    source = view.job.source
    if source is None:
        return ()
    path = f"{source.bucket or ''}/{source.path_prefix or ''}"
    return path, source.vendor, source.endpoint


_Field = Callable[[JobView], Iterable[str | None]]
_FIELDS: Mapping[str, _Field] = {
    "status": lambda view: (_STATUS_SPACE.sub("", view.word), view.status),
    "account": lambda view: (view.account_id,),
    "source": _source,
    "target": lambda view: (view.job.target.bucket if view.job.target else None,),
    "id": lambda view: (view.job.id,),
}
"""The texts of a job by the name of the filter's term."""

_LAYOUTS = ("-tiny", "-side", "-spacious", "-stacked", "-low", "-single")

DETAIL_WIDTH = 40
"""Cells of the details beside the list: an id fits on one line."""

ALL_NUMBERS = 80
"""Cells of a list that shows every number, without a deadline and with one account."""

SPACIOUS = 160
"""Width in cells from which the details beside the list are wider than `DETAIL_WIDTH`."""


def layout_classes(size: Size, numbers: int = ALL_NUMBERS) -> dict[str, bool]:
    """Map every CSS class of the layout to whether the screen has it at this terminal size.

    The panes are side by side, stacked, the list alone (`-single`), or one line (`-tiny`). They are
    side by side only where the list keeps all of its numbers, so that it never shows less than in
    a narrower terminal. numbers: cells of such a list.
    """
    if size.width < 30 or size.height < 6:
        classes = {"-tiny"}
    elif size.width >= numbers + DETAIL_WIDTH and size.height >= 16:
        classes = {"-side", "-spacious"} if size.width >= SPACIOUS else {"-side"}
    elif size.width >= 60 and size.height >= 18:
        classes = {"-stacked", "-low"} if size.height < 24 else {"-stacked"}
    else:
        classes = {"-single"}
    return {name: name in classes for name in _LAYOUTS}


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
    sixteen: the terminal has 16 colours.
    deadline: UTC seconds by which all jobs should be done.
    columns: names of the columns of the list that the user wants; empty for all.
    names: account id to the name in the configuration file.
    window: the period of the charts at the start.
    write: changing jobs is allowed from the start.
    read_only: changing jobs cannot be allowed, because pasted keys cannot be recognised, or because
        a replay is shown.
    replay: the time of a replay; None without one.
    """

    ascii_only: bool = False
    zone: tzinfo | None = None
    demo: bool = False
    keymap: Mapping[str, str] = msgspec.field(default_factory=dict)
    view: ViewState = ViewState()
    theme: str | None = None
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    sixteen: bool = False
    deadline: float | None = None
    columns: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    window: Window = Window.HOUR
    write: bool = False
    read_only: bool = False
    replay: ReplayClock | None = None


RowKey = JobKey | MigrationKey


class Verifying(msgspec.Struct, frozen=True):
    """A verification that runs. keys: its jobs. words: how far it is: `verifying 61 %`.

    more: the pace and what was found so far. paused: it is paused. durable: another run can go on
        from where it is.
    """

    keys: frozenset[JobKey]
    words: str
    more: str = ""
    paused: bool = False
    durable: bool = True


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
    if snapshot is None:
        return before
    old = before.snapshot
    if old and (snapshot.links, snapshot.unstarted) == (old.links, old.unstarted):
        if snapshot.jobs is old.jobs:
            return before
        if len(snapshot.jobs) == len(old.jobs):
            pairs = [*zip(snapshot.jobs, old.jobs, strict=True)]
            changed = [(one, other) for one, other in pairs if one is not other]
            if all(
                one.key == other.key and migration_of(one) == migration_of(other)
                for one, other in changed
            ):
                return replace(_with_changes(before, changed, snapshot), snapshot=snapshot)
    found = migrations(snapshot.jobs, snapshot.links, before.by_key, snapshot.unstarted)
    by_job: dict[RowKey | None, MigrationKey] = {key: one.key for one in found for key in one.keys}
    return Groups(snapshot, {one.key: one for one in found}, by_job)


def _with_changes(
    groups: Groups, changed: Sequence[tuple[JobView, JobView]], snapshot: Snapshot
) -> Groups:
    """Sum up only the migrations with changed jobs. changed: the new and the old view of each."""
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
    return replace(groups, by_key=by_key)


def list_rows(
    jobs: Iterable[JobView],
    groups: Groups,
    view: ViewState,
    unfolded: Collection[MigrationKey] | None,
    retries: Collection[JobKey] = (),
    planned: Iterable[Migration] = (),
) -> tuple[Row, ...]:
    """Return the lines in order: migrations sorted by their sums among the other jobs.

    The jobs of an unfolded migration follow it, sorted the same way.
    jobs: the jobs that pass the filter.
    unfolded: keys of the migrations whose jobs are listed; None for all.
    retries: jobs that copy again what failed in other jobs.
    planned: migrations that pass the filter and of which no job was started yet.
    """
    inside: dict[MigrationKey, list[JobView]] = {one.key: [] for one in planned}
    tops: list[Row] = []
    for job in jobs:
        migration = groups.by_job.get(job.key)
        if migration is not None:
            inside.setdefault(migration, []).append(job)
        else:
            tops.append(Row(job.key, job, retry=job.key in retries))
    for migration in inside:
        one = groups.by_key[migration]
        tops.append(Row(migration, one.view, one, unfolded is None or migration in unfolded))
    key, reverse = sorting(view.sort, view.inverted)
    tops.sort(key=lambda row: default_order(row.view))
    tops.sort(key=lambda row: key(row.view), reverse=reverse)
    rows: list[Row] = []
    for row in tops:
        rows.append(row)
        if isinstance(row.key, MigrationKey) and row.unfolded:
            parts = sorted(inside[row.key], key=default_order)
            parts.sort(key=key, reverse=reverse)
            rows.extend(Row(job.key, job, row.migration) for job in parts)
    return tuple(rows)


BUDGET_STEP = 5
BUDGET_PART = 0.05
"""If nothing else has changed, the request figure is redrawn only when it is off by this many
requests and by this share.
"""


NEWS_SECONDS = 120.0
"""How long the end of an outage is shown, if no key is pressed before."""


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
    demo: the data is simulated.
    deadline: UTC seconds by which all jobs should be done.
    columns: names of the columns that the user wants; empty for all.
    names: account id to the name in the configuration file.
    marked: the jobs marked for pause or resume.
    writing: changing jobs is allowed.
    replay: the time and the speed of a replay; "" without one.
    verifying: the verification that runs; None without one.
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
    news: PastOutage | None = None
    demo: bool = False
    deadline: float | None = None
    columns: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    marked: frozenset[JobKey] = frozenset()
    writing: bool = False
    replay: str = ""
    verifying: Verifying | None = None

    def verifying_in(self, row: Row) -> Verifying | None:
        """Return the verification that runs, if it is about the jobs of this row."""
        if self.verifying is None:
            return None
        keys = (
            {row.view.key} if not row.is_migration or row.migration is None else row.migration.keys
        )
        return self.verifying if keys & self.verifying.keys else None

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
    def migration(self) -> Migration | None:
        """The highlighted migration; None if a job or no line is highlighted."""
        return self.line.migration if self.line and self.line.is_migration else None

    @property
    def subjects(self) -> tuple[JobView, ...]:
        """The jobs that keys act on: the highlighted job, or those of a highlighted migration."""
        if self.migration is not None:
            return self.migration.jobs
        return (self.line.view,) if self.line is not None else ()

    @property
    def many_accounts(self) -> bool:
        """Whether there is more than one account."""
        return self.snapshot is not None and len(self.snapshot.accounts) > 1

    def same_jobs(self, other: ScreenState) -> bool:
        """Return whether both states show the same data.

        Highlight and freezing may differ.
        """
        same = self.lines is other.lines and self.snapshot is other.snapshot
        marks = self.marked == other.marked and self.writing == other.writing
        same = same and self.verifying == other.verifying
        return same and self.deadline == other.deadline and marks

    @property
    def total(self) -> int:
        """The number of jobs, shown or not."""
        return len(self.snapshot.jobs) if self.snapshot else 0


def arrange(state: ScreenState) -> ScreenState:
    """Filter, fold and sort the jobs again; the highlight keeps its line or moves to a near one.

    The migration that contains the `sought` job is unfolded.
    """
    snapshot = state.snapshot
    jobs = snapshot.jobs if snapshot else ()
    if state.view.migrations:
        groups = grouped(state.snapshot, state.groups)
    else:
        groups = _only_planned(snapshot) if snapshot else Groups()
    planned = [one for one in groups.by_key.values() if not one.jobs]
    if state.filter_text:
        matches = matcher(state.filter_text, state.names)
        jobs = tuple(filter(matches, jobs))
        planned = [one for one in planned if matches(one.view)]
    if state.view.hide_ended:
        jobs = tuple(view for view in jobs if view.live)
    unfolded, sought = state.unfolded, state.sought
    if sought in groups.by_job and any(view.key == sought for view in jobs):
        unfolded |= {groups.by_job[sought]}
    retries = frozenset(link.child for link in snapshot.links) if snapshot else frozenset()
    shown = None if state.filter_text else unfolded
    lines = list_rows(jobs, groups, state.view, shown, retries, planned)
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


def adopt(state: ScreenState, base: ScreenState, arranged: ScreenState) -> ScreenState:
    """Merge `arranged`, which was computed from `base`, into the current state.

    If the filter, sorting or folding has changed since `base`, the state is arranged again. It is
    not if the user only went to another line that is still in the list.
    """
    unchanged = (
        state.view is base.view
        and state.filter_text == base.filter_text
        and state.unfolded is base.unfolded
        and (state.sought == base.sought or state.sought in arranged.rows)
    )
    news = state.news if state.news is not base.news else arranged.news
    newer = replace(state, snapshot=arranged.snapshot, groups=arranged.groups, news=news)
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


def _only_planned(snapshot: Snapshot) -> Groups:
    """Return the migrations of which no job was started yet; they have no other line."""
    if not snapshot.unstarted:
        return Groups()
    found = migrations(snapshot.jobs, unstarted=snapshot.unstarted)
    return Groups(by_key={one.key: one for one in found if not one.jobs})


def _place(state: ScreenState, rows: Mapping[RowKey, int], groups: Groups) -> RowKey | None:
    """Return the line to highlight: the sought one, the previous one, or its folded migration."""
    keys = (state.sought or state.home, state.place, groups.by_job.get(state.place))
    if (found := next((key for key in keys if key in rows), None)) is not None:
        return found
    planned = (key for key in keys if isinstance(key, MigrationKey) and not key.endpoint)
    begun = (_begun(key, groups) for key in planned)
    return next((key for key in begun if key in rows), None)


def _begun(planned: MigrationKey, groups: Groups) -> MigrationKey | None:
    """Return the migration of a plan whose first job has an endpoint that the plan omits."""
    same = (key for key in groups.by_key if key._replace(endpoint="") == planned)
    return next(same, None)


def see(state: ScreenState, snapshot: Snapshot) -> ScreenState:
    """Return the state with a new snapshot; an outage that has just ended is shown as `news`.

    The news is old after `NEWS_SECONDS`.

    The shown request figure is kept if no count moved, so that a quiet round repaints nothing.
    """
    previous = state.snapshot
    shown = {account.past_outage for account in previous.accounts} if previous else set()
    ended = (account.past_outage for account in snapshot.accounts if account.past_outage)
    news = next((outage for outage in ended if outage not in shown), state.news)
    if news is not None and snapshot.taken_at - news.until > NEWS_SECONDS:
        news = None
    if previous is not None:
        used, used_now = previous.budget.used, snapshot.budget.used
        moved = abs(used_now - used) >= max(BUDGET_STEP, BUDGET_PART * used_now)
        if not moved and [v.counts for v in snapshot.jobs] == [v.counts for v in previous.jobs]:
            snapshot = replace(snapshot, budget=replace(snapshot.budget, used=used))
    return arrange(replace(state, snapshot=snapshot, news=news))


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
