"""The objects of the simulated buckets, computed on request: nothing is kept in memory but a few.

A bucket holds what its jobs are about: as a source all of their objects, as a target those that
were transferred by now. The keys of a job without keys are its prefix, a day and a name; they are
numbered in the order of their keys, so that a listing may begin anywhere. `Plan` tells which of
them are not in the target, or not as in the source.
"""

from __future__ import annotations

import hashlib
import random
import threading
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

import httpx

from slurper_tui.simulated.api import Detail, Refusal, accept_page, whole_number
from slurper_tui.simulated.jobs import Course, Plan, incident_key, iso

MOST_OBJECTS, FEW_OBJECTS = 1000, 20
"""Objects of a page: at most, and where the request does not tell."""

INVALID_QUERY = 10001
"""Placeholder for R2's undocumented error code of an invalid query."""

_DAYS = 12 * 28
_ENDINGS = {
    "photos-prod": ".jpg",
    "avatars": ".png",
    "thumbs": ".webp",
    "video-masters": ".mp4",
    "logs-eu": ".log.gz",
    "backups": ".tar.zst",
}
_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4"}
_TYPES |= {".HEIC": "image/heic", ".gz": "application/gzip", ".zst": "application/zstd"}

_LARGE = frozenset({"video-masters", "backups"})
"""Source buckets of which one object in 64 is larger than 100 MiB and was uploaded in parts; such
an object has lost its Content-Type in the target."""

_MOST_AT_ONCE = 2_000
"""Keys that are made and sorted in the event loop, which takes up to 20 ms."""

_MEAN_SIZE = 2 * 10**6


class Item(NamedTuple):
    """One object. kind: what differs in the target, a number of `Plan` by its name; else "".

    is_source: it is the object of the source, not of the target.
    """

    key: str
    kind: str
    course: Course
    is_source: bool


class Contents:
    """The objects of one job, in the order of their keys."""

    def __init__(self, plan: Plan) -> None:
        source = plan.source
        keys = None if source is None else source.keys
        self.bucket = (source and source.bucket) or ""
        self._prefix = (source and source.path_prefix) or ""
        self._ending = _ENDINGS.get(self.bucket, ".bin")
        self._plan = plan
        self._sorting = threading.Lock()
        self._incidents: Sequence[str] | None = None
        self.special: dict[str, str] = {}
        if keys is not None:
            self._keys: Sequence[str] | None = sorted(set(keys) - set(self.incidents()))
            self.regular = len(self._keys)
            return
        self._keys, self.regular = None, max(0, plan.objects - plan.incidents)
        kinds = [kind for kind in _KINDS for _ in range(getattr(plan, kind))][: self.regular]
        random.Random(plan.id).shuffle(kinds)
        for place, kind in enumerate(kinds):
            number = (2 * place + 1) * self.regular // (2 * len(kinds))
            self.special[self.key(number)] = kind

    def incidents(self) -> Sequence[str]:
        """Return the keys of the objects that failed or were not copied, in order."""
        with self._sorting:
            if self._incidents is None:
                numbers = range(self._plan.incidents)
                self._incidents = sorted({incident_key(self._plan, number) for number in numbers})
            return self._incidents

    @property
    def is_slow(self) -> bool:
        """Whether the first call of `incidents` will take long: a second for 100,000 keys."""
        return self._incidents is None and self._plan.incidents > _MOST_AT_ONCE

    def key(self, number: int) -> str:
        """Return the key of a regular object, which has no row in the log."""
        if self._keys is not None:
            return self._keys[number]
        day = number * _DAYS // self.regular
        folder = f"{self._prefix}{day // 28 + 1:02d}/{day % 28 + 1:02d}"
        return f"{folder}/{self.bucket}-{number:08d}{self._ending}"

    def regular_from(self, bound: str, most: int) -> Iterator[str]:
        """Yield the keys of the first `most` regular objects, from a key on."""
        numbers = range(min(most, self.regular))
        return map(self.key, numbers[bisect_left(numbers, bound, key=self.key) :])

    def incidents_from(self, bound: str) -> Iterator[str]:
        """Yield the keys of `incidents` from a key on."""
        return islice(self.incidents(), bisect_left(self.incidents(), bound), None)


_KINDS = ("lost", "resized", "emptied", "changed")


