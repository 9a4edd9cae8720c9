"""Write the output of the commands: data to stdout, messages to stderr.

`Output` owns both streams and sanitises each line. The functions after it format the cells of a
job (source, target, amount, percent, time left). `ProgressOutput` reports each problem on stderr
once when it begins and once when it ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import tzinfo
from typing import TextIO

from slurper_tui import format as fmt
from slurper_tui.api.models import escape_invalid_bytes
from slurper_tui.cli.errors import CliError, ExitCode, rejected
from slurper_tui.eta_format import eta_long, eta_short
from slurper_tui.monitor.model.base import SHORT_ID
from slurper_tui.monitor.model.job import (
    BudgetView,
    JobView,
    Snapshot,
    shown_forecast,
)
from slurper_tui.monitor.reports.wording import rate_limited_words


class OutputClosed(CliError):
    """The reader of stdout has gone: end without a message, with exit code 0."""

    def __init__(self) -> None:
        super().__init__("", ExitCode.OK)


def unwritable(error: OSError) -> CliError:
    """Convert a write error on stdout to a CliError; a closed pipe ends without a message.

    EIO means that the terminal has gone, and ends with HANGUP.
    """
    if isinstance(error, BrokenPipeError):
        return OutputClosed()
    code = ExitCode.HANGUP if error.errno == errno.EIO else ExitCode.USAGE
    return CliError(f"cannot write to standard output: {error.strerror}", code)


class Output:
    """The output streams. Control characters are removed from every line.

    out, err: None where the stream is closed. ascii_only: also set when stdout is not UTF-8.
    names: account id to the name in the configuration file.
    """

    def __init__(
        self,
        out: TextIO | None,
        err: TextIO | None,
        *,
        ascii_only: bool,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.names = names or {}
        self._out = out
        self._err = err
        self.ascii_only = ascii_only or not _utf8(out)

    def account(self, account_id: str) -> str:
        """Return the name of an account in the configuration file, or else its id."""
        return self.names.get(account_id, account_id)

    @property
    def arrow(self) -> str:
        """The separator between source and target."""
        return "->" if self.ascii_only else "→"

    @property
    def on_terminal(self) -> bool:
        """Whether stdout is a terminal."""
        return self._out is not None and self._out.isatty()

    @property
    def terminal(self) -> TextIO | None:
        """The stream for control sequences: stderr, else stdout; None if neither is a terminal."""
        return next((one for one in (self._err, self._out) if one and one.isatty()), None)

    def control(self, sequence: str) -> None:
        """Write a control sequence to the terminal, if there is one; ignore write errors."""
        with suppress(OSError, ValueError):
            if terminal := self.terminal:
                terminal.write(sequence)
                terminal.flush()

    @property
    def width(self) -> int | None:
        """The width of the terminal in characters; None without a terminal."""
        return (self.size[0] or 80) if self.on_terminal else None

    @property
    def size(self) -> tuple[int, int]:
        """The terminal's (columns, rows); zeros where they are unknown."""
        try:
            return (0, 0) if self._out is None else os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 0, 0

    def line(self, text: str) -> None:
        """Write one line of data and flush. Raises CliError when stdout cannot be written."""
        with self._writing() as out:
            out.write(self.sanitise(text) + "\n")
            out.flush()

    def exact(self, text: str) -> None:
        """Write text unchanged for another program, in UTF-8 in every locale.

        A lone surrogate, which is invalid in UTF-8, is written as its three-byte encoding.
        """
        with self._writing() as out:
            out.flush()
            out.buffer.write(text.encode("utf-8", "surrogatepass"))
            out.buffer.flush()

    @contextmanager
    def _writing(self) -> Iterator[TextIO]:
        """Yield stdout. Raises CliError when it is closed or a write fails."""
        if self._out is None:
            raise OutputClosed
        try:
            yield self._out
        except OSError as error:
            raise unwritable(error) from None

    def note(self, text: str) -> None:
        """Write one line to stderr; ignore write errors."""
        write_note(self._err, self.sanitise(text))

    def narrate(self, text: str) -> None:
        """Write one line without the program's name to stderr; ignore write errors."""
        plain = fmt.safe(self.sanitise(text), ascii_only=not _utf8(self._err))
        self._write(f"{plain}\n")

    def notes(self, texts: Iterable[str]) -> None:
        """Write each text as a line to stderr."""
        for text in texts:
            self.note(text)

    def ask(self, text: str) -> None:
        """Write a question to stderr and leave the cursor after it."""
        self._write(f"slurper-tui: {self.sanitise(text)} ")

    def newline(self) -> None:
        """End the line of a question after input without echo."""
        self._write("\n")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            if self._err is not None:
                self._err.write(text)
                self._err.flush()

    def sanitise(self, text: str) -> str:
        """Return the text without control characters, in ASCII where required."""
        text = escape_invalid_bytes(text)
        plain = text.replace(fmt.DASH, "-") if self.ascii_only else text
        return fmt.safe(plain, ascii_only=self.ascii_only)


