"""Everything the screen shows at one moment, as one frozen value, and how it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import BudgetView, JobView, Outage, Snapshot
from slurper_tui.monitor.reports.migrations import Migration, MigrationKey
from slurper_tui.tui.filter import matcher
from slurper_tui.tui.options import ViewState
from slurper_tui.tui.render.columns import SORTS
from slurper_tui.tui.rows import Groups, Row, RowKey, grouped, list_rows

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
