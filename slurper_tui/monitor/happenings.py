"""What happened to a job between two times, as far as its samples show.

Times are UTC seconds, samples oldest first. Words tell times in a zone, None for local time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import pairwise

import msgspec

from slurper_tui import format as fmt
from slurper_tui.eta import TOO_FAR, finish
from slurper_tui.monitor.model.job import Forecast
from slurper_tui.monitor.model.samples import Recorded
from slurper_tui.monitor.spans import Seen, Span

DASH = "\N{EN DASH}"
_FAR = "> 2 weeks"
"""What is said of a finish that lies further ahead than `TOO_FAR`."""

_NEAR = 6 * 86400
"""Seconds; a day of the week names a time that is nearer than this."""


class Kind(StrEnum):
    """What sort of thing happened."""

    STATUS = "status"
    RESTARTED = "restarted"
    STALLED = "stalled"
    PAUSED = "paused"
    UNOBSERVED = "unobserved"
    FINISH = "finish"


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, in words that stand alone; foreign text in them is not yet clean.

    until: None for what happened at one moment. Of a change of status, both times say between
    which two looks it came. when: the end of the words of such a change.
    """

    kind: Kind
    since: float
    until: float | None
    words: str
    when: str = ""


class Calendar(msgspec.Struct, frozen=True):
    """How times are told: seen from `now`, in a zone (None: local)."""

    now: float
    zone: tzinfo | None = None

    def moment(self, at: float) -> str:
        """A time, past or to come, with as much of its date as is needed: `Fri 18:00`."""
        today = self._local(at).date() == self._local(self.now).date()
        return self._clock(at) if today else self.full(at)

    def full(self, at: float) -> str:
        """A time with its day in any case: `Tue 08:20`."""
        return self._local(at).strftime("%a %H:%M") if self._near(at) else self._dated(at)

    def range(self, since: float, until: float) -> str:
        """From one time to another, a dash between them; the second day only where it differs."""
        if self._local(since).date() == self._local(until).date():
            begin, end = self.moment(since), self._clock(until)
            return begin if begin.endswith(end) else f"{begin}{DASH}{end}"
        if self._near(since) and self._near(until):
            return f"{self.full(since)}{DASH}{self.full(until)}"
        return f"{self._dated(since)}{DASH}{self._dated(until)}"

    def is_far(self, at: float) -> bool:
        """It lies so far ahead that a finish then is not worth a number."""
        return at - self.now > TOO_FAR

    def _clock(self, at: float) -> str:
        return self._local(at).strftime("%H:%M")

    def _dated(self, at: float) -> str:
        return self._local(at).strftime("%Y-%m-%d %H:%M")

    def _near(self, at: float) -> bool:
        return abs(at - self.now) < _NEAR

    def _local(self, at: float) -> datetime:
        """A time on the zone's clocks, clamped to the calendar: forecasts reach beyond it."""
        within = max(0.0, min(fmt.END_OF_CALENDAR, at))
        return datetime.fromtimestamp(within, UTC).astimezone(self.zone)


def status_changes(
    samples: Sequence[Recorded], ended_at: float | None, calendar: Calendar
) -> Iterator[Event]:
    """Each change of status, at the look that showed it, or between two looks far apart.

    ended_at: when the API says that the job ended.
    """
    for before, after in pairwise(samples):
        if before.status == after.status:
            continue
        words = f"from {before.status or 'unknown'} to {after.status or 'unknown'}"
        final = after.status == samples[-1].status
        if final and ended_at is not None and before.at <= ended_at <= after.at:
            since, until, when = ended_at, None, f"at {calendar.moment(ended_at)}"
        elif after.after_gap:
            between = f"between {calendar.full(before.at)} and {calendar.full(after.at)}"
            since, until, when = before.at, after.at, between
        else:
            since, until, when = after.at, None, f"at {calendar.moment(after.at)}"
        yield Event(Kind.STATUS, since, until, f"{words} {when}", when)


def restarts(samples: Sequence[Recorded], calendar: Calendar) -> Iterator[Event]:
    """Each time that a counter fell: what was done before it is not to be compared."""
    known: dict[str, int] = {}
    for sample in samples:
        told = _known({"done": sample.counts.done, "total": sample.counts.objects})
        fallen = next((name for name in told if told[name] < known.get(name, 0)), None)
        if fallen is not None:
            words = f"{fallen} fell from {known[fallen]:,} to {told[fallen]:,}"
            at = calendar.moment(sample.at)
            yield Event(Kind.RESTARTED, sample.at, None, f"{words} at {at}: counted anew")
            known.clear()
        known.update(told)


def _known(counts: dict[str, int | None]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number is not None}


def span_events(seen: Sequence[Span], calendar: Calendar) -> Iterator[Event]:
    """The spans in which a job was paused or stalled, or nobody looked."""
    for span in seen:
        if span.kind is Seen.WATCHED:
            continue
        words = f"{span.kind}: {calendar.range(span.since, span.until)}"
        long = f"{words} ({fmt.duration(span.seconds)})"
        yield Event(Kind(span.kind.value), span.since, span.until, long)


def finish_moved(
    before: Forecast | None, after: Forecast | None, calendar: Calendar
) -> Iterator[Event]:
    """That the finish is no longer where it was forecast, and where it is now.

    One that was and is more than two weeks ahead is not said to have moved.
    """
    if before is None or after is None or _as_forecast(before, after):
        return
    if calendar.is_far(before.low) and calendar.is_far(after.low):
        return
    where = f"{_is(after, calendar)}, was {_was(before, calendar)}"
    words = f"finish {_shift(before, after)}: {where}"
    yield Event(Kind.FINISH, after.made_at, None, words)


def _shift(before: Forecast, after: Forecast) -> str:
    """By how much the middle moved; a lower bound has none."""
    if before.at_least:
        return "now"
    moved = after.low - before.high if after.at_least else _middle(after) - _middle(before)
    near = abs(moved) <= TOO_FAR
    span = fmt.duration(abs(moved)) if near else "more than 2 weeks"
    return f"{span} {'later' if moved > 0 else 'sooner'}"


def _middle(forecast: Forecast) -> float:
    return (forecast.low + forecast.high) / 2


def _as_forecast(before: Forecast, after: Forecast) -> bool:
    """What was said before is still not wrong."""
    if before.at_least:
        return after.at_least and after.low <= before.low
    if after.at_least:
        return after.low <= before.high
    return before.low <= _middle(after) <= before.high


def _is(forecast: Forecast, calendar: Calendar) -> str:
    if calendar.is_far(forecast.low):
        return _FAR
    low, high, least = forecast.low, forecast.high, forecast.at_least
    return finish(low, high, calendar.now, calendar.zone, at_least=least) or "not known"


def _was(forecast: Forecast, calendar: Calendar) -> str:
    if calendar.is_far(forecast.low):
        return _FAR
    if forecast.at_least or calendar.is_far(forecast.high):
        return f"not before {calendar.full(forecast.low)}"
    return calendar.range(forecast.low, forecast.high)