class Objects:
    """The objects of every bucket of one account. courses: the account's jobs, newest first."""

    def __init__(self, courses: Callable[[], Sequence[Course]]) -> None:
        self._courses = courses
        self._contents: dict[str, Contents] = {}

    def slow_parts(self, bucket: str) -> Sequence[Contents]:
        """Return the jobs whose keys are to be sorted before a bucket's first page."""
        return [contents for _, contents, _ in self._in(bucket) if contents.is_slow]

    def page(self, bucket: str, request: httpx.Request, now: float) -> httpx.Response:
        """Answer a listing. Raises Refusal for an invalid query."""
        query = request.url.params
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most = whole_number(request, "per_page", FEW_OBJECTS)
        if not 1 <= most <= MOST_OBJECTS:
            text = f"per_page must be between 1 and {MOST_OBJECTS}"
            raise Refusal(400, Detail(INVALID_QUERY, text))
        if len(delimiter) > 1:
            raise Refusal(400, Detail(INVALID_QUERY, "delimiter must be a single character"))
        bound = max(prefix, _bound(query.get("cursor"), query.get("start_after")))
        objects: list[Item] = []
        prefixes: list[str] = []
        last = ""
        # One more than the page holds, to know whether there is a next one.
        for found in islice(self._found(bucket, prefix, delimiter, bound, now), most + 1):
            if len(objects) + len(prefixes) == most:
                break
            if isinstance(found, str):
                prefixes.append(found)
                last = _after_all(found)
            else:
                objects.append(found)
                last = found.key + "\0"
        else:
            last = ""
        info: dict[str, object] = {"per_page": most, "is_truncated": bool(last)}
        if last:
            info["cursor"] = last.encode("utf-8", "surrogatepass").hex()
        if delimiter:
            info["delimited"] = prefixes
        return accept_page([_json(item) for item in objects], info)

    def usage(self, bucket: str, now: float) -> Mapping[str, str]:
        """Return the usage of a bucket five minutes ago; a running job copies 5 MB a second."""
        then = now - 300.0
        count, size = 0, 0
        for course, contents, is_source in self._in(bucket):
            there = contents.regular if is_source else self._transferred(course, contents, then)
            count += there
            size += there * _MEAN_SIZE
            if not is_source and course.status(then) == "running":
                size += int(max(0.0, then - course.plan.created) * 5 * 10**6)
        uploads = sum(
            not is_source and course.status(then) == "running"
            for course, _, is_source in self._in(bucket)
        )
        return {
            "end": iso(then),
            "payloadSize": str(size),
            "metadataSize": str(count * 100),
            "objectCount": str(count),
            "uploadCount": str(uploads),
        }

    def _found(
        self, bucket: str, prefix: str, delimiter: str, bound: str, now: float
    ) -> Iterator[Item | str]:
        """Yield objects, and common prefixes as text, in the order of their keys."""
        if not delimiter:
            yield from self._items(bucket, prefix, bound, now)
            return
        while item := next(self._items(bucket, prefix, bound, now), None):
            head, found, _ = item.key[len(prefix) :].partition(delimiter)
            if found:
                common = prefix + head + delimiter
                yield common
                bound = _after_all(common)
            else:
                yield item
                bound = item.key + "\0"

    def _items(self, bucket: str, prefix: str, bound: str, now: float) -> Iterator[Item]:
        """Yield the objects below a prefix whose key is at least `bound`, each key once."""
        parts = [
            self._part(course, contents, bound, now, is_source=is_source)
            for course, contents, is_source in self._in(bucket)
        ]
        before = None
        for item in merge(*parts, key=lambda item: item.key):
            if not item.key.startswith(prefix):
                return
            if item.key != before:
                yield item
            before = item.key

    def _in(self, bucket: str) -> Iterator[tuple[Course, Contents, bool]]:
        """Yield the jobs that a bucket is the source or the target of; those of keys come first.

        Of several jobs with the same prefix only the first one counts.
        """
        seen = set()
        courses = self._courses()
        for course in sorted(courses, key=lambda c: (not _has_keys(c), c.plan.created)):
            source, target = course.plan.source, course.plan.target
            if source is None:
                continue
            name = (source.bucket, source.path_prefix, course.plan.id if source.keys else None)
            if source.bucket == bucket and not _has_keys(course) and (name, True) not in seen:
                yield course, self._contents_of(course.plan), True
            if target is not None and target.bucket == bucket and (name, False) not in seen:
                yield course, self._contents_of(course.plan), False
            seen |= {(name, True), (name, False)}

    def _contents_of(self, plan: Plan) -> Contents:
        if plan.id not in self._contents:
            self._contents[plan.id] = Contents(plan)
        return self._contents[plan.id]

    def _part(
        self, course: Course, contents: Contents, bound: str, now: float, *, is_source: bool
    ) -> Iterator[Item]:
        """Yield the objects of one job from a key on."""
        if is_source:
            keys: Iterator[str] = merge(
                contents.regular_from(bound, contents.regular), contents.incidents_from(bound)
            )
        else:
            regular = contents.regular_from(bound, self._transferred(course, contents, now))
            there = contents.incidents()[: course.plan.there if course.completed(now) else 0]
            keys = merge(regular, (key for key in there if key >= bound))
        origin = self._origin(course, contents)
        for key in keys:
            kind = origin.get(key, "")
            if _has_keys(course):
                yield Item(key, "copied" if kind == "changed" else "", course, is_source)
            elif is_source or kind != "lost":
                yield Item(key, kind, course, is_source)

    def _origin(self, course: Course, contents: Contents) -> Mapping[str, str]:
        """Return the special keys of a job; of a job of keys, those of its source bucket."""
        if not _has_keys(course):
            return contents.special
        special: dict[str, str] = {}
        for other in self._courses():
            if (source := other.plan.source) is not None and source.bucket == contents.bucket:
                special.update(self._contents_of(other.plan).special)
        return special

    def _transferred(self, course: Course, contents: Contents, now: float) -> int:
        """Return how many regular objects were copied, or there before, at a time."""
        if course.completed(now) is not None:
            return contents.regular
        done = course.counters(now)
        regular = done.transferred + done.skipped + done.failed - done.incidents
        return min(contents.regular, max(0, regular))


