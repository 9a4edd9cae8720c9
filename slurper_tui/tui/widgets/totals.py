"""The totals row at the top: accounts, jobs by status, and the sums of all shown jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.eta_format import eta_short
from slurper_tui.monitor.estimate.deadline import needed_words, outlook_of_all, outlook_words
from slurper_tui.monitor.model.job import JobView, State
from slurper_tui.monitor.reports.totals import Summary, Sums, summary, sums_of
from slurper_tui.tui.render.columns import DEADLINE_STYLES, NOT_COPIED, account_name, outlook_short
from slurper_tui.tui.render.glyphs import STATUS, Look
from slurper_tui.tui.render.lines import Line, Piece, join, shorten, spread, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.render.problem_text import blocked_words, problem_of_all_accounts
from slurper_tui.tui.state import ScreenState


def sums(state: ScreenState) -> Sums:
    """Add up the known numbers of the shown jobs, see `sums_of`.

    A migration counts each object once. While a filter is set, its jobs are counted that match.
    """
    parts: Sequence[JobView] = state.jobs
    if not state.filter_text:
        tops = (line for line in state.lines if line.is_migration or line.migration is None)
        parts = [line.view for line in tops]
    unstarted = state.snapshot is not None and bool(state.snapshot.unstarted)
    return sums_of(parts, state.jobs, unstarted=unstarted)


def title_of(state: ScreenState, *, ascii_only: bool = False) -> Summary:
    """Return the shown jobs in a few words, for the terminal's title and tab."""
    if state.snapshot is None:
        return Summary()
    return summary(sums(state), state.jobs, state.snapshot, ascii_only=ascii_only)


def totals_line(state: ScreenState, look: Look, width: int) -> Line:
    """Return the row.

    Parts that do not fit are dropped, the numbers last, the rate before the ETA.
    """
    total = sums(state)
    numbers = _numbers(total, look) if state.jobs else []
    counted = _states(state)
    dot = look.to_ascii(" · ")
    states = join(counted, dot)
    who = _who(state, look)
    fewer = [(join(counted[:n], dot), numbers[1:2]) for n in range(len(counted), -1, -1)]
    if total.remaining:
        shorter = [(join(counted[:n], dot), [numbers[1], numbers[-1]]) for n in (4, 3, 2, 1)]
        fewer = [*shorter, *fewer]
    full, short = deadline_total(state, look)
    if short and numbers:
        numbers[-1] = (*numbers[-1], Piece("  "), *short)
    some = numbers[:2] + numbers[3:] if total.remaining else numbers[:3]
    lost = _lost(total)
    lefts = (join([who, states], "   "), join([who[:1], states], "   "), states)
    rights = [[*numbers[:2], one, *numbers[2:]] for one in lost]
    rights += [[*some[:2], one, *some[2:]] for one in lost]
    rights += [numbers, some]
    for left, right in (
        *([(join([who, states], "   "), [*numbers[:-1], numbers[-1][:2], full])] if full else []),
        *((left, right) for right in rights for left in lefts),
        *fewer,
    ):
        line = join(right, "   ")
        if width_of(left) + width_of(line) + 4 <= width:
            return spread((Piece(" "), *left), (*line, Piece(" ")), width)
    return ()


def tiny_line(state: ScreenState, look: Look) -> Piece:
    """Return the number of running jobs and the percent for a tiny terminal, or the problem."""
    if state.snapshot is None:
        return Piece("reading")
    if blocked := blocked_words(state.snapshot, look):
        return Piece(blocked, "warning")
    if problem := problem_of_all_accounts(state.snapshot):
        return Piece(look.sanitise(problem.error.message), "error")
    running = sum(view.status == "running" and view.live for view in state.jobs)
    total = sums(state)
    percent = fmt.percent(total.percent, provisional=total.provisional)
    return Piece(look.to_ascii(f"{running} run {percent} %"), "strong")


def _who(state: ScreenState, look: Look) -> Line:
    """Return the account, or the number of accounts."""
    accounts = state.snapshot.accounts if state.snapshot else ()
    if not accounts:
        return ()
    one = account_name(accounts[0].account_id, look)
    name = Piece(one if len(accounts) == 1 else f"{len(accounts)} accounts", "strong")
    return (Piece("demo", "accent"), Piece("  "), name) if state.demo else (name,)