def write_note(err: TextIO | None, text: str) -> None:
    """Write one sanitised line to stderr, in ASCII unless it is UTF-8; ignore write errors."""
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
    """Return the job as ASCII-only JSON, so that no name in it can control a terminal."""
    from slurper_tui.monitor.reports.records import job_record  # not needed by the app

    return fmt.as_json(job_record(view))


def migration(view: JobView, out: Output) -> str:
    """Return `bucket/prefix → bucket`."""
    return f"{source_name(view)} {out.arrow} {target_name(view)}"


def source_name(view: JobView) -> str:
    """Return the source bucket, with the prefix if the job has one; a dash if unknown."""
    return view.job.place or fmt.DASH


def target_name(view: JobView) -> str:
    """Return the target bucket; a dash if unknown."""
    return view.job.target_bucket or fmt.DASH


def amount(view: JobView) -> str:
    """Return `done/objects` in full digits, with a plus while the total may still grow."""
    numbers = (view.counts.done, view.counts.objects)
    done, objects = (fmt.DASH if number is None else str(number) for number in numbers)
    more = "+" if view.total_at_least else ""
    return f"{done}/{objects}{more}"


def percent(view: JobView) -> str:
    """Return `35%`, or `~35%` while the total may still grow; a dash if unknown."""
    text = fmt.percent(view.percent, provisional=view.provisional)
    return text if view.percent is None else f"{text}%"


def remains(view: JobView, out: Output, *, short: bool = False) -> str:
    """Return the forecast time left as a range, `3\N{EN DASH}5 h`; short: the form for a column.

    A dash without a forecast.
    """
    forecast = shown_forecast(view)
    if forecast is None:
        return fmt.DASH
    eta_text = eta_short if short else eta_long
    text = eta_text(forecast.low_seconds, forecast.high_seconds, at_least=forecast.at_least)
    return to_ascii(text, out)


def to_ascii(text: str, out: Output) -> str:
    """Replace the program's own symbols with ASCII where the output is ASCII only."""
    return text.translate(_SIGNS) if out.ascii_only else text


_SIGNS = str.maketrans({"\N{EN DASH}": "-", "≥": ">=", "·": "-"})


def shorten(text: str, width: int, out: Output) -> str:
    """Cut the middle of a text that is longer than `width` characters."""
    if len(text) <= width:
        return text
    mark = "..." if out.ascii_only else "…"
    room = max(0, width - len(mark))
    return f"{text[: room - room // 2]}{mark}{text[len(text) - room // 2 :]}"


def status_word(view: JobView) -> str:
    """Return the status as one word, without spaces."""
    return "".join(view.word.split()) or fmt.DASH


def distinct_width(ids: Sequence[str], *, whole: bool = False) -> int:
    """Return the fewest characters that keep the ids distinct, so that they can be typed.

    whole: return the length of the longest id.
    """
    longest = max(map(len, ids), default=0)
    if whole:
        return longest
    lengths = range(SHORT_ID, longest)
    return next((n for n in lengths if len({i[:n] for i in ids}) == len(set(ids))), longest)


BUDGET = "the request budget"

_LONGEST_ID = 128

_SAME_WAIT = 0.5
"""Seconds by which the end of the same wait may differ between readings of the clocks."""


