"""Without a private name of Textual, or with another signature of it, the picture is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from slurper_tui.tui.render.painted import MISSING, PRIVATE_NAMES, PrivateName

SIGNATURES = {
    "ChopsUpdate": r"chop_ends: list\[list\[int\]\],\n(?=    \) -> None)",
    "LayoutUpdate": r"def __init__\(self, strips: list\[Iterable\[Strip\]\], region: Region(?=\))",
    "_display": r"def _display\(self, screen: Screen, renderable: RenderableType \| None(?=\))",
    "_exchange_repaint_regions": r"def _exchange_repaint_regions\(self(?=\))",
    "_attach": r"def _attach\(self, parent: MessagePump(?=\))",
}
"""The parameters of a name, as a pattern that ends where one more can be added."""


def shown(changes: dict[str, str]) -> tuple[str, str]:
    """The pictures of `other_textual`, and how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.tui.other_textual", json.dumps(changes)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC"},
    )
    assert "a local variable" not in done.stdout + done.stderr
    pictures, _, end = done.stdout.strip().rpartition("\n")
    return pictures, end or done.stderr


@pytest.fixture(scope="module")
def unchanged() -> tuple[str, str]:
    """The pictures of the unchanged Textual, and how it ended."""
    return shown({})


def test_this_textual_has_every_private_name(unchanged: tuple[str, str]) -> None:
    assert not MISSING
    pictures, end = unchanged
    assert end == "missing: [], ended with 70: RuntimeError(16)"
    assert pictures.count("photos-2") > 3


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_without_a_private_name_the_picture_is_the_same(
    name: str, unchanged: tuple[str, str]
) -> None:
    pictures, end = shown({rf"(?<!textual\.)\b{name}\b": f"{name}_renamed"})
    assert repr(name) in end
    assert pictures == unchanged[0]
    ended = "ended with 1: None" if name == "_handle_exception" else "ended with 70: RuntimeError"
    assert ended in end


def test_with_other_signatures_the_picture_is_the_same(unchanged: tuple[str, str]) -> None:
    changes = {f"({parameters})": r"\1, extra=None" for parameters in SIGNATURES.values()}
    changes[f"({SIGNATURES['ChopsUpdate']})"] = r"\1 extra=None,\n"
    pictures, end = shown(changes)
    assert f"missing: {sorted(SIGNATURES)}, " in end
    assert pictures == unchanged[0]


class Owner:
    """Assigns one attribute and only reads another."""

    def __init__(self, other: Any) -> None:
        self.assigned = other.only_read


@pytest.mark.parametrize(("name", "exists"), [("assigned", True), ("only_read", False)])
def test_an_attribute_exists_only_if_it_is_assigned(name: str, exists: bool) -> None:
    assert PrivateName(Owner, name).is_as_expected is exists
