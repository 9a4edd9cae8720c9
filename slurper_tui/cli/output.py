"""Lines for a person or another program: data to stdout, narration to stderr.

A job in words, for every command that prints lines.

What stands in the way, told on stderr once when it begins and once when it ends.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from typing import TextIO

from slurper_tui import format as fmt
from slurper_tui.api.models import escape_invalid_bytes
from slurper_tui.cli.connect import PERMISSION
from slurper_tui.cli.errors import ExitCode, Stop
from slurper_tui.eta import eta_long, eta_short
from slurper_tui.monitor.model.job import (
    AccountView,
    BudgetView,
    JobView,
    Problem,
    Snapshot,
    shown_forecast,
)
from slurper_tui.monitor.reports.records import job_record


class OutputClosed(Stop):
    """Nobody reads stdout any more: a quiet end."""

    def __init__(self) -> None:
        super().__init__("", ExitCode.OK)


def unwritable(error: OSError) -> Stop:
    """The end that a failure to write to stdout brings: a quiet one where nobody reads it."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed()
    code = ExitCode.HANGUP if error.errno == errno.EIO else ExitCode.USAGE
    return Stop(f"cannot write to standard output: {error.strerror}", code)


class Output:
    """Where lines go. No control character passes in a line, whoever made the text."""

    def __init__(self, out: TextIO | None, err: TextIO | None, *, ascii_only: bool) -> None:
        self._out = out
        self._err = err
        self.ascii_only = ascii_only or not _utf8(out)

    @property
    def arrow(self) -> str:
        """What stands between a source and its target."""
        return "->" if self.ascii_only else "→"

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads stdout."""
        return self._out is not None and self._out.isatty()

    def line(self, text: str) -> None:
        """Write one line of data at once. Raises Stop when that is impossible."""
        with self._writing() as out:
            out.write(self.plain(text) + "\n")
            out.flush()

    def exact(self, text: str) -> None:
        """Write text just as it is, in UTF-8 wherever this is, for another program.

        Half a surrogate pair, which no UTF-8 holds, becomes the three bytes that would be it.
        """
        with self._writing() as out:
            out.flush()
            out.buffer.write(text.encode("utf-8", "surrogatepass"))
            out.buffer.flush()

    @contextmanager
    def _writing(self) -> Iterator[TextIO]:
        """Let stdout be written to. Raises Stop when that is impossible."""
        if self._out is None:
            raise OutputClosed
        try:
            yield self._out
        except OSError as error:
            raise unwritable(error) from None

    def say(self, text: str) -> None:
        """Write one line of narration, or nothing where it cannot be written."""
        say(self._err, self.plain(text))

    def ask(self, text: str) -> None:
        """Write a question, and leave the cursor behind it."""
        self._write(f"slurper-tui: {self.plain(text)} ")

    def newline(self) -> None:
        """End a line whose answer was not shown."""
        self._write("\n")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            if self._err is not None:
                self._err.write(text)
                self._err.flush()

    def plain(self, text: str) -> str:
        """The text as it may be written here."""
        text = escape_invalid_bytes(text)
        plain = text.replace(fmt.DASH, "-") if self.ascii_only else text
        return fmt.safe(plain, ascii_only=self.ascii_only)


def say(err: TextIO | None, text: str) -> None:
    """Write one line to stderr, harmless and in its encoding; a closed stderr is no fault."""
    if err is None:
        return
    plain = fmt.safe(text, ascii_only=not _utf8(err))
    with suppress(OSError, ValueError):
        err.write(f"slurper-tui: {plain}\n")
        err.flush()


def _utf8(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None) or ""
    return encoding.lower().replace("-", "") == "utf8"


def record_line(view: JobView) -> str:
    """The job as JSON in ASCII alone, so that no name in it can steer a terminal."""
    return fmt.as_json(job_record(view))


def migration(view: JobView, out: Output) -> str:
    """`bucket/prefix → bucket`."""
    return f"{source_name(view)} {out.arrow} {target_name(view)}"


def source_name(view: JobView) -> str:
    """The source bucket, with the prefix if only that is copied."""
    source = view.job.source
    if source is None or not source.bucket:
        return fmt.DASH
    return f"{source.bucket}/{source.path_prefix}" if source.path_prefix else source.bucket


def target_name(view: JobView) -> str:
    """The target bucket."""
    return (view.job.target and view.job.target.bucket) or fmt.DASH


def amount(view: JobView) -> str:
    """`done/objects` in full; a plus where the total still grows."""
    done, objects = (_plain(n) for n in (view.counts.done, view.counts.objects))
    more = "+" if view.growing or view.partial else ""
    return f"{done}/{objects}{more}"


def percent(view: JobView) -> str:
    """`35%`, or `~35%` while the total may still grow."""
    text = fmt.percent(view.percent, provisional=view.provisional)
    return text if view.percent is None else f"{text}%"


def remains(view: JobView, out: Output, *, short: bool = False) -> str:
    """How long it will take, as a range: `3\N{EN DASH}5 h`, or in a word for a column."""
    forecast = shown_forecast(view)
    if forecast is None:
        return fmt.DASH
    tell = eta_short if short else eta_long
    text = tell(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
    return sayable(text, out)


def sayable(text: str, out: Output) -> str:
    """Our own words, with letters for their signs where there are only letters."""
    return text.translate(_SIGNS) if out.ascii_only else text


_SIGNS = str.maketrans({"\N{EN DASH}": "-", "≥": ">=", "·": "-"})


def _plain(value: int | None) -> str:
    return fmt.DASH if value is None else str(value)


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
