"""Sentences about jobs, requests, events, logs and plans that screen and command line share.

The digest's are in `digest`, a verification's in `verification_text`, verdicts in `model.verdict`,
reasons for a missing ETA in `estimate.forecast`, deadlines in `estimate.deadline`, numbers and
times in `format` and `eta_format`.

All functions return plain text that is not sanitised: what comes from the API is unchanged. Screen
and command line add their own names, colours and line breaks. Where several texts are returned for
one statement, the longest comes first, so that the first one that fits can be taken.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.api.errors import (
    BUCKET_PERMISSIONS,
    KEYS_REFUSED,
    ApiError,
    BadAnswer,
    BucketKeysRefused,
    Locked,
    NotFound,
    NotSent,
    RateLimited,
    Rejected,
    Unreachable,
)
from slurper_tui.eta_format import eta_long, eta_spoken
from slurper_tui.monitor.model.base import SHORT_ID, JobKey
from slurper_tui.monitor.model.events import GONE, Action, ActionRequest, Event, RequestState, What
from slurper_tui.monitor.model.job import JobView, PastOutage, Problem, State, shown_forecast
from slurper_tui.monitor.model.logs import (
    BROKE_TYPE,
    Cause,
    FailureGroup,
    FailuresView,
    LogView,
    reason_of,
)

if TYPE_CHECKING:
    from slurper_tui.api.models import Condition, LifecycleRule, LockRule, Sippy
    from slurper_tui.monitor.jobs.create import Check, CreateResult
    from slurper_tui.monitor.jobs.target import TargetBucket
    from slurper_tui.monitor.model.plans import Draft
    from slurper_tui.monitor.reports.retries import FoundAfterAll
    from slurper_tui.monitor.verify.reading import LookupPrice
    from slurper_tui.monitor.verify.source import CountPrice, TopLevel

# Actions on jobs

_LONGEST_WORD = 64
"""Characters of a name that a user may be asked to type, at most."""

SOURCE_BUCKET = "the source bucket's name"
_REFUSALS = frozenset({"n", "no"})
"""Answers that cancel, so that no job can be confirmed by them."""


def word_to_type(view: JobView, sanitise: Callable[[str], str]) -> tuple[str, str]:
    """Return the text to type to confirm an abort, and its description.

    The source bucket, or the start of the job id if the bucket cannot be typed, or else "abort".
    sanitise: returns a text as the face displays it.
    """
    bucket = view.job.source_bucket
    id = view.key.job_id[:SHORT_ID]
    for word, what in ((bucket, SOURCE_BUCKET), (id, "the beginning of its id")):
        can_be_typed = word == word.strip() == sanitise(word) and word not in _REFUSALS
        if can_be_typed and 0 < len(word) <= _LONGEST_WORD:
            return word, what
    return "abort", "the word"


def state_tally(views: Iterable[JobView]) -> str:
    """Return the number of jobs in each state: `2 running, 1 paused`."""
    order = [*State]
    words = Counter(view.word for view in sorted(views, key=lambda view: order.index(view.state)))
    return ", ".join(f"{fmt.count(number)} {word}" for word, number in words.items())


def planned_words(number: int) -> str:
    """Return that jobs of a plan are not part of an action on the jobs of their migration."""
    jobs = fmt.counted(number, "planned job is", "planned jobs are")
    return f"{jobs} not part of this: press : and type plans"


def request_words(request: ActionRequest) -> str:
    """Return the state of one request: `pause refused: 10010: Job is not running`."""
    action, error = request.action, request.error
    if request.state.open:
        detail = f"; {request.detail}" if request.detail else ""
        return f"{action} sent, waiting for the API to confirm{detail}"
    if request.state is RequestState.POINTLESS:
        return f"nothing was sent: {request.detail}" if request.detail else "nothing was sent"
    if request.state is not RequestState.REFUSED:
        return action.done
    if error is None:
        return f"{action} refused: no reason given"
    if error.status is None or isinstance(error, NotSent):
        return f"{action}: {error}"
    reasons = "; ".join(str(fault) for fault in error.faults) or error.message
    needs = "; it needs the permission Workers R2 Storage Write"
    return f"{action} refused: {reasons}{needs if isinstance(error, Rejected) else ''}"


def event_words(event: Event, detail: str, message: str) -> str:
    """Return what happened and where it was requested: `paused from elsewhere`.

    detail, message: these texts of the event as the face displays them.
    """
    reason = f": {message}" if event.message else ""
    if event.detail == GONE:
        return "no longer known to the API"  # not "deleted": a job may be listed again
    texts = {
        What.ASKED: f"{detail} sent from here",
        What.REFUSED: f"{detail} refused{reason}",
        What.UNDECIDED: f"{detail} not answered{reason}",
        What.HERE: f"{detail}, as requested here",
        What.ELSEWHERE: f"{detail} from elsewhere",
        What.CREATED: "created from here",
        What.RETRIED: f"retried by {detail}",
    }
    return texts.get(event.what, detail)


# The state of a job

NO_JOBS = "no Super Slurper jobs here yet"


def if_resumed_words(view: JobView) -> str:
    """Return what a paused or stalled job would need: `if resumed: 30-40 h at 147/s`, or "".

    Of a migration with jobs at rest: also why that is unknown.
    """
    need = view.if_resumed
    when = "if it moves again" if view.state is State.STALLED else "if resumed"
    if need is None:
        unknown = _unknown_need(view.parts)
        return unknown and f"{when}: unknown, {unknown}"
    span = eta_long(need.low, need.high, at_least=need.at_least)
    seeded = "in part by averages since start" if view.parts else "its average since start"
    return f"{when}: {span} at {fmt.rate(need.rate)}/s" + (f", {seeded}" if need.seeded else "")


def _unknown_need(parts: Sequence[JobView]) -> str:
    """Return what is not known of the jobs at rest: `1 job has not been seen running for long`."""
    at_rest = [view for view in parts if view.state in (State.PAUSED, State.STALLED)]
    lacking = [view for view in at_rest if view.if_resumed is None and view.as_of is not None]
    unseen = sum(bool(view.counts.remaining) for view in lacking)
    if unseen:
        jobs = "1 job has" if unseen == 1 else f"{unseen} jobs have"
        return f"{jobs} not been seen running for long"
    without = sum(view.counts.remaining is None for view in lacking)
    jobs = "1 job" if without == 1 else f"{without} jobs"
    return f"the remaining objects of {jobs} are not known" if without else ""


def failing_words(view: JobView) -> str:
    """Return how much failed lately: `412 of 5,000 objects failed in the last hour (8.2 %)`.

    If the rate is known, the failures per minute follow. "" if the job is not failing.
    """
    failing = view.failing
    if failing is None:
        return ""
    share = fmt.share(failing.failed, failing.done)
    done = fmt.counted(failing.done, "object")
    words = f"{fmt.count(failing.failed)} of {done} failed in {failing.span}"
    now = "" if view.failed_rate is None else f", {fmt.rate(view.failed_rate * 60)} per minute now"
    return f"{words} ({share}){now}"


def counted_words(view: JobView, now: float, zone: tzinfo | None = None) -> str:
    """Return where a counted total is from, and what the job says; "" if nothing was counted.

    now: UTC seconds.
    """
    counted, found = view.counted, view.found
    if counted is None:
        return ""
    at = fmt.moment(counted.at, now, zone)
    if found is not None:
        so_far = "" if found == counted.objects else f"; the job has found {found:,} so far"
        return f"counted at {at} in {counted.source}{so_far}"
    words = f"{counted.objects:,} counted at {at} in {counted.source}"
    listed = view.counts.objects
    if listed is None or listed == counted.objects:
        return words
    if listed > counted.objects:
        return f"{words}, fewer than the job has found: the total is the job's"
    less = f"{counted.objects - listed:,} fewer"
    return f"{words}; the job found {less}" if view.ended else words


def target_growth_words(view: JobView, now: float, zone: tzinfo | None = None) -> str:
    """Return what the target bucket of a stalled job does meanwhile; "" if nobody asked.

    Of several jobs: of the one whose bucket was measured last. now: UTC seconds.
    """
    growths = [part.target_growth for part in (view.parts or (view,)) if part.target_growth]
    if view.state is not State.STALLED or not growths:
        return ""
    growth = max(growths, key=lambda one: one.last.at if one.last else 0.0)
    first, last, moved = growth.first, growth.last, growth.bytes
    if first is None or last is None:
        return "whether the target grows meanwhile is not known"
    at = fmt.moment(last.at, now, zone)
    uploads = (
        "1 multipart upload is" if last.uploads == 1 else f"{last.uploads} multipart uploads are"
    )
    more = f", {uploads} open" if last.uploads else ""
    if moved is None:
        held = f"target held {fmt.size(last.bytes)} at {at}{more}"
        return f"{held}; whether it grows is known after R2 has measured it again"
    since = f"since {fmt.moment(first.at, now, zone)} (as of {at})"
    if moved < 0:
        return f"target shrank by {fmt.size(-moved)} {since}{more}"
    if not moved:
        return f"target stands still too {since}{more}"
    if growth.shared:
        return f"target grew by {fmt.size(moved)} {since}, but other jobs copy into it too"
    return f"target grew by {fmt.size(moved)} {since}: large objects are being copied"


def rate_limited_words(until: str) -> str:
    """Return until when the API demands to wait. until: a time as the face displays it."""
    return f"rate limited (429): next request at {until}"


def superseded_words(jobs: int) -> str:
    """Return that these jobs are not counted: `2 jobs superseded by a later one, not counted`."""
    return f"{fmt.counted(jobs, 'job')} {SUPERSEDED}, not counted"


SUPERSEDED = "superseded by a later one"
"""What became of a job that a later one repeats completely."""


_SPOKEN_STATES = {
    State.LISTING: "listing, so the total still grows",
    State.FAILING: "running, but many objects fail",
    State.VERIFIED: "completed, and every object is proven to be in the target",
    State.COMPLETED_UNREAD: "completed, but why objects were skipped is not known yet",
    State.COMPLETED_WITH_LOSS: "completed, but objects are missing",
    State.ABORTED: "aborted",
    State.GONE: "gone: the server no longer lists it",
}
"""For a screen reader, words for a state where its own word has a sign or needs an explanation."""


def spoken(view: JobView) -> str:
    """Return `photos-prod/2024 to media: 35 percent, 4 failed, done in 6 to 9 hours.`

    For a screen reader: no symbols, no abbreviations. The status is left out while the job simply
    runs, and a slash at the end of the prefix.
    """
    job, unknown = view.job, "an unknown bucket"
    source = job.place.rstrip("/") or unknown
    parts = [] if view.state is State.RUNNING else [_SPOKEN_STATES.get(view.state, view.word)]
    if view.percent is not None:
        parts.append(f"{'about ' if view.provisional else ''}{view.percent} percent")
    lost = view.verdict
    numbers = (
        (view.counts.failed, "failed"),
        (lost and lost.not_copied, "not copied"),
        (lost and lost.unaccounted, "unaccounted for"),
        (lost and lost.unread, "skipped for reasons not read yet"),
        (lost and lost.unexplained, "skipped for unknown reasons"),
    )
    parts += [f"{number} {what}" for number, what in numbers if number]
    if (forecast := shown_forecast(view)) is not None:
        low, high = forecast.low_seconds, forecast.high_seconds
        left = eta_spoken(low, high, at_least=forecast.at_least)
        parts += [f"done in {left}"] if left else []
    name = f"{source} to {job.target_bucket or unknown}"
    return f"{name}: {', '.join(parts) or 'nothing known yet'}."


# Notices


def pair_name(view: JobView) -> str:
    """Return `bucket/prefix → bucket` of a job, or of the jobs of a migration."""
    return f"{source_name(view)} → {view.job.target_bucket or fmt.DASH}"


def source_name(view: JobView) -> str:
    """Return `bucket/prefix` of a job, or the bucket of the jobs of a migration."""
    prefix = f"/{view.job.prefix}" if view.job.prefix else ""
    return f"{view.job.source_bucket or fmt.DASH}{prefix}"


def end_words(view: JobView) -> str:
    """Return how a job or a migration ended: `photos → media: completed · 10 failed`."""
    if view.gone:
        return f"{pair_name(view)}: gone, the API no longer knows it"
    return f"{pair_name(view)}: {view.verdict.text if view.verdict else view.word}"


def failing_notice(view: JobView, jobs: int, at: float) -> str:
    """Return that jobs of a migration begin to fail, how often, and the most frequent reason."""
    reason = f": {view.newest_reasons[0][0]}" if view.newest_reasons else ""
    return f"{_who(view, jobs)} failing: {failing_words(view)}{reason}"


def stall_notice(view: JobView, jobs: int, at: float) -> str:
    """Return that jobs of a migration stall. at: time of the snapshot, UTC seconds."""
    since = view.stalled_since
    span = "" if since is None else f": nothing has moved for {fmt.duration(at - since)}"
    return f"{_who(view, jobs)} stalled{span}"


def _who(view: JobView, jobs: int) -> str:
    return f"{pair_name(view)}:" + (f" {fmt.count(jobs)} jobs" if jobs > 1 else "")


def outage_notice(who: str, problem: Problem, at: float) -> str:
    """Return that an account does not answer, or rejects the credentials. at: UTC seconds."""
    if isinstance(problem.error, Rejected):
        return f"{who} rejects the credentials: {problem.error}"
    since = problem.since if problem.last_good is None else problem.last_good
    return f"{who} has not answered for {fmt.duration(at - since)}: {problem.error.message}"


def back_words(outage: PastOutage, *, short: bool = False) -> str:
    """Return that an outage is over, how long it was, and what was done meanwhile."""
    span = fmt.duration(outage.until - outage.since)
    if short:
        return f"back after {span}" + (f": {fmt.count(outage.moved)} moved" if outage.moved else "")
    more = f": {fmt.count(outage.moved)} objects moved meanwhile" if outage.moved else ""
    return f"back after {span} without an answer{more}"


def expiry_words(expires: float, now: float, zone: tzinfo | None = None) -> str:
    """Return when the API token of an account expires. expires, now: UTC seconds."""
    if expires <= now:
        return "the API token has expired"
    return f"the API token expires {fmt.moment(expires, now, zone)} {fmt.zone_name(expires, zone)}"


def deadline_notice(live: Sequence[JobView], to_come: int) -> str:
    """Return that the deadline has passed. live: jobs that have not ended. to_come: not started."""
    number = len(live) + to_come
    jobs = fmt.counted(number, "job has", "jobs have")
    names = list(dict.fromkeys(map(pair_name, live)))
    return f"the deadline has passed: {jobs} not ended" + (f" ({_listed(names)})" if names else "")


def many_notices(texts: Sequence[str], most: int) -> str:
    """Return several notices of one kind as one sentence, of which `most` are named."""
    return f"{fmt.count(len(texts))} at once: {_listed(texts, most)}"


_MOST_NAMED = 3


def _listed(names: Sequence[str], most: int = _MOST_NAMED) -> str:
    """Join names; those after the first `most` are counted."""
    more = len(names) - most
    return "; ".join([*names[:most], *([f"and {fmt.count(more)} more"] if more > 0 else [])])


# Reading a log

WAITING = "waiting for the request budget"
STOPPED_READING = "stopped reading; nothing was saved"
LOG_GAPS = "the log grew too fast to be read without a gap: rows may be missing"


def next_step(error: ApiError) -> str:
    """Return what follows from an error while a log is read."""
    if isinstance(error, Rejected):
        return "check the token and its permission"
    if isinstance(error, NotFound):
        return "the API no longer knows this job"
    if isinstance(error, RateLimited):
        return "continues by itself when the limit allows"
    return "trying again" if isinstance(error, Unreachable | BadAnswer) else ""


def hold_up(problem: ApiError | None, *, waiting: bool) -> str:
    """Return why the reading of a log does not go on; "" if it does."""
    if problem is None:
        return WAITING if waiting else ""
    return " · ".join(filter(None, (problem.message, next_step(problem))))


def reading_words(name: str, number: int, logs: int, rows: int) -> str:
    """Return which log is read: `reading log 3 of 12, photos/2024/: 4,200 rows`.

    number: the place of the log, from 1, among the `logs` that are to be read.
    """
    which = "reading the log of" if logs == 1 else f"reading log {number} of {logs},"
    return f"{which} {name}: {fmt.count(rows)} rows"


def row_count_words(number: int, *, whole: bool) -> str:
    """Return the number of rows read: `1 row`, `1,204 rows so far`."""
    rows = fmt.counted(number, "row")
    return rows if whole else f"{rows} so far"


# Failed and skipped objects


def failed_words(view: FailuresView) -> tuple[str, ...]:
    """Compare the failed objects in the log with the job's counter, or those of several jobs."""
    named, failed, missing = fmt.count(view.named), view.failed_objects, view.unnamed
    so_far = _so_far(view)
    if failed is None or missing is None:
        short = f"the log lists {named} failures{so_far}"
        whose = "a job's" if view.jobs else "the job's"
        return (f"{short}; {whose} counter is unknown", short)
    if view.named > failed and not missing:
        jobs = "jobs count" if view.jobs else "job counts"
        return (f"the log lists {named} failures, the {jobs} {fmt.count(failed)}",)
    if not failed:
        return ("nothing failed",)
    listed = f"{fmt.count(failed - missing)} of {fmt.count(failed)} failures{so_far}"
    return (f"the log lists {listed}", listed)


