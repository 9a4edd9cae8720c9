"""One migration as one job for each prefix of a list, and what the list leaves to be asked.

What is missing in a list of prefixes that is a sequence in all but a few places.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui.api.models import Job, Source
from slurper_tui.monitor.jobs.validation import control_character
from slurper_tui.monitor.model.plans import Draft

_DATE = re.compile(r"(?<!\d)(\d{4})([-/_.]?)(\d{2})(?:\2(\d{2}))?(?!\d)")
_NUMBER = re.compile(r"\d{1,9}")
_WORD = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"[0-9a-f]{1,3}")
_YEARS = range(1900, 2200)


class _Place(NamedTuple):
    """Where in a prefix the member of a sequence stands, and how it is written.

    kind: which sequence. before, after: what all members have around it. form: its separator, or
    its width.
    """

    kind: str
    before: str
    after: str
    form: str


_Members = dict[_Place, set[int]]


def missing_of(prefixes: Sequence[str]) -> tuple[str, ...]:
    """Prefixes that a sequence would hold and the list does not, sorted.

    A sequence is at least two members that differ in one place alone, and lacks no more than it
    has: years, months and days across their years, numbers, and single letters; of digits to the
    base of 16, up to three wide, all are expected once half of them are there.
    """
    members: _Members = defaultdict(set)
    for prefix in set(prefixes):
        for place, value in _places(prefix):
            members[place].add(value)
    found = {text for place, values in members.items() for text in _missing(place, values)}
    return tuple(sorted(found - set(prefixes)))


def _places(prefix: str) -> Iterator[tuple[_Place, int]]:
    """Every place of a prefix at which a sequence might run, with the value there."""
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
    """A day as its ordinal, a month as its number since year 0. Raises ValueError for none."""
    year, separator, month, day = found.groups()
    whole = date(int(year), int(month), int(day or 1))
    if whole.year not in _YEARS or (not day and not separator):
        raise ValueError(prefix)
    kind = "day" if day else "month"
    value = whole.toordinal() if day else whole.year * 12 + whole.month - 1
    return _Place(kind, *_around(prefix, found), separator), value


def _missing(place: _Place, values: set[int]) -> Iterator[str]:
    """The missing members of one sequence, as prefixes."""
    expected = _expected(place, values)
    absent = [value for value in expected if value not in values] if expected else []
    if len(values) < 2 or not 0 < len(absent) <= len(values):
        return
    write = _WRITTEN[place.kind]
    yield from (place.before + write(value, place.form) + place.after for value in absent)


def _expected(place: _Place, values: set[int]) -> Iterable[int]:
    low, high = min(values), max(values)
    if high - low > 2 * len(values) + 4096:
        return ()
    if place.kind != "hex":
        return range(low, high + 1)
    written = "".join(_hex(value, place.form) for value in values)
    is_hex = not written.isdigit() and not written.isalpha()
    return range(16 ** int(place.form)) if is_hex else ()


def _hex(value: int, width: str) -> str:
    return f"{value:0{width}x}"


def _number(value: int, width: str) -> str:
    return f"{value:0{width}d}" if width else str(value)


def _letter(value: int, _: str) -> str:
    return chr(value)


def _month(value: int, separator: str) -> str:
    return f"{value // 12:04d}{separator}{value % 12 + 1:02d}"


def _day(value: int, separator: str) -> str:
    whole = date.fromordinal(value)
    return f"{whole:%Y}{separator}{whole:%m}{separator}{whole:%d}"


_WRITTEN: dict[str, Callable[[int, str], str]] = {
    "number": _number,
    "hex": _hex,
    "letter": _letter,
    "month": _month,
    "day": _day,
}


UNLISTED = "the API cannot list the source: keys that no prefix begins are neither seen nor copied"
"""What has to be said of every list of prefixes."""


class Split(NamedTuple):
    """A list of prefixes as drafts, in their order. overlaps: why some objects would be copied
    twice, or a prefix cannot be meant, one clause each; no such list is to be started. gaps: what
    seems to be left out, one clause each.
    """

    drafts: tuple[Draft, ...]
    overlaps: tuple[str, ...]
    gaps: tuple[str, ...]


def split(draft: Draft, prefixes: Sequence[str], earlier: Iterable[Job] = ()) -> Split:
    """Split a draft that has neither prefix nor keys. earlier: jobs that are known, of any source.

    Nothing here has looked into the source, see `UNLISTED`.
    """
    missing = holes(prefixes)
    known = [name for name in known_of(draft, earlier) if name not in missing]
    return Split(
        tuple(replace(draft, path_prefix=prefix, keys=None) for prefix in prefixes),
        tuple(overlaps(prefixes)),
        (
            *(f"{prefix!r} is missing between its neighbours" for prefix in missing),
            *uncovered(prefixes, known),
        ),
    )


def read_prefixes(text: str) -> tuple[str, ...]:
    """Prefixes from a text, one a line; empty lines are none. Space is part of a prefix."""
    return tuple(line for line in text.replace("\r\n", "\n").split("\n") if line.strip())


def overlaps(prefixes: Sequence[str]) -> Iterator[str]:
    """Tell of prefixes that stand there twice, that begin another, or that begin every key.

    A prefix with a control character is hardly meant either: the list may have other separators.
    """
    for prefix in prefixes:
        if sign := control_character(prefix):
            yield f"{prefix!r} holds the control character {sign}"
    for prefix, times in Counter(prefixes).items():
        if not prefix:
            yield "an empty prefix begins every key"
        elif times > 1:
            yield f"{prefix!r} stands there {times} times"
    ordered = sorted(filter(None, set(prefixes)))
    for shorter, longer in _nested(ordered):
        yield f"{shorter!r} begins {longer!r} too, whose objects would be copied twice"


def _nested(ordered: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each prefix with the shortest other one that begins it. ordered: sorted, each once."""
    outer = ""
    for prefix in ordered:
        if outer and prefix.startswith(outer):
            yield outer, prefix
        else:
            outer = prefix


