"""Everything the screen shows at one moment, as one frozen value, and how it changes.

Which jobs a person asked to see: words and terms, all of which must hold.

How the panes stand at a given size of the terminal.

What the screen is told at its start, and what it tells back to be kept.

The lines of the list: jobs, and migrations that are folded or have their jobs below them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

import msgspec
from msgspec.structs import replace
from textual.geometry import Size

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import BudgetView, JobView, Outage, Snapshot
from slurper_tui.monitor.reports.migrations import Migration, MigrationKey, migrations
from slurper_tui.tui.render.columns import SORTS, sorted_jobs

TERMS = "words, !not, status:failed, source:, target:, account:, id:"
"""What can be asked for, in one line."""

Test = Callable[[JobView], bool]


def matcher(text: str) -> Test:
    """Read a filter: `word`, `!word`, `status:`, `account:`, `source:`, `target:`, `id:`.

    Case and normal form do not matter, an unfinished term (`status:`) asks for nothing, and
    `status:failed` also finds jobs with failed objects.
    """
    tests = [_term(term) for term in fold_text(text).split()]
    return lambda view: all(test(view) for test in tests)


def fold_text(text: str) -> str:
    """A text to compare with others: those that differ in case or normal form alone are equal."""
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
    """Give the screen's classes: side by side, stacked, the list alone, or one line."""
    if size.width < 30 or size.height < 6:
        return frozenset({"-tiny"})
    if size.width >= 100 and size.height >= 16:
        return frozenset({"-side", "-spacious"} if size.width >= 160 else {"-side"})
    if size.width >= 60 and size.height >= 18:
        return frozenset({"-stacked", "-low"} if size.height < 24 else {"-stacked"})
    return frozenset({"-single"})


LAYOUTS = ("-tiny", "-side", "-spacious", "-stacked", "-low", "-single")


def layout_classes(size: Size) -> dict[str, bool]:
    """Say of every class of a layout whether the screen has it."""
    classes = layout_for(size)
    return {name: name in classes for name in LAYOUTS}


class ViewState(msgspec.Struct, frozen=True):
    """How the person last looked at the list. theme, sort: None for the defaults.

    migrations: jobs of the same buckets are folded into one line.
    """

    theme: str | None = None
    sort: str | None = None
    inverted: bool = False
    hide_ended: bool = False
    migrations: bool = True


class ScreenOptions(msgspec.Struct, frozen=True):
    """Fixed for one run. zone: None for local time. keymap: binding id to key, from the file.

    theme: what is worn at the start. environ: what tells which terminal this is. deadline: UTC
    seconds by which all is to be done. write: jobs may be changed from the start.
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


RowKey = JobKey | MigrationKey


class Row(msgspec.Struct, frozen=True, eq=False):
    """One line of the list. view: what its cells tell, of a job or of a whole migration.

    migration: the one that this line is, or whose job it is; None for a job by itself. unfolded:
    its jobs stand below it. retry: it copies again what failed in another job.
    """

    key: RowKey
    view: JobView
    migration: Migration | None = None
    unfolded: bool = False
    retry: bool = False

    @property
    def is_migration(self) -> bool:
        """It stands for several jobs."""
        return isinstance(self.key, MigrationKey)

    @property
    def is_folded(self) -> bool:
        """It stands for several jobs that are not lines of their own."""
        return self.is_migration and not self.unfolded


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The migrations of one snapshot, found once. by_job: the one that each job is part of."""

    snapshot: Snapshot | None = None
    by_key: Mapping[MigrationKey, Migration] = {}
    by_job: Mapping[RowKey | None, MigrationKey] = {}


def grouped(snapshot: Snapshot | None, before: Groups) -> Groups:
    """Find the migrations of a snapshot; those that have not changed are the same values."""
    if snapshot is None or _has_same_jobs(snapshot, before.snapshot):
        return before
    found = migrations(snapshot.jobs, snapshot.ties, before.by_key, snapshot.unstarted)
    by_job: dict[RowKey | None, MigrationKey] = {key: one.key for one in found for key in one.keys}
    return Groups(snapshot, {one.key: one for one in found}, by_job)


def _has_same_jobs(snapshot: Snapshot, before: Snapshot | None) -> bool:
    if before is None or snapshot.jobs is not before.jobs:
        return False
    return (snapshot.ties, snapshot.unstarted) == (before.ties, before.unstarted)