_MOST_REASONS = 3
"""Reasons that are named one by one, at most; the others are added up."""


def skipped_words(view: FailuresView) -> tuple[str, str]:
    """Return texts about skipped objects that are in the target, and about those that are not.

    Each may be empty.
    """
    skipped, missing = view.skipped_objects, view.not_copied
    lost = ""
    if missing:
        groups = [group for group in view.groups if group.cause is Cause.NOT_COPIED]
        named = groups[:_MOST_REASONS]
        reasons = [f"{fmt.count(group.count)} {reason_of(group.log_type)}" for group in named]
        if rest := sum(group.count for group in groups[_MOST_REASONS:]):
            reasons.append(f"{fmt.count(rest)} others")
        lost = f"{fmt.count(missing)} not copied{_so_far(view)} ({', '.join(reasons)})"
    if skipped is None:
        return ("how many were skipped is unknown", lost)
    if missing > skipped:
        return (f"skipped {fmt.count(skipped)}, but the log lists more", lost)
    if not skipped:
        return ("", "")
    # Objects without a row are known to be in the target only if the log lists every failure.
    unnamed = fmt.count(view.unexplained)
    if not view.counts.whole:
        where = f"at most {unnamed} already there"
    else:
        where = f"{unnamed} {'for unknown reasons' if view.harmless is None else 'already there'}"
    return (f"skipped {fmt.count(skipped)}: {where}", lost)


