"""Splits one migration into one job per prefix, and checks the list of prefixes.

The checks find prefixes that overlap, gaps in sequences (dates, numbers, letters, hexadecimal
digits), prefixes of earlier jobs that the list does not cover, and prefixes that a live job still
copies. Where the source can be listed, gaps are what it really holds, see `verify.source`; else
they are guessed from the list and from known jobs.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from slurper_tui.monitor.model.plans import MOST_KEYS, control_character

if TYPE_CHECKING:
    from slurper_tui.api.models import Job, Source
    from slurper_tui.monitor.model.job import JobView
    from slurper_tui.monitor.model.plans import Draft

_DATE = re.compile(r"(?<!\d)(\d{4})([-/_.]?)(\d{2})(?:\2(\d{2}))?(?!\d)")
_NUMBER = re.compile(r"\d{1,9}")
_WORD = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"[0-9a-f]{1,3}")
_YEARS = range(1900, 2200)


class _Place(NamedTuple):
    """A position in a prefix where the member of a sequence may be, and its format.

    kind: number, hex, letter, month or day. before, after: the text around the position, the same
    for all members. form: a date's separator, a number's width ("" for unpadded) or a letter's
    case.
    """

    kind: str
    before: str
    after: str
    form: str

    def text(self, value: int) -> str:
        """Return the prefix with this member of the sequence."""
        match self.kind:
            case "number":
                member = f"{value:0{self.form}d}" if self.form else str(value)
            case "hex":
                member = f"{value:0{self.form}x}"
            case "letter":
                member = chr(value)
            case "month":
                member = f"{value // 12:04d}{self.form}{value % 12 + 1:02d}"
            case _:
                day = date.fromordinal(value)
                member = f"{day:%Y}{self.form}{day:%m}{self.form}{day:%d}"
        return self.before + member + self.after

    def expected(self, values: set[int]) -> Iterable[int]:
        """Return the values that the sequence of these values should have; () if unclear."""
        low, high = min(values), max(values)
        if high - low > 2 * len(values) + 4096:
            return ()
        if self.kind != "hex":
            return range(low, high + 1)
        digits = "".join(f"{value:0{self.form}x}" for value in values)
        is_hex = not digits.isdigit() and not digits.isalpha()
        return range(16 ** int(self.form)) if is_hex else ()


def missing_of(prefixes: Sequence[str]) -> tuple[str, ...]:
    """Return the prefixes that complete sequences in the list, sorted.

    A sequence has at least two members that differ in one position only, and misses at most as
    many members as it has. Members are years, months, days, numbers or single letters. Hexadecimal
    numbers of up to three digits are expected completely once half of them are present.
    """
    members: dict[_Place, set[int]] = defaultdict(set)
    for prefix in set(prefixes):
        for place, value in _places(prefix):
            members[place].add(value)
    found: set[str] = set()
    for place, values in members.items():
        absent = [value for value in place.expected(values) if value not in values]
        if len(values) >= 2 and len(absent) <= len(values):
            found |= {place.text(value) for value in absent}
    return tuple(sorted(found - set(prefixes)))


def _places(prefix: str) -> Iterator[tuple[_Place, int]]:
    """Yield every position in a prefix that may belong to a sequence, with its value."""
    for found in _DATE.finditer(prefix):
        with suppress(ValueError):
            yield _dated(prefix, found)
    for found in _NUMBER.finditer(prefix):
        width = str(len(found[0])) if found[0].startswith("0") or len(found[0]) == 4 else ""
        yield _Place("number", *_around(prefix, found), width), int(found[0])
    for found in _WORD.finditer(prefix):
        if _HEX.fullmatch(found[0]):
            yield _Place("hex", *_around(prefix, found), str(len(found[0]))), int(found[0], 16)
        if len(found[0]) == 1 and found[0].isalpha():
            case = "A" if found[0].isupper() else "a"
            yield _Place("letter", *_around(prefix, found), case), ord(found[0])


def _around(prefix: str, found: re.Match[str]) -> tuple[str, str]:
    return prefix[: found.start()], prefix[found.end() :]


def _dated(prefix: str, found: re.Match[str]) -> tuple[_Place, int]:
    """Return a date's position and value: a day's ordinal or the number of months since year 0.

    Raises ValueError if the match is not a date.
    """
    year, separator, month, day = found.groups()
    whole = date(int(year), int(month), int(day or 1))
    if whole.year not in _YEARS or (not day and not separator):
        raise ValueError(prefix)
    kind = "day" if day else "month"
    value = whole.toordinal() if day else whole.year * 12 + whole.month - 1
    return _Place(kind, *_around(prefix, found), separator), value


UNLISTED = "the source was not listed: objects outside these prefixes will not be copied"
"""A warning to show with a list of prefixes that was not compared with the source."""


class Split(NamedTuple):
    """Drafts of a list of prefixes, in the list's order, and the problems of the list.

    overlaps: clauses that explain why objects would be copied twice or a prefix is a mistake; a
    list with overlaps must not be started. gaps: clauses that name prefixes that seem to be
    missing. copied: clauses that name jobs that still copy the same objects.
    """

    drafts: tuple[Draft, ...]
    overlaps: tuple[str, ...]
    gaps: tuple[str, ...]
    copied: tuple[str, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What may be a mistake in the list, the most urgent first."""
        return few((*self.copied, *self.gaps))