def list_rows(
    jobs: Iterable[JobView],
    groups: Groups,
    view: ViewState,
    unfolded: Collection[MigrationKey] | None,
    retries: Collection[JobKey] = (),
) -> tuple[Row, ...]:
    """Give the lines in order: migrations by their sums among the other jobs, and so inside each.

    jobs: those that are to be seen. unfolded: whose jobs are lines of their own, None for all's.
    retries: jobs that copy again what failed in others.
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
"""By so many requests, and by such a part of it, the figure of requests must be off to be rewritten
when nothing else has changed."""

NOTE_ROUNDS = 2
"""A note gives way to the facts after so many rounds, which is one whole interval at least."""


class Scene(msgspec.Struct, frozen=True, eq=False):
    """What is looked at, and how.

    jobs: those that the filter lets through, folded or not. lines: what the list shows, in order.
    rows: where each line stands. place: the line that is highlighted. snapshot: None before the
    first. sought: where the person went last, or wants to go as soon as it is there; the highlight
    returns to it when it can, home as long as nobody went anywhere. groups: the migrations, while
    jobs are folded into them. unfolded: those whose jobs are shown.
    frozen: the snapshot stands still while polling goes on. news: an outage just over.
    note: a short answer to the last key, until the next one or the second round after round
    noted_in. demo: none of this is real. deadline: UTC seconds by which all is to be done.
    marked: the jobs that are to be paused or resumed together. writing: jobs may be changed.
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
        """When the data was taken, UTC seconds; 0 before the first."""
        return self.snapshot.taken_at if self.snapshot else 0.0

    @property
    def cursor(self) -> int | None:
        """The row of the highlighted line."""
        return self.rows.get(self.place) if self.place else None

    @property
    def line(self) -> Row | None:
        """The highlighted line."""
        return None if self.cursor is None else self.lines[self.cursor]

    @property
    def highlighted(self) -> JobKey | None:
        """The highlighted job's key; None where a migration is highlighted."""
        return self.place if isinstance(self.place, JobKey) else None

    @property
    def job(self) -> JobView | None:
        """The highlighted job; None where a migration is highlighted."""
        return None if self.line is None or self.line.is_migration else self.line.view

    @property
    def migration(self) -> Migration | None:
        """The highlighted migration; None where a job is highlighted."""
        return self.line.migration if self.line and self.line.is_migration else None

    @property
    def many_accounts(self) -> bool:
        """There is more than one account to tell apart."""
        return self.snapshot is not None and len(self.snapshot.accounts) > 1

    def same_jobs(self, other: Scene) -> bool:
        """Nothing but the highlight, the freezing or a note may differ."""
        same = self.lines is other.lines and self.snapshot is other.snapshot
        marks = self.marked == other.marked and self.writing == other.writing
        return same and self.deadline == other.deadline and marks

    @property
    def total(self) -> int:
        """How many jobs there are, shown or not."""
        return len(self.snapshot.jobs) if self.snapshot else 0


def arrange(scene: Scene) -> Scene:
    """Filter, fold and order the jobs again; the highlight stays where it is, or goes nearby.

    A job that somebody went to is not folded away.
    """
    jobs = tuple(_seen(scene))
    groups = grouped(scene.snapshot, scene.groups) if scene.view.migrations else Groups()
    unfolded, sought = scene.unfolded, scene.sought
    if sought in groups.by_job and any(view.key == sought for view in jobs):
        unfolded |= {groups.by_job[sought]}
    shown, retries = None if scene.filter_text else unfolded, _retries(scene.snapshot)
    lines = list_rows(jobs, groups, scene.view, shown, retries)
    rows = {line.key: row for row, line in enumerate(lines)}
    place = _place(scene, rows, groups)
    if place is None and lines:
        place = lines[min(scene.cursor or 0, len(lines) - 1)].key
    return replace(
        scene,
        jobs=jobs,
        lines=lines,
        rows=rows,
        place=place,
        home=scene.home or place,
        groups=groups,
        unfolded=unfolded,
    )


def adopt(scene: Scene, made: Scene, arranged: Scene) -> Scene:
    """Take over what was arranged elsewhere, for `made`, which may be older than the scene.

    Where the scene has been filtered, sorted or folded in another way since, it is arranged again.
    """
    unchanged = (
        scene.view is made.view
        and scene.filter_text == made.filter_text
        and scene.unfolded is made.unfolded
        and scene.sought == made.sought
    )
    news = scene.news if scene.news is not made.news else arranged.news
    note = scene.note if scene.noted_in != made.noted_in else arranged.note
    newer = replace(scene, snapshot=arranged.snapshot, groups=arranged.groups, news=news, note=note)
    if not unchanged:
        return arrange(newer)
    place = scene.place if scene.place in arranged.rows else arranged.place
    return replace(
        newer,
        jobs=arranged.jobs,
        lines=arranged.lines,
        rows=arranged.rows,
        place=place,
        home=scene.home or arranged.home,
        unfolded=arranged.unfolded,
    )


