"""Simulated jobs: counters and logs as pure functions of time, and the jobs of a sample account.

A plan defines how a job runs without intervention; a course is a plan plus the status changes that
users requested. Two clocks run over a course: one counts the seconds of listing the source, the
other the seconds of copying. The second runs on for `DRAIN_SECONDS` after a pause or an abort,
because objects in flight still finish.

A row of a log is computed from its number on request. Each failed and each not copied object has
one row; the rows about the job as a whole are inserted at their time.

`sample_jobs` makes the sample account; the same random generator and time give the same jobs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, NamedTuple

from slurper_tui.api.models import LogRow, Source, Target

DRAIN_SECONDS = 24.0
"""How long objects in flight still finish after a pause or an abort, in seconds."""

_DRAIN_PACE = 0.5
_LISTING_PAGE = 1000
_WAVES = tuple(
    (share, period, share * period / math.tau) for share, period in ((0.3, 900.0), (0.2, 97.0))
)
"""The swings of the rate: their share of it, their period in seconds, and how far they lead or lag
in seconds. The sum of the shares is below 1, so that no counter falls."""


class Change(NamedTuple):
    """A requested change of status. at: UTC seconds."""

    at: float
    status: str


class Counters(NamedTuple):
    """The counters of a job, in objects.

    incidents: objects with a log row of their own, failed or not copied; they are included in the
        other counters.
    """

    objects: int
    transferred: int
    skipped: int
    failed: int
    incidents: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job runs without intervention. Times are in seconds, numbers in objects.

    created: UTC seconds.
    seconds: copying time until all objects are done.
    listing: listing time until the total is known.
    delay: copying time until the first object moves.
    failed: failures by the end.
    not_copied: skipped objects with a log row by the end.
    harmless: skipped objects that exist in the target already, by the end.
    lost: objects in the total that no other counter includes; they are not in the target.
    resized, emptied: objects that have another size in the target, and that are empty there.
    changed: objects that changed in the source after they were copied.
    there: failed or not copied objects that are in the target after all, the first by key.
    stall_every, stall_for: the counters freeze for the last `stall_for` of each `stall_every`.
    step: interval between two movements of the counters.
    listing_broke: the log has a row about a listing that could not go on.
    clean: the first objects, of which none fails and all are copied or harmless.
    """

    id: str
    created: float
    objects: int
    seconds: float
    source: Source | None = None
    target: Target | None = None
    overwrite: bool = True
    listing: float = 60.0
    delay: float = 4.0
    failed: int = 0
    not_copied: int = 0
    harmless: int = 0
    lost: int = 0
    resized: int = 0
    emptied: int = 0
    changed: int = 0
    there: int = 0
    stall_every: float = math.inf
    stall_for: float = 0.0
    step: float = 3.0
    listing_broke: bool = False
    clean: int = 0

    @property
    def incidents(self) -> int:
        """Objects with a log row of their own by the end."""
        return self.failed + self.not_copied

    @property
    def reachable(self) -> int:
        """Objects that are done by the end: all but the lost ones."""
        return self.objects - self.lost

    def copied(self, seconds: float) -> int:
        """Return the objects done after some seconds of copying, as if all were listed by then."""
        if seconds >= self.seconds:
            return self.reachable
        whole = _wavy(self._moving(self.seconds))
        share = _wavy(self._moving(seconds)) / whole if whole else 0.0
        return math.floor(min(1.0, share) * self.reachable)

    def listed(self, seconds: float) -> int:
        """Return the objects found after some seconds of listing, in whole pages until the end."""
        if seconds >= self.listing:
            return self.objects
        share = max(0.0, seconds - self.delay / 2) / self.listing
        return math.floor(share * self.objects) // _LISTING_PAGE * _LISTING_PAGE

    def copying_for(self, done: int) -> float:
        """Return the least seconds of copying after which `done` objects are copied."""
        whole = _wavy(self._moving(self.seconds))
        moved = _straight(whole * done / self.reachable)
        if not math.isinf(self.stall_every):
            moving = self.stall_every - self.stall_for
            # What a stall begins after was done before it, also by a rounding error.
            moved += max(0, math.ceil(moved / moving - 1e-9) - 1) * self.stall_for
        return min(self.seconds, self.delay + moved)

    def listing_for(self, done: int) -> float:
        """Return the least seconds of listing after which `done` objects are found."""
        found = math.ceil(done / _LISTING_PAGE) * _LISTING_PAGE
        return min(self.listing, self.delay / 2 + found / self.objects * self.listing)

    def done_for(self, incidents: int) -> int:
        """Return the fewest done objects among which so many have a log row of their own."""
        return self.clean + math.ceil(incidents * (self.reachable - self.clean) / self.incidents)

    def incidents_among(self, done: int) -> int:
        """Return how many of the first `done` objects have a log row of their own."""
        last = self.reachable - self.clean
        return max(0, done - self.clean) * self.incidents // last if last else 0

    def failed_among(self, incidents: int) -> int:
        """Return how many of the first `incidents` incidents are failures."""
        return incidents * self.failed // self.incidents if self.incidents else 0

    def _moving(self, seconds: float) -> float:
        """Return the seconds of movement, without stalls, in some seconds of copying."""
        after = max(0.0, seconds - self.delay)
        if math.isinf(self.stall_every):
            return after
        moving = self.stall_every - self.stall_for
        return after // self.stall_every * moving + min(after % self.stall_every, moving)


