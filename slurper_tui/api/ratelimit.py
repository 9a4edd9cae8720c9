"""The rate-limit headers as a value.

`Ratelimit: "default";r=50;t=30` and `Ratelimit-Policy: "burst";q=100;w=60` are lists whose names
need not match, so the tightest entry of each counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC

from slurper_tui.api.errors import RateLimit

_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*(\d{1,12})(?![\w.])")
_SECONDS = re.compile(r"\d{1,400}(?:\.\d{0,400})?", re.ASCII)
_LONGEST_WAIT = 86400.0
_LONGEST_HEADER = 1000


def parse_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Read both headers; None when neither says anything that can be used."""
    left = _tightest(headers.get("ratelimit", ""), "r", "t")
    policy = _tightest(headers.get("ratelimit-policy", ""), "q", "w")
    if left is None and policy is None:
        return None
    remaining, reset = left or (None, None)
    quota, window = policy or (None, None)
    return RateLimit(remaining, reset, quota, window)


def parse_retry_after(
    text: str | None, date: str | None = None, clock: Callable[[], float] = time.time
) -> float | None:
    """Seconds to wait, bounded by a day; None where no part of the header can be read.

    A part is a number of seconds, also with a fraction, or an HTTP date, from which the answer's
    own Date is subtracted, or the clock where that is missing. Of several parts the longest counts.
    """
    parts = _parts((text or "")[:_LONGEST_HEADER])
    waits = [wait for part in parts if (wait := _wait(part, date, clock)) is not None]
    return min(max(waits), _LONGEST_WAIT) if waits else None


def _parts(text: str) -> Iterator[str]:
    """What stands between commas; one behind the name of a weekday belongs to its date."""
    weekday = ""
    for part in text.split(","):
        if part.strip().isalpha():
            weekday = f"{part.strip()}, "
        else:
            yield weekday + part.strip()
            weekday = ""


def _wait(part: str, date: str | None, clock: Callable[[], float]) -> float | None:
    if _SECONDS.fullmatch(part):
        return min(float(part), _LONGEST_WAIT)
    at = _http_date(part)
    if at is None:
        return None
    now = _http_date((date or "").strip()[:_LONGEST_HEADER])
    return max(0.0, at - (clock() if now is None else now))


def _http_date(text: str) -> float | None:
    """UTC seconds of an HTTP date in any of its three forms; None for anything else."""
    if not text[:3].isalpha():
        return None
    from email.utils import parsedate_to_datetime  # only where there is a date

    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _tightest(header: str, amount: str, seconds: str) -> tuple[int, float] | None:
    """The entry that allows the fewest requests per second, for the longest time, or None."""
    entries = (dict(_PARAMETER.findall(item)) for item in header.lower().split(","))
    usable = [
        (int(entry[amount]), float(entry[seconds]))
        for entry in entries
        if amount in entry and int(entry.get(seconds, 0)) > 0
    ]
    return min(usable, key=lambda pair: (pair[0] / pair[1], -pair[1]), default=None)
