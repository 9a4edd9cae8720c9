"""What a forecast rests on: how fast a job gets on over many horizons, in the time that it ran.

Counters may move in bursts. A rate is therefore taken from one change to the next, not from poll
to poll, so that a forecast stands still while the next burst is awaited.

Sometimes a job becomes another one: after the objects that were skipped by the thousand come
those to be copied, after small ones large ones. What was before then misleads for hours, so a run
that differs, and lasts, becomes all that counts.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Counts
from slurper_tui.monitor.rates import HORIZONS, NOTHING, SHORTEST, Bank, Prior, banked, rate_over

SKIP_SECONDS = 180.0
"""A turn from skipping to copying, or back, must last so long to be believed."""

LEVEL_SECONDS = 400.0
LEVEL_FACTOR = 3.0
"""A speed must differ by such a factor, and for so long, to be another level."""

LEVEL_HORIZON = 120.0
LEVEL_SPANS = 20
"""Over so many seconds and typical spans a speed is compared with the whole."""

RUN_SPANS = 10
"""A run has at least so many changes."""

RUN_LENGTHS = 3
RUN_PART = 0.03
"""It lasts so many times as long as any of its kind before, and such a part of the whole."""

NEAREST = 300.0
NEAREST_SPANS = 6
FARTHEST = 1e9
"""Bounds of the horizon: seconds, and mean spans between changes."""

STANDSTILL = 10
"""A span of so many typical ones is a standstill, and no level of its own."""


class Run(msgspec.Struct, frozen=True):
    """A stretch in which a job does one kind of thing. Times are seconds that it ran.

    kind: which, by whoever keeps it. since: when it began. bank: what was done in it. longest:
    the longest run of each kind that is over.
    """

    kind: int = 0
    since: float = 0.0
    bank: Bank = NOTHING
    longest: tuple[float, ...] = (0.0, 0.0, 0.0)


class Pace(msgspec.Struct, frozen=True):
    """How a job gets on. counts: at the last change; None before anything is known.

    at: when that was, in seconds that the job ran. measured: `at` is the time of a change, so that
    the span up to the next one may be measured. changes: how many there were. skipping: runs of
    mostly skipping (1) or mostly copying (0). level: runs slower (1) or faster (2) than before.
    """

    counts: Counts | None = None
    at: float = 0.0
    measured: bool = False
    bank: Bank = NOTHING
    skipping: Run = Run()
    level: Run = Run()
    changes: int = 0


def paced(pace: Pace, counts: Counts, ran: float, *, close: bool, typical: float = 0.0) -> Pace:
    """Add a poll.

    ran: seconds that the job ran until then. close: it came soon after the one before. typical:
    seconds between two changes, 0 when unknown.
    """
    if counts.done is None:
        return pace
    if pace.counts is None or pace.counts.done is None:
        return replace(pace, counts=counts, at=ran, measured=not close)
    moved, span = counts.done - pace.counts.done, ran - pace.at
    if moved <= 0 or span < SHORTEST:
        return pace
    if not pace.measured:
        return replace(pace, counts=counts, at=ran, measured=True, changes=pace.changes + 1)
    return _spanned(pace, counts, ran, moved, typical)


def planned(
    pace: Pace, remaining: int, idle: float, prior: Prior | None = None
) -> tuple[float, float]:
    """Give the horizon that a forecast looks back over, seconds, and the rate there.

    The horizon is as long as the time that remains, which the rate over it decides: from the
    longest on it is brought nearer, four times. idle: seconds without movement beyond the usual.
    The rate is in objects per second, 0 when nothing is known.
    """
    typical = pace.bank.seconds / pace.bank.spans if pace.bank.spans else 0.0
    nearest = max(NEAREST, NEAREST_SPANS * typical)
    horizon = FARTHEST
    for _ in range(4):
        rate = rate_over(pace.bank, horizon, idle, prior)
        ahead = remaining / rate if rate > 0 else FARTHEST
        horizon = min(FARTHEST, max(nearest, math.sqrt(ahead * min(horizon, 4 * ahead))))
    return horizon, rate_over(pace.bank, horizon, idle, prior)


def rebased(pace: Pace, counts: Counts, ran: float) -> Pace:
    """Begin a new span: what moved before is not to be measured."""
    known = counts if counts.done is not None else None
    return replace(pace, counts=known, at=ran, measured=False)


def _spanned(pace: Pace, counts: Counts, ran: float, moved: int, typical: float) -> Pace:
    """Add a whole span to the bank and to the runs, and believe a run that has lasted."""
    span, before = ran - pace.at, pace.counts or Counts()
    bank = banked(pace.bank, span, moved)
    skipped = (counts.skipped or 0) - (before.skipped or 0)
    skipping = _continued(pace, pace.skipping, int(skipped > moved / 2), span, moved, bank)
    level = pace.level
    if not typical or span < STANDSTILL * typical:
        level = _continued(pace, level, _level(bank, typical), span, moved, bank)
    for run, seconds in ((skipping, SKIP_SECONDS), (level, LEVEL_SECONDS)):
        if run.bank is not bank and _believed(run, ran, seconds, bank):
            bank = run.bank
            skipping, level = replace(skipping, bank=bank), Run(bank=bank)
            break
    return Pace(counts, ran, True, bank, skipping, level, pace.changes + 1)


def _continued(pace: Pace, run: Run, kind: int, span: float, moved: int, whole: Bank) -> Run:
    """Add a span to the run that it belongs to, or let it begin a new one."""
    if kind == run.kind:
        same = run.bank is pace.bank
        return replace(run, bank=whole if same else banked(run.bank, span, moved))
    longest = list(run.longest)
    longest[run.kind] = max(longest[run.kind], pace.at - run.since)
    return Run(kind, pace.at, banked(NOTHING, span, moved), tuple(longest))


def _level(bank: Bank, typical: float) -> int:
    """Whether the last minutes were as fast as the whole (0), much slower (1) or faster (2)."""
    lately, ever = (
        rate_over(bank, max(LEVEL_HORIZON, LEVEL_SPANS * typical)),
        rate_over(bank, HORIZONS[-1]),
    )
    return 1 if lately * LEVEL_FACTOR < ever else 2 if lately > ever * LEVEL_FACTOR else 0


def _believed(run: Run, ran: float, seconds: float, whole: Bank) -> bool:
    """The run has lasted long enough to be what will last, and is unlike the rest."""
    lasted = ran - run.since
    wanted = max(seconds, RUN_LENGTHS * run.longest[run.kind], RUN_PART * whole.seconds)
    if run.bank.spans < RUN_SPANS or lasted < wanted:
        return False
    alone, ever = rate_over(run.bank, HORIZONS[-1]), rate_over(whole, HORIZONS[-1])
    return not ever / 2 < alone < ever * 2