@dataclass(frozen=True, slots=True)
class Course:
    """A plan and the status changes requested since, in order of time.

    moments: cache: number of incidents to the UTC seconds when the job reached it.
    """

    plan: Plan
    changes: tuple[Change, ...] = ()
    moments: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def changed(self, at: float, status: str) -> Course:
        """Return the course with one more change."""
        return replace(self, changes=(*self.changes, Change(at, status)))

    def status(self, now: float) -> str:
        """Return the job's status as the API names it."""
        asked = self.changes[-1].status if self.changes else "running"
        return "completed" if asked != "aborted" and self.completed(now) is not None else asked

    def finished(self, now: float) -> float | None:
        """Return the UTC seconds of the completion or abort; None before that."""
        if self.changes and self.changes[-1].status == "aborted":
            return self.changes[-1].at
        return self.completed(now)

    def completed(self, now: float) -> float | None:
        """Return the UTC seconds when the last object was done; None if that is not by `now`.

        A job completes only while it is running.
        """
        copying = 0.0
        for status, start, end in self._spans(now):
            if status == "running" and copying + (end - start) >= self.plan.seconds:
                return start + max(0.0, self.plan.seconds - copying)
            copying += _copying(status, end - start)
        return None

    def counters(self, now: float) -> Counters:
        """Return the counters as the API reports them: as of the last step."""
        listing, copying = self._clocks(now)
        step = self.plan.step
        if self.completed(now) is not None:
            return self._split(self.plan.objects, self.plan.reachable)
        listed = self.plan.listed(listing // step * step)
        return self._split(listed, min(listed, self.plan.copied(copying // step * step)))

    def incidents(self, now: float) -> int:
        """Return the objects with a log row at `now` exactly, also between two steps."""
        listing, copying = self._clocks(now)
        done = min(self.plan.listed(listing), self.plan.copied(copying))
        return self.plan.incidents_among(done)

    def moment(self, incidents: int) -> float:
        """Return the UTC seconds when the job reached, or will reach, a number of incidents."""
        done = self.plan.done_for(incidents)
        listing, copying = self.plan.listing_for(done), self.plan.copying_for(done)
        reached = self.plan.created
        for status, start, end in self._spans(math.inf):
            if listing <= 0 and copying <= 0:
                break
            if status == "running":
                reached = min(end, start + max(listing, copying))
                listing -= end - start
            elif 0 < copying <= _copying(status, end - start):
                reached = start + copying / _DRAIN_PACE
            copying -= _copying(status, end - start)
        return reached

    def _split(self, listed: int, done: int) -> Counters:
        """Divide the done objects into counters; no counter ever falls, and the end is exact."""
        plan = self.plan
        incidents = plan.incidents_among(done)
        failed = plan.failed_among(incidents)
        smooth = plan.reachable - plan.incidents
        harmless = (done - incidents) * plan.harmless // smooth if smooth else 0
        transferred = done - incidents - harmless
        return Counters(listed, transferred, incidents - failed + harmless, failed, incidents)

    def _clocks(self, now: float) -> tuple[float, float]:
        """Return the seconds of listing and of copying up to `now`."""
        spans = [(status, end - start) for status, start, end in self._spans(now)]
        listing = sum(length for status, length in spans if status == "running")
        return listing, sum(_copying(status, length) for status, length in spans)

    def _spans(self, now: float) -> Iterator[tuple[str, float, float]]:
        """Yield every period of one status until `now` as (status, start, end) in UTC seconds."""
        marks = (Change(self.plan.created, "running"), *self.changes)
        ends = (*(change.at for change in self.changes), now)
        for mark, end in zip(marks, ends, strict=True):
            if mark.at < now:
                yield mark.status, mark.at, min(end, now)


def _copying(status: str, seconds: float) -> float:
    return seconds if status == "running" else min(seconds, DRAIN_SECONDS) * _DRAIN_PACE


def _wavy(seconds: float) -> float:
    """Distort the seconds so that the rate swings; the result never decreases."""
    swings = 0.0
    for _, period, swing in _WAVES:
        swings += swing * (1 - math.cos(math.tau * seconds / period))
    return seconds + swings


def _straight(wavy: float) -> float:
    """Return the seconds that `_wavy` distorts into some seconds.

    Newton's method from the middle of the possible seconds. By the derivatives of the waves, an
    error of e seconds becomes one of at most 0.0151 e^2 seconds; the first one is at most 46.
    """
    seconds = max(0.0, wavy - sum(swing for _, _, swing in _WAVES))
    for _ in range(7):
        slope = 0.0
        for share, period, _ in _WAVES:
            slope += share * math.sin(math.tau * seconds / period)
        step = (_wavy(seconds) - wavy) / (1 + slope)
        if step == 0:
            break
        seconds -= step
    return max(0.0, seconds)


FAILED = "importErrorRetryExhaustion"
REASONS = (
    "Gave up after 5 tries: connection reset by the source",
    "Gave up after 5 tries: source answered 503 Slow Down",
    "Gave up after 5 tries: source answered 403 Access Denied",
    "Gave up after 3 tries: the object changed while it was read",
    "Gave up after 5 tries: timed out waiting for the first byte",
)
SKIPS = (
    ("importSkippedStorageClass", "Storage class DEEP_ARCHIVE cannot be read"),
    ("importSkippedOversized", "Larger than 1 TB"),
    ("importSkippedEmptyObject", "Nothing in it"),
    ("importSkippedRequiresRetrieval", "Must be restored from the archive first"),
    ("importSkippedUnsupportedContentType", "Content type is not supported"),
    ("importSkippedExcludedContentType", "Content type is excluded by the job"),
    ("importSkippedInvalidMedia", None),
)
_ENDINGS = (
    *("IMG_{:04d}.HEIC", "IMG_{:04d}.jpg", "part-{:05d}.parquet"),
    *("{:06d}.log.gz", "{:05d}.bin"),
)
_ROWS = {"paused": "migrationPause", "running": "migrationResume", "aborted": "migrationAbort"}


class _Event(NamedTuple):
    """A row about the job as a whole. before: number of older object rows."""

    before: int
    at: float
    log_type: str
    message: str | None


def iso(moment: float) -> str:
    """Format UTC seconds as the API writes a time: with milliseconds and a Z."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def log_rows(
    course: Course, now: float, limit: int, offset: int, *, oldest_first: bool = False
) -> list[LogRow]:
    """Return at most `limit` rows of the log at `now`, newest first, after skipping `offset`."""
    incidents = course.counters(now).incidents
    events = [e._replace(before=min(e.before, incidents)) for e in _events(course, now)]
    size = incidents + len(events)
    places = {event.before + place: event for place, event in enumerate(events)}
    rows = []
    for number in range(size)[:: 1 if oldest_first else -1][offset : offset + limit]:
        if event := places.get(number):
            rows.append(LogRow(iso(event.at), course.plan.id, event.log_type, event.message))
        else:
            index = number - sum(place < number for place in places)
            rows.append(_incident(course, now, index))
    return rows


def _events(course: Course, now: float) -> Iterator[_Event]:
    """Yield the rows about the job as a whole, oldest first."""
    plan = course.plan
    yield _Event(0, plan.created, "migrationStart", None)
    rows: list[tuple[float, str, str | None]]
    rows = [(change.at, _ROWS[change.status], None) for change in course.changes]
    broke = plan.created + plan.seconds * 0.55
    finished = course.completed(now)
    if plan.listing_broke and broke < min(now, finished or now):
        word = "Could not continue listing the source: the continuation token was refused"
        rows.append((broke, "migrationErrorFailedContinuation", word))
    for at, log_type, message in sorted(rows, key=lambda row: row[0]):
        yield _Event(course.incidents(at), at, log_type, message)
    if finished is not None:
        yield _Event(plan.incidents, finished, "migrationComplete", None)


def incident_key(plan: Plan, index: int) -> str:
    """Return the key of incident `index`, counted from 0."""
    return _key(plan, index, random.Random(f"{plan.id}/{index}"))


def _key(plan: Plan, index: int, rng: random.Random) -> str:
    if plan.source is not None and plan.source.keys:
        return plan.source.keys[index % len(plan.source.keys)]
    prefix = (plan.source.path_prefix if plan.source is not None else None) or ""
    day = f"{rng.randint(1, 12):02d}/{rng.randint(1, 28):02d}"
    return f"{prefix}{day}/{rng.choice(_ENDINGS).format(index)}"


def _incident(course: Course, now: float, index: int) -> LogRow:
    """Return the row of incident `index`, counted from 0: a failed or a not copied object."""
    plan = course.plan
    rng = random.Random(f"{plan.id}/{index}")
    if index + 1 not in course.moments:
        course.moments[index + 1] = _moment(course, now, index + 1)
    at = iso(course.moments[index + 1])
    key = _key(plan, index, rng)
    if plan.failed_among(index + 1) > plan.failed_among(index):
        return LogRow(at, plan.id, FAILED, rng.choice(REASONS), key)
    log_type, message = rng.choices(SKIPS, weights=(30, 4, 6, 8, 3, 3, 1))[0]
    return LogRow(at, plan.id, log_type, message, key)


def _moment(course: Course, now: float, incidents: int) -> float:
    """Return the UTC seconds when the job reached a number of incidents, the same on every call.

    In whole milliseconds since the start. The result must not depend on `now`, because rows have
    no id and are identified by their content, the time included.
    """
    created = course.plan.created
    latest = course.completed(now) or now
    return created + math.floor((min(latest, course.moment(incidents)) - created) * 1000) / 1000


HOUR = 3600.0


class Bucket(NamedTuple):
    """A source bucket that is migrated by prefix, and its target bucket."""

    vendor: str
    name: str
    target: str
    prefixes: tuple[str, ...]
    endpoint: str | None = None
    jurisdiction: str = "default"


_S3_EU = "https://s3.eu-central-1.amazonaws.com"
_S3_US = "https://s3.us-east-1.amazonaws.com"
PHOTOS = Bucket("s3", "photos-prod", "media", tuple(f"{y}/" for y in range(2010, 2022)), _S3_EU)
LOGS = Bucket("gcs", "logs-eu", "archive", ("app/", "edge/", "audit/", "access/"), None, "eu")
BACKUPS = Bucket("s3", "backups", "cold", ("daily/", "weekly/", "postgres/", "home/"), _S3_US)
AVATARS = Bucket("r2", "avatars", "profiles", ("",))
THUMBS = Bucket("r2", "thumbs", "previews", ("", "square/", "wide/"))
SCRATCH = Bucket("s3", "tmp-import", "scratch", ("", "retry/"), "https://minio.example.net:9000")
INVOICES = Bucket("gcs", "billing-invoices", "finance", ("2022/", "2023/", "2024/"), None, "eu")
VIDEO = Bucket("s3", "video-masters", "video", ("4k/", "1080p/", "proxies/", "raw/"), _S3_US)
MODELS = Bucket("gcs", "ml-datasets", "datasets", ("images/", "text/train/", "text/test/"))
EARLIER = (PHOTOS, LOGS, BACKUPS, THUMBS, INVOICES, VIDEO, MODELS)


def sample_jobs(
    rng: random.Random, now: float, jobs: int | None, running: int | None
) -> list[Course]:
    """Make the jobs of an account, running ones first.

    Without a number of jobs, the account has seven migrations, each in a state of its own, and
    every prefix once: `photos-prod` is copied in twelve jobs, one of which began to fail;
    `logs-eu` has stalled; `backups` is paused; `video-masters` ended with losses, `thumbs` with
    few; `avatars` is complete, and `tmp-import` was aborted. No more than three of these jobs ever
    ran at once.

    now: UTC seconds.
    jobs: how many; None for those migrations. More jobs than theirs are random ended ones.
    running: how many of them run; None for three.
    """
    runs = list(islice(_running(rng, now), 3 if running is None else running))
    others = list(_recent(rng, now))
    size = len(runs) + len(others) if jobs is None else max(jobs, running or 0)
    lanes = [now - 9 * 24 * HOUR - rng.uniform(0, 20 * HOUR) for _ in range(3)]
    return list(islice(chain(runs, others, _older(rng, lanes)), size))


def source_of(bucket: Bucket, prefix: str) -> Source:
    """Return the source of a job for one prefix of a bucket; an empty prefix means all of it."""
    place = bucket.jurisdiction if bucket.vendor == "r2" else None
    return Source(bucket.vendor, bucket.name, prefix or None, bucket.endpoint, None, place)


def _running(rng: random.Random, now: float) -> Iterator[Course]:
    """Yield running jobs: first a failing, a listing and a stalled one, then random ones."""
    failing = _plan(rng, PHOTOS, "2024/", now - 11.2 * HOUR, 32 * HOUR)
    failing = replace(failing, objects=3_417_872, harmless=98_310, overwrite=False)
    # For 25 minutes, 4 % of the objects have failed; none before.
    clean = failing.copied(11.2 * HOUR - 1500.0)
    left = failing.objects - clean
    failing = replace(failing, clean=clean, failed=left // 25, not_copied=left // 2000)
    yield Course(replace(failing, listing=5.5 * HOUR))
    listing = _plan(rng, PHOTOS, "2023/", now - 1.9 * HOUR, 9.4 * HOUR)
    listing = replace(listing, objects=2_760_415, harmless=4_210, failed=37, overwrite=False)
    yield Course(replace(listing, listing=3.3 * HOUR))
    # The counters have been frozen for 22 minutes, and will be for two hours.
    stalled = _plan(rng, LOGS, "edge/", now - 4 * HOUR - 1320.0, 8.3 * HOUR)
    stalled = replace(stalled, objects=1_090_226, failed=1_431, not_copied=412, delay=0.0)
    stalled = replace(stalled, stall_every=6 * HOUR, stall_for=2 * HOUR)
    yield Course(replace(stalled, listing=1.5 * HOUR))
    while True:
        bucket = rng.choice(EARLIER)
        age, share = rng.uniform(2, 40) * HOUR, rng.uniform(0.05, 0.7)
        plan = _plan(rng, bucket, rng.choice(bucket.prefixes), now - age, age / share)
        yield Course(replace(plan, objects=int(plan.seconds * rng.uniform(20, 80)), listing=900.0))


def _recent(rng: random.Random, now: float) -> Iterator[Course]:
    """Yield the jobs beside the running ones: paused ones, then one of each way to end, then the
    other parts of the same migrations, in three lanes of one job at a time.
    """

    def plan(bucket: Bucket, prefix: str, ago: float, hours: float, **numbers: Any) -> Plan:
        created = now - ago * HOUR - rng.uniform(0, 600)
        plan = _plan(rng, bucket, prefix, created, hours * HOUR)
        overwrite = "harmless" not in numbers
        return replace(plan, overwrite=overwrite, listing=hours * HOUR * 0.6, **numbers)

    weekly = plan(BACKUPS, "weekly/", 52.0, 61.0, objects=40_118_002, failed=18)
    yield Course(replace(weekly, listing=8 * HOUR)).changed(now - 33.6 * HOUR, "paused")
    older = plan(PHOTOS, "2022/", 31.0, 30.0, objects=1_904_337, harmless=61_022, failed=4)
    yield Course(
        replace(older, listing=3 * HOUR),
        (
            Change(now - 27.1 * HOUR, "paused"),
            Change(now - 23.0 * HOUR, "running"),
            Change(now - 6.4 * HOUR, "paused"),
        ),
    )
    yield Course(plan(AVATARS, "", 20.0, 3.4, objects=880_112))
    yield Course(plan(THUMBS, "", 30.0, 4.1, objects=1_000_000, failed=10, not_copied=10, there=6))
    yield Course(
        plan(
            VIDEO,
            "4k/",
            112.0,
            26.0,
            objects=412_880,
            lost=37,
            not_copied=7,
            failed=3,
            resized=5,
            emptied=2,
            changed=11,
        )
    )
    scratch = plan(SCRATCH, "", 15.5, 0.2, objects=1_000, harmless=210, failed=98)
    yield Course(scratch).changed(scratch.created + 460.0, "aborted")
    yield Course(plan(VIDEO, "raw/", 132.0, 19.0, objects=96_114, not_copied=340))
    yield Course(plan(VIDEO, "1080p/", 155.0, 22.0, objects=838_020, failed=12))
    yield Course(plan(VIDEO, "proxies/", 162.0, 6.0, objects=1_676_040))
    yield Course(plan(LOGS, "app/", 64.0, 10.0, objects=604_988))
    yield Course(plan(LOGS, "audit/", 70.0, 5.0, objects=88_400))
    yield Course(plan(BACKUPS, "daily/", 84.0, 12.0, objects=5_230_114))
    for prefix, ago, hours, objects in (
        *(("2021/", 31.0, 19.0, 1_820_440), ("2019/", 48.0, 16.0, 1_411_902)),
        *(("2017/", 70.0, 21.0, 1_102_377), ("2015/", 83.0, 12.0, 731_018)),
        *(("2013/", 93.0, 9.0, 402_655), ("2020/", 52.0, 20.0, 1_633_218)),
        *(("2018/", 67.0, 14.0, 1_240_006), ("2016/", 80.0, 12.0, 880_941)),
        ("2014/", 91.0, 10.0, 590_127),
    ):
        yield Course(plan(PHOTOS, prefix, ago, hours, objects=objects, harmless=objects // 61))


def _older(rng: random.Random, lanes: list[float]) -> Iterator[Course]:
    """Yield ended jobs without end, each before the last one of its lane.

    The listing of the first one broke off; most of the others have no failures.

    lanes: for each, the UTC seconds before which its next job must have ended. With three lanes,
        never more than three jobs run at once.
    """
    broken = _plan(rng, MODELS, "images/", lanes[0] - 9 * HOUR, 9 * HOUR)
    lanes[0] = broken.created
    yield Course(replace(broken, objects=655_000, failed=211, listing_broke=True))
    while True:
        lane = lanes.index(max(lanes))
        bucket = rng.choice(EARLIER)
        seconds = rng.choice((rng.uniform(90, 1800), rng.uniform(1, 30) * HOUR))
        created = lanes[lane] - seconds - rng.uniform(60, 10 * HOUR)
        plan = _plan(rng, bucket, rng.choice(bucket.prefixes), created, seconds)
        lanes[lane] = created
        objects = max(12, int(seconds * rng.uniform(15, 360)))
        plan = replace(plan, objects=objects, harmless=_few(rng, objects, 0.1))
        if rng.random() < 0.7:
            plan = replace(plan, listing=seconds * 0.6)
        else:
            failed, not_copied = _few(rng, objects, 0.01), _few(rng, objects, 0.005)
            plan = replace(plan, failed=failed, not_copied=not_copied)
        course = Course(plan)
        if rng.random() < 0.15:
            course = course.changed(created + seconds * rng.uniform(0.1, 0.9), "aborted")
        yield course


def _few(rng: random.Random, objects: int, most: float) -> int:
    """Return a random number of objects, at most the share `most` (0 to 1), usually far fewer."""
    return int(objects * most * rng.random() ** 3)


def _plan(rng: random.Random, bucket: Bucket, prefix: str, created: float, seconds: float) -> Plan:
    """Make a plan with its id, source and target, but without numbers of objects."""
    return Plan(
        id=f"{rng.getrandbits(256):064x}",
        created=round(created, 3),
        objects=0,
        seconds=seconds,
        source=source_of(bucket, prefix),
        target=Target("r2", bucket.target, bucket.jurisdiction),
        overwrite=rng.random() < 0.8,
        step=rng.choice((2.0, 3.0, 4.0)),
        delay=rng.uniform(3, 25),
    )
