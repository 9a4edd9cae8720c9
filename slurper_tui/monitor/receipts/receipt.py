"""How one job or one migration ended, for a change ticket: the same for the same history.

Times are UTC seconds, rates objects per second, counts objects. Nothing in it is of the moment in
which it is made.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from slurper_tui.format import parse_time
from slurper_tui.monitor.families.migration import Migration
from slurper_tui.monitor.model.events import Event, Tie
from slurper_tui.monitor.model.job import Counts, JobView, Verdict
from slurper_tui.monitor.model.logs import Cause, LogCounts, cause_of
from slurper_tui.monitor.spans import Seen, Span

BEST_SECONDS = 600.0
"""A rate that was held for about so long."""


class NotEnded(Exception):
    """There is no receipt of what may still move. view: the job that has not ended."""

    def __init__(self, view: JobView) -> None:
        super().__init__(f"job {view.job.id} has not ended: it is {view.word}")
        self.view = view


class JobReceipt(msgspec.Struct, frozen=True):
    """How one job ended.

    begun, ended: as the API tells them; None where it does not, or tells no time. seen: how the
    time between them was seen to be. best: the highest rate that was held for about ten minutes;
    None where nobody looked for so long. log: what its log holds; None where it could not be read,
    or does not matter. events: what changed it, oldest first. retries: the job whose failed objects
    it was made to copy. last_seen: when somebody looked and saw that it had ended; None where
    nobody did.
    """

    view: JobView
    begun: float | None = None
    ended: float | None = None
    seen: tuple[Span, ...] = ()
    best: float | None = None
    log: LogCounts | None = None
    events: tuple[Event, ...] = ()
    retries: Tie | None = None
    last_seen: float | None = None

    @property
    def seconds(self) -> float | None:
        """From its creation to its end; None where the end is told to be before the creation."""
        return _between(self.begun, self.ended)

    @property
    def running_seconds(self) -> float | None:
        """Without the time in which it was seen to be paused."""
        if self.seconds is None:
            return None
        return max(0.0, self.seconds - sum(span.seconds for span in self.spans(Seen.PAUSED)))

    @property
    def average(self) -> float | None:
        """Objects done per second of running."""
        done = self.view.counts.done
        return done / self.running_seconds if done is not None and self.running_seconds else None

    @property
    def number_of_keys(self) -> int | None:
        """How many keys it was given; None for a job that copies all that begins so."""
        source = self.view.job.source
        if source is not None and source.keys is not None:
            return len(source.keys)
        return self.retries.keys if self.retries else None

    def spans(self, kind: Seen) -> tuple[Span, ...]:
        """When it was seen to be so."""
        return tuple(span for span in self.seen if span.kind is kind)


def _between(begun: float | None, ended: float | None) -> float | None:
    return None if begun is None or ended is None or ended < begun else ended - begun


class Reason(msgspec.Struct, frozen=True):
    """Why objects failed or were not copied. count: rows. first_seen, last_seen: the API's text."""

    log_type: str
    cause: Cause
    count: int
    first_seen: str | None = None
    last_seen: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """How one job or one migration ended.

    jobs: those that retry no other of them first, in the order of their creation; then the retries.
    family: what they amount to together. unobserved: when nobody looked at one of them that had
    begun and not ended. lost: retries that nobody knows any more.
    """

    jobs: tuple[JobReceipt, ...]
    family: Migration
    unobserved: tuple[tuple[float, float], ...] = ()
    lost: tuple[Tie, ...] = ()

    @property
    def first(self) -> tuple[JobReceipt, ...]:
        """The jobs that count: those that retry no other, and were not done all over again."""
        aside = self.family.superseded | self.family.retries.keys()
        return tuple(job for job in self.jobs if job.view.key not in aside)

    @property
    def counts(self) -> Counts:
        """Each object once, after all retries."""
        return Counts() if self.family.view.partial else self.family.counts

    @property
    def verdict(self) -> Verdict:
        """How it reconciles; of one job alone with the reasons."""
        alone = self.jobs[0].view if len(self.jobs) == 1 else self.family.view
        return alone.verdict or Verdict(alone.word, alone.counts.failed, None, None)

    @property
    def begun(self) -> float | None:
        """When the first job was created."""
        return min((job.begun for job in self.jobs if job.begun is not None), default=None)

    @property
    def ended(self) -> float | None:
        """When the last job ended; None where that is not known of every one."""
        ends = [job.ended for job in self.jobs if job.ended is not None]
        return max(ends) if len(ends) == len(self.jobs) else None

    @property
    def seconds(self) -> float | None:
        """From the first creation to the last end; None like a job's."""
        return _between(self.begun, self.ended)

    @property
    def last_seen(self) -> float | None:
        """When the last job whose end is not told was seen to have ended; None without any."""
        unknown = [job for job in self.jobs if job.ended is None]
        return max((job.last_seen for job in unknown if job.last_seen is not None), default=None)

    @property
    def logs_read(self) -> bool:
        """What the log of every job holds is known, but for those that were done all over again."""
        again = self.family.superseded
        return all(job.log is not None for job in self.jobs if job.view.key not in again)

    @property
    def observed(self) -> bool:
        """Of every job it is known when it was looked at, from its beginning to its end."""
        return all(
            job.seen if job.seconds else job.seconds == 0 and not job.view.counts.done
            for job in self.jobs
        )

    @property
    def not_copied(self) -> int | None:
        """Skipped objects that are not in the target; None while a log is unknown."""
        return 0 if self.counts.skipped == 0 else self.family.view.not_copied

    @property
    def lost_job(self) -> bool:
        """A job that counts was aborted, or is gone."""
        return self.family.view.gone or self.family.view.status == "aborted"

    @property
    def completed(self) -> bool:
        """Every job that counts was completed, not aborted or ended in a way nobody foresaw."""
        return self.family.view.status == "completed"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why objects failed or were not copied, at first: retries apart."""
        return reasons_of([job.log for job in self.first if job.log])


def reasons_of(logs: list[LogCounts]) -> tuple[Reason, ...]:
    """Failures first, then what was not copied, each the most frequent first."""
    counts: Counter[str] = Counter()
    for log in logs:
        counts.update(log.by_type)
    named = (kind for kind in counts if cause_of(kind) in _ORDER and counts[kind])
    reasons = [
        Reason(
            kind,
            cause_of(kind),
            counts[kind],
            _edge([log.first_seen.get(kind) for log in logs], last=False),
            _edge([log.last_seen.get(kind) for log in logs], last=True),
        )
        for kind in named
    ]
    return tuple(sorted(reasons, key=lambda r: (_ORDER.index(r.cause), -r.count, r.log_type)))


_ORDER = (Cause.LISTING_BROKE, Cause.FAILED, Cause.NOT_COPIED)


def _edge(told: list[str | None], *, last: bool) -> str | None:
    """The first or the last of some times in the API's own text."""
    known = [text for text in told if text is not None]
    timed = [(at, text) for text in known if (at := parse_time(text)) is not None]
    if not timed:
        return min(known, default=None)
    return (max(timed) if last else min(timed))[1]