def holes(prefixes: Sequence[str]) -> tuple[str, ...]:
    """What is missing in sequences: years, months, days, numbers, digits and letters."""
    return tuple(prefix for prefix in missing_of(prefixes) if not _touched(prefix, prefixes))


def uncovered(prefixes: Collection[str], known: Collection[str]) -> Iterator[str]:
    """Tell of prefixes and keys that earlier jobs named and that nothing here covers."""
    for name in dict.fromkeys(known):
        if name and not _touched(name, prefixes):
            yield f"{name!r}, which an earlier job copied from, begins with none of these"


def known_of(draft: Draft, jobs: Iterable[Job]) -> tuple[str, ...]:
    """Prefixes and keys that jobs of the draft's source have named, in the order of the jobs."""
    sources = [job.source for job in jobs if job.source and _is_source_of(draft, job.source)]
    prefixes = [source.path_prefix for source in sources if source.path_prefix]
    keys = [key for source in sources for key in source.keys or ()]
    return tuple(dict.fromkeys([*prefixes, *keys]))


def _is_source_of(draft: Draft, source: Source) -> bool:
    same = source.bucket == draft.bucket and source.vendor in (None, draft.vendor)
    return same and (source.endpoint or draft.endpoint) == (draft.endpoint or source.endpoint)


def _touched(name: str, prefixes: Collection[str]) -> bool:
    """Some prefix covers it, or a part of it."""
    return any(name.startswith(prefix) or prefix.startswith(name) for prefix in prefixes)


def still_copied(draft: Draft, prefixes: Sequence[str], live: Iterable[Job]) -> Iterator[str]:
    """Tell of prefixes that a job copies to the same bucket at this moment. live: such jobs."""
    for job in live:
        source, target = job.source, job.target
        if source and target and target.bucket == draft.target and _is_source_of(draft, source):
            yield from _copied_by(job, source.path_prefix or "", prefixes)


def _copied_by(job: Job, copied: str, prefixes: Sequence[str]) -> Iterator[str]:
    both = [p for p in prefixes if p.startswith(copied) or copied.startswith(p)]
    if both and not (job.source and job.source.keys):
        yield f"job {job.id}, which is not over, copies what {both[0]!r} begins too"