def split(
    draft: Draft,
    prefixes: Sequence[str],
    jobs: Sequence[JobView] = (),
    known_gaps: Sequence[str] | None = None,
    beside: Sequence[str] = (),
) -> Split:
    """Split a draft that has neither prefix nor keys.

    jobs: known jobs of any source. known_gaps: clauses about what the source holds outside the
    prefixes; None if it was not listed, see `UNLISTED`. beside: keys of objects within no prefix,
    which a job of their own copies.
    """
    drafts = [replace(draft, path_prefix=prefix, keys=None) for prefix in prefixes]
    for first in range(0, len(beside), MOST_KEYS):
        keys = tuple(beside[first : first + MOST_KEYS])
        drafts.append(replace(draft, path_prefix=None, keys=keys))
    return Split(
        tuple(drafts),
        tuple(overlaps(prefixes)),
        tuple(_guessed(draft, prefixes, jobs) if known_gaps is None else known_gaps),
        tuple(still_copied(draft, prefixes, [view.job for view in jobs if view.live])),
    )


def _guessed(draft: Draft, prefixes: Sequence[str], jobs: Sequence[JobView]) -> Iterator[str]:
    """Yield clauses for prefixes that seem to be missing in the list."""
    missing = gaps(prefixes)
    earlier = [n for n in earlier_prefixes(draft, [v.job for v in jobs]) if n not in missing]
    yield from (f"{prefix!r} is missing between its neighbours" for prefix in missing)
    yield from uncovered(prefixes, earlier)


_MOST_CLAUSES = 12


def few(clauses: Sequence[str]) -> tuple[str, ...]:
    """Return the first clauses, and the number of the others."""
    more = len(clauses) - _MOST_CLAUSES
    return (*clauses[:_MOST_CLAUSES], *((f"and {more:,} more",) if more > 0 else ()))


def read_prefixes(text: str) -> tuple[str, ...]:
    """Parse prefixes, one per line; blank lines are skipped, spaces are part of a prefix."""
    return tuple(line for line in text.replace("\r\n", "\n").split("\n") if line.strip())


def overlaps(prefixes: Sequence[str]) -> Iterator[str]:
    """Yield clauses for prefixes that are duplicate, empty, or a prefix of another one.

    A control character is reported too: it suggests that the list has other separators.
    """
    for prefix in prefixes:
        if sign := control_character(prefix):
            yield f"{prefix!r} contains the control character {sign}"
    for prefix, times in Counter(prefixes).items():
        if not prefix:
            yield "an empty prefix matches every key"
        elif times > 1:
            yield f"{prefix!r} is listed {times} times"
    outer = ""  # the shortest prefix that begins the next ones
    for prefix in sorted(filter(None, set(prefixes))):
        if outer and prefix.startswith(outer):
            yield f"{prefix!r} is within {outer!r}: its objects would be copied twice"
        else:
            outer = prefix


def gaps(prefixes: Sequence[str]) -> tuple[str, ...]:
    """Return the missing members of sequences that no prefix of the list covers."""
    return tuple(prefix for prefix in missing_of(prefixes) if not _touched(prefix, prefixes))


def uncovered(prefixes: Collection[str], earlier: Collection[str]) -> Iterator[str]:
    """Yield clauses for prefixes and keys of earlier jobs that no prefix covers."""
    for name in dict.fromkeys(earlier):
        if name and not _touched(name, prefixes):
            yield f"{name!r}, a prefix of an earlier job, is within none of these"


def earlier_prefixes(draft: Draft, jobs: Iterable[Job]) -> tuple[str, ...]:
    """Return the prefixes, then the keys, of jobs with the draft's source, in the jobs' order."""
    sources = [job.source for job in jobs if job.source and _is_source_of(draft, job.source)]
    prefixes = [source.path_prefix for source in sources if source.path_prefix]
    keys = [key for source in sources for key in source.keys or ()]
    return tuple(dict.fromkeys([*prefixes, *keys]))


def _is_source_of(draft: Draft, source: Source) -> bool:
    same = source.bucket == draft.bucket and source.vendor in (None, draft.vendor)
    return same and (source.endpoint or draft.endpoint) == (draft.endpoint or source.endpoint)


def _touched(name: str, prefixes: Collection[str]) -> bool:
    """Whether some prefix covers the name or a part of it."""
    return any(name.startswith(prefix) or prefix.startswith(name) for prefix in prefixes)


def still_copied(draft: Draft, prefixes: Sequence[str], live: Iterable[Job]) -> Iterator[str]:
    """Yield clauses for prefixes that a live job copies to the same bucket. live: live jobs."""
    for job in live:
        source, target = job.source, job.target
        if source is None or target is None or source.keys or target.bucket != draft.target:
            continue
        copied = source.path_prefix or ""
        both = [p for p in prefixes if p.startswith(copied) or copied.startswith(p)]
        if both and _is_source_of(draft, source):
            yield f"job {job.id}, which has not ended, copies objects under {both[0]!r} too"
