"""What a user is told about without looking: ends, failures, stalls, outages, missed deadlines.

`compare` takes what was known before (`Known`) and a snapshot, and returns what is known now and a
`Notice` for each transition. It is pure. What is known at first is no transition, so that nothing
is told on a start about what happened earlier; while something is unknown (from the history, or
stale), the last known state stays.

The unit is the migration: it is told once that a migration ended, stalls or fails, not for each of
its jobs. A job without others of the same buckets is a migration of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import Rejected
from slurper_tui.monitor.model.base import SHORT_ID, JobKey
from slurper_tui.monitor.model.job import (
    AccountView,
    JobView,
    Phase,
    Snapshot,
    State,
    Unstarted,
    job_time,
)
from slurper_tui.monitor.reports import wording
from slurper_tui.monitor.reports.migrations import (
    MigrationKey,
    family,
    jobs_to_come,
    migration_of,
)

if TYPE_CHECKING:
    from slurper_tui.monitor.model.events import RetryLink

MOST_AT_ONCE = 3
"""Notices of one kind for one snapshot, at most; more become one."""


class Kind(StrEnum):
    """What a notice is about.

    END: a migration ended, or a job was aborted or is gone. JOB: a job completed, and others of its
    migration go on. BACK: an outage is over. TOKEN: the credentials are rejected, or expire soon.
    """

    END = "end"
    JOB = "job"
    FAILING = "failing"
    STALL = "stall"
    OUTAGE = "outage"
    BACK = "back"
    TOKEN = "token"
    DEADLINE = "deadline"


class Notice(msgspec.Struct, frozen=True):
    """A transition.

    at: when it was seen, UTC seconds. text: one sentence; it quotes names and messages of the API
    unchanged. account_id: None if it is about several. view: the job, or the sum of the jobs; None
    if it is not about jobs. jobs: the ids of these jobs.
    """

    kind: Kind
    at: float
    text: str
    account_id: str | None = None
    view: JobView | None = None
    jobs: tuple[str, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """What was known at the last snapshot.

    since: time of the first snapshot, UTC seconds. at: time of the last one. views: each job when
    its state was last known. ended: jobs whose end was seen. down: the error of each account that
    does not answer. back: when each account was last back from an outage. deadline: UTC seconds;
    None for none. caught_up: the job lists were read. lasting: accounts whose token does not expire
    soon.
    """

    since: float
    at: float
    views: Mapping[JobKey, JobView] = {}
    ended: frozenset[JobKey] = frozenset()
    down: Mapping[str, str] = {}
    back: Mapping[str, float] = {}
    deadline: float | None = None
    caught_up: bool = False
    lasting: frozenset[str] = frozenset()


class _Change(msgspec.Struct, frozen=True):
    """A job whose state is known, and what was known of it before; None for a job not seen yet."""

    before: JobView | None
    view: JobView


def compare(
    known: Known | None,
    snapshot: Snapshot,
    deadline: float | None = None,
    names: Mapping[str, str] = {},
) -> tuple[Known, tuple[Notice, ...]]:
    """Return what is known after a snapshot, and what changed.

    known: None before the first snapshot. deadline: UTC seconds by which all jobs should be done.
    names: of accounts, by id; of several accounts, each notice names its own.
    """
    at = snapshot.taken_at
    known = known or Known(since=at, at=at, deadline=deadline)
    changes = [
        _Change(known.views.get(view.key), view)
        for view in snapshot.jobs
        if known.views.get(view.key) is not view and _is_known(view)
    ]
    ends = [change.view for change in changes if _has_just_ended(change, known)]
    losses = [change.view for change in changes if _proves_loss(change, known)]
    units = _Units(snapshot)
    notices = (
        *_few(Kind.END, at, _end_notices(ends, losses, units, at)),
        *_few(Kind.FAILING, at, _state_notices(Kind.FAILING, _fails, changes, known, units, at)),
        *_few(Kind.STALL, at, _state_notices(Kind.STALL, _stands, changes, known, units, at)),
        *_account_notices(known, snapshot, names),
        *_few(Kind.BACK, at, _back_notices(known, snapshot, names)),
        *_expiry_notices(known, snapshot, names),
        *_deadline_notices(known, snapshot, deadline),
    )
    after = Known(
        since=known.since,
        at=at,
        views={**known.views, **{change.view.key: change.view for change in changes}},
        ended=known.ended.union(view.key for view in ends),
        down=_down(known, snapshot.accounts),
        back={a.account_id: a.past_outage.until for a in snapshot.accounts if a.past_outage},
        deadline=deadline,
        caught_up=known.caught_up or snapshot.caught_up,
        lasting=_lasting(known, snapshot),
    )
    return after, tuple(_named(notice, snapshot, names) for notice in notices)


def _named(notice: Notice, snapshot: Snapshot, names: Mapping[str, str]) -> Notice:
    """Return the notice with the name of its account in front, if there are several accounts."""
    id = notice.account_id
    if (
        id is None
        or len(snapshot.accounts) < 2
        or notice.kind in (Kind.OUTAGE, Kind.BACK, Kind.TOKEN)
    ):
        return notice
    return replace(notice, text=f"{names.get(id, id[:SHORT_ID])}: {notice.text}")


def _is_known(view: JobView) -> bool:
    """Whether the job's state is that of this moment, from its own answer or from the list."""
    return view.gone or not (view.from_history or view.stale or view.status is None)


