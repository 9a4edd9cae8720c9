"""The top level of a source, the gaps of a list of prefixes, and the number of objects."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from slurper_tui.api.errors import TooLarge
from slurper_tui.api.objects import FoundPrefix
from slurper_tui.monitor.verify import source
from slurper_tui.monitor.verify.source import Uncovered, count, top_level, uncovered
from tests.monitor.verify.buckets import MemoryBucket, objects


def bucket_of(keys: Sequence[str]) -> MemoryBucket:
    return MemoryBucket(objects(*keys))


class HugeLevels(MemoryBucket):
    """A bucket whose levels are too large to be read."""

    async def level(self, prefix: str = "", most: int | None = None) -> Sequence[FoundPrefix]:
        raise TooLarge("too many")


PHOTOS = bucket_of(["2023/a", "2023/b/c", "2024/a", "index.html", "odd name/x"])


async def test_the_top_level_is_every_prefix_and_the_objects_beside_them() -> None:
    level = await top_level(PHOTOS)
    assert not level.why_not
    assert level == ("", ("2023/", "2024/", "odd name/"), ("index.html",), True)


async def test_a_single_folder_is_opened() -> None:
    level = await top_level(bucket_of(["data/x/2023/a", "data/x/2024/a"]))
    assert level.below == "data/x/"
    assert level.prefixes == ("data/x/2023/", "data/x/2024/")


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (["a", "b"], "no prefixes at the top"),
        (["a/x"], "no prefixes below 'a/'"),
        ([f"{n}/x" for n in range(200)], "there are 200 prefixes at the top"),
    ],
)
async def test_why_no_split_is_proposed(keys: list[str], why: str) -> None:
    assert why in (await top_level(bucket_of(keys))).why_not


async def test_a_level_with_too_many_entries_is_neither_split_nor_compared() -> None:
    huge = HugeLevels([])
    assert "too many prefixes and objects at the top" in (await top_level(huge)).why_not
    assert await uncovered(huge, ["a/"]) == Uncovered(whole=False)


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (["2023/", "2024/", "odd", "index.html"], Uncovered()),
        (["2"], Uncovered(("odd name/",), ("index.html",), 1)),
        (["2023/", "2O24/"], Uncovered(("2024/", "odd name/"), ("index.html",), 1, ("2O24/",))),
        # a deeper prefix covers only a part of its folder
        (["2023/b/", "2024/", "odd"], Uncovered((), ("index.html", "2023/a"), 2)),
    ],
)
async def test_what_a_list_leaves_out(prefixes: list[str], expected: Uncovered) -> None:
    assert await uncovered(PHOTOS, prefixes) == expected


def test_the_clauses_name_each_gap() -> None:
    gaps = Uncovered(("a/",), ("x", "y", "z"), 5, ("b/",))
    assert [*gaps.clauses()] == [
        "'b/' matches nothing in the source",
        "'a/' is in the source, and within none of these",
        "5 objects are within none of these: 'x', 'y', 'z', and 2 more",
    ]


async def test_where_not_all_was_read_no_prefix_is_called_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "MOST_LEVELS", 1)
    gaps = await uncovered(PHOTOS, ["2023/b/", "nothing/"])
    assert not gaps.whole
    assert not gaps.unmatched
    assert "too many entries" in [*gaps.clauses()][-1]


async def test_objects_are_counted_by_prefix() -> None:
    steps = [step async for step in count(PHOTOS, ["2023/", "2024/", "none/"])]
    assert steps[-1] == (2, 1, 0)
    assert steps[0] == (2,)
