"""Key lists in every form that `failures` writes, and in those that a person writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurper_tui.monitor.jobs.draft import NoKeys, keys_of


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ("a\n b \n\n", ("a", " b ")),
        ("a\r\nb\r\n\n", ("a", "b")),
        ("a\r\nb\n", ("a\r", "b")),
        ("a\nb\0c", ("a\nb", "c")),
        ("[a]\0b\0", ("[a]", "b")),
        ('["a", "b\\ud800"]', ("a", "b\ud800")),
        ("[]", ()),
        ("[prod]/a\nb\n", ("[prod]/a", "b")),
    ],
)
def test_keys_are_taken_exactly(text: str, keys: tuple[str, ...]) -> None:
    assert keys_of(text) == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]", "begins like a JSON array"),
        ('[\n  "a",\n', "begins like a JSON array"),
        ("[" * 9999, "begins like a JSON array"),
        ('["a", 1]', "not every item"),
    ],
)
def test_what_is_no_list_is_told(text: str, said: str) -> None:
    with pytest.raises(NoKeys, match=said):
        keys_of(text)


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_with_nul_between_them_any_keys_come_back(keys: list[str]) -> None:
    assert keys_of("".join(f"{key}\0" for key in keys)) == tuple(keys)
