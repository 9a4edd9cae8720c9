"""The sample of objects whose headers are compared, and what it says about all of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from slurper_tui.api.errors import BucketKeysRefused
from slurper_tui.api.objects import ListedObject, ObjectHeaders
from slurper_tui.monitor.verify.headers import (
    LARGE,
    HeaderSampler,
    Stratum,
    compare_headers,
    differing_headers,
    interval,
    wilson,
)
from tests.monitor.verify.buckets import MemoryBucket

OBJECTS = [
    ListedObject(f"{number:05}", LARGE + 1 if number % 10 == 0 else 7) for number in range(3_000)
]


def side(told: Mapping[str, ObjectHeaders | None] | None = None) -> MemoryBucket:
    return MemoryBucket([], told=told)


def keys(sampler: HeaderSampler) -> list[str]:
    return [each.key for each in sampler.chosen()]


# The sample --------------------------------------------------------------------------------------


def test_the_same_seed_chooses_the_same_objects_in_any_order() -> None:
    one, other, another = HeaderSampler(50, 7), HeaderSampler(50, 7), HeaderSampler(50, 8)
    one.offer(OBJECTS)
    for each in random.Random(1).sample(OBJECTS, len(OBJECTS)):
        other.offer([each])
    another.offer(OBJECTS)
    assert keys(one) == keys(other)
    assert len({*keys(one)}) == 50
    assert len({*keys(one)} & {*keys(another)}) < 25


def test_a_sample_goes_on_after_an_interruption_that_repeats_objects() -> None:
    whole, first = HeaderSampler(50, 7), HeaderSampler(50, 7)
    whole.offer(OBJECTS)
    kept = first.offer(OBJECTS[:1_000]) + first.offer(OBJECTS[1_000:2_000])
    second = HeaderSampler(50, 7, kept)
    assert second.offer(OBJECTS[:1_000]) == []
    second.offer(OBJECTS[1_500:])
    assert second.chosen() == whole.chosen()


@pytest.mark.parametrize(
    ("large", "others", "chosen"),
    [
        (0, 1_000, (0, 100)),
        (20, 1_000, (20, 80)),
        (50, 50, (50, 50)),
        (500, 1_000, (50, 50)),
        (500, 30, (70, 30)),
        (500, 0, (100, 0)),
        (20, 30, (20, 30)),
    ],
)
def test_large_objects_come_first_up_to_half_of_the_sample(
    large: int, others: int, chosen: tuple[int, int]
) -> None:
    sampler = HeaderSampler(100, 7)
    sampler.offer(ListedObject(f"large/{number}", LARGE + 1) for number in range(large))
    sampler.offer(ListedObject(f"other/{number}", LARGE) for number in range(others))
    found = sampler.chosen()
    assert (sum(e.large for e in found), sum(not e.large for e in found)) == chosen
    assert [e.large for e in found] == sorted((e.large for e in found), reverse=True)


def test_objects_of_unknown_size_are_sampled_too() -> None:
    sampler = HeaderSampler(10, 7)
    sampler.offer([ListedObject("a"), ListedObject("b")])
    assert sorted(keys(sampler)) == ["a", "b"]


def test_every_object_is_equally_likely() -> None:
    counts = dict.fromkeys((f"{number:02}" for number in range(40)), 0)
    objects = [ListedObject(key) for key in counts]
    for seed in range(2_000):
        sampler = HeaderSampler(10, seed)
        sampler.offer(objects)
        for key in keys(sampler):
            counts[key] += 1
    # Each is chosen in a quarter of the samples; six standard deviations are 116.
    assert all(abs(number - 500) < 116 for number in counts.values())


def test_a_sample_of_nothing_chooses_nothing() -> None:
    sampler = HeaderSampler(0, 7)
    assert sampler.offer(OBJECTS) == []
    assert sampler.chosen() == []


# The comparison ----------------------------------------------------------------------------------

FULL = ObjectHeaders("text/html", "no-cache", "gzip", "inline", "de", {"owner": "me", "step": "1"})


@pytest.mark.parametrize(
    ("actual", "names"),
    [
        (FULL, []),
        (ObjectHeaders(metadata=FULL.metadata), "type control encoding disposition language"),
        (ObjectHeaders("text/html", "no-cache", "gzip", "inline", "de"), "owner step"),
    ],
)
def test_headers_are_compared_one_by_one(actual: ObjectHeaders, names: str | list[str]) -> None:
    found = differing_headers(FULL, actual)
    ends = names.split() if isinstance(names, str) else names
    assert [name.rpartition("-")[2].casefold() for name, _, _ in found] == ends
    assert [(name, one, other) for name, other, one in differing_headers(actual, FULL)] == [
        (name, one, other) for name, one, other in found
    ]


async def test_what_differs_is_told_by_header_and_by_object() -> None:
    sampler = HeaderSampler(100, 7)
    sampler.offer(OBJECTS)
    large, other, gone, *_ = keys(sampler)
    last = keys(sampler)[-1]
    expected = side({last: ObjectHeaders("text/html", metadata={"a": "1", "b": "2"})})
    actual = side({large: ObjectHeaders(), other: ObjectHeaders("image/png"), gone: None})
    steps: list[tuple[int, int]] = []
    compared = await compare_headers(
        expected,
        actual,
        sampler,
        large=300,
        others=2_700,
        progress=lambda done, whole: steps.append((done, whole)),
    )
    sample = compared.sample
    assert (sample.seed, sample.compared, sample.large, sample.differing) == (7, 99, 49, 3)
    assert sample.by_header == {"Content-Type": 2, "custom metadata": 1}
    assert sample.problem is None
    assert [each.key for each in compared.differing] == sorted([large, other, last])
    by_key = {each.key: each.headers for each in compared.differing}
    assert by_key[other] == (("Content-Type", "text/html", "image/png"),)
    assert by_key[large] == (("Content-Type", "text/html", None),)
    assert by_key[last] == (("x-amz-meta-a", "1", None), ("x-amz-meta-b", "2", None))
    assert sorted(expected.heads) == sorted(actual.heads) == sorted(keys(sampler))
    assert steps[-1] == (100, 100)


async def test_a_side_that_refuses_ends_the_comparison_and_is_named() -> None:
    sampler = HeaderSampler(100, 7)
    sampler.offer(OBJECTS)

    def refuse(number: int) -> None:
        if number > 20:
            raise BucketKeysRefused("the keys give no access")

    actual = MemoryBucket([], before_head=refuse)
    compared = await compare_headers(side(), actual, sampler, large=300, others=2_700)
    assert compared.sample.problem == "the keys give no access"
    assert compared.sample.compared == 20
    assert len(actual.heads) < 40


async def test_without_objects_nothing_is_asked() -> None:
    compared = await compare_headers(side(), side(), HeaderSampler(100, 7), large=0, others=0)
    assert (compared.sample.compared, compared.sample.low, compared.sample.high) == (0, 0.0, 1.0)


# The interval ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differing", "compared", "low", "high"),
    [
        # Newcombe (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_that_of_the_tables(
    differing: int, compared: int, low: float, high: float
) -> None:
    assert wilson(differing, compared) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("strata", "ends"),
    [
        ([Stratum(10, 10, 3), Stratum(90, 90, 0)], (0.03, 0.03)),
        ([Stratum(0, 0, 0), Stratum(1_000, 20, 0)], (0.0, 0.1611)),
        ([Stratum(10, 10, 10), Stratum(990, 0, 0)], (0.01, 1.0)),
        ([Stratum(500, 20, 20), Stratum(500, 20, 0)], (0.4194, 0.5805)),
        ([], (0.0, 1.0)),
    ],
)
def test_kinds_of_objects_are_weighted_by_their_numbers(
    strata: Sequence[Stratum], ends: tuple[float, float]
) -> None:
    assert interval(strata) == pytest.approx(ends, abs=1e-4)


def test_the_interval_holds_the_share_in_nineteen_of_twenty_samples() -> None:
    objects = [ListedObject(f"{number:04}", 7) for number in range(500)]
    differing = {each.key for each in objects[::25]}
    held = 0
    for seed in range(200):
        sampler = HeaderSampler(100, seed)
        sampler.offer(objects)
        found = sum(key in differing for key in keys(sampler))
        low, high = interval([Stratum(500, 100, found)])
        held += low <= 0.04 <= high
    assert held >= 0.93 * 200
