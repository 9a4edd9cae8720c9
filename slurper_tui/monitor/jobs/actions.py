"""Actions on jobs (pause, resume, abort, delete): when they are allowed, and how they are sent.

`JobControl` implements `Control`. It reads a job's state again, sends each request at most once,
and attaches the outcome to the job and to its events; later polls confirm the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.errors import ApiError, Locked, NotFound, NotSent
from slurper_tui.api.models import Answer, Job, Progress
from slurper_tui.monitor.jobs.create import Lists
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.events import (
    NO_JOB_LEFT,
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
)
from slurper_tui.monitor.model.job import NOT_FOUND, JobView, has_ended, why_not
from slurper_tui.monitor.polling.budget import Metered
from slurper_tui.monitor.polling.job_store import JobStore

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.monitor.history.recorder import HistoryNotes


def consequence(views: Sequence[JobView], action: Action) -> str:
    """Describe an action's effect in clauses with the object counts of these jobs."""
    if action is Action.DELETE:
        return _deletion(views)
    if action is Action.RESUME:
        return f"{_goes_on(views)}; the API may refuse it while three jobs run"
    stops = f"{_stops(views)}; objects in flight finish"
    if action is Action.PAUSE:
        return f"{stops}; {_they(views)} can be resumed later"
    if action is Action.ABORT:
        return f"{stops}; {_they(views)} cannot be resumed"
    jobs = "1 job" if len(views) == 1 else f"all {len(views)} jobs"
    return f"aborts {jobs}; {stops}; {_they(views)} cannot be resumed"


def _stops(views: Sequence[JobView]) -> str:
    left = _left(views)
    if left is None:
        return "stops every object not yet started"
    more = " and all that are not listed yet" if _growing(views) else ""
    return f"stops {_known_in_part(views)}{_objects(left)} not yet started{more}"


def _goes_on(views: Sequence[JobView]) -> str:
    left = _left(views)
    if left is None:
        return "goes on with every object that is left"
    return f"goes on with {_known_in_part(views)}{_objects(left)} that {_are(left)} left"


def _deletion(views: Sequence[JobView]) -> str:
    copied = _sum([view.counts.transferred for view in views])
    failed = _sum([view.counts.failed for view in views])
    them, their = ("it", "its") if len(views) == 1 else ("them", "their")
    clauses = [f"the API forgets {them}", "nothing in the target is undone"]
    if copied:
        clauses[1] += f": {_objects(copied)} {'stay' if copied > 1 else 'stays'} there"
    if failed:
        clauses.append(f"the log that names {_objects(failed)} that failed is lost")
    return "; ".join([*clauses, f"{their} history here stays"])


def _they(views: Sequence[JobView]) -> str:
    return "it" if len(views) == 1 else "they"


def _left(views: Sequence[JobView]) -> int | None:
    return _sum([view.counts.remaining for view in views])


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return the sum of the known counts; None if none is known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _known_in_part(views: Sequence[JobView]) -> str:
    return "at least " if any(view.counts.remaining is None for view in views) else ""


def _growing(views: Sequence[JobView]) -> bool:
    return any(view.growing for view in views)


def _objects(count: int) -> str:
    return f"{fmt.count(count)} {'object' if count == 1 else 'objects'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


Send = Callable[[], Awaitable[Answer[str | None]]]

_SEND: Mapping[Action, Callable[[SlurperClient, JobKey], Awaitable[Answer[str | None]]]] = {
    Action.PAUSE: lambda api, key: api.pause_job(*key),
    Action.RESUME: lambda api, key: api.resume_job(*key),
    Action.ABORT: lambda api, key: api.abort_job(*key),
    Action.DELETE: lambda api, key: api.delete_job(*key),
}

_OF_EVENTS: Mapping[RequestState, What] = {
    RequestState.REFUSED: What.REFUSED,
    RequestState.UNDECIDED: What.UNDECIDED,
}

_NEWS = {
    "completed": "it completed meanwhile",
    "aborted": "it was aborted meanwhile",
    "paused": "it was paused meanwhile",
    "running": "it was resumed meanwhile",
}