def _so_far(view: FailuresView) -> str:
    return "" if view.counts.whole else " so far"


def group_words(group: FailureGroup) -> str:
    """Return a reason, and its consequence for the objects if they were not copied."""
    reason = reason_of(group.log_type)
    return f"not copied: {reason}" if group.cause is Cause.NOT_COPIED else reason


def price_words(price: LookupPrice) -> str:
    """Return what it costs to look up keys in a bucket."""
    keys = fmt.counted(price.keys, "key")
    most = "1 request" if price.requests == 1 else f"at most {price.requests:,} requests"
    seconds = "" if price.seconds is None else f", about {fmt.duration(max(1.0, price.seconds))}"
    return (
        f"{keys}: {most} to the API{seconds}, in turn with the polls; each is a Class A operation "
        "of R2"
    )


def top_level_words(level: TopLevel, name: str) -> str:
    """Return what was found at the top of a source. name: of the source."""
    where = f", below {level.below!r}" if level.below else ""
    objects = fmt.counted(len(level.objects), "object")
    beside = f" and {objects} beside them" if level.objects else ""
    return f"{name}{where}: {len(level.prefixes):,} prefixes{beside}"


def count_price_words(price: CountPrice) -> str:
    """Return what it costs to count the objects of a source."""
    if price.requests is None or price.seconds is None:
        words = "a request for every 1,000 objects, whose number is not known"
    else:
        number = fmt.counted(price.requests, "request")
        words = f"about {number}, {fmt.duration(max(1.0, price.seconds))}"
    return f"{words}{', Class A operations of R2' if price.in_r2 else ''}"


