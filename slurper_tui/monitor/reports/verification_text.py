"""Sentences about a verification, which the screen, the commands and the receipt share.

All functions return plain text that is not sanitised: names of the two sides and prefixes are as
they came. Times are left to the faces, which have their own zones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui import format as fmt
from slurper_tui.monitor.model.job import job_time
from slurper_tui.monitor.model.verification import CLASS_A_USD, FAULTS, Outcome, Tally

if TYPE_CHECKING:
    from slurper_tui.api.errors import ApiError
    from slurper_tui.monitor.model.job import Counts, JobView
    from slurper_tui.monitor.model.verification import HeaderSample, Verification
    from slurper_tui.monitor.verify.plan import SideCost, VerifyPlan

LABELS: Mapping[Outcome, str] = {
    Outcome.SAME: "same",
    Outcome.MISSING: "missing in the target",
    Outcome.SIZE: "size differs",
    Outcome.ETAG: "same size, MD5 differs",
    Outcome.EMPTY: "empty in the target only",
    Outcome.CHANGED: "changed in the source since the job began",
    Outcome.EXPECTED: "missing, as the log says",
    Outcome.EXTRA: "only in the target",
    Outcome.UNJUDGED: "not judged: newer than the listing",
}
"""Outcomes in the order of a table, as its labels."""

MEANINGS: Mapping[Outcome, str] = {
    Outcome.SAME: "The key is in both, with the same size, and the same MD5 where both tell it.",
    Outcome.MISSING: "No log says why: these objects were never copied, or deleted since.",
    Outcome.SIZE: "The target holds another object; only a copy with overwrite replaces it.",
    Outcome.ETAG: "The sizes agree, the content does not; a copy with overwrite replaces it.",
    Outcome.EMPTY: "The copy has no content; a copy with overwrite replaces it.",
    Outcome.CHANGED: "The target may hold the earlier version: a job without overwrite skips it.",
    Outcome.EXPECTED: "They failed or were not copied, and the log of a job names them.",
    Outcome.EXTRA: "No fault: a job deletes nothing in the target.",
    Outcome.UNJUDGED: "They were created or changed in the source while it was being listed.",
}

_LIVE = (
    "A job had not ended, so that they may not be copied yet; else they were deleted since, and no "
    "log says why."
)


def meaning_words(outcome: Outcome, *, live: bool) -> str:
    """Return what an outcome means. live: a job had not ended when the verification began."""
    return _LIVE if live and outcome is Outcome.MISSING else MEANINGS[outcome]


_CLAUSES: Mapping[Outcome, str] = {
    Outcome.MISSING: "missing",
    Outcome.SIZE: "of another size",
    Outcome.ETAG: "with another MD5",
    Outcome.EMPTY: "empty in the target",
    Outcome.CHANGED: "changed in the source since",
    Outcome.EXPECTED: "missing as the log says",
}
"""What is wrong with a number of objects, the worst first."""

VERIFIED = "verified"
"""The first word of the verdict about a target that holds everything."""


def fault_words(tally: Tally) -> str:
    """Return what is missing or differs: `37 missing · 5 of another size`; "" for nothing."""
    found = ((tally.of(outcome), clause) for outcome, clause in _CLAUSES.items())
    return " · ".join(f"{fmt.count(number)} {clause}" for number, clause in found if number)


def sorting_words(side: str) -> str:
    """Return why a side, by its name, is read whole before it is compared."""
    return f"{side} is not listed in order: it is read whole and sorted first"


def manifest_words(entries: int) -> str:
    """Return how much of a manifest was read; of 0 entries, that nothing can be read yet."""
    if not entries:
        return "the manifest: nothing to read yet, waiting for what writes to it"
    return f"the manifest: {fmt.count(entries)} entries so far"


def running_words(tally: Tally, *, live: bool) -> str:
    """Return the faults so far, and of a live job that what it has not copied yet is one of them.

    "" for none.
    """
    faults = fault_words(tally)
    uncopied = live and tally.of(Outcome.MISSING)
    return f"{faults}; what is not copied yet counts as missing" if uncopied else faults


def verdict_words(result: Verification) -> str:
    """Return the verdict in one line: `verified: all 999,945 objects are in the target`.

    It begins with `verified` only if everything was compared, after the end of all jobs, nothing
    is missing or differs, and there was something to compare.
    """
    tally = result.tally
    faults, compared = fault_words(tally), fmt.counted(tally.expected, "object")
    differing = _differing_words(result.headers)
    if result.problem is not None:
        so_far = f"{faults or 'no fault'} in the {compared} compared so far{differing}"
        return f"not verified: {result.problem}; {so_far}"
    if faults:
        live = "; a job had not ended" if result.live else ""
        return f"not verified: {faults}, of {compared}{_limits(result)}{differing}{live}"
    if differing:
        return f"not verified: nothing is missing{_limits(result)}{differing}"
    newer = tally.of(Outcome.UNJUDGED)
    if not tally.judged:
        why = f"{fmt.count(newer)} newer than the listing" if newer else "no object was expected"
        return f"nothing is verified{_limits(result)}: {why}"
    if not result.whole:
        return f"nothing is missing and nothing differs{_limits(result)}: {compared}"
    if result.live:
        return f"nothing is missing so far: {compared}; not verified, because a job had not ended"
    judged = tally.judged
    aside = f"; {fmt.count(newer)} newer than the listing" if newer else ""
    if judged == 1:
        return f"{VERIFIED}: the object is in the target{aside}"
    return f"{VERIFIED}: all {fmt.count(judged)} objects are in the target{aside}"


def proof_words(view: JobView) -> str:
    """Return the verdict of the verification that counts for a job or a migration; "" without one.

    One of several jobs may prove a job although it has found faults below the prefixes of others.
    """
    result = view.verification
    if result is None:
        return ""
    if not view.verified or not result.lacks:
        return verdict_words(result)
    return f"{VERIFIED}: all objects below {view.job.prefix} are in the target"


def _differing_words(sample: HeaderSample | None) -> str:
    """Return that headers differ: `; headers differ for 3 of 400 sampled objects`; or ""."""
    if sample is None or not sample.differing:
        return ""
    number, of = fmt.count(sample.differing), fmt.counted(sample.compared, "sampled object")
    return f"; headers differ for {number} of {of}"


def _limits(result: Verification) -> str:
    """Return to which prefixes the verification was limited: ` below 2023/ and 2 more`; or ""."""
    if not result.prefixes:
        return ""
    more = len(result.prefixes) - 1
    return f" below {result.prefixes[0]}" + (f" and {fmt.count(more)} more" if more else "")


def outdated_words(view: JobView) -> str:
    """Return why a job's or migration's verification is no proof of what is there now; or "".

    Its faults aside, which `verdict_words` tells.
    """
    result = view.verification
    if result is None or view.verified:
        return ""
    objects = view.counts.objects or 0
    if result.manifest and result.tally.expected < objects:
        named = fmt.counted(result.tally.expected, "object")
        return f"the manifest names {named}, of {fmt.count(objects)} that were counted"
    parts = view.parts or (view,)
    compared = [part for part in parts if part.key.job_id in result.jobs]
    live = sum(part.live for part in compared)
    later = sum(
        part.ended and not result.began_after(job_time(part.job.finished_at)) for part in compared
    )
    clauses = (
        (len(parts) - len(compared), "was not part of it", "were not part of it"),
        (live, "has not ended", "have not ended"),
        (later, "ended after it began", "ended after it began"),
    )
    found = [(number, one, many) for number, one, many in clauses if number]
    if not view.parts:
        return f"the job {found[0][1]}: verify it again" if found else ""
    texts = [
        f"{fmt.counted(number, 'job')} {one if number == 1 else many}"
        for number, one, many in found
    ]
    return f"{', '.join(texts)}: verify again" if texts else ""


class CountRow(NamedTuple):
    """A line of the table of counts. is_fault: the objects are missing or differ."""

    outcome: Outcome
    label: str
    number: int
    is_fault: bool


_ALWAYS = (Outcome.SAME, Outcome.MISSING, Outcome.SIZE, Outcome.EMPTY, Outcome.CHANGED)
"""Outcomes that a table lists even if there are none."""


def count_rows(tally: Tally) -> Iterator[CountRow]:
    """Yield a row for each outcome that matters or was found, in the order of `LABELS`."""
    for outcome, label in LABELS.items():
        number = tally.of(outcome)
        if number or outcome in _ALWAYS:
            yield CountRow(outcome, label, number, outcome in FAULTS or outcome is Outcome.EXPECTED)


def sides_words(result: Verification) -> tuple[str, str]:
    """Return what was expected and what was found: the names of the two sides."""
    return f"expected: {result.expected}", f"found: {result.actual}"


def scope_words(result: Verification) -> str:
    """Return which objects were expected: `all objects of 12 jobs`, or those below prefixes."""
    jobs = fmt.counted(len(result.jobs), "job")
    if not result.prefixes:
        return f"all objects of {jobs}"
    return f"only the objects of {jobs}{_limits(result)}"


def etag_words(tally: Tally) -> str:
    """Return for how many of the agreeing objects the MD5 was compared, and why not for the rest.

    "" if none agrees. Objects of which a manifest does not tell the size follow.
    """
    same = tally.of(Outcome.SAME)
    if not same:
        return ""
    if tally.etags >= same:
        text = f"the MD5 was compared for {'it' if same == 1 else f'all {fmt.count(same)}'}"
    else:
        number = fmt.count(tally.etags) if tally.etags else "none"
        text = f"the MD5 was compared for {number} of {fmt.counted(same, 'object')} that agree"
        reasons = [f"{fmt.count(n)} {why}" for why, n in _most_first(tally.not_compared)]
        text += f"; not for the others: {', '.join(reasons)}" if reasons else ""
    if tally.size_unknown:
        text += f"; of {fmt.count(tally.size_unknown)} only the key was compared, without a size"
    return text


def _most_first(numbers: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))


def header_words(sample: HeaderSample | None) -> str:
    """Return what a sample of headers shows, with the 95 % confidence interval of the share.

    "" if none was taken.
    """
    if sample is None:
        return ""
    why = f": {sample.problem}" if sample.problem else ""
    if not sample.compared:
        return f"no headers could be compared{why}"
    large = f", {fmt.count(sample.large)} of them over 100 MiB" if sample.large else ""
    compared = fmt.counted(sample.compared, "object")
    what = f"headers of {compared} in a random sample{large} (seed {sample.seed})"
    # rounded outwards
    low, high = math.floor(sample.low * 1000) / 10, math.ceil(sample.high * 1000) / 10
    if not sample.differing:
        found = f"all alike; at most {high:.1f} % of all objects differ, with 95 % confidence"
    else:
        which = ", ".join(f"{fmt.count(n)} {name}" for name, n in _most_first(sample.by_header))
        number = fmt.count(sample.differing)
        differ = f"{number} {'differs' if sample.differing == 1 else 'differ'}"
        found = (
            f"{differ}{f' ({which})' if which else ''}; {low:.1f} to {high:.1f} % of all objects"
        )
        found += ", with 95 % confidence"
    return f"{what}: {found}{f'; not the whole sample{why}' if why else ''}"


def not_compared_words(result: Verification) -> str:
    """Return what the verification did not compare."""
    sample = result.headers
    headers = "headers" if sample is None or not sample.compared else "headers outside the sample"
    return f"not compared: the bytes of the content, {headers}, versions, tags and ACLs"


COUNTERS_PROVE = (
    "The counters tell what the jobs did, not what the target holds: they show no object that is"
    " missing, empty or cut short in the target, nor one that was changed or deleted there since."
)
CHANGED_LATER = "An object that changed in the source after it was copied was not copied again."


def unproven_words(counts: Counts, *, overwrite: bool | None) -> Iterator[str]:
    """Yield what the counters of a migration cannot prove.

    overwrite: whether its jobs overwrite; None if some do or if that is not known.
    """
    yield COUNTERS_PROVE
    if overwrite is not True and counts.skipped != 0:
        skipped = "" if counts.skipped is None else f" ({fmt.count(counts.skipped)} skipped)"
        yield (
            "Without overwrite, an object is skipped if the target has its key, whatever it holds"
            f" there: an earlier version, one of another size or an empty one{skipped}."
        )
    yield CHANGED_LATER


def copy_cost_words(counts: Counts) -> str:
    """Return the least that R2 charges for the copied objects."""
    copied, least = counts.transferred, ""
    if copied is not None:
        usd = copied * CLASS_A_USD
        price = f"{usd:,.2f} USD" if usd >= 0.01 or not copied else "less than 0.01 USD"
        least = f": at least {fmt.count(copied)}, {price} beyond the free million of a month"
    return (
        "R2 charges one Class A operation for each copied object below 100 MiB, and more for larger"
        f" ones{least}."
    )


class PrefixRow(NamedTuple):
    """The objects below the first part of a key. expected: objects. faults: in words, or ""."""

    prefix: str
    expected: int
    same: int
    faults: str

    @property
    def name(self) -> str:
        """The prefix, or words for objects whose keys have no `/`."""
        return self.prefix or "keys without a prefix"


def prefix_rows(result: Verification) -> Iterator[PrefixRow]:
    """Yield what was found below each prefix with expected objects, the most faults first."""
    for prefix, tally in result.by_prefix:
        if not tally.expected:
            continue
        same = tally.of(Outcome.SAME)
        yield PrefixRow(prefix, tally.expected, same, fault_words(tally))


def detail_words(result: Verification) -> Iterator[str]:
    """Yield the sentences that follow the counts, without times: sides, scope, what was compared.

    The last one says what was not compared.
    """
    yield from sides_words(result)
    yield scope_words(result)
    yield from filter(None, (etag_words(result.tally), header_words(result.headers)))
    yield not_compared_words(result)


class CostRow(NamedTuple):
    """One part of what a verification costs: its label, and a sentence."""

    label: str
    text: str


def log_not_read(error: ApiError) -> str:
    """Return that a log could not be read, and what follows from that."""
    return f"the log was not read, so that it explains no missing object: {error}"


LISTS_ONLY = "It only lists: nothing is written, in neither bucket, and no job is changed."


def cost_rows(plan: VerifyPlan, logs: int | None = 0) -> Iterator[CostRow]:
    """Yield what a verification costs, before its first request: both sides, price and time.

    logs: requests for the logs of the jobs, which are read first; None if not known.
    """
    yield CostRow("expected", _side_words(plan.expected, plan.headers))
    more = "; more if other objects are there" if plan.actual.requests else ""
    yield CostRow("target", _side_words(plan.actual, plan.headers) + more)
    if logs != 0:
        number = "one request for each 45 rows"
        if logs is not None:
            number = f"about {fmt.counted(logs, 'request')}"
        tell = "tell" if logs != 1 else "tells"
        yield CostRow("logs", f"{number} to the API first, which {tell} why objects are missing")
    yield CostRow("R2's price", price_words(plan))
    yield CostRow("time", time_words(plan))
    if plan.begun_at is not None:
        done = f"{fmt.counted(plan.resumes, 'object')} compared already"
        yield CostRow("goes on", f"an earlier run was interrupted, with {done}")
    if plan.replaced:
        yield CostRow("begins anew", "what an earlier run had compared was damaged")


def _side_words(side: SideCost, headers: int) -> str:
    if side.requests == 0 and not side.in_r2:
        return f"{side.name}: no requests"
    if side.requests is None:
        number = "one request for each 1,000 objects"
    else:
        number = f"about {fmt.counted(side.requests, 'request')}"
    text = f"{side.name}: {number}{', Class A operations of R2' if side.in_r2 else ''}"
    r2_class = f", Class {'A' if side.lists_headers else 'B'}" if side.in_r2 else ""
    heads = f"{fmt.count(headers)} more for headers{r2_class}"
    return f"{text}; {heads}" if headers else text


def price_words(plan: VerifyPlan) -> str:
    """Return what R2 charges, unless its free operations of the month cover it."""
    sides = (plan.expected, plan.actual)
    if not any(side.in_r2 for side in sides):
        return "none: R2 is not listed"
    usd = plan.usd
    if usd is None:
        text = "not known without the number of objects; 4.50 USD for a million requests"
    elif usd < 0.01:
        text = "less than 0.01 USD"
    else:
        text = f"about {usd:,.2f} USD"
    text += ", none within the million free operations of a month"
    others = any(side.requests != 0 and not side.in_r2 for side in sides)
    return text + ("; the source's own price comes on top" if others else "")


def time_words(plan: VerifyPlan) -> str:
    """Return how long it takes, and what that follows from."""
    if plan.seconds is None:
        return "not known: the jobs' counters do not tell how many objects are to be compared"
    how = "at the pace of the last verification" if plan.measured else "at the usual pace"
    objects = "" if plan.objects is None else f" for {fmt.counted(plan.objects, 'object')}"
    return f"about {fmt.duration(max(1.0, plan.seconds))} {how}{objects}"
