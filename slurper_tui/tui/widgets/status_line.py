"""The status line at the bottom, and the banners for accounts with problems.

The status line has facts at the left, the most important first (note, problem, request state,
modes, age of the data, request budget), and key hints at the right. Facts and hints that do not fit
are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.reactive import var

from slurper_tui import format as fmt
from slurper_tui.monitor.model.events import RequestState
from slurper_tui.tui.keys import HINTS_BEFORE_DATA, MOST_HINTS, Hint
from slurper_tui.tui.render.lines import Line, Piece, hint_line, join, shorten, spread, width_of
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.render.problem_text import (
    banner_lines,
    blocked_words,
    in_trouble,
    problem_line,
    problem_of_all_accounts,
)
from slurper_tui.tui.state import ScreenState

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import Snapshot
    from slurper_tui.tui.render.glyphs import Look

MOST = 3
"""The most banners: more would leave too little room for the jobs, and `!` shows all problems."""


class Banners(PaintedLines):
    """One line for each account with a problem; its height is 0 without one."""

    state: var[ScreenState] = var(ScreenState, init=False)

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self._lines: tuple[Line, ...] = ()

    def line_at(self, y: int) -> Line:
        """Draw one account's banner."""
        return self._lines[y] if y < len(self._lines) else ()

    def watch_state(self, before: ScreenState, after: ScreenState) -> None:
        """Change the height to the number of banners, and repaint."""
        if after.same_jobs(before):
            return
        lines = banner_lines(self.state.snapshot, self._look)[:MOST]
        if len(lines) != len(self._lines):
            self.styles.height = len(lines)
            self.set_class(bool(lines), "-shown")
        self._lines = lines
        self.repaint_changes()


FEWEST_HINTS = 3
"""This many key hints stay as long as there is a fact to drop."""

WRITING_HINTS = 4
"""The same while changes are allowed: the keys for changes are among them."""

ROOM_BESIDE = 30
"""Cells that a history note leaves for the other facts."""

MOST_FILTER = 24
"""Cells for the filter text; the filter line shows it in full while it is edited."""


def status_line(
    state: ScreenState, hints: Sequence[Hint], look: Look, width: int, note: str = ""
) -> Line:
    """Return facts at the left and hints at the right.

    hints: the least important first, which is dropped first.
    note: the answer to the last key, "" for none.
    """
    fewest = WRITING_HINTS if state.writing else FEWEST_HINTS
    reserved = width_of(hint_line(hints[-fewest:]))
    facts = list(_status_parts(state, note, look, width - reserved - 4))
    needed = len(facts)
    if state.snapshot and not state.replay:
        facts += _data_facts(state.snapshot, look, read_only=not state.writing and not note)
    everything = len(facts)
    dot = look.to_ascii(" · ")
    left = join(facts, dot)
    while len(facts) > 1:
        # the interval, the last fact, gives way to every hint
        data_hints = MOST_HINTS if len(facts) == everything else HINTS_BEFORE_DATA
        kept = data_hints if len(facts) > needed else fewest
        if width_of(left) <= width - 4 - width_of(hint_line(hints[-kept:])):
            break
        facts.pop()
        left = join(facts, dot)
    # a long note is cut before the last hint; a problem is not
    room = width - 2 - (width_of(hint_line(hints[-1:])) + 3 if note and hints else 0)
    if len(left) == 1 and width_of(left) > room:
        [fact] = left
        text = fact.text
        while note and "; " in text and len(text) + 3 > room:  # whole clauses, while there are any
            text = text.rpartition("; ")[0]
        text += f"; {look.ellipsis}" if text != fact.text else ""
        left = (Piece(shorten(text, room, look.ellipsis), fact.style),)
    left = (Piece(" "), *left)
    shown = list(hints[-MOST_HINTS:])
    while shown and width_of(left) + width_of(hint_line(shown)) + 3 > width:
        shown.pop(0)
    return spread(left, (*hint_line(shown), Piece(" ")) if shown else (), width)


def _status_parts(state: ScreenState, note: str, look: Look, room: int) -> Iterator[Line]:
    """Yield the facts, the most important first. room: cells for the first one."""
    if note:
        yield (Piece(look.to_ascii(note), "accent"),)
    snapshot = state.snapshot
    if snapshot is None:
        yield (Piece(look.to_ascii("connecting …"), "muted"),)
        return
    before = [*_replay(state, look), *_problem(snapshot, look, room), *_request(state, note, look)]
    if state.writing:
        before.append((Piece("unlocked", "warning"),))
    before += _verifying(state)
    if state.marked:
        before.append((Piece(f"{len(state.marked)} marked", "accent"),))
    yield from before
    if state.news:
        from slurper_tui.monitor.reports.wording import back_words  # only after an outage

        words = back_words(state.news)
        if (note or before) and len(words) + ROOM_BESIDE > room:
            words = back_words(state.news, short=True)
        yield (Piece(words, "accent"),)
    yield from _history(snapshot, look, room)
    if state.frozen:
        yield (Piece(f"frozen since {fmt.clock(snapshot.taken_at, look.zone)}", "warning"),)
    if state.filter_text:
        typed = shorten(look.sanitise(state.filter_text), MOST_FILTER, look.ellipsis)
        yield (Piece("/", "key"), Piece(typed, "accent"))
    stretch = snapshot.budget.stretch
    if stretch > 1.05:
        text = f"slowed \N{MULTIPLICATION SIGN}{stretch:.1f}: request budget"
        yield (Piece(look.to_ascii(text), "warning"),)


