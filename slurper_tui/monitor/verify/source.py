"""Reads the source of new jobs: its top level, what a list of prefixes leaves out, its objects.

All of it lists the source with a delimiter, which takes few requests, but for `count`, which lists
every object.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurper_tui.api.errors import TooLarge

if TYPE_CHECKING:
    from slurper_tui.api.objects import FoundPrefix
    from slurper_tui.monitor.verify.buckets import ObjectListing

MOST_LEVELS = 50
"""Levels that are listed to compare a list of prefixes with the source, at most."""

MOST_PROPOSED = 100
"""Jobs that are proposed for one source, at most."""

_DEEPEST = 8
_EXAMPLES = 3


class TopLevel(NamedTuple):
    """The prefixes and the objects at the top of a source, or below a prefix.

    below: that prefix, or the only folder of the source that everything is in; "" for the top.
    whole: False if there are too many prefixes and objects to read them.
    """

    below: str
    prefixes: tuple[str, ...]
    objects: tuple[str, ...]
    whole: bool

    @property
    def why_not(self) -> str:
        """Why no job for each prefix is proposed; "" if it is."""
        where = f"below {self.below!r}" if self.below else "at the top of the source"
        if not self.whole:
            return f"there are too many prefixes and objects {where} to read them"
        if len(self.prefixes) > MOST_PROPOSED:
            return f"there are {len(self.prefixes):,} prefixes {where}, too many for a job each"
        if len(self.prefixes) < 2:
            return f"there are no prefixes {where} to split it by"
        return ""


async def top_level(side: ObjectListing, below: str = "") -> TopLevel:
    """Return the top level of a source, or of what is below a prefix. Raises ApiError.

    Where there is a single folder, return what is in it.
    """
    found: Sequence[FoundPrefix] = ()
    for _ in range(_DEEPEST):
        try:
            found = await side.level(below)
        except TooLarge:
            return TopLevel(below, (), (), whole=False)
        if len(found) != 1 or found[0].is_object:
            break
        below = found[0].name
    return TopLevel(
        below,
        tuple(sorted(each.name for each in found if not each.is_object)),
        tuple(sorted(each.name for each in found if each.is_object)),
        whole=True,
    )


class Uncovered(NamedTuple):
    """What a list of prefixes leaves out of the source, and the prefixes that match nothing.

    objects: examples of objects that stand beside the prefixes. number: of all such objects.
    whole: False if the source has more levels or entries than were read.
    """

    prefixes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    number: int = 0
    unmatched: tuple[str, ...] = ()
    whole: bool = True

    def clauses(self) -> Iterator[str]:
        """Yield one clause for each."""
        for prefix in self.unmatched:
            yield f"{prefix!r} matches nothing in the source"
        for prefix in self.prefixes:
            yield f"{prefix!r} is in the source, and within none of these"
        if self.number:
            names = ", ".join(map(repr, self.objects))
            more = f", and {self.number - len(self.objects):,} more" if self.number > 3 else ""
            objects = "1 object is" if self.number == 1 else f"{self.number:,} objects are"
            yield f"{objects} within none of these: {names}{more}"
        if not self.whole:
            yield "the source has too many entries to compare all of them with these"


async def uncovered(side: ObjectListing, prefixes: Collection[str]) -> Uncovered:
    """Compare a list of prefixes with the source. Raises ApiError.

    Levels below the top are listed only where a prefix of the list is deeper than they are.
    """
    begins, levels, whole = tuple(prefixes), [""], True
    missing, objects, number, matched = list[str](), list[str](), 0, set[str]()
    for _ in range(MOST_LEVELS):
        if not levels:
            break
        try:
            found = await side.level(levels.pop())
        except TooLarge:
            whole = False
            continue
        for each in found:
            name = each.name
            if name.startswith(begins):
                matched.update(prefix for prefix in prefixes if name.startswith(prefix))
            elif each.is_object:
                number += 1
                objects += [name] if number <= _EXAMPLES else []
            elif any(prefix.startswith(name) for prefix in prefixes):
                levels.append(name)
            else:
                missing.append(name)
    whole = whole and not levels
    unmatched = tuple(prefix for prefix in prefixes if prefix not in matched) if whole else ()
    return Uncovered(tuple(sorted(missing)), tuple(objects), number, unmatched, whole)


class CountPrice(NamedTuple):
    """What it costs to count the objects of a source. None where the number is not known.

    in_r2: every request is a Class A operation of R2.
    """

    requests: int | None
    seconds: float | None
    in_r2: bool


def count_price(side: ObjectListing, prefixes: int, objects: int | None) -> CountPrice:
    """Return what counting below some prefixes costs. objects: in the bucket; None if unknown."""
    cost = side.cost
    if objects is None:
        return CountPrice(None, None, cost.in_r2)
    requests = -(-objects // cost.page) + prefixes
    return CountPrice(requests, requests / (cost.per_second or 1 / cost.seconds), cost.in_r2)


async def count(
    side: ObjectListing, prefixes: Sequence[str]
) -> AsyncGenerator[tuple[int, ...], None]:
    """List every object below some prefixes; yield the numbers so far. Raises ApiError.

    The last tuple has the number of each prefix; before, those of the ones that were begun.
    """
    numbers = list[int]()
    for prefix in prefixes:
        numbers.append(0)
        async for page in side.pages(prefix):
            numbers[-1] += len(page)
            yield tuple(numbers)
    yield tuple(numbers)