def after_all_words(
    found: FoundAfterAll, now: float, zone: tzinfo | None = None
) -> tuple[str, ...]:
    """Return one line for the keys that are in the target, were before the job, and are not.

    now: UTC seconds.
    """
    lines = []
    if found.there:
        times = [each.modified for each in found.there if each.modified is not None]
        moments = [fmt.moment(at, now, zone) for at in (min(times), max(times))] if times else []
        written = f", written {' to '.join(dict.fromkeys(moments))}" if moments else ""
        held = fmt.size(sum(each.size or 0 for each in found.there))
        lines.append(f"{len(found.there):,} in the target after all: {held}{written}")
    if found.older:
        lines.append(f"{len(found.older):,} there, but older than the job")
    lines.append(f"{len(found.absent):,} not in the target")
    return tuple(lines)


def left_out_words(number: int) -> tuple[str, ...]:
    """Return how many keys were left out because a lookup found them in the target; or nothing."""
    if not number:
        return ()
    keys = fmt.counted(number, "key is", "keys are")
    return (f"{keys} left out: in the target after all",)


def keys_contain(number: int) -> str:
    """Return the beginning of a sentence about keys: `1 key contains`, `2 keys contain`."""
    return fmt.counted(number, "key contains", "keys contain")


NO_FAILED_KEY = "the log lists no failed object"


