"""Lists of differences: what is written is read again, key by key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.api.models import mark_invalid_bytes
from slurper_tui.monitor.model.verification import DIFFERS, Outcome
from slurper_tui.monitor.verify.compare import Difference
from slurper_tui.monitor.verify.diff import DiffForm, DiffKeys, diff_entry, is_misread, read_diff
from slurper_tui.monitor.verify.headers import HeaderDifference

keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
differences = st.lists(
    st.builds(Difference, st.sampled_from([o for o in Outcome if o is not Outcome.SAME]), keys),
    unique_by=lambda difference: difference.key,
    min_size=1,
)


@given(differences, st.sampled_from([DiffForm.NUL, DiffForm.JSON]))
def test_every_key_is_read_as_it_was_written(found: list[Difference], form: DiffForm) -> None:
    read = read_diff("".join(diff_entry(each, form) for each in found))
    assert read is not None
    assert list(read.missing) == [d.key for d in found if d.outcome is Outcome.MISSING]
    assert list(read.differing) == [d.key for d in found if d.outcome in DIFFERS]
    others = len(found) - len(read.missing) - len(read.differing)
    assert sum(read.left_out.values()) == others


def test_text_is_one_line_for_each_key() -> None:
    found = Difference(Outcome.MISSING, "a\tb \x1b[1m")
    assert diff_entry(found, DiffForm.TEXT) == "missing\ta\tb \x1b[1m\n"
    read = read_diff(diff_entry(found, DiffForm.TEXT) + "\n")
    assert read is not None
    assert read.missing == ("a\tb \x1b[1m",)


def test_json_tells_the_sizes_and_the_time() -> None:
    entry = diff_entry(Difference(Outcome.SIZE, "\u00e9", 5, 3, 1.8e9), DiffForm.JSON)
    assert entry.isascii()
    assert json.loads(entry) == {
        "outcome": "size",
        "key": "\u00e9",
        "size": 5,
        "targetSize": 3,
        "modified": "2027-01-15T08:00:00+00:00",
        "logType": None,
    }


def test_bytes_that_are_not_utf_8_are_told_as_they_are_and_not_copied_again() -> None:
    key = mark_invalid_bytes(b"a\xff")
    entry = diff_entry(Difference(Outcome.MISSING, key), DiffForm.JSON)
    assert json.loads(entry)["key"].encode("utf-8", "surrogateescape") == b"a\xff"
    read = read_diff(entry)
    assert read == DiffKeys((), (), {"not UTF-8": 1})


def test_an_object_whose_headers_differ_is_named_and_not_copied_again() -> None:
    found = HeaderDifference("a", (("Content-Type", "text/html", None),))
    assert diff_entry(found, DiffForm.TEXT) == "headers\ta\n"
    assert json.loads(diff_entry(found, DiffForm.JSON)) == {
        "outcome": "headers",
        "key": "a",
        "headers": {"Content-Type": {"source": "text/html", "target": None}},
    }
    read = read_diff(diff_entry(found, DiffForm.JSON))
    assert read is not None
    assert (read.missing, read.differing, dict(read.left_out)) == ((), (), {"headers": 1})


@pytest.mark.parametrize("text", ["", "a\nb\n", '["a"]', "a\0b", "some\twords\n"])
def test_a_list_without_outcomes_is_none(text: str) -> None:
    assert read_diff(text) is None


def test_lines_may_end_with_crlf_if_all_do() -> None:
    read = read_diff("missing\ta\r\nsize\tb\r\n")
    assert read == DiffKeys(("a",), ("b",))
    with pytest.raises(ValueError, match="line 2 ends with CRLF, the first one with LF"):
        read_diff("missing\ta\nmissing\tb\r\n")


def test_an_entry_without_an_outcome_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"line 4 tells no outcome"):
        read_diff("missing\ta\n\nsize\tb\nc\n")


@pytest.mark.parametrize(
    ("key", "misread"),
    [
        ("a\nmissing\tb", True),
        ("a\n\nsize\tb", True),
        ("a\n", True),
        ("a\r", True),
        ("a\nb", False),
        ("a\nmissing\tb\nc", False),
        ("missing\ta", False),
        ("a\rb", False),
    ],
)
def test_a_key_whose_lines_read_as_other_keys_is_known(key: str, *, misread: bool) -> None:
    assert is_misread(key) is misread
    entry = diff_entry(Difference(Outcome.MISSING, key), DiffForm.NUL)
    assert read_diff(entry) == DiffKeys((key,))
