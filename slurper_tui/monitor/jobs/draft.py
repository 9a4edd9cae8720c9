"""Drafts of jobs: as request bodies, from lists of keys, and as retries of other jobs.

`body` and `draft_of` convert a draft to and from the create request, without secrets. `keys_of`
parses key lists in every format that the `failures` command writes. `retry_drafts` makes drafts
that copy a job's keys again, `repair_drafts` those of the keys that a verification found, and
`earlier_retries` names jobs and plans that already do so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from slurper_tui import format as fmt
from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.model.job import job_time
from slurper_tui.monitor.model.logs import FAILED_TYPE
from slurper_tui.monitor.model.plans import MOST_KEYS, VENDORS, Draft, Plan, StepState

if TYPE_CHECKING:
    from slurper_tui.monitor.model.base import JobKey
    from slurper_tui.monitor.model.events import RetryLink
    from slurper_tui.monitor.model.job import JobView

_SOURCE = {
    "vendor": "vendor",
    "bucket": "bucket",
    "endpoint": "endpoint",
    "region": "region",
    "jurisdiction": "source_jurisdiction",
    "pathPrefix": "path_prefix",
    "keys": "keys",
}
_TARGET = {"bucket": "target", "jurisdiction": "target_jurisdiction"}
_NO_SECRET = "secrets do not belong here: they are asked for when the job is created"


class BodyError(ValueError):
    """A request body that is not a valid draft; the message is one line that names the field."""


def body(draft: Draft) -> dict[str, object]:
    """Return the create request with the API's field names, without fields that are None."""
    return {
        "source": _end_point(draft, _SOURCE),
        "target": {**_end_point(draft, _TARGET), "vendor": "r2"},
        "overwrite": draft.overwrite,
    }


def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build a JSON object from its properties. Raises BodyError for a duplicate name."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise BodyError(f"{name}: given twice")
        found[name] = value
    return found


def draft_of(mapping: Mapping[str, object]) -> Draft:
    """Convert a body to a draft. Raises BodyError for unknown, duplicate or mistyped fields.

    Missing fields are allowed here; `faults` reports them. Names may also be written with dashes
    or underscores: `path-prefix` is `pathPrefix`.
    """
    top = _named(mapping, ("source", "target", "overwrite"), "")
    source = _named(_table(top, "source"), (*_SOURCE, "secret"), "source.")
    target = _named(_table(top, "target"), (*_TARGET, "vendor", "secret"), "target.")
    if target.get("vendor", "r2") != "r2":
        raise BodyError("target.vendor: a target is always r2")
    overwrite = top.get("overwrite")
    if overwrite is not None and not isinstance(overwrite, bool):
        raise BodyError(f"overwrite: must be true or false, not {_kind(overwrite)}")
    return Draft(
        **{"vendor": "", "bucket": "", "target": ""}
        | _values(source, _SOURCE, "source.")
        | _values(target, _TARGET, "target.")
        | ({} if overwrite is None else {"overwrite": overwrite}),
    )


def _end_point(draft: Draft, names: Mapping[str, str]) -> dict[str, object]:
    values = {wire: getattr(draft, name) for wire, name in names.items()}
    lists = {wire: list(v) if isinstance(v, tuple) else v for wire, v in values.items()}
    return {wire: value for wire, value in lists.items() if value is not None}


def _named(mapping: Mapping[str, object], fields: tuple[str, ...], path: str) -> dict[str, object]:
    """Return the mapping with the API's names. Raises BodyError for an unknown name."""
    plain = {_plain(name): name for name in fields}
    found: dict[str, object] = {}
    for given, value in mapping.items():
        name = plain.get(_plain(given))
        if name is None:
            import difflib  # 4 ms, only when something is wrong

            names = [word for word in plain if word != "secret"]
            [near] = difflib.get_close_matches(_plain(given), names, 1, cutoff=0.0)
            nearest = f"{path}{plain[near]}"
            raise BodyError(f"{path}{given}: no such field; the nearest is {nearest}")
        if name == "secret":
            raise BodyError(f"{path}secret: {_NO_SECRET}")
        if name in found:
            raise BodyError(f"{path}{name}: given twice")
        found[name] = value
    return found


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").casefold()