def _states(state: ScreenState) -> list[Line]:
    """Return the number of jobs by status, the worst first, and how many pass the filter.

    Listing is counted as running. Of the ended jobs, those with losses (`!`) and those with
    unexplained skips (`?`) are counted apart.
    """
    live = Counter(view.state for view in state.jobs if view.live)
    unstarted = state.snapshot.unstarted if state.snapshot else ()
    counted = {
        "stalled": live[State.STALLED],
        "failing": live[State.FAILING],
        "running": live[State.RUNNING] + live[State.LISTING],
        "to start": sum(one.jobs for one in unstarted),
        "paused": live[State.PAUSED],
        "other": live[State.OTHER],
        "ended": len(state.jobs) - live.total(),
    }
    styles = {"stalled": "warning", "failing": "error", "to start": "accent"}
    parts: list[Line] = [
        (Piece(fmt.count(number)), Piece(f" {word}", styles.get(word, "muted")))
        for word, number in counted.items()
        if number
    ]
    ends = [view.state for view in state.jobs if view.status == "completed"]
    for end, mark in ((State.COMPLETED_WITH_LOSS, "!"), (State.COMPLETED_UNREAD, "?")):
        if number := ends.count(end):
            marked = Piece(f"{fmt.count(number)} {mark}", STATUS[end].style)
            parts[-1] = (*parts[-1], Piece(", ", "muted"), marked)
    if state.snapshot and len(state.jobs) < state.total:
        parts.append((Piece(f"{len(state.jobs)}/{state.total} shown", "accent"),))
    return parts


def _numbers(total: Sums, look: Look) -> list[Line]:
    """Return the objects, the percent, the rate and the ETA."""
    objects = f" of {fmt.short_count(total.objects)}{'+' if total.at_least else ''}"
    percent = fmt.percent(total.percent, provisional=total.provisional)
    eta, left = Piece(look.to_ascii(fmt.DASH), "faint"), total.remaining
    if left is not None:
        eta = Piece(look.to_ascii(eta_short(left.low, left.high, at_least=left.at_least)))
    return [
        (Piece(fmt.short_count(total.done)), Piece(objects, "muted")),
        (Piece(look.to_ascii(percent), "strong"), Piece(" %", "muted")),
        (Piece(look.to_ascii(fmt.rate(total.rate))), Piece("/s", "muted")),
        (Piece("ETA ", "muted"), eta),
    ]


def _lost(total: Sums) -> list[Line]:
    """Return the objects that failed or were not copied, in full and short; empty without any."""
    found = [
        (Piece(fmt.short_count(number)), Piece(f" {word}", style))
        for number, word, style in (
            (total.failed, "failed", "error"),
            (total.not_copied, "not copied", "warning"),
        )
        if number
    ]
    if not found:
        return []
    style = "error" if total.failed else "warning"
    mark = NOT_COPIED if total.not_copied else " failed"
    short = Piece(fmt.short_count(total.failed + total.not_copied) + mark, style)
    return [join(found, ", "), (short,)]


def deadline_total(state: ScreenState, look: Look) -> tuple[Line, Line]:
    """Return the deadline status of all shown jobs, in full and short; empty without a deadline."""
    if state.deadline is None or not state.jobs:
        return (), ()
    unstarted = state.snapshot is not None and bool(state.snapshot.unstarted)
    outlook = outlook_of_all(state.jobs, state.deadline, state.now, unstarted=unstarted)
    style = DEADLINE_STYLES[outlook.state]
    full: Line = (Piece(look.sentence(outlook_words(outlook)), style),)
    if needed := needed_words(outlook):
        full = (*full, Piece(f"  {needed}", "muted"))
    short = outlook_short(outlook)
    return full, (Piece(look.to_ascii(short), style),) if short else ()


class TotalsRow(PaintedLines):
    """The line at the top of the screen; the only line on a tiny terminal."""

    state: var[ScreenState] = var(ScreenState, init=False)

    def line_at(self, y: int) -> Line:
        """Draw the totals, or their short form on a tiny terminal."""
        if y > 0:
            return ()
        if self.screen.has_class("-tiny"):
            text, style = tiny_line(self.state, self._look)
            return (Piece(shorten(text, self.size.width, self._look.ellipsis), style),)
        return totals_line(self.state, self._look, self.size.width)

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Repaint if the data has changed."""
        if not after.same_jobs(before):
            self.repaint_changes()
