"""The accounts and jobs that a monitor follows. Implements `Roster` for those who only look on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from slurper_tui.monitor.account_track import AccountTrack
from slurper_tui.monitor.job_track import JobTrack
from slurper_tui.monitor.ledger import RECALL_SECONDS
from slurper_tui.monitor.model.base import JobKey, Moment
from slurper_tui.monitor.model.events import ActionRequest, Tie
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.logs import LogCounts
from slurper_tui.monitor.model.samples import Notebook, Remembered

if TYPE_CHECKING:
    from slurper_tui.monitor.model.plans import Plan, Unstarted


class FollowedJobs:
    """Finds tracks by their keys. stir: something was changed, to be asked about and told soon.

    ties: which jobs retry what failed in others.
    """

    def __init__(
        self, accounts: Sequence[str], now: Callable[[], Moment], stir: Callable[[], None]
    ) -> None:
        self.accounts = [AccountTrack(account_id) for account_id in accounts]
        self._by_id = {account.account_id: account for account in self.accounts}
        self.ties: tuple[Tie, ...] = ()
        self._plans: dict[int, Plan] = {}
        self._plan_changes = 0
        self._counts: dict[JobKey, LogCounts] = {}
        self._now = now
        self._stir = stir

    def remember(self, known: Iterable[Remembered]) -> None:
        """Begin with what earlier runs have left."""
        for one in known:
            self._by_id[one.account_id].jobs[one.key.job_id] = JobTrack.remembered(one)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the accounts."""
        return tuple(self._by_id)

    def knows(self, account_id: str) -> bool:
        """Whether this account is followed at all."""
        return account_id in self._by_id

    def track(self, key: JobKey) -> JobTrack | None:
        """A job's track; None for one that is not followed."""
        account = self._by_id.get(key.account_id)
        return account.jobs.get(key.job_id) if account else None

    def tracks(self) -> list[JobTrack]:
        """Every job's track."""
        return [track for account in self.accounts for track in account.jobs.values()]

    def narrow(self, keys: frozenset[JobKey]) -> None:
        """Follow only these jobs from now on."""
        for account in self.accounts:
            account.jobs = {j: t for j, t in account.jobs.items() if t.view.key in keys}

    def view(self, key: JobKey | None) -> JobView | None:
        """A job as it stands; None for one that is not followed."""
        track = self.track(key) if key else None
        return track.view if track else None

    def views(self) -> tuple[JobView, ...]:
        """Every job that is followed."""
        self._count_those_listed()
        return tuple(track.view for track in self.tracks())

    def latest(self, now: float) -> float:
        """The newest time that is known, UTC seconds: a clock set back is behind what is kept."""
        kept = (track.series.last.at for track in self.tracks() if track.series.last)
        return max(now, *kept, 0.0)

    def ask(self, key: JobKey) -> None:
        """Ask one job now."""
        if track := self.track(key):
            track.ask_now()
            self._by_id[key.account_id].probe_soon(self._now().mono)
        self._stir()

    def list_again(self) -> None:
        """Read every list now."""
        for account in self.accounts:
            account.listing.restart()
        self._stir()

    def answered(self) -> None:
        """Something has answered: ask an account that fails as a whole again soon."""
        failing = [account for account in self.accounts if account.problem is not None]
        for account in failing:
            account.probe_soon(self._now().mono)
        if failing:
            self._stir()

    def ask_all(self) -> None:
        """Read every list and ask every job that may move, now."""
        for account in self.accounts:
            account.ask_now(self._now().mono)
        self._stir()

    def requested(self, key: JobKey, request: ActionRequest) -> None:
        """Let a job bear a request, and ask it soon when a poll is to show what came of it."""
        track = self.track(key)
        if track is None:
            return
        track.requested(request)
        if request.standing.open:
            self.ask(key)
        else:
            self._stir()

    def counted(self, key: JobKey, counts: LogCounts) -> None:
        """Let a job know what its log holds; one that is not listed yet, as soon as it is."""
        self._counts[key] = counts
        self._stir()

    def tied(self, tie: Tie) -> None:
        """Know that one job retries another."""
        self.ties = (*self.ties, tie)
        self._stir()

    def planned(self, plan: Plan) -> None:
        """Know what a plan still has to start, as it now stands."""
        self._plans[plan.id] = plan
        self._plan_changes += 1
        self._stir()

    async def recall_plans(self, notebook: Notebook) -> None:
        """Know what other programs have planned meanwhile; what was planned here is newer."""
        changes = self._plan_changes
        plans = {plan.id: plan for plan in await notebook.plans(self.ids)}
        if plans != self._plans and changes == self._plan_changes:
            self._plans |= plans
            self._stir()

    @property
    def unstarted(self) -> tuple[Unstarted, ...]:
        """Jobs that plans are still to start."""
        if not self._plans:
            return ()
        from slurper_tui.monitor.model.plans import unstarted  # only where there is a plan

        return unstarted(self._plans.values())

    async def recall(self, notebook: Notebook | None) -> None:
        """Know what earlier runs have noted of logs and retries; a hung disk is not waited for."""
        if notebook is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(RECALL_SECONDS):
                self.ties = (*await notebook.ties(self.ids), *self.ties)
                self._counts = {**await notebook.counts(self.ids), **self._counts}
                self._plans |= {plan.id: plan for plan in await notebook.plans(self.ids)}

    def _count_those_listed(self) -> None:
        for key, counts in [*self._counts.items()]:
            if track := self.track(key):
                track.counted(counts)
                del self._counts[key]