def _table(mapping: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = mapping.get(name, {})
    if not isinstance(value, dict):
        raise BodyError(f"{name}: must be a table, not {_kind(value)}")
    return value


def _values(mapping: Mapping[str, object], names: Mapping[str, str], path: str) -> dict[str, Any]:
    """Return the values under the names of `Draft`'s fields. Raises BodyError.

    A null counts as absent, and so does an empty endpoint, which the API sends for a source
    without one.
    """
    found: dict[str, Any] = {}
    for wire, value in mapping.items():
        if wire not in names or value is None or (wire, value) == ("endpoint", ""):
            continue
        if wire != "keys":
            found[names[wire]] = _text(value, path + wire)
        elif isinstance(value, list | tuple):
            items = enumerate(value)
            found["keys"] = tuple(_text(item, f"{path}keys[{place}]") for place, item in items)
        else:
            raise BodyError(f"{path}keys: must be an array of texts, not {_kind(value)}")
    return found


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise BodyError(f"{field}: must be a text, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    """Name a value's type. The value is not repeated: it may be a misplaced secret."""
    kinds = ((bool, "a truth value"), (str, "a text"), (int | float, "a number"), (dict, "a table"))
    words = (word for kind, word in kinds if isinstance(value, kind))
    return next(words, "an array" if isinstance(value, list) else "such a value")


_LIKE_JSON = re.compile(r'\s*\[\s*["\]]')


class NoKeys(ValueError):
    """A text that is not a list of keys; the message is one clause."""


def keys_of(text: str) -> tuple[str, ...]:
    """Parse keys from a JSON array, NUL-separated text, or lines; blanks are part of a key.

    Raises NoKeys, also for lines of which some end with CRLF and some with LF.
    """
    if "\0" in text:
        return tuple(key for key in text.split("\0") if key)
    if text.lstrip().startswith("["):
        try:
            keys = json.loads(text)
        except (ValueError, RecursionError):
            if _LIKE_JSON.match(text) or "\n" not in text.strip():
                raise NoKeys("it begins like a JSON array, and is none") from None
        else:
            if not all(isinstance(key, str) for key in keys):
                raise NoKeys("not every item of the array is a text")
            return tuple(keys)
    # Lines, the first of which may begin with `[`.
    try:
        return tuple(filter(None, fmt.lines_of(text)))
    except ValueError as mixed:
        raise NoKeys(str(mixed)) from None


_STEP_CLAUSES = {
    StepState.WAITING: "is still to be started",
    StepState.SENDING: "may have been sent",
    StepState.STARTED: "was started",
    StepState.UNDECIDED: "may have been sent: no answer came",
    StepState.REFUSED: "was refused and may be sent again",
}


class NoRetry(ValueError):
    """No retry draft can be made; the message is one clause."""


def retry_drafts(job: Job, keys: Iterable[str], region: str | None = None) -> tuple[Draft, ...]:
    """Return drafts of exactly these keys, each once, with the job's source, target and overwrite.

    job: its details from `get_job`; an empty string counts as missing. region: the region of an s3
    source, which the API never returns. A draft has at most 10,000 keys, in the given order.
    Raises NoRetry if there are no keys, if a field that must be repeated is missing from the job's
    details, or if a region is given for a source that is not s3.
    """
    distinct = tuple(dict.fromkeys(key for key in keys if key))
    if not distinct:
        raise NoRetry("there are no keys to copy again")
    source, target = job.source or Source(), job.target or Target()
    missing = ""
    if not source.bucket:
        missing = "the source bucket"
    elif source.vendor not in VENDORS:
        missing = "a vendor that can be copied from" if source.vendor else "the source's vendor"
    elif not target.bucket:
        missing = "the target bucket"
    elif job.overwrite is None:
        missing = "whether it overwrites"
    if missing:
        raise NoRetry(f"the API does not say {missing} of this job: no retry")
    if region is not None and source.vendor != "s3":
        raise NoRetry(f"only an s3 source has a region, and this one is {source.vendor}")
    draft = Draft(
        vendor=source.vendor or "",
        bucket=source.bucket or "",
        target=target.bucket or "",
        endpoint=(source.endpoint or None) if source.vendor == "s3" else None,
        region=region if region is not None else source.region or None,
        source_jurisdiction=(source.jurisdiction or None) if source.vendor == "r2" else None,
        target_jurisdiction=target.jurisdiction or None,
        overwrite=bool(job.overwrite),
    )
    starts = range(0, len(distinct), MOST_KEYS)
    return tuple(replace(draft, keys=distinct[start : start + MOST_KEYS]) for start in starts)


class KeysToRepair(NamedTuple):
    """Keys of one job that a verification found: those that are missing, and that differ."""

    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All of the keys."""
        return (*self.missing, *self.differing)


def keys_by_job(
    views: Iterable[JobView], missing: Iterable[str], differing: Iterable[str]
) -> tuple[dict[JobKey, KeysToRepair], tuple[str, ...]]:
    """Give each key to the newest job that was to copy it; also return the keys of no job.

    A job of a prefix comes before one of single keys, which is a retry of it.
    """
    order = sorted(
        views,
        key=lambda view: (
            not (view.job.source and view.job.source.keys),
            job_time(view.job.created_at) or 0.0,
            view.key.job_id,
        ),
        reverse=True,
    )
    covers = [(view.key, _covers(view.job.source or Source())) for view in order]
    found: dict[JobKey, tuple[list[str], list[str]]] = {}
    alien: list[str] = []
    for place, keys in enumerate((missing, differing)):
        for key in keys:
            job = next((job for job, covers_key in covers if covers_key(key)), None)
            if job is None:
                alien.append(key)
            else:
                found.setdefault(job, ([], []))[place].append(key)
    by_job = {job: KeysToRepair((*one,), (*other,)) for job, (one, other) in found.items()}
    return by_job, (*alien,)


def _covers(source: Source) -> Callable[[str], bool]:
    if source.keys:
        return frozenset(source.keys).__contains__
    prefix = source.path_prefix or ""
    return lambda key: key.startswith(prefix)


def repair_drafts(job: Job, keys: KeysToRepair, region: str | None = None) -> tuple[Draft, ...]:
    """Return drafts of exactly these keys, like `retry_drafts`; those that differ are overwritten.

    Missing keys are in drafts of their own, so that what was written to the target meanwhile is
    overwritten only if the job itself overwrites. Raises NoRetry.
    """
    drafts: list[Draft] = []
    if keys.missing or not keys.differing:
        drafts += retry_drafts(job, keys.missing, region)
    if keys.differing:
        again = retry_drafts(job, keys.differing, region)
        drafts += [replace(draft, overwrite=True) for draft in again]
    return (*drafts,)


def earlier_retries(
    key: JobKey,
    keys: Collection[str],
    log_types: Collection[str],
    links: Iterable[RetryLink],
    plans: Iterable[Plan],
    views: Sequence[JobView],
) -> tuple[str, ...]:
    """Name earlier retries that copy, or may copy, these keys of a job; one clause each.

    links, plans: all of the account's in the history. views: the listed jobs, which may include a
    retry that the history lacks.
    """
    by_key = {view.key: view for view in views}
    children = [t for t in links if t.parent == key and _share_types(t.log_types, log_types)]
    found: list[str] = []
    for link in children:
        child = by_key.get(link.child)
        word = "no longer listed" if child is None else child.word
        retry = f"is a retry of {link.keys:,} of these objects"
        found.append(f"job {link.child.job_id} ({word}) {retry}")
    for plan in plans:
        if plan.retry_of == key and _share_types(plan.log_types, log_types):
            found += _of_plan(plan)
    named = {key, *(link.child for link in children)}
    others = [view for view in views if view.key not in named]
    return (*found, *_alike(by_key.get(key), others, frozenset(keys)))


def _share_types(one: Collection[str], other: Collection[str]) -> bool:
    return not set(one or (FAILED_TYPE,)).isdisjoint(other)


def _of_plan(plan: Plan) -> Iterator[str]:
    """Name the steps that may still become a retry, or became one with an unknown id."""
    name = f"plan {plan.id}" if plan.id > 0 else "a plan of this run"
    for step in plan.steps:
        if step.state is StepState.CANCELLED or step.job_id is not None:
            continue
        number = len(step.draft.keys or ())
        keys = f" of {number:,} of these objects" if number else ""
        yield f"step {step.number} of {name}, a retry{keys}, {_STEP_CLAUSES[step.state]}"


def _alike(job: JobView | None, others: Iterable[JobView], keys: frozenset[str]) -> Iterator[str]:
    """Name jobs of the same buckets, created after this one, with some of the keys."""
    source, target = (job.job.source, job.job.target) if job else (None, None)
    if job is None or source is None or target is None:
        return
    begun = job_time(job.job.created_at)
    for other in others:
        its, to = other.job.source, other.job.target
        if its is None or to is None or not its.keys or other.account_id != job.account_id:
            continue
        created = job_time(other.job.created_at)
        before = begun is not None and created is not None and created < begun
        same = (its.vendor, its.bucket, to.bucket) == (source.vendor, source.bucket, target.bucket)
        if same and not before and (number := len(keys.intersection(its.keys))):
            yield f"job {other.key.job_id} ({other.word}) was given {number:,} of these keys"