def _has_keys(course: Course) -> bool:
    return course.plan.source is not None and course.plan.source.keys is not None


def _bound(cursor: str | None, start_after: str | None) -> str:
    """Return the least key of a page. Raises Refusal for a cursor that is not ours."""
    if not cursor:
        return start_after + "\0" if start_after else ""
    try:
        return bytes.fromhex(cursor).decode("utf-8", "surrogatepass")
    except ValueError:
        raise Refusal(400, Detail(INVALID_QUERY, "The cursor is not valid.")) from None


def _after_all(common: str) -> str:
    """Return the least text after every key that begins with a common prefix."""
    return common[:-1] + chr(ord(common[-1]) + 1)


def _json(item: Item) -> dict[str, object]:
    """Return an object as the API lists it."""
    key, plan = item.key, item.course.plan
    bucket = plan.source.bucket if plan.source is not None else ""
    number = zlib.crc32(key.encode("utf-8", "surrogatepass"))
    is_large = bucket in _LARGE and number % 64 == 0
    size = 100 * 2**20 + number % 2**29 if is_large else 1 + number % (2 * _MEAN_SIZE)
    kind = _TYPES.get(key[key.rfind(".") :], "application/octet-stream")
    changed = item.kind == "copied" or (item.is_source and item.kind == "changed")
    version = key + "/2" if changed else key
    etag = hashlib.md5(version.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    if item.is_source:
        age = plan.seconds * 0.3 if item.kind == "changed" else -86400.0 - number % 10**7
        modified = plan.created + age
        parts = "-" + str(size // 2**23) if is_large else ""
    else:
        modified = plan.created + number % max(1, int(plan.seconds))
        size = 0 if item.kind == "emptied" else size // 2 if item.kind == "resized" else size
        etag = etag[::-1] if is_large or item.kind in ("emptied", "resized") else etag
        parts = "-" + str(size // 2**26 + 1) if is_large else ""
    headers: dict[str, object] = {"contentType": kind, "cacheControl": "public, max-age=86400"}
    if is_large and not item.is_source:
        headers["contentType"] = "application/octet-stream"
    return {
        "key": key,
        "size": size,
        "etag": etag + parts,
        "last_modified": iso(modified),
        "storage_class": "Standard",
        "ssec": False,
        "http_metadata": headers,
        "custom_metadata": {"uploaded-by": "camera-sync"} if number % 3 == 0 else {},
    }
