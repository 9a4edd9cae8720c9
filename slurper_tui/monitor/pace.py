"""What a forecast rests on: how fast a job gets on over many horizons, in the time that it ran.

Counters may move in bursts. A rate is therefore taken from one change to the next, not from poll
to poll, so that a forecast stands still while the next burst is awaited.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.rates import SHORTEST, Bank, banked
from slurper_tui.monitor.view import Counts

REGIME_SECONDS = 180.0
"""A change between skipping and copying must last so long to be believed."""

REGIME_RUNS = 3
"""And so many times as long as such a run has lasted before."""


class Regime(msgspec.Struct, frozen=True):
    """Whether a job mostly skips or mostly copies, and since when, in seconds that it ran.

    longest: the longest run of copying, and of skipping, that is over. bank: this run alone.
    """

    skipping: bool = False
    since: float = 0.0
    longest: tuple[float, float] = (0.0, 0.0)
    bank: Bank = Bank()


class Pace(msgspec.Struct, frozen=True):
    """How a job gets on. counts: at the last change; None before anything is known.

    at: when that was, in seconds that the job ran. measured: `at` is the time of a change, so that
    the span up to the next one may be measured. changes: how many there were.
    """

    counts: Counts | None = None
    at: float = 0.0
    measured: bool = False
    bank: Bank = Bank()
    regime: Regime = Regime()
    changes: int = 0


def paced(pace: Pace, counts: Counts, ran: float, *, close: bool) -> Pace:
    """Add a poll. ran: seconds that the job ran until then. close: soon after the one before."""
    if counts.done is None:
        return pace
    if pace.counts is None or pace.counts.done is None:
        return replace(pace, counts=counts, at=ran, measured=not close)
    moved, span = counts.done - pace.counts.done, ran - pace.at
    if moved <= 0 or span < SHORTEST:
        return pace
    changes = pace.changes + 1
    if not pace.measured:
        return replace(pace, counts=counts, at=ran, measured=True, changes=changes)
    regime = _turned(pace, counts, moved, span)
    bank = banked(pace.bank, span, moved)
    if regime.bank is not pace.regime.bank and _believed(regime, ran):
        bank = regime.bank
    return Pace(counts, ran, True, bank, regime, changes)


def rebased(pace: Pace, counts: Counts, ran: float) -> Pace:
    """Begin a new span: what moved before is not to be measured."""
    known = counts if counts.done is not None else None
    return replace(pace, counts=known, at=ran, measured=False)


def _turned(pace: Pace, counts: Counts, moved: int, span: float) -> Regime:
    """Add a span to the run that it belongs to, or let it begin a new one."""
    regime = pace.regime
    skipped = (counts.skipped or 0) - ((pace.counts and pace.counts.skipped) or 0)
    skipping = skipped > moved / 2
    if skipping is regime.skipping:
        return replace(regime, bank=banked(regime.bank, span, moved))
    longest = list(regime.longest)
    longest[regime.skipping] = max(longest[regime.skipping], pace.at - regime.since)
    return Regime(skipping, pace.at, (longest[0], longest[1]), banked(Bank(), span, moved))


def _believed(regime: Regime, ran: float) -> bool:
    """The run has lasted long enough to be what will last."""
    lasted = ran - regime.since
    return lasted >= max(REGIME_SECONDS, REGIME_RUNS * regime.longest[regime.skipping])
