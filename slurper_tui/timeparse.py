"""Parses times as people type them into UTC seconds.

Accepted forms:
  in full             `2026-11-27 18:00`, with or without an offset
  with a day          `Fri 18:00`, `27 Nov 18:00`, `tomorrow 9:00`
  clock time          `18:00`
  span from now       `2 h 30 min`

A trailing ` UTC` overrides the zone. A day without a clock time means its last second if a future
time is required, otherwise its first: "by Friday" ends with that day, "since Friday" begins with
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

EXAMPLES = '"18:00", "Fri 18:00", "27 Nov 18:00", "2026-11-27 18:00" or "2 h 30 min"'
_LONGEST = 60
"""Characters. Longer texts are rejected; no time needs as many."""

_YEARS = range(1970, 9999)
_END = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NEAR = {"today": 0, "tomorrow": 1, "yesterday": -1}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNIT = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])"
_PART = re.compile(rf"(\d+(?:\.\d+)?) ?({_UNIT})")
_SPAN = re.compile(rf"(in )?((?:\d+(?:\.\d+)? ?{_UNIT} ?)+)(ago)?")
_CLOCK = re.compile(
    r"(?<!\S)(?:(\d{1,2}):(\d{2})(?::(\d{2}))?(?: ?([ap])m)?|(\d{1,2}) ?([ap])m)(?!\S)"
)
_ISO = re.compile(r"\d{4}(-\d{2}-\d{2}|\d{4}|-?w\d{2})(?!\d).*")
_NUMBERS = re.compile(r"\d{1,2}[./-]\d{1,2}(?!\d).*")
_DATE = re.compile(
    r"(?P<month>[a-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?(?: (?P<year>\d{4}))?"
    r"|(?P<day2>\d{1,2})(?:st|nd|rd|th|\.)? (?P<month2>[a-z]{3,9})\.?(?: (?P<year2>\d{4}))?"
)


def parse_when(text: str, now: float, zone: tzinfo | None, *, future: bool) -> float:
    """Parse a time as UTC seconds.

    now: UTC seconds.
    zone: None for the system's own.
    future: True if the time must be after now, False if it must not be.
    Raises ValueError (one line with the text) when the text is not a time, is ambiguous, or lies on
    the wrong side of now.
    """
    plain = " ".join(text.replace(",", " ").casefold().split())
    if plain.endswith(" utc"):
        plain, zone = plain.removesuffix(" utc"), UTC
    asked = _Asked(_shown(text), now, zone, future)
    try:
        at = asked.read(plain)
    except OverflowError:
        raise ValueError(f"{asked.shown} is too far away") from None
    if future and at <= now:
        raise ValueError(f"{asked.shown} is past: it was {asked.name(at)}")
    if not future and at > now:
        raise ValueError(f"{asked.shown} is yet to come: it will be {asked.name(at)}")
    return at


def _shown(text: str) -> str:
    """Return the text in quotes, shortened and printable, for a message."""
    plain = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return f'"{plain}"' if len(plain) <= _LONGEST else f'"{plain[: _LONGEST - 3]}..."'


class _Asked:
    """One text to parse, with now, the zone and the direction that its meaning depends on."""

    def __init__(self, shown: str, now: float, zone: tzinfo | None, future: bool) -> None:
        self.shown, self._now, self._zone, self._future = shown, now, zone, future
        self._today = self._local(now).date()

    def read(self, text: str) -> float:
        """Return the UTC seconds that the text means, on either side of now. Raises ValueError."""
        if len(text) > _LONGEST:
            raise self._unreadable()
        if span := _SPAN.fullmatch(text):
            return self._span(span)
        if _ISO.fullmatch(text):
            return self._iso(text)
        if _NUMBERS.fullmatch(text):
            raise ValueError(f"{self.shown} can be read in two ways: write {EXAMPLES}")
        day, clock = self._split(text)
        return self._first_fit((0, 1), clock) if clock and not day else self._day(day, clock)

    def name(self, at: float) -> str:
        """Format a time in full, for a message."""
        return self._local(at).strftime("%a %Y-%m-%d %H:%M")

    def _unreadable(self) -> ValueError:
        return ValueError(f"cannot read {self.shown} as a time: write {EXAMPLES}")

    def _local(self, at: float) -> datetime:
        """Return the local time without its zone. Raises OverflowError beyond the calendar."""
        if not 0 <= at < _END:
            raise OverflowError
        return datetime.fromtimestamp(at, self._zone).replace(tzinfo=None)

    def _span(self, span: re.Match[str]) -> float:
        ahead, parts, ago = span.groups()
        if (ago and (ahead or self._future)) or (ahead and not self._future):
            way = "ahead" if self._future else "that has been"
            raise ValueError(f"{self.shown} is no time {way}: write {EXAMPLES}")
        seconds = sum(float(n) * _SECONDS[unit[0]] for n, unit in _PART.findall(parts))
        at = self._now + seconds if self._future else self._now - seconds
        self._local(at)
        return at

    def _iso(self, text: str) -> float:
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            raise self._unreadable() from None
        if not re.search("[t ]", text):
            return self._at(moment.date(), None)
        if moment.tzinfo is None:
            return self._at(moment.date(), moment.time().replace(microsecond=0))
        self._local(moment.timestamp())
        return moment.timestamp()

    def _split(self, text: str) -> tuple[str, time | None]:
        """Split a text into day and clock time, in either order."""
        clock = _CLOCK.search(text)
        if clock is None:
            return text, None
        before, after = text[: clock.start()].strip(), text[clock.end() :].strip()
        if before and after:
            raise self._unreadable()
        return re.sub(r"\bat$", "", before or after).strip(), self._time(clock)

    def _time(self, clock: re.Match[str]) -> time:
        hour, half = int(clock[1] or clock[5]), clock[4] or clock[6]
        if half and not 1 <= hour <= 12:
            raise self._unreadable()
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
        try:
            return time(hour, int(clock[2] or 0), int(clock[3] or 0))
        except ValueError:
            raise ValueError(f"{self.shown}: no clock shows that time") from None

    def _day(self, text: str, clock: time | None) -> float:
        """Parse a named day: relative to today, of the week, or of a month."""
        if text in _NEAR:
            return self._at(self._today + timedelta(days=_NEAR[text]), clock)
        weekday = _named(text, _DAYS)
        if weekday is not None:
            away = (weekday - self._today.weekday()) * (1 if self._future else -1) % 7
            return self._first_fit((away, away + 7), clock)
        match = _DATE.fullmatch(text)
        if match is None:
            raise self._unreadable()
        # A day of a month; without a year, the nearest such day.
        month = _named(match["month"] or match["month2"], _MONTHS)
        if month is None:
            raise self._unreadable()
        day, year = int(match["day"] or match["day2"]), match["year"] or match["year2"]
        years = [int(year)] if year else [self._today.year + n for n in range(-4, 5)]
        days = [found for y in years if (found := _calendar_day(y, month + 1, day))]
        if not days:
            raise ValueError(f"{self.shown}: no calendar has that day")
        return self._at(min(days, key=lambda d: abs(d - self._today)), clock)

    def _first_fit(self, days_away: Iterable[int], clock: time | None) -> float:
        """Return the time on the first of some days that puts it on the required side of now.

        days_away: days from today, into the future or the past; the last is used if none fits.
        """
        way = 1 if self._future else -1
        days = [self._today + timedelta(days=way * away) for away in days_away]
        fitting = (day for day in days if (self._rough(day, clock) > self._now) == self._future)
        return self._at(next(fitting, days[-1]), clock)

    def _rough(self, day: date, clock: time | None) -> float:
        """Return UTC seconds; of two times with the same clock reading, the first.

        Without a clock time, return the day's last second for a future time, else its first.
        """
        if day.year not in _YEARS:
            raise OverflowError
        whole = time(23, 59, 59, fold=1) if self._future else time()
        return datetime.combine(day, clock or whole, tzinfo=self._zone).timestamp()

    def _at(self, day: date, clock: time | None) -> float:
        """Return UTC seconds.

        Raises ValueError for a clock time that does not exist or occurs twice, because of a clock
        change.
        """
        first = self._rough(day, clock)
        self._local(first)
        if clock is None:
            return first
        local = datetime.combine(day, clock.replace(fold=0))
        both = {first, self._rough(day, clock.replace(fold=1))}
        found = [at for at in both if self._local(at).replace(fold=0) == local]
        if len(found) == 1:
            return found[0]
        why = "comes twice" if found else "does not exist"
        raise ValueError(f"{self.shown}: {local:%H:%M} {why} on {day}: the clocks are set then")


def _named(text: str, names: tuple[str, ...]) -> int | None:
    """Return the index of the name that starts with the text (three letters or more), or None."""
    short = text.rstrip(".")
    whole = (n for n, name in enumerate(names) if len(short) >= 3 and name.startswith(short))
    return next(whole, None)


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