def retried_words(number: int) -> tuple[str, ...]:
    """Return that keys are left out of a list because a retry has copied them; empty for 0."""
    keys = fmt.counted(number, "key is", "keys are")
    return (f"{keys} left out: copied by a retry",) if number else ()


def inexact_words(number: int) -> str:
    """Return that keys are missing from a list because they cannot be written exactly."""
    return (
        f"{keys_contain(number)} bytes that are not UTF-8, and cannot be written exactly: left out"
    )


def missing_keys(view: FailuresView, *, inexact: int, keyless: int) -> tuple[str, ...]:
    """Return why a list of keys may be incomplete; empty if it is complete.

    inexact: number of keys that are left out because they are not UTF-8. keyless: number of
    objects whose rows name no key.
    """
    known = [job for job in view.jobs or (view,) if job.failed_objects is not None]
    failed = sum(job.failed_objects or 0 for job in known)
    unnamed = sum(job.unnamed or 0 for job in known)
    reasons = (
        (inexact > 0, inexact_words(inexact)),
        (
            unnamed > 0,
            f"the log lists {fmt.count(failed - unnamed)} of {fmt.count(failed)} failures",
        ),
        (
            keyless > 0,
            f"{fmt.count(keyless)} of the rows {'has' if keyless == 1 else 'have'} no key",
        ),
        (
            view.counts.listing_broke,
            f"{reason_of(BROKE_TYPE)}, and objects that were not listed have no row",
        ),
        *((True, unread_words(job)) for job in view.unread if job.problem is not None),
        (any(job.problem is None for job in view.unread), LOG_GAPS),
    )
    return tuple(text for applies, text in reasons if applies)


