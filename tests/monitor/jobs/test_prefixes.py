from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slurper_tui.api.models import Job, Source, Target
from slurper_tui.monitor.jobs.prefixes import (
    UNLISTED,
    missing_of,
    overlaps,
    read_prefixes,
    split,
    still_copied,
)
from slurper_tui.monitor.model.job import JobView
from slurper_tui.monitor.model.plans import Draft

DRAFT = Draft("s3", "photos", "media")


def earlier(prefix: str | None = None, **more: object) -> Job:
    source = replace(Source("s3", "photos", prefix), **more)
    return Job("j1", source=source, target=Target("r2", "media"))


def test_each_prefix_is_a_draft_in_order() -> None:
    drafts = split(DRAFT, ["b/", "a/"]).drafts
    assert [draft.path_prefix for draft in drafts] == ["b/", "a/"]
    assert {replace(draft, path_prefix=None) for draft in drafts} == {DRAFT}


def test_prefixes_are_lines_with_their_spaces() -> None:
    assert read_prefixes("a/\r\n\n b/ \n") == ("a/", " b/ ")


@pytest.mark.parametrize(
    ("prefixes", "clauses"),
    [
        (["a/", "b/"], []),
        (["a/", "a/", "a/"], ["'a/' is listed 3 times"]),
        (["", "a/"], ["an empty prefix matches every key"]),
        (["2024/", "20"], ["'2024/' is within '20': its objects would be copied twice"]),
        (
            ["a/b/", "a/", "a/b/c/"],
            [
                "'a/b/' is within 'a/': its objects would be copied twice",
                "'a/b/c/' is within 'a/': its objects would be copied twice",
            ],
        ),
        (["a", "a!", "b"], ["'a!' is within 'a': its objects would be copied twice"]),
        (["2023/\0" + "2024/\0"], [r"'2023/\x002024/\x00' contains the control character U+0000"]),
        (["a\tb", "c"], [r"'a\tb' contains the control character U+0009"]),
    ],
)
def test_overlaps_are_reported(prefixes: list[str], clauses: list[str]) -> None:
    assert list(overlaps(prefixes)) == clauses


@given(st.lists(st.text("ab/", max_size=4), max_size=6))
def test_overlap_is_reported_exactly_if_a_key_would_be_copied_twice(prefixes: list[str]) -> None:
    pairs = [(i, j) for i in range(len(prefixes)) for j in range(len(prefixes)) if i != j]
    twice = any(prefixes[j].startswith(prefixes[i]) for i, j in pairs) or "" in prefixes
    assert bool(list(overlaps(prefixes))) is twice


@pytest.mark.parametrize(
    ("prefixes", "missing"),
    [
        (["2019/", "2020/", "2022/"], ["2021/"]),
        ([f"2023/{m:02}/" for m in range(1, 13) if m != 5], ["2023/05/"]),
        (["2023/11/", "2024/02/", "2024/03/"], ["2023/12/", "2024/01/"]),
        ([f"log-2024-02-{d:02}" for d in range(1, 30) if d != 7], ["log-2024-02-07"]),
        (["log-2024-02-28", "log-2024-03-01"], ["log-2024-02-29"]),
        (["20230101", "20230102", "20230104"], ["20230103"]),
        (["part-001", "part-002", "part-004"], ["part-003"]),
        (["a/", "b/", "d/"], ["c/"]),
        ([f"{n:x}/" for n in range(16) if n not in (3, 15)], ["3/", "f/"]),
        ([f"{n:02x}" for n in range(256) if n not in (0, 200)], ["00", "c8"]),
        (["2022/", "2023/", "photos/"], []),
        (["10/", "500/"], []),
        (["a/", "z/"], []),
        ([f"{n:x}/" for n in range(16)], []),
        (["only/"], []),
        ([], []),
    ],
)
def test_gaps_in_a_sequence_are_found(prefixes: list[str], missing: list[str]) -> None:
    assert list(missing_of(prefixes)) == missing


@given(st.lists(st.text("0129af/-", max_size=10), max_size=20))
def test_missing_prefixes_are_never_in_the_list(prefixes: list[str]) -> None:
    assert not set(missing_of(prefixes)) & set(prefixes)


def test_gap_that_longer_prefixes_cover_is_not_reported() -> None:
    assert split(DRAFT, ["2021/", "2022/01/", "2023/"]).gaps == ()
    gaps = split(DRAFT, ["2021/", "2023/"]).gaps
    assert gaps == ("'2022/' is missing between its neighbours",)


def test_uncovered_prefixes_of_earlier_jobs_are_reported() -> None:
    jobs = [
        earlier("2022/"),
        earlier("thumbs/"),
        earlier("thumbs/"),
        earlier(None),
        earlier(None, keys=("2022/a", "misc/b")),
        earlier("elsewhere/", bucket="other"),
        earlier("elsewhere/", vendor="gcs"),
        Job("j2"),
    ]
    gaps = split(DRAFT, ["2022/01/"], [JobView("a", job) for job in jobs]).gaps
    assert [gap.partition(",")[0] for gap in gaps] == ["'thumbs/'", "'2022/a'", "'misc/b'"]


def test_live_job_that_copies_the_same_is_reported() -> None:
    running = [earlier("2022/"), earlier("thumbs/"), earlier(None, keys=("2022/a",))]
    clauses = list(still_copied(DRAFT, ["2022/01/", "2023/"], running))
    assert clauses == ["job j1, which has not ended, copies objects under '2022/01/' too"]
    assert list(still_copied(replace(DRAFT, target="cold"), ["2022/01/"], running)) == []


def test_warning_says_that_the_source_was_not_listed() -> None:
    assert UNLISTED.startswith("the source was not listed")
