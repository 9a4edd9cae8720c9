"""Actions on jobs (pause, resume, abort, delete): when they are allowed, and how they are sent.

`JobControl` reads a job's state again, sends each request at most once,
and attaches the outcome to the job and to its events; later polls confirm the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.api.errors import ApiError, Locked, NotFound, NotSent
from slurper_tui.api.models import Answer, Job
from slurper_tui.monitor.jobs.create import JobLists
from slurper_tui.monitor.model.events import (
    NO_JOB_LEFT,
    Action,
    ActionRequest,
    Event,
    RequestState,
    What,
)
from slurper_tui.monitor.model.job import JobView, has_ended, why_not

if TYPE_CHECKING:
    from slurper_tui.api.client import SlurperClient
    from slurper_tui.monitor.history.recorder import HistoryNotes
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.polling.budget import Metered
    from slurper_tui.monitor.polling.job_store import JobStore


Send = Callable[[], Awaitable[Answer[str | None]]]

_SEND: Mapping[Action, Callable[[SlurperClient, JobKey], Awaitable[Answer[str | None]]]] = {
    Action.PAUSE: lambda api, key: api.pause_job(*key),
    Action.RESUME: lambda api, key: api.resume_job(*key),
    Action.ABORT: lambda api, key: api.abort_job(*key),
    Action.DELETE: lambda api, key: api.delete_job(*key),
}

_OUTCOMES: Mapping[RequestState, What] = {
    RequestState.REFUSED: What.REFUSED,
    RequestState.UNDECIDED: What.UNDECIDED,
}

_CHANGED = {
    "completed": "it completed meanwhile",
    "aborted": "it was aborted meanwhile",
    "paused": "it was paused meanwhile",
    "running": "it was resumed meanwhile",
}


class AllAborted(NamedTuple):
    """Result of the request to abort every job of an account.

    newcomers: jobs that the user has not confirmed. If the request is POINTLESS, nothing was sent;
    otherwise they were created while it was being sent.
    """

    request: ActionRequest
    newcomers: tuple[JobView, ...] = ()


class JobControl:
    """Sends actions for one user, and records them as events. notes: of the history."""

    def __init__(self, metered: Metered, job_store: JobStore, notes: HistoryNotes) -> None:
        self._metered = metered
        self._job_store = job_store
        self._notes = notes
        self._lists = JobLists(metered, job_store)
        self._unlocked = False

    @property
    def unlocked(self) -> bool:
        """Whether requests that change jobs may be sent."""
        return self._unlocked

    def unlock(self) -> None:
        """Allow requests that change jobs, at the user's request."""
        self._unlocked = True
        self._metered.unlock()

    def lock(self) -> None:
        """Refuse requests that change jobs from now on."""
        self._unlocked = False
        self._metered.lock()

    async def request(self, action: Action, keys: Sequence[JobKey]) -> tuple[ActionRequest, ...]:
        """Re-read each job's state, then send the action; return one request per key, in order.

        Only pauses are sent at the same time. The others are sent one after the other: the first
        resumed jobs get the free slots, and locking stops what cannot be undone half-way.
        """
        if action is Action.PAUSE:
            return tuple(await asyncio.gather(*(self._change_job(action, key) for key in keys)))
        return tuple([await self._change_job(action, key) for key in keys])

    async def abort_all(self, account_id: str, asked: Collection[JobKey]) -> AllAborted:
        """Abort every job of an account, unless the list shows a live job that is not in `asked`.

        asked: the jobs that the user has confirmed. The list is read before the request, to find
        unconfirmed jobs, and after it, to name jobs that were created in between.
        """
        action = Action.ABORT_ALL
        request = ActionRequest(action, self._metered.now().wall, RequestState.REFUSED)
        if not self._unlocked:
            return AllAborted(replace(request, error=_locked()))
        try:
            listed = await self._lists.listed(account_id, self._metered.of(account_id).at_once)
        except ApiError as error:
            return AllAborted(replace(request, error=_unread(error)))
        listed_keys = {view.key for view in listed}
        followed = [v for v in self._job_store.views() if v.account_id == account_id and v.live]
        left = [view for view in listed if not view.ended]
        left += [view for view in followed if view.key not in listed_keys]
        newcomers = tuple(view for view in left if view.key not in asked)
        unsent = replace(request, state=RequestState.POINTLESS)
        if newcomers:
            self._job_store.read_lists()
            ids = ", ".join(view.key.job_id for view in newcomers)
            unsent = replace(unsent, detail=f"not asked about yet, and not ended: {ids}")
            return AllAborted(unsent, newcomers)
        if not left:
            return AllAborted(replace(unsent, detail=NO_JOB_LEFT))
        keys = [view.key for view in left]
        pending = [self._pending(action, key) for key in keys]
        if pending[0] and all(pending):
            return AllAborted(pending[0])
        api = self._metered.of(account_id).api
        sent = await self._send(action, keys, lambda: api.abort_all_jobs(account_id))
        return AllAborted(
            sent, await self._created_since(account_id, listed_keys.union(asked), sent)
        )

    async def _created_since(
        self, account_id: str, before: Collection[JobKey], sent: ActionRequest
    ) -> tuple[JobView, ...]:
        """Return the listed jobs that are not in `before`; none if the list cannot be read."""
        if not sent.state.open:
            return ()
        self._job_store.read_lists()
        try:
            listed = await self._lists.listed(account_id, self._metered.of(account_id).at_once)
        except ApiError:
            return ()
        return tuple(view for view in listed if view.key not in before)

    async def _change_job(self, action: Action, key: JobKey) -> ActionRequest:
        request = ActionRequest(action, self._metered.now().wall, RequestState.REFUSED)
        if not self._unlocked:
            request = replace(request, error=_locked())
            self._job_store.set_request(key, request)
            return request
        if pending := self._pending(action, key):
            return pending
        try:
            view = await self._read_again(key)
        except ApiError as error:
            return self._finish([key], replace(request, error=_unread(error)))
        if reason := _why_pointless(view, action):
            self._job_store.poll(key)
            return self._finish(
                [key], replace(request, state=RequestState.POINTLESS, detail=reason)
            )
        if pending := self._pending(action, key):  # sent while the state was read for this one
            return pending
        api = self._metered.of(key.account_id).api
        return await self._send(action, [key], lambda: _SEND[action](api, key))

    def _pending(self, action: Action, key: JobKey) -> ActionRequest | None:
        """Return the job's pending request of this action, which polls have not yet resolved."""
        view = self._job_store.view(key)
        request = view.request if view else None
        if request and request.action is action and request.state.open and not request.detail:
            return request
        return None

    async def _read_again(self, key: JobKey) -> JobView:
        """Return a job with its present status; gone if the API lacks it. Raises ApiError."""
        view = self._job_store.view(key) or JobView(key.account_id, Job(id=key.job_id))
        try:
            metered = self._metered.of(key.account_id)
            progress = await metered.at_once(lambda: metered.api.progress(*key))
        except NotFound:
            return replace(view, gone=True)
        status = progress.status or view.job.status
        ended = has_ended(view.job, status)
        return replace(view, status=status, ended=ended, gone=False, phase=None, from_history=False)

    async def _send(self, action: Action, keys: Sequence[JobKey], send: Send) -> ActionRequest:
        """Send once. Without an answer (yet), the action may have been carried out."""
        sent = ActionRequest(action, self._metered.now().wall, RequestState.SENT)
        self._notes.note([Event(key, sent.at, What.ASKED, str(action)) for key in keys])
        for key in keys:
            self._job_store.set_request(key, sent)
        try:
            await self._metered.of(keys[0].account_id).at_once(send)
        except ApiError as error:
            state = RequestState.UNDECIDED if error.undecided else RequestState.REFUSED
            return self._finish(keys, replace(sent, state=state, error=error))
        except asyncio.CancelledError:
            self._finish(keys, replace(sent, state=RequestState.UNDECIDED))
            raise
        return self._finish(keys, sent)

    def _finish(self, keys: Sequence[JobKey], request: ActionRequest) -> ActionRequest:
        """Attach the outcome to the jobs, and record a refused or undecided one."""
        if what := _OUTCOMES.get(request.state):
            message = "" if request.error is None else str(request.error)
            at, action = self._metered.now().wall, str(request.action)
            self._notes.note([Event(key, at, what, action, message) for key in keys])
        for key in keys:
            self._job_store.set_request(key, request)
        return request


def _why_pointless(view: JobView, action: Action) -> str:
    """Return why an action is pointless in a job's present state; "" if it is not."""
    reason = why_not(view, action)
    if not reason or view.gone or action is Action.DELETE:
        return reason
    return _CHANGED.get(view.status or "", reason)


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
