"""The totals row at the top: accounts, jobs by status, and the sums of all shown jobs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from textual.reactive import var

from slurper_tui import format as words
from slurper_tui.eta import eta_short
from slurper_tui.monitor.estimate.deadline import (
    Promise,
    PromiseState,
    against_all,
    needed_words,
    promise_words,
)
from slurper_tui.monitor.model.job import JobView, shown_forecast, shown_rate
from slurper_tui.monitor.model.verdict import percent_of
from slurper_tui.tui.render.columns import DEADLINE_STYLES, _short, short_id
from slurper_tui.tui.render.glyphs import Look
from slurper_tui.tui.render.job_text import _said
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, spread, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.render.problem_text import blocked_words, standing_problem
from slurper_tui.tui.state import ScreenState


class Remaining(msgspec.Struct, frozen=True):
    """The time until the last of several jobs is done.

    low, high: seconds from the last poll.
    at_least: some running job's forecast is missing or a lower bound, so only `low` is shown.
    """

    low: float
    high: float
    at_least: bool


class Sums(msgspec.Struct, frozen=True):
    """The sums of several jobs.

    done, objects: objects.
    rate: objects per second; None if no rate is known.
    partial: some job's counts are not known.
    growing: some job's total still grows.
    provisional: some job's total may still grow.
    finished: every job is at 100 percent.
    remaining: None if no running job has a forecast.
    """

    done: int
    objects: int
    rate: float | None
    partial: bool
    growing: bool
    provisional: bool
    finished: bool
    remaining: Remaining | None

    @property
    def percent(self) -> int | None:
        """The share done in percent, rounded down; 100 only if every job has completed.

        None if some job's counts are not known.
        """
        return None if self.partial else percent_of(self.done, self.objects, finished=self.finished)


def counted_once(state: ScreenState) -> Sequence[JobView]:
    """Return the views to add up: migrations, and the jobs outside of them.

    A migration counts each object once. While a filter is set, return the jobs that match.
    """
    if state.filter_text:
        return state.jobs
    return [line.view for line in state.lines if line.is_migration or line.migration is None]


def sums(jobs: Sequence[JobView], parts: Sequence[JobView] | None = None) -> Sums:
    """Add up the known numbers of jobs.

    parts: the views with the counts to add, if not those of each job.
    """
    parts = jobs if parts is None else parts
    known = [(v.counts.done, v.counts.objects) for v in parts]
    whole = [(min(d, o), o) for d, o in known if d is not None and o is not None]
    live = [view for view in jobs if view.live]
    rates = [rate for rate in map(shown_rate, live) if rate is not None]
    return Sums(
        done=sum(done for done, _ in whole),
        objects=sum(objects for _, objects in whole),
        rate=sum(rates) if rates else None,
        partial=len(whole) < len(known) or any(v.partial for v in parts),
        growing=any(v.growing for v in (*live, *parts)),
        provisional=any(v.provisional for v in (*live, *parts)),
        finished=all(v.percent == 100 for v in parts),
        remaining=remaining(live),
    )


def remaining(jobs: Sequence[JobView]) -> Remaining | None:
    """Return the time until the last running job is done; None if no forecast is known."""
    forecasts = [shown_forecast(v) for v in jobs if v.live and v.status == "running"]
    known = [forecast for forecast in forecasts if forecast is not None]
    if not known:
        return None
    return Remaining(
        low=max(forecast.low_seconds for forecast in known),
        high=max(forecast.high_seconds for forecast in known),
        at_least=len(known) < len(forecasts) or any(forecast.at_least for forecast in known),
    )


def totals_line(state: ScreenState, look: Look, width: int) -> Line:
    """Return the row.

    Parts that do not fit are dropped, the numbers last, the rate before the ETA.
    """
    together = _together(state)
    numbers = _numbers(together, look) if state.jobs else []
    counted = _states(state)
    dot = look.to_ascii(" · ")
    states = join(counted, dot)
    who = _who(state, look)
    fewer = [(join(counted[:n], dot), numbers[1:2]) for n in range(len(counted), -1, -1)]
    if together.remaining:
        fewer.insert(0, (join(counted[:1], dot), [numbers[1], numbers[-1]]))
    full, short = _deadline(state, look)
    if short and numbers:
        numbers[-1] = (*numbers[-1], Piece("  "), *short)
    some = numbers[:2] + numbers[3:] if together.remaining else numbers[:3]
    for left, right in (
        *([(join([who, states], "   "), [*numbers[:-1], numbers[-1][:2], full])] if full else []),
        (join([who, states], "   "), numbers),
        (join([who, states], "   "), some),
        (join([who[:1], states], "   "), some),
        (states, numbers),
        (states, some),
        *fewer,
    ):
        line = join(right, "   ")
        if width_of(left) + width_of(line) + 4 <= width:
            return spread((Piece(" "), *left), (*line, Piece(" ")), width)
    return ()


def _together(state: ScreenState) -> Sums:
    """Return the sums of the shown jobs; a lower bound while plans still have jobs to start."""
    together = sums(state.jobs, counted_once(state))
    if state.snapshot is None or not state.snapshot.unstarted:
        return together
    left = together.remaining and replace(together.remaining, at_least=True)
    return replace(together, growing=True, provisional=True, finished=False, remaining=left)


def _deadline(state: ScreenState, look: Look) -> tuple[Line, Line]:
    """Return the deadline status of all jobs, in full and short; both empty without a deadline."""
    if state.deadline is None:
        return (), ()

    return deadline_total(state, look)


def tiny_line(state: ScreenState, look: Look) -> Line:
    """Return the number of running jobs and the percent for a tiny terminal, or the problem."""
    if state.snapshot is None:
        return (Piece("reading"),)
    blocked = blocked_words(state.snapshot, look)
    if blocked:
        return (Piece(blocked, "warning"),)
    problem = standing_problem(state.snapshot)
    if problem:
        return (Piece(look.sanitise(problem.error.message), "error"),)
    running = sum(view.status == "running" and view.live for view in state.jobs)
    together = _together(state)
    percent = words.percent(together.percent, provisional=_shaky(together))
    return (Piece(look.to_ascii(f"{running} run {percent} %"), "strong"),)


def _who(state: ScreenState, look: Look) -> Line:
    accounts = state.snapshot.accounts if state.snapshot else ()
    if not accounts:
        return ()
    one = short_id(accounts[0].account_id, look, 12)
    name = Piece(one if len(accounts) == 1 else f"{len(accounts)} accounts", "strong")
    return (Piece("demo", "accent"), Piece("  "), name) if state.demo else (name,)


def _states(state: ScreenState) -> list[Line]:
    """Return the number of jobs by status, and how many pass the filter."""
    live = [view.status for view in state.jobs if view.live]
    running, paused = live.count("running"), live.count("paused")
    other, ended = len(live) - running - paused, len(state.jobs) - len(live)
    counted = ((running, "running"), (paused, "paused"), (other, "other"), (ended, "ended"))
    parts = [_counted(number, word) for number, word in counted if number]
    if state.snapshot and len(state.jobs) < state.total:
        parts.append((Piece(f"{len(state.jobs)}/{state.total} shown", "accent"),))
    return parts


def _counted(number: int, word: str) -> Line:
    return (Piece(words.count(number)), Piece(f" {word}", "muted"))


def _shaky(together: Sums) -> bool:
    return together.provisional or together.partial


def _numbers(together: Sums, look: Look) -> list[Line]:
    say = look.to_ascii
    more = "+" if together.growing or together.partial else ""
    done = Piece(words.short_count(together.done))
    objects = Piece(f" of {words.short_count(together.objects)}{more}", "muted")
    percent = words.percent(together.percent, provisional=_shaky(together))
    rate = words.rate(together.rate)
    return [
        (done, objects),
        (Piece(say(percent), "strong"), Piece(" %", "muted")),
        (Piece(say(rate)), Piece("/s", "muted")),
        (Piece("ETA ", "muted"), _eta(together.remaining, look)),
    ]


def _eta(left: Remaining | None, look: Look) -> Piece:
    if left is None:
        return Piece(look.to_ascii(words.DASH), "faint")
    return Piece(look.to_ascii(eta_short(left.low, left.high, at_least=left.at_least)))


class TotalsRow(PaintedLines):
    """The line at the top of the screen; the only line on a tiny terminal."""

    state: var[ScreenState] = var(ScreenState, init=False)

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(id=id)
        self._look = look

    def line_at(self, y: int) -> Line:
        """Draw the totals, or their short form on a tiny terminal."""
        if self.screen.has_class("-tiny"):
            [piece] = tiny_line(self.state, self._look)
            fitted = shorten(piece.text, self.size.width, self._look.ellipsis)
            return (Piece(fitted, piece.style),) if y == 0 else ()
        return totals_line(self.state, self._look, self.size.width) if y == 0 else ()

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Repaint if the data has changed."""
        if not after.same_jobs(before):
            self.repaint_changes()


def deadline_total(state: ScreenState, look: Look) -> tuple[Line, Line]:
    """Return the deadline status of all shown jobs, in full and short; empty without a deadline."""
    if state.deadline is None or not state.jobs:
        return (), ()
    promise = against_all(state.jobs, state.deadline, state.now)
    if state.snapshot and state.snapshot.unstarted and promise.state <= PromiseState.ON_TRACK:
        promise = Promise(PromiseState.UNKNOWN, reason="jobs are still to be started")
    style = DEADLINE_STYLES[promise.state]
    full = _said(promise_words(promise), look)
    needed = needed_words(promise)
    rest = (Piece(f"  {needed}", "muted"),) if needed else ()
    short = _short(promise)
    return (Piece(full, style), *rest), (Piece(look.to_ascii(short), style),) if short else ()
