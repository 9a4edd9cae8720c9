"""The merge of two sorted listings agrees with a comparison of two dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.objects import ListedObject
from slurper_tui.monitor.model.verification import Outcome
from slurper_tui.monitor.verify.compare import (
    NO_SOURCE_ETAG,
    NO_TARGET_ETAG,
    SOURCE_PARTS,
    TARGET_PARTS,
    Difference,
    Judge,
    Merge,
    OrderBroken,
    Parts,
    compare,
    explain,
    tally_of,
)
from tests.monitor.verify.buckets import CREATED, STARTED, an_object, objects

KEYS = st.text(
    st.sampled_from(["a", "b", "/", "\u0301", "\U0001f600", "\uffff", "\n"]), min_size=1, max_size=4
)
MD5S = ["0" * 32, "f" * 32, "0" * 30 + "-2", None]
EARLY, LATE, TOO_LATE = CREATED - 1, CREATED + 1, STARTED + 1

LISTED = st.builds(
    ListedObject,
    KEYS,
    st.sampled_from([0, 1, 2, None]),
    st.sampled_from(MD5S),
    st.sampled_from([EARLY, LATE, TOO_LATE, None]),
)
IN_TARGET = st.builds(
    ListedObject, KEYS, st.sampled_from([0, 1, 2]), st.sampled_from(MD5S), st.just(None)
)


def naive(one: ListedObject | None, other: ListedObject | None, explained: bool) -> Outcome:
    """Return the outcome of a key as the rules say it."""
    if one is None:
        return Outcome.EXTRA
    if one.modified == TOO_LATE:
        return Outcome.UNJUDGED
    if other is None:
        return Outcome.EXPECTED if explained else Outcome.MISSING
    md5s = one.etag in MD5S[:2] and other.etag in MD5S[:2]
    same_size = one.size is None or one.size == other.size
    if md5s and one.etag == other.etag and same_size:
        return Outcome.SAME
    if one.modified == LATE:
        return Outcome.CHANGED
    if one.size and other.size == 0:
        return Outcome.EMPTY
    if not same_size:
        return Outcome.SIZE
    return Outcome.ETAG if md5s and one.etag != other.etag else Outcome.SAME


@given(
    st.lists(LISTED, unique_by=lambda o: o.key, max_size=12),
    st.lists(IN_TARGET, unique_by=lambda o: o.key, max_size=12),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sets(KEYS, max_size=6),
)
def test_merge_agrees_with_dictionaries(
    expected: list[ListedObject],
    actual: list[ListedObject],
    page: int,
    other_page: int,
    logged: set[str],
) -> None:
    left, right = ({one.key: one for one in side} for side in (expected, actual))
    judge = Judge(STARTED, lambda key: CREATED)
    parts = Parts()
    merge, found = Merge(judge, parts), list[Difference]()
    sides = [pages(expected, page), pages(actual, other_page)]
    while not merge.done:
        for side in (0, 1):
            if merge.needs(side):
                more = next(sides[side], None)
                if more is None:
                    merge.end(side)
                else:
                    merge.add(side, more)
        merge.advance()
        found += merge.take()
    explain(found, parts, dict.fromkeys(logged, "importSkipped"))
    outcomes = {
        key: naive(left.get(key), right.get(key), key in logged) for key in left.keys() | right
    }
    assert [(d.key, d.outcome) for d in found] == [
        (key, outcomes[key]) for key in sorted(outcomes) if outcomes[key] is not Outcome.SAME
    ]
    counted = tally_of(sum(parts.counts.values(), Counter()))
    assert counted.counts == Counter(outcomes.values())
    assert counted.bytes == sum(one.size or 0 for one in expected)
    assert counted.etags + sum(counted.not_compared.values()) == counted.of(Outcome.SAME)
    assert merge.compared == len(expected)
    assert merge.last == max(outcomes, default=None)
    by_part: dict[str, Counter[Outcome]] = {}
    for key, outcome in outcomes.items():
        first, slash, _ = key.partition("/")
        by_part.setdefault(first + slash if slash else "", Counter())[outcome] += 1
    assert {part: tally_of(c).counts for part, c in parts.counts.items()} == by_part


def pages(listed: list[ListedObject], size: int) -> Iterator[Sequence[ListedObject]]:
    in_order = sorted(listed, key=lambda o: o.key)
    yield ()  # an answer may be empty
    for start in range(0, len(in_order), size):
        yield in_order[start : start + size]


@given(st.lists(KEYS, unique=True), st.integers(1, 4))
def test_keys_are_in_the_order_of_their_utf_8(keys: list[str], size: int) -> None:
    in_bytes = sorted(keys, key=str.encode)
    found = compare(pages(objects(*in_bytes), size), iter(()), Judge(STARTED))
    assert [d.key for d in found] == in_bytes


@pytest.mark.parametrize(
    "listed",
    [["b", "a"], ["a", "a"], ["a", "c", "b", "d"]],
    ids=["descending", "twice", "in the middle"],
)
@pytest.mark.parametrize("size", [1, 10])
def test_a_side_without_order_is_found(listed: list[str], size: int) -> None:
    found = objects(*listed)
    in_pages = iter([found[start : start + size] for start in range(0, len(found), size)])
    with pytest.raises(OrderBroken) as broken:
        list(compare(iter(()), in_pages, Judge(STARTED)))
    assert broken.value.side == 1


@dataclass
class Case:
    """One row of a table: an object on both sides, and why ETags were not compared."""

    source: str | None
    target: str | None
    reason: str | None


PLAIN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "case",
    [
        Case(PLAIN, PLAIN, None),
        Case(PLAIN.upper(), PLAIN, None),
        Case(f"{PLAIN}-7", PLAIN, SOURCE_PARTS),
        Case(PLAIN, f"{PLAIN}-7", TARGET_PARTS),
        Case(None, PLAIN, NO_SOURCE_ETAG),
        Case(PLAIN, None, NO_TARGET_ETAG),
        Case("CKihvY+F7fICEAE=", PLAIN, NO_SOURCE_ETAG),
    ],
)
def test_etags_are_compared_only_where_both_are_md5s(case: Case) -> None:
    parts = Parts()
    merge = Merge(Judge(STARTED), parts)
    merge.add(0, [an_object("k", etag=case.source)])
    merge.add(1, [an_object("k", etag=case.target)])
    merge.advance()
    tally = tally_of(parts.counts[""])
    assert tally.of(Outcome.SAME) == 1
    assert tally.etags == (case.reason is None)
    assert tally.not_compared == ({} if case.reason is None else {case.reason: 1})


def test_an_object_of_the_second_in_which_the_listing_began_is_not_judged() -> None:
    judge = Judge(STARTED + 0.7)
    assert judge.missing(an_object("k", modified=STARTED)).outcome is Outcome.UNJUDGED
    assert judge.missing(an_object("k", modified=STARTED - 1)).outcome is Outcome.MISSING


def test_a_newer_object_is_not_judged_although_both_sides_agree() -> None:
    newer = ListedObject("k", 1, MD5S[0], TOO_LATE)
    [found] = compare(iter([[newer]]), iter([[newer]]), Judge(STARTED))
    assert found.outcome is Outcome.UNJUDGED


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Difference(Outcome.SIZE, "k", 5000, 4000), "5,000 bytes, in the target 4,000"),
        (Difference(Outcome.EMPTY, "k", 5000, 0), "5,000 bytes, in the target 0"),
        (Difference(Outcome.CHANGED, "k", 5, 5, 0.0), "changed at 1970-01-01T00:00:00Z"),
        (Difference(Outcome.EXPECTED, "k", 5, log_type="importSkipped"), "importSkipped"),
        (Difference(Outcome.ETAG, "k", 5, 5), "the MD5 differs"),
        (Difference(Outcome.MISSING, "k", 5), ""),
    ],
)
def test_a_difference_is_told_in_a_few_words(difference: Difference, words: str) -> None:
    assert difference.detail == words


def test_a_server_that_begins_with_the_key_itself_is_in_order() -> None:
    parts = Parts()
    merge = Merge(Judge(STARTED), parts, after="b")
    merge.add(0, objects("b"))
    merge.add(0, objects("b", "c"))
    merge.add(1, objects("b", "c"))
    merge.advance()
    assert parts.counts[""][Outcome.SAME] == 1
    with pytest.raises(OrderBroken):
        merge.add(0, objects("c"))
