"""One migration as one job for each prefix of a list, and what the list leaves to be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from slurper_tui.api.models import Job, Source
from slurper_tui.monitor.creation.checks import control_character
from slurper_tui.monitor.creation.sequences import missing_of
from slurper_tui.monitor.model.plans import Draft

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
