"""Compares two sorted listings key by key; no I/O.

`Merge` walks two listings in step. It holds no more than the pages that it was given and has not
consumed yet, so that its memory does not depend on the number of objects.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from operator import lt
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from slurper_tui.format import utc
from slurper_tui.monitor.model.verification import Outcome, Tally

if TYPE_CHECKING:
    from slurper_tui.api.objects import ListedObject

_MD5 = re.compile(r"[0-9a-fA-F]{32}")

BYTES, ETAGS, SIZE_UNKNOWN = "bytes", "etags", "size unknown"
"""What a count is of, besides the outcomes."""

NOT_COMPARED = "etag: "
"""Begins what a count is of where ETags were not compared; the reason follows."""

NO_SOURCE_ETAG = "no MD5 of the expected object is told"
NO_TARGET_ETAG = "no MD5 of the target's object is told"
NO_MD5S = "not one agrees, so that they are no MD5s, as with SSE-KMS"
SOURCE_PARTS = "uploaded to the source in parts"
TARGET_PARTS = "uploaded to the target in parts"


class Difference(msgspec.Struct, frozen=True):
    """One key whose outcome is not `same`.

    size, actual_size: bytes of the expected object and of the target's; None if there is none, or
        if it is not told. modified: of the expected object, UTC seconds.
    log_type: of the log row that explains why it is missing.
    """

    outcome: Outcome
    key: str
    size: int | None = None
    actual_size: int | None = None
    modified: float | None = None
    log_type: str | None = None

    @property
    def detail(self) -> str:
        """What differs, in a few words; empty where the outcome says it all."""
        if self.outcome is Outcome.EXPECTED:
            return self.log_type or ""
        if self.outcome in (Outcome.CHANGED, Outcome.UNJUDGED):
            return "" if self.modified is None else f"changed at {utc(self.modified)}"
        if self.outcome in (Outcome.SIZE, Outcome.EMPTY) and self.size is not None:
            return f"{self.size:,} bytes, in the target {self.actual_size or 0:,}"
        return "the MD5 differs" if self.outcome is Outcome.ETAG else ""


class OrderBroken(Exception):
    """A listing is not in ascending order, or it names a key twice. side: 0 expected, 1 actual."""

    def __init__(self, side: int, key: str) -> None:
        super().__init__(key)
        self.side = side


class Judge:
    """Tells the outcome of a key.

    started_at: when the listing began, UTC seconds. created_at: returns when the job that last
        copied a key was created, UTC seconds; None if that is not known. first_created_at: the
        earliest of these times.
    """

    def __init__(
        self,
        started_at: float,
        created_at: Callable[[str], float | None] = lambda key: None,
        first_created_at: float = -math.inf,
    ) -> None:
        # Times of listings are cut to whole seconds.
        self.started_at = float(int(started_at))
        self._created_at = created_at
        self._first_created_at = first_created_at

    def missing(self, expected: ListedObject) -> Difference:
        """Return the difference of an object that the target lacks."""
        outcome = Outcome.UNJUDGED if self._is_new(expected) else Outcome.MISSING
        return Difference(outcome, expected.key, expected.size, None, expected.modified)

    def extra(self, actual: ListedObject) -> Difference:
        """Return the difference of an object that only the target has."""
        return Difference(Outcome.EXTRA, actual.key, None, actual.size)

    def outcome(self, expected: ListedObject, actual: ListedObject) -> Outcome:
        """Return the outcome of a key that both sides have."""
        if self._is_new(expected):
            return Outcome.UNJUDGED
        size_agrees = expected.size is None or expected.size == actual.size
        both = is_md5(expected.etag) and is_md5(actual.etag)
        if both and size_agrees and _lower(expected.etag) == _lower(actual.etag):
            return Outcome.SAME
        if self._has_changed(expected):
            return Outcome.CHANGED
        if actual.size == 0 and expected.size:
            return Outcome.EMPTY
        if not size_agrees:
            return Outcome.SIZE
        return Outcome.ETAG if both else Outcome.SAME

    def _is_new(self, expected: ListedObject) -> bool:
        return expected.modified is not None and expected.modified >= self.started_at

    def _has_changed(self, expected: ListedObject) -> bool:
        if expected.modified is None or expected.modified <= self._first_created_at:
            return False
        created_at = self._created_at(expected.key)
        return created_at is not None and expected.modified > created_at


def is_md5(etag: str | None) -> bool:
    """Return whether an ETag looks like the MD5 of the whole object."""
    return etag is not None and len(etag) == 32 and _MD5.fullmatch(etag) is not None


def _lower(etag: str | None) -> str:
    return (etag or "").lower()


def _uncompared(expected: ListedObject, actual: ListedObject) -> str:
    """Return why the ETags of two objects cannot be compared."""
    if not is_md5(expected.etag):
        return SOURCE_PARTS if "-" in (expected.etag or "") else NO_SOURCE_ETAG
    return TARGET_PARTS if "-" in (actual.etag or "") else NO_TARGET_ETAG


class Parts:
    """Counts by the first part of the key behind a common prefix, as long as keys ascend.

    after: the common prefix. A part ends with its `/`; objects beside the folders have the common
    prefix itself as their part.
    """

    def __init__(self, after: str = "") -> None:
        self._after = after
        self.counts: dict[str, Counter[str]] = {}
        self.end = ""
        self.counter: Counter[str] = Counter()

    def go_to(self, key: str) -> None:
        """Make `counter` that of a key's part, and `end` the first key that is beyond it."""
        part = self.part_of(key)
        beside = part == self._after
        self.end = key + "\0" if beside else part[:-1] + "0"  # the character after `/`
        counter = self.counts.get(part)
        if counter is None:
            counter = self.counts[part] = Counter()
        self.counter = counter

    def part_of(self, key: str) -> str:
        """Return the part that a key belongs to."""
        slash = key.find("/", len(self._after))
        return self._after if slash < 0 or not key.startswith(self._after) else key[: slash + 1]

    def clear(self) -> None:
        """Forget the counts."""
        self.counts, self.end = {}, ""