def _has_just_ended(change: _Change, known: Known) -> bool:
    if change.view.live:
        return False
    if change.before is not None:
        return change.before.live
    # a job that was created and ended between two readings of the list
    ended_at = job_time(change.view.job.finished_at)
    return known.caught_up and ended_at is not None and ended_at > known.since


def _proves_loss(change: _Change, known: Known) -> bool:
    """Whether the log of a job has shown that skipped objects are lost, after its end was told."""
    before = change.before
    return (
        before is not None
        and before.state is State.COMPLETED_UNREAD
        and change.view.state is State.COMPLETED_WITH_LOSS
        and change.view.verdict is not None
        and change.view.verdict.lost
        and change.view.key in known.ended
    )


def _fails(view: JobView) -> bool:
    return view.live and view.failing is not None


def _stands(view: JobView) -> bool:
    return view.live and view.phase is Phase.STALLED


class _Units:
    """The jobs of a snapshot by migration; a job with an unknown bucket is alone."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.links: Sequence[RetryLink] = snapshot.links
        self.unstarted: Sequence[Unstarted] = snapshot.unstarted
        self._jobs = snapshot.jobs
        self._members: dict[MigrationKey | JobKey, list[JobView]] = {}

    def members(self, view: JobView) -> Sequence[JobView]:
        """Return all jobs of a job's migration. They are grouped on first use."""
        if not self._members:
            for job in self._jobs:
                self._members.setdefault(_unit(job), []).append(job)
        return self._members[_unit(view)]

    def by_unit(self, views: Iterable[JobView]) -> Iterator[tuple[list[JobView], list[JobView]]]:
        """Yield the jobs of each migration among some, and all jobs of that migration."""
        groups: dict[MigrationKey | JobKey, list[JobView]] = {}
        for view in views:
            groups.setdefault(_unit(view), []).append(view)
        for some in groups.values():
            yield some, list(self.members(some[0]))

    def to_come(self, view: JobView) -> int:
        """Return the number of jobs of a job's migration that plans have yet to start."""
        key = migration_of(view)
        return jobs_to_come(key, self.unstarted) if key is not None and self.unstarted else 0

    def sum(self, views: Sequence[JobView]) -> JobView:
        """Return the only job, or the sum of several."""
        return views[0] if len(views) == 1 else family(views, self.links).view


def _unit(view: JobView) -> MigrationKey | JobKey:
    return migration_of(view) or view.key


def _notice(kind: Kind, at: float, text: str, view: JobView, jobs: Sequence[JobView]) -> Notice:
    ids = tuple(job.key.job_id for job in jobs)
    return Notice(kind, at, text, view.account_id, view, ids)


def _end_notices(
    ends: Sequence[JobView], losses: Sequence[JobView], units: _Units, at: float
) -> Iterator[Notice]:
    """Yield a notice for each migration that ended, or whose jobs did, and for losses found late.

    While other jobs of the migration are live or to be started, each job has its own notice.
    """
    for some, members in units.by_unit(ends):
        going_on = any(view.live for view in members) or units.to_come(some[0]) > 0
        if not going_on:
            total = units.sum(members)
            yield _notice(Kind.END, at, wording.end_words(total), total, members)
            continue
        for view in some:
            kind = Kind.JOB if view.status == "completed" and not view.gone else Kind.END
            yield _notice(kind, at, wording.end_words(view), view, [view])
    for view in losses:
        yield _notice(Kind.END, at, wording.end_words(view), view, [view])


def _state_notices(
    kind: Kind,
    applies: Callable[[JobView], bool],
    changes: Iterable[_Change],
    known: Known,
    units: _Units,
    at: float,
) -> Iterator[Notice]:
    """Yield a notice for each migration of which a job has entered a state and none was in it."""
    entered = [
        change.view
        for change in changes
        if change.before is not None and applies(change.view) and not applies(change.before)
    ]
    words = wording.failing_notice if kind is Kind.FAILING else wording.stall_notice
    for some, members in units.by_unit(entered):
        if any(_stays(applies, view, known) for view in members):
            continue
        total = units.sum(some)
        yield _notice(kind, at, words(total, len(some), at), total, some)


def _stays(applies: Callable[[JobView], bool], view: JobView, known: Known) -> bool:
    """Whether a job was in a state and, as far as is known, still is."""
    before = known.views.get(view.key)
    was = before is not None and applies(before)
    return was and (applies(view) or not _is_known(view))