def _retries(snapshot: Snapshot | None) -> frozenset[JobKey]:
    return frozenset(tie.child for tie in snapshot.ties) if snapshot else frozenset()


def _seen(scene: Scene) -> Iterator[JobView]:
    """The jobs that are to be shown, in no order."""
    wanted, hide = matcher(scene.filter_text), scene.view.hide_ended
    for view in scene.snapshot.jobs if scene.snapshot else ():
        if wanted(view) and (view.live or not hide):
            yield view


def _place(scene: Scene, rows: Mapping[RowKey, int], groups: Groups) -> RowKey | None:
    """Where the highlight belongs: where it was sought, or was, or on what that was folded into."""
    keys = (scene.sought or scene.home, scene.place, groups.by_job.get(scene.place))
    return next((key for key in keys if key in rows), None)


def see(scene: Scene, snapshot: Snapshot) -> Scene:
    """Take a new snapshot in; an outage that has just ended becomes news."""
    news = _fresh_outage(scene.snapshot, snapshot) or scene.news
    if scene.snapshot is not None:
        snapshot = _steady_budget(scene.snapshot, snapshot)
    note = scene.note if snapshot.rounds < scene.noted_in + NOTE_ROUNDS else ""
    return arrange(replace(scene, snapshot=snapshot, news=news, note=note))


def noted(scene: Scene, text: str) -> Scene:
    """Answer a key with a few words."""
    return replace(scene, note=text, noted_in=scene.snapshot.rounds if scene.snapshot else 0)


def _fresh_outage(before: Snapshot | None, after: Snapshot) -> Outage | None:
    known = {account.outage for account in before.accounts} if before else set()
    ended = (account.outage for account in after.accounts)
    return next((outage for outage in ended if outage and outage not in known), None)


def _steady_budget(before: Snapshot, after: Snapshot) -> Snapshot:
    """Keep the request figure while nothing else moves, so that a quiet round writes nothing."""
    used_now, shown = after.budget.used, before.budget.used
    moved = abs(used_now - shown) >= max(BUDGET_STEP, BUDGET_PART * used_now)
    if moved or [v.counts for v in after.jobs] != [v.counts for v in before.jobs]:
        return after
    used: BudgetView = replace(after.budget, used=before.budget.used)
    return replace(after, budget=used)


def highlight_row(scene: Scene, row: int) -> Scene:
    """Highlight the nearest line that exists."""
    if not scene.lines:
        return scene
    row = max(0, min(row, len(scene.lines) - 1))
    return highlight(scene, scene.lines[row].key)


def highlight(scene: Scene, key: RowKey) -> Scene:
    """Go to a line that is shown."""
    return replace(scene, place=key, sought=key)


def sort_step(view: ViewState, step: int) -> ViewState:
    """Sort by the next or previous column, or by default again."""
    place = SORTS.index(view.sort) if view.sort in SORTS else 0
    return replace(view, sort=SORTS[(place + step) % len(SORTS)])


def reveal(scene: Scene, key: JobKey) -> Scene:
    """Go to a job, showing it again if a filter or a fold hides it."""
    if key not in scene.rows:
        scene = arrange(replace(scene, sought=key))
    if key not in scene.rows:
        view = replace(scene.view, hide_ended=False)
        scene = arrange(replace(scene, filter_text="", view=view))
    return highlight(scene, key) if key in scene.rows else scene


def unfold(scene: Scene) -> Scene:
    """Show the jobs of the highlighted migration below it."""
    if scene.migration is None:
        return scene
    key = scene.migration.key
    return arrange(replace(highlight(scene, key), unfolded=scene.unfolded | {key}))


def fold(scene: Scene) -> Scene:
    """Go from a job to its migration, and from there fold it; a filter keeps all unfolded."""
    line = scene.line
    if line is None or line.migration is None:
        return scene
    key = line.migration.key
    there = highlight(scene, key)
    if not line.is_migration:
        return there
    return arrange(replace(there, unfolded=scene.unfolded - {key}))


def with_migrations(scene: Scene, view: ViewState) -> Scene:
    """Fold jobs into migrations or show them one by one, and go to where that leaves the person.

    To the migration of the highlighted job, or to the first job of the highlighted migration.
    """
    inside = scene.migration.keys if scene.migration else frozenset()
    after = arrange(replace(scene, view=view, sought=None, unfolded=frozenset()))
    first = next((line.key for line in after.lines if line.key in inside), after.place)
    return after if first is None else highlight(after, first)