def job_names(views: Sequence[JobView]) -> dict[JobKey, str]:
    """Name each of several jobs by its prefix, or by the beginning of its id.

    The id names a job whose prefix is empty or that of another job.
    """
    prefixes = {view.key: view.job.prefix for view in views}
    number = Counter(prefixes.values())
    return {
        key: prefix if prefix and number[prefix] == 1 else key.job_id[:SHORT_ID]
        for key, prefix in prefixes.items()
    }


def unread_words(view: FailuresView | LogView) -> str:
    """Return that a job's log could not be read to its end, and why."""
    why = "" if view.problem is None else f": {view.problem.message}"
    return f"the log of job {view.key.job_id[:SHORT_ID]} could not be read to its end{why}"


# New jobs and plans

NOT_DURABLE = "the history is off: jobs not started when this program ends are forgotten"


def check_words(check: Check) -> str:
    """Return whether a bucket can be reached, with the API's message if not."""
    error = "" if check.error is None else f": {check.error}"
    if check.passed:
        return "can be reached"
    if check.refused:
        return f"cannot be reached with these keys{error or f'; {BUCKET_PERMISSIONS}'}"
    return f"not checked{error}" if error else str(check.status)


class BucketWords(NamedTuple):
    """A property of the target bucket. doubtful: it may defeat the migration."""

    name: str
    text: str
    doubtful: bool = False