class ProgressOutput:
    """Report problems on stderr, one line when each begins and one when it ends.

    once: the command polls once, so waiting requests are reported as a lack of request budget.
    patience: the most seconds, all waits added, to wait under a rate limit; None for no limit.
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
        self._reported: set[str] = set()
        self._history = ""
        self._expiring: set[tuple[str, float]] = set()

    def update(self, snapshot: Snapshot) -> None:
        """Report the problems that began or ended since the last snapshot.

        Raises CliError when every account rejects the credentials, or when the rate limit demands
        more waiting than `patience`.
        """
        if snapshot.rejected:
            errors = (account.problem.error for account in snapshot.accounts if account.problem)
            raise rejected(errors)
        self.report_history(snapshot.history_note)
        self._bound_waiting(snapshot.budget, snapshot.taken_at)
        problems = _problems(snapshot, self._zone, self._out, once=self._once)
        for subject in [s for s in problems if s not in self._reported]:
            self._out.note(f"{subject}: {problems[subject]}")
        self._report_expiry(snapshot)
        silent = {_job(view) for view in snapshot.jobs if view.problem or view.gone}
        for subject in sorted(self._reported - problems.keys() - silent):
            self._out.note(f"{subject}: {'available' if subject == BUDGET else 'answers'} again")
        self._reported = problems.keys() | (self._reported & silent)

    def _report_expiry(self, snapshot: Snapshot) -> None:
        """Report once that an API token expires soon, and again after a new one was read."""
        several = len(snapshot.accounts) > 1
        for account in snapshot.accounts:
            expires = account.token_expires
            if expires is None or not account.expires_soon(snapshot.taken_at):
                continue
            if (account.account_id, expires) not in self._expiring:
                from slurper_tui.monitor.reports.wording import expiry_words  # seldom needed

                self._expiring.add((account.account_id, expires))
                name = self._out.account(account.account_id)
                who = f"account {name}: " if several else ""
                self._out.note(f"{who}{expiry_words(expires, snapshot.taken_at, self._zone)}")

    def _bound_waiting(self, budget: BudgetView, now: float) -> None:
        """Add up the announced waits. Raises CliError once they exceed `patience`."""
        until = budget.blocked_until
        if self.patience is None or until is None:
            return
        if until > self._blocked_until + _SAME_WAIT:
            self._waited += until - max(now, self._blocked_until)
            self._blocked_until = until
        if self._waited > self.patience:
            words = f" ({budget.blocked_by})" if budget.blocked_by else ""
            end = fmt.moment(until, now, self._zone, seconds=True)
            raise CliError(
                f"the API limits the rate of requests{words}: next request at {end}, "
                f"a wait of more than --timeout {self.patience:g} s",
                ExitCode.API,
            )

    def report_history(self, note: str) -> None:
        """Report that the history is off, or on again."""
        if _is_worth_telling(note) and note != self._history:
            self._out.note(note)
        elif self._history and not _is_worth_telling(note):
            self._out.note("history on again")
        self._history = note if _is_worth_telling(note) else ""


def _is_worth_telling(note: str) -> bool:
    """Whether to report a history note; a history shared with another process loses nothing."""
    return bool(note) and not note.startswith("history shared")


def failed(snapshot: Snapshot, jobs: Sequence[JobView]) -> bool:
    """Whether a request for an account or for one of these jobs failed."""
    return any(a.problem for a in snapshot.accounts) or any(j.problem for j in jobs)


def _problems(
    snapshot: Snapshot, zone: tzinfo | None, out: Output, *, once: bool
) -> dict[str, str]:
    """Map each subject to its problem; an account's problem is not repeated for its jobs."""
    now, several = snapshot.taken_at, len(snapshot.accounts) > 1
    down = {a.account_id: a.problem for a in snapshot.accounts if a.problem}
    accounts = {}
    for account_id, problem in down.items():
        at = problem.retry_at
        retry = f"; next try at {fmt.moment(at, now, zone, seconds=True)}" if at else ""
        name = f"account {out.account(account_id)}" if several else "the account"
        accounts[name] = f"{problem.error}{retry}"
    jobs = {
        _job(view): str(view.problem)
        for view in snapshot.jobs
        if view.problem and not view.gone and view.account_id not in down
    }
    return {**_budget(snapshot.budget, now, zone, once=once), **accounts, **jobs}


def _job(view: JobView) -> str:
    """Return `job ID`, with an id longer than `_LONGEST_ID` characters cut."""
    name = str(view.job.id)
    return f"job {name if len(name) <= _LONGEST_ID else name[:_LONGEST_ID] + '...'}"


def _budget(budget: BudgetView, now: float, zone: tzinfo | None, *, once: bool) -> dict[str, str]:
    """Describe a wait ordered by the API or caused by the shared request budget; {} if none."""
    if budget.blocked_until is not None:
        words = f" ({budget.blocked_by})" if budget.blocked_by else ""
        until = fmt.moment(budget.blocked_until, now, zone, seconds=True)
        return {BUDGET: f"{rate_limited_words(until)}{words}; all tools of this user share it"}
    used = f"{budget.used} of {budget.limit} requests in five minutes are used"
    if once and budget.waiting:
        return {BUDGET: f"{used}; {budget.waiting} more are waiting"}
    if not once and budget.stretch > 1:
        return {BUDGET: f"{used}; jobs are polled {budget.stretch:g} times less often"}
    return {}