def _few(kind: Kind, at: float, notices: Iterable[Notice]) -> Iterator[Notice]:
    """Yield the notices of each kind, as one if there are more than `MOST_AT_ONCE`."""
    by_kind: dict[Kind, list[Notice]] = {}
    for notice in notices:
        by_kind.setdefault(notice.kind, []).append(notice)
    for kind, alike in by_kind.items():
        if len(alike) <= MOST_AT_ONCE:
            yield from alike
            continue
        accounts = {notice.account_id for notice in alike}
        yield Notice(
            kind,
            at,
            wording.many_notices([notice.text for notice in alike], MOST_AT_ONCE),
            accounts.pop() if len(accounts) == 1 else None,
            jobs=tuple(job for notice in alike for job in notice.jobs),
        )


def _down(known: Known, accounts: Iterable[AccountView]) -> Mapping[str, str]:
    """Return the error of each account that answered in this run and does not any more."""
    return {
        account.account_id: known.down.get(account.account_id, account.problem.error.message)
        for account in accounts
        if account.problem is not None and account.answered and account.down
    }


def _account_notices(
    known: Known, snapshot: Snapshot, names: Mapping[str, str]
) -> Iterator[Notice]:
    """Yield a notice for each account that begins to be down.

    Accounts that do not answer for the same reason are one outage; each rejected one is told.
    """
    errors = set(known.down.values())
    now = _down(known, snapshot.accounts)
    for account in snapshot.accounts:
        problem, id = account.problem, account.account_id
        if problem is None or id not in now or id in known.down:
            continue
        kind = Kind.TOKEN if isinstance(problem.error, Rejected) else Kind.OUTAGE
        if kind is Kind.OUTAGE and now[id] in errors:
            continue
        errors.add(now[id])
        who = f"account {names.get(id, id)}" if len(snapshot.accounts) > 1 else "the API"
        text = wording.outage_notice(who, problem, snapshot.taken_at)
        yield Notice(kind, snapshot.taken_at, text, id)


def _back_notices(known: Known, snapshot: Snapshot, names: Mapping[str, str]) -> Iterator[Notice]:
    """Yield a notice for each account whose outage has come to an end."""
    for account in snapshot.accounts:
        outage, id = account.past_outage, account.account_id
        if outage is not None and known.back.get(id) != outage.until:
            who = f"account {names.get(id, id)}" if len(snapshot.accounts) > 1 else "the API"
            text = f"{who} is {wording.back_words(outage)}"
            yield Notice(Kind.BACK, snapshot.taken_at, text, id)


def _expiry_notices(known: Known, snapshot: Snapshot, names: Mapping[str, str]) -> Iterator[Notice]:
    """Yield a notice for each token that was good for longer and expires soon now.

    Accounts of the same token have the same time.
    """
    told: set[float] = set()
    at, several = snapshot.taken_at, len(snapshot.accounts) > 1
    for account in snapshot.accounts:
        expires = account.token_expires
        if expires is None or expires in told or account.account_id not in known.lasting:
            continue
        if account.expires_soon(at):
            told.add(expires)
            id = account.account_id
            who = f"account {names.get(id, id)}: " if several else ""
            text = f"{who}{wording.expiry_words(expires, at, UTC)}"
            yield Notice(Kind.TOKEN, at, text, account.account_id)


def _lasting(known: Known, snapshot: Snapshot) -> frozenset[str]:
    """Return the accounts whose token, when it was last known, did not expire soon."""
    expiring = {a.account_id for a in snapshot.accounts if a.expires_soon(snapshot.taken_at)}
    good = {a.account_id for a in snapshot.accounts if a.token_expires is not None} - expiring
    return (known.lasting | good) - expiring


def _deadline_notices(known: Known, snapshot: Snapshot, deadline: float | None) -> Iterator[Notice]:
    """Yield a notice if the deadline has passed since the last snapshot and jobs are live."""
    at = snapshot.taken_at
    if deadline is None or deadline != known.deadline or not known.at < deadline <= at:
        return
    live = [view for view in snapshot.jobs if view.live]
    to_come = sum(one.jobs for one in snapshot.unstarted)
    if live or to_come:
        accounts = {view.account_id for view in live}
        yield Notice(
            Kind.DEADLINE,
            at,
            wording.deadline_notice(live, to_come),
            accounts.pop() if len(accounts) == 1 else None,
            jobs=tuple(view.key.job_id for view in live),
        )


def notice_record(notice: Notice) -> dict[str, Any]:
    """Return a notice as a JSON object; the fields of its job, or their sums, follow its own.

    at: ISO 8601 in UTC. jobs: ids. The keys of a job that copies certain objects are left out.
    """
    from slurper_tui.monitor.reports.records import job_record  # not for the first picture

    record: dict[str, Any] = {
        "kind": str(notice.kind),
        "text": notice.text,
        "at": fmt.utc(notice.at),
        "accountId": notice.account_id,
        "jobs": list(notice.jobs),
    }
    if notice.view is not None:
        job = job_record(notice.view)
        if job["source"]:
            job["source"].pop("keys", None)
        record |= {name: value for name, value in job.items() if name not in ("id", "accountId")}
    return record
