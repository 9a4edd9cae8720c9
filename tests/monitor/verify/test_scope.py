"""The scope of jobs: which keys, which ranges, and since when the target holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.models import Job, Source
from slurper_tui.monitor.verify.reading import just_before
from slurper_tui.monitor.verify.scope import JobScope, Range, cut, middle, scope_of
from tests.monitor.verify.buckets import scope

KEYS = st.text(
    st.characters(codec="utf-8") | st.sampled_from(["\0", "/", "\ue000", "\U0010ffff"]), min_size=1
)


def of_prefix(*prefixes: str) -> list[JobScope]:
    return [JobScope(str(number), prefix) for number, prefix in enumerate(prefixes)]


@pytest.mark.parametrize(
    ("jobs", "limits", "ranges"),
    [
        (of_prefix(""), (), (Range(),)),
        (of_prefix("a/", "b/"), (), (Range("a/"), Range("b/"))),
        (of_prefix("a/", "a/b/", "a/"), (), (Range("a/"),)),
        (of_prefix("a/", "b/"), ("a/x/", "c/"), (Range("a/x/"),)),
        (of_prefix("a/b/"), ("a/",), (Range("a/b/"),)),
        ([JobScope("1", keys=("z", "a"))], (), (Range(keys=("a", "z")),)),
        (
            [JobScope("1", "a/"), JobScope("2", keys=("a/1", "b"))],
            (),
            (Range("a/"), Range(keys=("b",))),
        ),
        ([JobScope("1", keys=("a/1", "b"))], ("a/",), (Range(keys=("a/1",)),)),
    ],
)
def test_ranges_are_the_union_of_the_jobs(
    jobs: list[JobScope], limits: tuple[str, ...], ranges: tuple[Range, ...]
) -> None:
    assert scope(*jobs, prefixes=limits).ranges() == ranges


@pytest.mark.parametrize(
    ("prefixes", "common"),
    [(["a/b/", "a/c/"], "a/"), (["a/b"], "a/"), ([""], ""), (["a/b/"], "a/b/"), (["a", "b"], "")],
)
def test_the_common_folder(prefixes: list[str], common: str) -> None:
    assert scope(*of_prefix(*prefixes)).common == common


@pytest.mark.parametrize(
    ("jobs", "since"),
    [
        ([JobScope("1", created_at=1.0)], 1.0),
        ([JobScope("1", created_at=1.0), JobScope("2", created_at=5.0)], 5.0),
        ([JobScope("1", created_at=1.0), JobScope("2", "other/", created_at=5.0)], 1.0),
        ([JobScope("1", created_at=1.0), JobScope("2", keys=("k",), created_at=5.0)], 5.0),
        ([JobScope("1", created_at=1.0), JobScope("2", keys=("l",), created_at=5.0)], 1.0),
        # It skips what the target has, so that the version of the first job stays.
        ([JobScope("1", created_at=1.0), JobScope("2", created_at=5.0, overwrite=False)], 1.0),
        ([JobScope("1", created_at=1.0, overwrite=False)], 1.0),
        ([JobScope("1")], None),
    ],
)
def test_since_when_the_target_holds_a_key(jobs: list[JobScope], since: float | None) -> None:
    assert scope(*jobs).created_at()("k") == since


@given(KEYS, st.lists(KEYS))
def test_a_listing_from_just_before_a_key_has_the_key(key: str, others: list[str]) -> None:
    after = just_before(key)
    assert after < key
    assert len(after.encode()) <= max(len(key.encode()), 1024)
    assert not any(after < other < key for other in others if not other.startswith(key[:-1]))


def test_just_before_a_key_of_the_greatest_length() -> None:
    assert len(just_before("k" * 1024).encode()) == 1024


@given(st.lists(KEYS), st.lists(KEYS))
def test_every_key_of_a_range_is_in_one_part(points: list[str], keys: list[str]) -> None:
    for whole in (Range(), Range("a"), Range("", "b", "y")):
        parts = [*cut(whole, points)]
        for key in {*keys, *points}:
            assert sum(part.holds(key) for part in parts) == whole.holds(key)


@given(KEYS, st.none() | KEYS, st.data())
def test_a_text_between_two_keys(low: str, until: str | None, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(low) - 1))
    for near in (False, True):
        found = middle(low, until, position, near=near)
        if found is not None:
            found.encode()
            assert low < found
            assert until is None or found < until
            assert (found[:position], len(found)) == (low[:position], position + 1)


@pytest.mark.parametrize(
    ("low", "until", "position", "near", "found"),
    [
        ("img-1", None, 4, False, "img-6"),
        ("img-1", None, 4, True, "img-2"),
        ("img-9", None, 4, False, "img-:"),
        ("img-1", "img-4", 4, False, "img-3"),
        ("img-1", "img-2", 4, False, None),
        ("img-1", None, 3, False, "img."),
        ("a", None, 0, False, "n"),
        ("a", "b", 0, False, None),
        ("\U0010ffff", None, 0, False, None),
        ("\ud7ff", None, 0, True, "\ue000"),
    ],
)
def test_the_text_is_halfway_in_the_digits_or_letters(
    low: str, until: str | None, position: int, near: bool, found: str | None
) -> None:
    assert middle(low, until, position, near=near) == found


def test_the_fingerprint_differs_with_whatever_decides_on_the_keys() -> None:
    made = [
        scope(),
        scope(JobScope("other")),
        scope(JobScope("job", "a/")),
        scope(JobScope("job", keys=("a",))),
        scope(JobScope("job", keys=("\ud800",))),
        scope(prefixes=("a",)),
    ]
    assert len({one.fingerprint() for one in made}) == len(made)


def test_the_scope_of_jobs() -> None:
    jobs = [
        Job("1", "completed", "2026-01-01T00:00:00Z", source=Source(path_prefix="a/")),
        Job("2", "running", overwrite=False, source=Source(keys=("k",))),
        Job("3"),
    ]
    made = scope_of("account", "bucket", jobs, ["b", "a", "b"])
    assert made.jobs == (
        JobScope("1", "a/", None, 1_767_225_600.0, overwrite=True, ended=True),
        JobScope("2", "", ("k",), None, overwrite=False, ended=False),
        JobScope("3", "", None, None, overwrite=True, ended=False),
    )
    assert made.live
    assert made.prefixes == ("a", "b")
    assert scope_of("account", "bucket", jobs, ["a", ""]).prefixes == ()
    odd = Job("1", source=Source(keys=("", "k")))
    assert scope_of("account", "bucket", [odd]).ranges() == (Range(keys=("k",)),)