class JobControl:
    """Sends actions for one user, and records them as events. notes: of the history."""

    def __init__(self, metered: Metered, job_store: JobStore, notes: HistoryNotes) -> None:
        self._metered = metered
        self._job_store = job_store
        self._notes = notes
        self._lists = Lists(metered, job_store)
        self._unlocked = False

    @property
    def unlocked(self) -> bool:
        """Whether requests that change jobs may be sent."""
        return self._unlocked

    def unlock(self) -> None:
        """Allow requests that change jobs, at the user's request."""
        self._unlocked = True
        self._metered.api.unlock()

    def lock(self) -> None:
        """Refuse requests that change jobs from now on."""
        self._unlocked = False
        self._metered.api.lock()

    async def request(self, action: Action, keys: Sequence[JobKey]) -> tuple[ActionRequest, ...]:
        """Re-read each job's state, then send the action; return one request per key, in order.

        Jobs are resumed one after the other, so that the first ones get the free slots.
        """
        if action is Action.RESUME:
            return tuple([await self._request(action, key) for key in keys])
        return tuple(await asyncio.gather(*(self._request(action, key) for key in keys)))

    async def abort_all(self, account_id: str, asked: Collection[JobKey]) -> AllAborted:
        """Abort every job of an account, unless the list shows a live job that is not in `asked`.

        asked: the jobs that the user has confirmed. The list is read before the request, to find
        unconfirmed jobs, and after it, to name jobs that were created in between.
        """
        at = self._metered.now().wall
        if not self._unlocked:
            return AllAborted(ActionRequest(Action.ABORT_ALL, at, RequestState.REFUSED, _locked()))
        try:
            listed = await self._lists.listed(account_id, self._metered.at_once)
        except ApiError as error:
            return AllAborted(
                ActionRequest(Action.ABORT_ALL, at, RequestState.REFUSED, _unread(error))
            )
        left = self._left(account_id, listed)
        newcomers = tuple(view for view in left if view.key not in asked)
        if newcomers:
            self._job_store.read_lists()
            moot = ActionRequest(
                Action.ABORT_ALL, at, RequestState.MOOT, news=_newcomers(newcomers)
            )
            return AllAborted(moot, newcomers)
        if not left:
            return AllAborted(
                ActionRequest(Action.ABORT_ALL, at, RequestState.MOOT, news=NO_JOB_LEFT)
            )
        known = [self._open(Action.ABORT_ALL, view.key) for view in left]
        if known[0] and all(known):
            return AllAborted(known[0])
        sent = await self._send(
            Action.ABORT_ALL,
            [view.key for view in left],
            lambda: self._metered.api.abort_all_jobs(account_id),
        )
        before = {view.key for view in listed}.union(asked)
        return AllAborted(sent, await self._created_since(account_id, before, sent))

    def _left(self, account_id: str, listed: Sequence[JobView]) -> list[JobView]:
        """Return the listed jobs that have not ended, and the live jobs that are not listed."""
        keys = {view.key for view in listed}
        live = [v for v in self._job_store.views() if v.account_id == account_id and v.live]
        return [
            *(view for view in listed if not view.ended),
            *(view for view in live if view.key not in keys),
        ]

    async def _created_since(
        self, account_id: str, before: Collection[JobKey], sent: ActionRequest
    ) -> tuple[JobView, ...]:
        """Return the listed jobs that are not in `before`; none if the list cannot be read."""
        if not sent.state.open:
            return ()
        self._job_store.read_lists()
        try:
            listed = await self._lists.listed(account_id, self._metered.at_once)
        except ApiError:
            return ()
        return tuple(view for view in listed if view.key not in before)

    async def _request(self, action: Action, key: JobKey) -> ActionRequest:
        at = self._metered.now().wall
        if not self._unlocked:
            return self._stands(key, ActionRequest(action, at, RequestState.REFUSED, _locked()))
        if known := self._open(action, key):
            return known
        try:
            news = await self._hindrance(action, key)
        except ApiError as error:
            refused = ActionRequest(action, at, RequestState.REFUSED, _unread(error))
            self._note(key, What.REFUSED, action, refused.error)
            return self._stands(key, refused)
        if news:
            self._job_store.ask(key)
            return self._stands(key, ActionRequest(action, at, RequestState.MOOT, news=news))
        if known := self._open(action, key):  # sent while the state was read for this one
            return known
        return await self._send(action, [key], lambda: _SEND[action](self._metered.api, key))

    def _open(self, action: Action, key: JobKey) -> ActionRequest | None:
        """Return the job's pending request of this action, which polls have not yet resolved."""
        view = self._job_store.view(key)
        known = view.request if view else None
        waits = known is not None and known.action is action and known.state.open and not known.news
        return known if waits else None

    async def _hindrance(self, action: Action, key: JobKey) -> str:
        """Re-read the state; return why the action is pointless now, "" if not. Raises ApiError."""
        try:
            progress = await self._metered.at_once(lambda: self._metered.api.progress(*key))
        except NotFound:
            return NOT_FOUND
        view = self._job_store.view(key) or JobView(key.account_id, Job(id=key.job_id))
        return _news(_as_told(view, progress), action)

    async def _send(self, action: Action, keys: Sequence[JobKey], send: Send) -> ActionRequest:
        """Send once. Without an answer (yet), the action may have been carried out."""
        sent = ActionRequest(action, self._metered.now().wall, RequestState.SENT)
        for key in keys:
            self._note(key, What.ASKED, action)
            self._job_store.set_request(key, sent)
        try:
            await self._metered.at_once(send)
        except ApiError as error:
            state = RequestState.UNDECIDED if error.undecided else RequestState.REFUSED
            return self._ends(keys, replace(sent, state=state, error=error))
        except asyncio.CancelledError:
            self._ends(keys, replace(sent, state=RequestState.UNDECIDED))
            raise
        return self._ends(keys, sent)

    def _ends(self, keys: Sequence[JobKey], request: ActionRequest) -> ActionRequest:
        for key in keys:
            if what := _OF_EVENTS.get(request.state):
                self._note(key, what, request.action, request.error)
            self._stands(key, request)
        return request

    def _stands(self, key: JobKey, request: ActionRequest) -> ActionRequest:
        self._job_store.set_request(key, request)
        return request

    def _note(self, key: JobKey, what: What, action: Action, error: ApiError | None = None) -> None:
        said = "" if error is None else str(error)
        self._notes.note([Event(key, self._metered.now().wall, what, str(action), said)])