UNKNOWN = "unknown"


def bucket_words(target: TargetBucket, draft: Draft) -> Sequence[BucketWords]:
    """Return one line for each property of the target bucket that concerns a migration."""
    bucket = target.bucket
    if target.exists is False:
        place = draft.target_jurisdiction or "default"
        text = f"there is no {draft.target} in this account's jurisdiction {place}: create it first"
        return (BucketWords("bucket", text, doubtful=True),)
    exists = UNKNOWN
    if bucket is not None:
        place = f"jurisdiction {bucket.jurisdiction or draft.target_jurisdiction or 'default'}"
        kind = f"storage class {bucket.storage_class or UNKNOWN}"
        exists = f"exists; {place}, {kind}"
    locks, deletions = target.locks, target.deletions
    return (
        BucketWords("bucket", exists),
        BucketWords("lock", _lock_words(locks), doubtful=bool(locks)),
        BucketWords("lifecycle", _deletion_words(deletions), doubtful=bool(deletions)),
        BucketWords("Sippy", *_sippy_words(target.sippy)),
    )


def _lock_words(rules: Sequence[LockRule] | None) -> str:
    if rules is None:
        return UNKNOWN
    parts = [f"{_under(rule.prefix)} {_for(rule.condition)}".strip() for rule in rules]
    return f"locked: nothing is overwritten {', '.join(parts)}" if rules else "none"


def _deletion_words(rules: Sequence[LifecycleRule] | None) -> str:
    if rules is None:
        return UNKNOWN
    parts = []
    for rule in rules:
        done = rule.delete_objects_transition
        prefix = rule.conditions.prefix if rule.conditions else None
        parts.append(f"{_under(prefix)} {_after(done.condition if done else None)}".strip())
    return f"deletes objects {', '.join(parts)}" if rules else "no rule deletes objects"


def _under(prefix: str | None) -> str:
    return f"under {prefix}" if prefix else "in the whole bucket"


def _for(condition: Condition | None) -> str:
    """Return how long a lock holds; "" if unknown."""
    if condition is None:
        return ""
    if condition.max_age_seconds is not None:
        return f"for {fmt.duration(condition.max_age_seconds)}"
    if condition.date:
        return f"until {condition.date}"
    return "for ever" if condition.type == "Indefinite" else ""


def _after(condition: Condition | None) -> str:
    """Return when a rule deletes; "" if unknown."""
    if condition is None:
        return ""
    if condition.max_age is not None:
        return f"after {fmt.duration(condition.max_age)}"
    return f"on {condition.date}" if condition.date else ""


def _sippy_words(sippy: Sippy | None) -> tuple[str, bool]:
    if sippy is None or sippy.enabled is None:
        return UNKNOWN, False
    if not sippy.enabled:
        return "off", False
    source = sippy.source
    place = f" from {source.provider or ''} {source.bucket or ''}".rstrip() if source else ""
    return f"on: it copies objects{place} when they are first read", True


