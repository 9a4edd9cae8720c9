"""Everything the screen shows at one moment, as one frozen value, and how it changes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.account_view import BudgetView, Outage
from slurper_tui.monitor.job_key import JobKey
from slurper_tui.monitor.view import JobView, Snapshot
from slurper_tui.tui.columns import SORTS, sorted_jobs
from slurper_tui.tui.filter import matcher
from slurper_tui.tui.options import ViewState

BUDGET_STEP = 0.05
"""The part of the budget that its figure must move by to be rewritten when nothing else did."""

NOTE_ROUNDS = 2
"""A note gives way to the facts after so many rounds, which is one whole interval at least."""


class Scene(msgspec.Struct, frozen=True, eq=False):
    """What is looked at, and how.

    jobs: filtered and in order. rows: where each of them stands. snapshot: None before the first.
    sought: the job that the person went to last; the highlight returns to it when it can.
    frozen: the snapshot stands still while polling goes on. news: an outage just over.
    note: a short answer to the last key, until the next one or the second round after round
    noted_in. demo: none of this is real. deadline: UTC seconds by which all is to be done.
    marked: the jobs that are to be paused or resumed together. writing: jobs may be changed.
    """

    snapshot: Snapshot | None = None
    jobs: tuple[JobView, ...] = ()
    rows: Mapping[JobKey, int] = msgspec.field(default_factory=dict)
    highlighted: JobKey | None = None
    sought: JobKey | None = None
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
        """The row of the highlighted job."""
        return self.rows.get(self.highlighted) if self.highlighted else None

    @property
    def job(self) -> JobView | None:
        """The highlighted job."""
        return None if self.cursor is None else self.jobs[self.cursor]

    @property
    def many_accounts(self) -> bool:
        """There is more than one account to tell apart."""
        return self.snapshot is not None and len(self.snapshot.accounts) > 1

    def same_jobs(self, other: Scene) -> bool:
        """Nothing but the highlight, the freezing or a note may differ."""
        same = self.jobs is other.jobs and self.snapshot is other.snapshot
        marks = self.marked == other.marked and self.writing == other.writing
        return same and self.deadline == other.deadline and marks

    @property
    def total(self) -> int:
        """How many jobs there are, shown or not."""
        return len(self.snapshot.jobs) if self.snapshot else 0


def arrange(scene: Scene) -> Scene:
    """Filter and order the jobs again; the highlight stays on its job, or goes to the nearest."""
    known = scene.snapshot.jobs if scene.snapshot else ()
    wanted = matcher(scene.filter_text)
    hide = scene.view.hide_ended
    seen = (view for view in known if wanted(view) and (view.live or not hide))
    jobs = tuple(sorted_jobs(seen, scene.view.sort, scene.view.inverted))
    rows = {view.key: row for row, view in enumerate(jobs)}
    highlighted = scene.sought if scene.sought in rows else scene.highlighted
    if highlighted not in rows:
        nearest = min(scene.cursor or 0, len(jobs) - 1)
        highlighted = jobs[nearest].key if jobs else None
    sought = scene.sought or highlighted
    return replace(scene, jobs=jobs, rows=rows, highlighted=highlighted, sought=sought)


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
    moved = abs(after.budget.used - before.budget.used) >= BUDGET_STEP * after.budget.limit
    if moved or [v.counts for v in after.jobs] != [v.counts for v in before.jobs]:
        return after
    used: BudgetView = replace(after.budget, used=before.budget.used)
    return replace(after, budget=used)


def highlight_row(scene: Scene, row: int) -> Scene:
    """Highlight the job on the nearest row that exists."""
    if not scene.jobs:
        return scene
    row = max(0, min(row, len(scene.jobs) - 1))
    return highlight(scene, scene.jobs[row].key)


def highlight(scene: Scene, key: JobKey) -> Scene:
    """Go to a job that is shown."""
    return replace(scene, highlighted=key, sought=key)


def sort_step(view: ViewState, step: int) -> ViewState:
    """Sort by the next or previous column, or by default again."""
    place = SORTS.index(view.sort) if view.sort in SORTS else 0
    return replace(view, sort=SORTS[(place + step) % len(SORTS)])
