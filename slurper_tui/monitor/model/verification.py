"""The result of comparing a target bucket with what its jobs were to copy, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How the two sides agree about one key.

    SAME: in both, of the same size, and of the same MD5 where both sides tell it.
    MISSING: not in the target.
    SIZE: the sizes differ. ETAG: the sizes agree, the MD5 differs.
    EMPTY: empty in the target, not in the source.
    CHANGED: in both, changed in the source after the job was created, so that the target may hold
        the earlier version; unless both sides tell the same MD5.
    EXPECTED: not in the target, and the log says why: it failed or was not copied.
    EXTRA: only in the target; no fault.
    UNJUDGED: changed or created in the source after the listing began.
    """

    SAME = "same"
    MISSING = "missing"
    SIZE = "size"
    ETAG = "etag"
    EMPTY = "empty"
    CHANGED = "changed"
    EXPECTED = "expected"
    EXTRA = "extra"
    UNJUDGED = "unjudged"


FAULTS = frozenset({Outcome.MISSING, Outcome.SIZE, Outcome.ETAG, Outcome.EMPTY, Outcome.CHANGED})
"""Outcomes after which the target is not what the source is."""

DIFFERS = FAULTS - {Outcome.MISSING}
"""Outcomes of keys that are in the target, but not as in the source; only an overwrite cures it."""


BY_VERIFICATION = "verification"
"""Stands for the log types of a retry of keys that a verification found."""


class Tally(msgspec.Struct, frozen=True):
    """Numbers of objects by outcome.

    size_unknown: of `same`, those whose size a manifest did not tell: only their key was compared.
    etags: of `same`, those whose MD5 was compared. not_compared: the others by reason, in words.
    bytes: the sum of the sizes of the expected objects.
    """

    counts: Mapping[Outcome, int] = {}
    size_unknown: int = 0
    etags: int = 0
    not_compared: Mapping[str, int] = {}
    bytes: int = 0

    def of(self, outcome: Outcome) -> int:
        """Return the number of objects with an outcome."""
        return self.counts.get(outcome, 0)

    @property
    def faults(self) -> int:
        """Objects that are missing or differ; those that the log explains aside."""
        return sum(self.of(outcome) for outcome in FAULTS)

    @property
    def expected(self) -> int:
        """Objects that should be in the target."""
        return sum(n for outcome, n in self.counts.items() if outcome is not Outcome.EXTRA)


class HeaderSample(msgspec.Struct, frozen=True):
    """Headers of a random sample of the objects that both sides have.

    compared: objects whose headers both sides told. differing: those with at least one difference.
    low, high: 95 % confidence interval of the share of all objects that differ (Wilson, 1927).
    by_header: differing objects by header. large: of `compared`, those over 100 MiB.
    problem: why not the whole sample was compared.
    """

    seed: int
    compared: int = 0
    differing: int = 0
    low: float = 0.0
    high: float = 1.0
    by_header: Mapping[str, int] = {}
    large: int = 0
    problem: str | None = None


class Verification(msgspec.Struct, frozen=True):
    """One comparison of a target with its expected objects; it holds no keys.

    jobs: ids of the jobs whose objects were expected. expected, actual: names of the two sides.
    started_at, ended_at: UTC seconds.
    prefixes: those that `--prefix` limited it to; empty for everything.
    by_prefix: tallies by the first part of the key, the most faults first; at most 200.
    live: a job had not ended when it began. problem: why a side was not listed to its end; then the
        numbers are those of the part that was compared.
    """

    account_id: str
    jobs: tuple[str, ...]
    bucket: str
    expected: str
    actual: str
    started_at: float
    ended_at: float
    tally: Tally
    prefixes: tuple[str, ...] = ()
    by_prefix: tuple[tuple[str, Tally], ...] = ()
    headers: HeaderSample | None = None
    live: bool = False
    problem: str | None = None

    @property
    def whole(self) -> bool:
        """Whether everything that the jobs were to copy was compared."""
        return self.problem is None and not self.prefixes

    @property
    def verified(self) -> bool:
        """Whether the target holds everything that was expected, as far as was compared."""
        return self.whole and not self.tally.faults and not self.tally.of(Outcome.EXPECTED)