def _history(snapshot: Snapshot, look: Look, room: int) -> Iterator[Line]:
    """Yield the history note, without its reason if that leaves too little room for other facts."""
    if snapshot.history_note:
        history = look.sentence(snapshot.history_note)
        style = "muted" if history.startswith("history shared") else "warning"
        shown = history if len(history) + ROOM_BESIDE <= room else history.partition(":")[0]
        yield (Piece(shown, style),)


def _verifying(state: ScreenState) -> Iterator[Line]:
    if state.verifying is not None:
        style = "warning" if state.verifying.paused else "accent"
        yield (Piece(state.verifying.words, style),)


def _replay(state: ScreenState, look: Look) -> Iterator[Line]:
    if state.replay:
        yield (Piece(look.to_ascii(state.replay), "accent"),)


def _request(state: ScreenState, note: str, look: Look) -> Iterator[Line]:
    """Yield the state of the highlighted job's request, unless it is settled or a note is shown."""
    request = state.line.view.request if state.line and not note else None
    if request and request.state not in (RequestState.DONE, RequestState.POINTLESS):
        from slurper_tui.monitor.reports.wording import request_words  # only for a request
        from slurper_tui.tui.render.job_text import REQUEST_STYLES

        yield (Piece(look.sentence(request_words(request)), REQUEST_STYLES[request.state]),)


def _problem(snapshot: Snapshot, look: Look, room: int) -> Iterator[Line]:
    blocked = blocked_words(snapshot, look)
    if blocked:
        whole = f"{blocked}; all tools of this user share it"
        short = f"{blocked} (shared budget)"
        fits = (text for text in (whole, short, blocked) if len(text) <= room)
        yield (Piece(next(fits, blocked.replace(" (429)", "")), "warning"),)
        return
    problem = problem_of_all_accounts(snapshot)
    if problem:
        yield problem_line(problem, look, room, snapshot.taken_at)
    elif troubled := in_trouble(snapshot):
        text = f"{len(troubled)} of {len(snapshot.accounts)} accounts do not answer"
        yield (Piece(text, "error"),)


def _data_facts(snapshot: Snapshot, look: Look, *, read_only: bool) -> Iterator[Line]:
    """Yield the progress of reading the job lists, the data's age, the lock, and the requests."""
    if snapshot.jobs and any(not a.listed and not a.problem for a in snapshot.accounts):
        page = sum(account.pages for account in snapshot.accounts) + 1
        yield (Piece(f"reading the job list: page {page}", "accent"),)
    at, zone = _data_from(snapshot), look.zone
    if at is not None:
        when = fmt.moment(at, snapshot.taken_at, zone)
        text = f"as of {when} {fmt.zone_name(at, zone)}"
        yield (Piece(look.sanitise(text), "muted"),)
    yield (Piece(f"API {snapshot.budget.used}/{snapshot.budget.limit}", "muted"),)
    if read_only:
        yield (Piece("read-only", "faint"),)
    yield (Piece(f"every {snapshot.interval:g} s", "muted"),)


def _data_from(snapshot: Snapshot) -> float | None:
    """Return the time of the newest data, UTC seconds; None if unknown.

    It is the time of the snapshot unless no account answers or the API has asked to wait.
    """
    if problem_of_all_accounts(snapshot):
        good = [a.problem.last_good for a in snapshot.accounts if a.problem]
        return max((at for at in good if at is not None), default=None)
    nothing_yet = not any(account.answered for account in snapshot.accounts)
    if snapshot.budget.blocked_until is not None or (nothing_yet and snapshot.jobs):
        times = (view.as_of for view in snapshot.jobs if view.as_of is not None)
        return max(times, default=None)
    return snapshot.taken_at


class StatusLine(PaintedLines):
    """The line at the bottom of the screen."""

    state: var[ScreenState] = var(ScreenState, init=False)
    hints: var[tuple[Hint, ...]] = var((), init=False)
    note: var[str] = var("", init=False)

    def line_at(self, y: int) -> Line:
        """Draw the facts and the hints."""
        if y:
            return ()
        return status_line(self.state, self.hints, self._look, self.size.width, self.note)

    def watch_state(self) -> None:
        """Repaint the differences."""
        self.repaint_changes()

    watch_hints = watch_note = watch_state