def _as_told(view: JobView, progress: Progress) -> JobView:
    """Return the view with the status of an answer that did not come from a poll."""
    status = progress.status or view.job.status
    ended = has_ended(view.job, status)
    return replace(view, status=status, ended=ended, gone=False, phase=None, remembered=False)


def _news(view: JobView, action: Action) -> str:
    """Return why an action is no longer possible, "" if it is possible."""
    why = why_not(view, action)
    return why and (why if action is Action.DELETE else _NEWS.get(view.status or "", why))


def _newcomers(views: Sequence[JobView]) -> str:
    names = ", ".join(view.key.job_id for view in views)
    return f"not asked about yet, and not ended: {names}"


def _locked() -> Locked:
    return Locked("read-only: nothing was sent")


def _unread(error: ApiError) -> ApiError:
    """Return the error of reading the state, before any action was sent.

    An undecided error becomes NotSent: only a reading request is unanswered.
    """
    if not error.undecided and not isinstance(error, NotSent):
        return error
    return NotSent(
        f"nothing was sent: the state could not be read again: {error.message}",
        status=error.status,
        faults=error.faults,
        ray=error.ray,
    )


class AllAborted(NamedTuple):
    """Result of the request to abort every job of an account.

    newcomers: jobs that the user has not confirmed. If the request is MOOT, nothing was sent;
    otherwise they were created while it was being sent.
    """

    request: ActionRequest
    newcomers: tuple[JobView, ...] = ()
