"""What stands in the way, told on stderr once when it begins and once when it ends."""

from __future__ import annotations

from datetime import tzinfo

from slurper_tui import format as fmt
from slurper_tui.cli.exit_codes import ExitCode, Stop
from slurper_tui.cli.output import Output
from slurper_tui.cli.session import PERMISSION
from slurper_tui.monitor.model.job import AccountView, BudgetView, JobView, Problem, Snapshot

BUDGET = "the request budget"

_LONGEST_ID = 128

_SAME_WAIT = 0.5
"""Seconds by which the end of one wait may vary as the clocks are read."""


class Narration:
    """Remembers what was said, so that a change is one line and a standing problem none.

    once: the command looks once, so whatever waits, waits for the request budget. patience: how
    many seconds, all waits together, it may wait where the API limits the rate of requests; None
    for ever.
    """

    def __init__(
        self,
        out: Output,
        zone: tzinfo | None = None,
        *,
        once: bool = False,
        patience: float | None = None,
    ) -> None:
        self._out = out
        self._zone = zone
        self._once = once
        self.patience = patience
        self._waited = 0.0
        self._blocked_until = 0.0
        self._standing: set[str] = set()
        self._history = ""

    def tell(self, snapshot: Snapshot) -> None:
        """Say what began and what ended.

        Raises Stop when every account rejects us, and when the API makes us wait for too long.
        """
        if snapshot.rejected:
            raise rejection(snapshot)
        self.tell_history(snapshot.history_note)
        self._bound_waiting(snapshot.budget, snapshot.taken_at)
        problems = _problems(snapshot, self._zone, once=self._once)
        for subject in [s for s in problems if s not in self._standing]:
            self._out.say(f"{subject}: {problems[subject]}")
        silent = {_job(view) for view in snapshot.jobs if view.problem or view.gone}
        for subject in sorted(self._standing - problems.keys() - silent):
            self._out.say(f"{subject}: {'enough' if subject == BUDGET else 'answers'} again")
        self._standing = problems.keys() | (self._standing & silent)

    def _bound_waiting(self, budget: BudgetView, now: float) -> None:
        """Raise Stop as soon as it is clear that waiting takes longer than it may."""
        until = budget.blocked_until
        if self.patience is None or until is None:
            return
        if until > self._blocked_until + _SAME_WAIT:
            self._waited += until - max(now, self._blocked_until)
            self._blocked_until = until
        if self._waited > self.patience:
            words = f" ({budget.blocked_by})" if budget.blocked_by else ""
            end = fmt.moment(until, now, self._zone, seconds=True)
            raise Stop(
                f"the API limits the rate of requests{words}: it wants no request before "
                f"{end}, which is more than --timeout {self.patience:g} s",
                ExitCode.API,
            )

    def tell_history(self, note: str) -> None:
        """Say that the history is not kept, or is kept again."""
        if _is_worth_telling(note) and note != self._history:
            self._out.say(note)
        elif self._history and not _is_worth_telling(note):
            self._out.say("history on again")
        self._history = note if _is_worth_telling(note) else ""


def _is_worth_telling(note: str) -> bool:
    """A history that another program keeps too loses nothing."""
    return bool(note) and not note.startswith("history shared")


def rejection(snapshot: Snapshot) -> Stop:
    """Why nothing can be shown: in the API's own words, and what would help."""
    errors = (account.problem.error for account in snapshot.accounts if account.problem)
    said = "; ".join(dict.fromkeys(str(error) for error in errors))
    return Stop(f"the API rejects these credentials: {said}; {PERMISSION}", ExitCode.CREDENTIALS)


def failed(snapshot: Snapshot, jobs: tuple[JobView, ...]) -> bool:
    """Whether something that was to be told could not be asked."""
    return any(a.problem for a in snapshot.accounts) or any(j.problem for j in jobs)


def _problems(snapshot: Snapshot, zone: tzinfo | None, *, once: bool) -> dict[str, str]:
    """What is wrong with what: an account's problem is not repeated for each of its jobs."""
    several = len(snapshot.accounts) > 1
    down = {a.account_id for a in snapshot.accounts if a.problem}
    accounts = {
        _subject(a, several): _standing(a.problem, snapshot.taken_at, zone)
        for a in snapshot.accounts
        if a.problem
    }
    jobs = {
        _job(view): str(view.problem)
        for view in snapshot.jobs
        if view.problem and not view.gone and view.account_id not in down
    }
    budget = _budget(snapshot.budget, snapshot.taken_at, zone, once=once)
    return {**budget, **accounts, **jobs}


def _subject(account: AccountView, several: bool) -> str:
    return f"account {account.account_id}" if several else "the account"


def _job(view: JobView) -> str:
    """The job's id; one that is far longer than any ordinary one is cut."""
    name = str(view.job.id)
    return f"job {name if len(name) <= _LONGEST_ID else name[:_LONGEST_ID] + '...'}"


def _standing(problem: Problem, now: float, zone: tzinfo | None) -> str:
    at = problem.retry_at
    retry = f"; next try at {fmt.moment(at, now, zone, seconds=True)}" if at else ""
    return f"{problem.error}{retry}"


def _budget(budget: BudgetView, now: float, zone: tzinfo | None, *, once: bool) -> dict[str, str]:
    """A pause that the API has ordered, or one that the shared budget makes necessary."""
    if budget.blocked_until is not None:
        words = f" ({budget.blocked_by})" if budget.blocked_by else ""
        until = fmt.moment(budget.blocked_until, now, zone, seconds=True)
        return {BUDGET: f"spent{words}; all tools of this user share it; waiting until {until}"}
    used = f"{budget.used} of {budget.limit} requests in five minutes are used"
    if once and budget.waiting:
        return {BUDGET: f"{used}; {budget.waiting} wait"}
    if not once and budget.stretch > 1:
        return {BUDGET: f"{used}; jobs are asked {budget.stretch:g} times less often"}
    return {}