class Merge:
    """Walks two listings in step: add pages, then `advance`.

    until: keys beyond it are left out; it may be lowered to a key that no page has reached yet.
    parts: collects the counts. pairs: collects the expected objects that the target has too; None
    if nobody asks for them. last: the last key that was compared; every key up to it was.
    compared: the number of expected objects so far.
    """

    def __init__(
        self,
        judge: Judge,
        parts: Parts,
        after: str | None = None,
        pairs: list[ListedObject] | None = None,
        until: str | None = None,
    ) -> None:
        self.until = until
        self._judge = judge
        self._parts = parts
        self._pages: list[Sequence[ListedObject]] = [(), ()]
        self._at = [0, 0]
        self._ended = [False, False]
        self._after = after
        self._newest: list[str | None] = [after, after]
        self._differences: list[Difference] = []
        self._pairs = pairs
        self.last = after
        self.compared = 0

    def add(self, side: int, page: Sequence[ListedObject]) -> None:
        """Add the next page of a side that needs one. side: 0 expected, 1 actual.

        Raises OrderBroken if its keys do not ascend.
        """
        if not page:
            return
        keys = [each.key for each in page]
        newest = self._newest[side]
        if keys[0] == newest == self._after:
            # A server that lists from a key on, instead of behind it.
            del keys[0]
            page = page[1:]
            if not keys:
                return
        if newest is not None and keys[0] <= newest:
            raise OrderBroken(side, keys[0])
        if not all(map(lt, keys, islice(keys, 1, None))):
            broken = next(b for a, b in pairwise(keys) if b <= a)
            raise OrderBroken(side, broken)
        self._newest[side] = keys[-1]
        if self.until is not None and keys[-1] > self.until:
            page = page[: bisect_right(keys, self.until)]
            self.end(side)
        self._pages[side], self._at[side] = page, 0

    def end(self, side: int) -> None:
        """Say that a side has no more pages."""
        self._ended[side] = True

    @property
    def newest(self) -> str | None:
        """The greatest key of all pages so far, or else where the merge begins."""
        return max((key for key in self._newest if key is not None), default=None)

    def needs(self, side: int) -> bool:
        """Return whether a side has been consumed and has not ended."""
        return not self._ended[side] and self._at[side] >= len(self._pages[side])

    @property
    def done(self) -> bool:
        """Whether both sides have ended and been consumed."""
        return all(
            ended and at >= len(page)
            for ended, at, page in zip(self._ended, self._at, self._pages, strict=True)
        )

    def take(self) -> list[Difference]:
        """Return the differences since the last call."""
        taken, self._differences = self._differences, []
        return taken

    def advance(self) -> None:
        """Compare as far as the pages go: until a side that has not ended is consumed."""
        expected, actual = self._pages
        i, j = begun = self._at
        same = size = 0
        started_at, parts = self._judge.started_at, self._parts
        end, key = parts.end, self.last
        count_of_expected, count_of_actual = len(expected), len(actual)
        while i < count_of_expected and j < count_of_actual:
            one, other = expected[i], actual[j]
            key = one.key
            if key != other.key:
                alone = one if key < other.key else other
                key = alone.key
                if key >= end:
                    _add_same(parts.counter, same, size)
                    same = size = 0
                    parts.go_to(key)
                    end = parts.end
                i, j = (i + 1, j) if alone is one else (i, j + 1)
                self._alone(alone, is_expected=alone is one)
                continue
            i, j = i + 1, j + 1
            if key >= end:
                _add_same(parts.counter, same, size)
                same = size = 0
                parts.go_to(key)
                end = parts.end
            etag, modified = one.etag, one.modified
            if (
                one.size == other.size
                and etag == other.etag
                and etag is not None
                and len(etag) == 32
                and etag.isalnum()  # an MD5, seen more quickly than by `is_md5`
                and (modified is None or modified < started_at)
            ):
                same += 1
                size += one.size or 0
            else:
                self._pair(one, other)
        _add_same(parts.counter, same, size)
        self._collect(expected[self._at[0] : i], actual[self._at[1] : j])
        for side, page, at in ((0, expected, i), (1, actual, j)):
            if self._ended[1 - side] and at < len(page):
                for alone in islice(page, at, None):
                    key = alone.key
                    if key >= parts.end:
                        parts.go_to(key)
                    self._alone(alone, is_expected=side == 0)
                i, j = (len(page), j) if side == 0 else (i, len(page))
        self._at = [i, j]
        self.last = key if self._at != begun else self.last
        self.compared += i - begun[0]

    def _collect(self, expected: Sequence[ListedObject], actual: Sequence[ListedObject]) -> None:
        """Collect the expected objects whose keys the target has too, if they are asked for."""
        if self._pairs is not None:
            keys = {each.key for each in actual}
            self._pairs += [each for each in expected if each.key in keys]

    def _alone(self, listed: ListedObject, *, is_expected: bool) -> None:
        judge, counter = self._judge, self._parts.counter
        found = judge.missing(listed) if is_expected else judge.extra(listed)
        counter[found.outcome] += 1
        if is_expected:
            counter[BYTES] += listed.size or 0
        self._differences.append(found)

    def _pair(self, expected: ListedObject, actual: ListedObject) -> None:
        counter = self._parts.counter
        outcome = self._judge.outcome(expected, actual)
        counter[outcome] += 1
        counter[BYTES] += expected.size or 0
        if outcome is not Outcome.SAME:
            sizes = (expected.size, actual.size)
            self._differences.append(
                Difference(outcome, expected.key, *sizes, modified=expected.modified)
            )
            return
        if expected.size is None:
            counter[SIZE_UNKNOWN] += 1
        if is_md5(expected.etag) and is_md5(actual.etag):
            counter[ETAGS] += 1
        else:
            counter[NOT_COMPARED + _uncompared(expected, actual)] += 1


