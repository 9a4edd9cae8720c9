"""The result of comparing a target bucket with what its jobs were to copy, key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from slurper_tui.monitor.model.base import JobKey

if TYPE_CHECKING:
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Secrets

WORKERS = 4
"""Parts of a listing that are compared at the same time, where nothing else is asked for."""


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


CLASS_A_USD, CLASS_B_USD = 4.50 / 10**6, 0.36 / 10**6
"""R2's price of an operation in US dollars, as of 28 November 2026: writing and listing are Class
A, HEAD is Class B."""


class CannotVerify(Exception):
    """A verification that cannot be made; the message is one clear line."""


class Through(StrEnum):
    """How R2 buckets are listed.

    API: through Cloudflare's API, within its request budget. TOKEN: through R2's S3 endpoint with
    the keys that belong to the API token. KEYS: the same with keys that were given.
    """

    API = "api"
    TOKEN = "token"
    KEYS = "keys"


class VerifyOptions(NamedTuple):
    """What is compared with what.

    manifest: a file that lists the expected objects, `-` for standard input; None for the source.
    prefixes: only keys with one of these; empty for all. region: of an S3 source.
    secrets: the keys of both buckets, as far as they are needed: those of a Google bucket are HMAC
        keys. headers: objects in the sample of headers. seed: of this sample; None for any.
        anew: do not go on with an earlier run.
    """

    manifest: str | None = None
    prefixes: tuple[str, ...] = ()
    region: str | None = None
    r2: Through = Through.API
    secrets: Secrets | None = None
    headers: int = 0
    seed: int | None = None
    workers: int = WORKERS
    anew: bool = False


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
    def lacking(self) -> int:
        """Objects that are missing or differ, those that the log explains included."""
        return self.faults + self.of(Outcome.EXPECTED)

    @property
    def expected(self) -> int:
        """Objects that should be in the target."""
        return sum(n for outcome, n in self.counts.items() if outcome is not Outcome.EXTRA)

    @property
    def judged(self) -> int:
        """Expected objects that are not newer than the listing."""
        return self.expected - self.of(Outcome.UNJUDGED)


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
    manifest: the expected objects are those of a manifest, which may lack some of the source's.
    live: a job had not ended when it began. problem: why a side was not listed to its end; then the
        numbers are those of the part that was compared. pace: keys a second, pauses left out; None
        if not known.
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
    pace: float | None = None
    manifest: bool = False

    @property
    def whole(self) -> bool:
        """Whether everything that the jobs were to copy was compared."""
        return self.problem is None and not self.prefixes

    @property
    def verified(self) -> bool:
        """Whether the target holds everything that was expected; False if that is nothing."""
        return self.whole and not self.lacks and self.tally.judged > 0

    @property
    def lacks(self) -> bool:
        """Whether an object is missing in the target or differs, in its headers too."""
        return self.tally.lacking > 0 or self.headers_differ

    @property
    def headers_differ(self) -> bool:
        """Whether headers of the sample differ."""
        return self.headers is not None and self.headers.differing > 0

    def lacks_below(self, prefix: str | None) -> bool:
        """Whether objects below a prefix, None for all, may be among those that lack or differ.

        False only if the tallies by prefix tell where each of them is, and none is there.
        """
        parts = [(part, tally) for part, tally in self.by_prefix if tally.lacking]
        told = sum(tally.lacking for _, tally in parts)
        if not self.lacks or not prefix or self.headers_differ or told < self.tally.lacking:
            return self.lacks
        return any(
            part.startswith(prefix)
            or (prefix.startswith(part) and (part != "" or "/" not in prefix))
            for part, _ in parts
        )

    def below(self, prefix: str) -> Tally | None:
        """Return the tally of the objects below a prefix; None if the prefixes do not tell it."""
        told = sum(tally.expected for _, tally in self.by_prefix)
        wider = any(prefix.startswith(part) and prefix != part for part, _ in self.by_prefix)
        if wider or told != self.tally.expected:
            return None
        return _sum([tally for part, tally in self.by_prefix if part.startswith(prefix)])

    def began_after(self, ended_at: float | None) -> bool:
        """Whether it began after the end of a job, as far as is known.

        ended_at: by the API's clock, UTC seconds; None if that is not known.
        """
        # The two clocks may differ: without a live job, every job was known to have ended.
        slack = 0.0 if self.live else CLOCK_SLACK
        return not self.live if ended_at is None else ended_at <= self.started_at + slack


CLOCK_SLACK = 300.0
"""Seconds by which the clock here may be behind the API's."""

MOST_PREFIXES = 200
"""Prefixes of which the tally is kept, at most."""


def latest(results: Iterable[Verification]) -> Verification | None:
    """Return the verification that counts: the latest one that was whole or found a fault.

    If there is none, the latest.
    """
    newest_first = sorted(results, key=attrgetter("started_at"), reverse=True)
    decisive = (result for result in newest_first if result.whole or result.lacks)
    return next(decisive, newest_first[0] if newest_first else None)


def by_job(results: Iterable[Verification]) -> dict[JobKey, Verification]:
    """Return the verification that counts for each job."""
    found: dict[JobKey, list[Verification]] = {}
    for result in results:
        for job_id in result.jobs:
            found.setdefault(JobKey(result.account_id, job_id), []).append(result)
    return {key: counts for key, of_job in found.items() if (counts := latest(of_job))}


def sum_of(results: Sequence[Verification]) -> Verification | None:
    """Return verifications of different jobs with the same target as one, with their sums.

    None if two of them have a job in common, or if one was limited to prefixes. Samples of headers
    cannot be added up.
    """
    if len(results) == 1:
        return results[0]
    jobs = [job_id for result in results for job_id in result.jobs]
    if not results or len(jobs) > len({*jobs}) or any(result.prefixes for result in results):
        return None
    parts: dict[str, list[Tally]] = {}
    for result in results:
        for prefix, tally in result.by_prefix:
            parts.setdefault(prefix, []).append(tally)
    by_prefix = [(prefix, _sum(tallies)) for prefix, tallies in parts.items()]
    by_prefix.sort(key=lambda item: (-item[1].faults, item[0]))
    problems = [result.problem for result in results if result.problem is not None]
    return replace(
        results[0],
        jobs=tuple(jobs),
        expected=", ".join(dict.fromkeys(result.expected for result in results)),
        actual=", ".join(dict.fromkeys(result.actual for result in results)),
        started_at=min(result.started_at for result in results),
        ended_at=max(result.ended_at for result in results),
        tally=_sum([result.tally for result in results]),
        by_prefix=tuple(by_prefix[:MOST_PREFIXES]),
        headers=None,
        pace=None,
        live=any(result.live for result in results),
        manifest=any(result.manifest for result in results),
        problem=problems[0] if problems else None,
    )


def _sum(tallies: Sequence[Tally]) -> Tally:
    counts: Counter[Outcome] = Counter()
    reasons: Counter[str] = Counter()
    for tally in tallies:
        counts.update(tally.counts)
        reasons.update(tally.not_compared)
    return Tally(
        counts,
        sum(tally.size_unknown for tally in tallies),
        sum(tally.etags for tally in tallies),
        reasons,
        sum(tally.bytes for tally in tallies),
    )


def with_losses(views: Sequence[JobView]) -> list[JobKey]:
    """Return the jobs whose logs may explain why objects are missing.

    Those that failed or skipped objects, or do not tell how many.
    """
    return [view.key for view in views if view.counts.failed != 0 or view.counts.skipped != 0]
