"""The committed screenshots match the program."""

from __future__ import annotations

import html
import re

import pytest

from tests.screenshots import FOLDER, SCENES, Scene, render

pytestmark = pytest.mark.no_cover  # other tests cover the code that it runs


@pytest.mark.xdist_group("screenshots")  # several scenes share one run of the monitor
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_committed_screenshot_is_up_to_date(scene: Scene) -> None:
    drawn = render(scene)
    committed = scene.path.read_text(encoding="utf-8")
    assert drawn == committed, "draw them again with: python -m tests.screenshots"


def test_each_screenshot_has_a_scene_and_is_in_the_readme() -> None:
    names = {scene.path.name for scene in SCENES}
    assert {path.name for path in FOLDER.iterdir()} == names
    assert {name for _, name in CAPTIONS} == {path.stem for path in FOLDER.iterdir()}


README = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
CAPTIONS = re.findall(r"\[([^\[\]]*)\]\(screenshots/([^)]+)\.svg\)", README)
"""(caption, name) of every picture in the README."""


@pytest.mark.parametrize(("caption", "name"), CAPTIONS, ids=[name for _, name in CAPTIONS])
def test_a_picture_shows_what_its_caption_quotes(caption: str, name: str) -> None:
    quoted = re.findall("“(.*?)”", caption)
    assert quoted
    shown = _text_of((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    assert [text for text in quoted if text not in shown] == []


def _text_of(svg: str) -> str:
    """Return the pieces of text of a screenshot, one a line."""
    pieces = re.findall(r"<text [^>]*>(.*?)</text>", svg)
    return "\n".join(html.unescape(piece).replace("\xa0", " ") for piece in pieces)