def not_made_words(made: CreateResult, error: ApiError) -> str:
    """Return why a create request made no job, without the API's message."""
    if error.undecided:
        return "sent, no answer: look in the list before you try again, the job may still come"
    if isinstance(error, BucketKeysRefused):
        return f"no job was created: {KEYS_REFUSED}"
    if isinstance(error, Locked | NotSent | RateLimited):
        return "no job was created"
    if made.running:
        number = len(made.running)
        return f"refused: {number} {'jobs run' if number > 1 else 'job runs'} already"
    return "refused"


def draft_name(draft: Draft) -> str:
    """Return which objects a job copies: its prefix, a number of keys, or the bucket."""
    if draft.keys:  # empty once a step is over
        return fmt.counted(len(draft.keys), "key")
    return draft.path_prefix or draft.bucket


def rclone_line(file: str, job: JobView) -> str:
    """Return an rclone command that copies the keys in a file; SRC and DST are remotes."""
    here, there = f"SRC:{job.job.source_bucket}", f"DST:{job.job.target_bucket}"
    words = ("rclone", "copy", "--files-from-raw", file, here, there)
    return " ".join(map(shlex.quote, words))


def consequence(views: Sequence[JobView], action: Action) -> str:
    """Describe an action's effect in clauses with the object counts of these jobs."""
    if action is Action.DELETE:
        return _deletion(views)
    left = _sum([view.counts.remaining for view in views])
    at_least = "at least " if any(view.counts.remaining is None for view in views) else ""
    more = " and all that are not listed yet" if any(view.growing for view in views) else ""
    if action is Action.RESUME:
        objects = "all remaining objects"
        if left is not None:
            remaining = fmt.counted(left, "remaining object")
            objects = f"{at_least or 'the '}{remaining}{more}"
        return f"resumes {objects}; the API may refuse it while three jobs run"
    objects, have = "all objects that", "have"
    if left is not None:
        objects = f"{at_least}{fmt.counted(left, 'object')}{more}"
        have = "has" if left == 1 and not more else "have"
    they = "it" if len(views) == 1 else "they"
    fate, later = "will not be copied", f"{they} cannot be resumed"
    if action is Action.PAUSE:
        fate, later = "will wait", f"{they} can be resumed later"
    started = f"{objects} {have} not started {fate if left is None else f'and {fate}'}"
    clauses = [started, "copies in progress finish", later]
    if action is Action.ABORT_ALL:
        clauses.insert(0, f"aborts {'1 job' if len(views) == 1 else f'all {len(views)} jobs'}")
    return "; ".join(clauses)


def _deletion(views: Sequence[JobView]) -> str:
    copied = _sum([view.counts.transferred for view in views])
    failed = _sum([view.counts.failed for view in views])
    them, their = ("it", "its") if len(views) == 1 else ("them", "their")
    clauses = [f"the API forgets {them}", "nothing in the target is deleted"]
    if copied:
        clauses[1] += f": {fmt.counted(copied, 'object')} {'stay' if copied > 1 else 'stays'} there"
    if failed:
        clauses.append(f"the log with {fmt.counted(failed, 'failure')} is lost")
    return "; ".join([*clauses, f"{their} history here stays"])


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return the sum of the known counts; None if none is known."""
    numbers = [count for count in counts if count is not None]
    return sum(numbers) if numbers else None


def overwrite_words(number: int) -> tuple[str, ...]:
    """Return that objects are overwritten, if there are any."""
    if not number:
        return ()
    objects = fmt.counted(number, "object differs", "objects differ")
    return (f"{objects}: copied with overwrite, so that what the target has there is replaced",)


def live_words(live: int, jobs: int) -> tuple[str, ...]:
    """Return that some of the jobs have not ended, if any has not."""
    if not live:
        return ()
    unended = "the job has" if jobs == 1 else f"{live} of {jobs} jobs have"
    return (f"{unended} not ended: more objects may still fail",)