def _add_same(counter: Counter[str], number: int, size: int) -> None:
    """Count objects that are the same in size and MD5."""
    if number:
        counter[Outcome.SAME] += number
        counter[ETAGS] += number
        counter[BYTES] += size


def explain(differences: list[Difference], parts: Parts, log_types: Mapping[str, str]) -> None:
    """Make missing keys expected ones where a log explains them, also in the counts.

    log_types: by key, of the log rows that explain it.
    """
    for place, found in enumerate(differences):
        log_type = log_types.get(found.key)
        if log_type is not None and found.outcome is Outcome.MISSING:
            differences[place] = replace(found, outcome=Outcome.EXPECTED, log_type=log_type)
            counter = parts.counts[parts.part_of(found.key)]
            counter[Outcome.EXPECTED] += 1
            counter[Outcome.MISSING] -= 1
            if not counter[Outcome.MISSING]:
                del counter[Outcome.MISSING]


def tally_of(counts: Mapping[str, int]) -> Tally:
    """Return the tally of counts that a merge collected."""
    reasons = {
        what.removeprefix(NOT_COMPARED): number
        for what, number in counts.items()
        if what.startswith(NOT_COMPARED)
    }
    return Tally(
        counts={outcome: counts[outcome] for outcome in Outcome if counts.get(outcome)},
        size_unknown=counts.get(SIZE_UNKNOWN, 0),
        etags=counts.get(ETAGS, 0),
        not_compared=reasons,
        bytes=counts.get(BYTES, 0),
    )


def compare(
    expected: Iterator[Sequence[ListedObject]],
    actual: Iterator[Sequence[ListedObject]],
    judge: Judge,
) -> Iterator[Difference]:
    """Yield the differences of two sorted listings in the order of their keys."""
    merge, sides = Merge(judge, Parts()), (expected, actual)
    while not merge.done:
        for side, pages in enumerate(sides):
            if merge.needs(side):
                page = next(pages, None)
                merge.end(side) if page is None else merge.add(side, page)
        merge.advance()
        yield from merge.take()
