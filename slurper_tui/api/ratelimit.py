"""The rate-limit headers as a value.

`Ratelimit: "default";r=50;t=30` and `Ratelimit-Policy: "burst";q=100;w=60` are lists whose names
need not match, so the tightest entry of each counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from slurper_tui.api.errors import RateLimit

_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*(\d{1,12})(?![\w.])")
_LONGEST_WAIT = 86400.0


def parse_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Read both headers; None when neither says anything that can be used."""
    left = _tightest(headers.get("ratelimit", ""), "r", "t")
    policy = _tightest(headers.get("ratelimit-policy", ""), "q", "w")
    if left is None and policy is None:
        return None
    remaining, reset = left or (None, None)
    quota, window = policy or (None, None)
    return RateLimit(remaining, reset, quota, window)


def parse_retry_after(text: str | None) -> float | None:
    """Whole seconds, bounded by a day; None for anything else."""
    if text is None or not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII):
        return None
    return min(float(text), _LONGEST_WAIT)


def _tightest(header: str, amount: str, seconds: str) -> tuple[int, float] | None:
    """The entry that allows the fewest requests per second, for the longest time, or None."""
    entries = (dict(_PARAMETER.findall(item)) for item in header.lower().split(","))
    usable = [
        (int(entry[amount]), float(entry[seconds]))
        for entry in entries
        if amount in entry and int(entry.get(seconds, 0)) > 0
    ]
    return min(usable, key=lambda pair: (pair[0] / pair[1], -pair[1]), default=None)
