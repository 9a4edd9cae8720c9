"""The committed pictures show what the program shows now."""

from __future__ import annotations

import pytest

from tests.screenshots import FOLDER, SCENES, Scene, render

pytestmark = pytest.mark.no_cover  # what it draws is measured elsewhere


@pytest.mark.xdist_group("screenshots")  # several show the same story, which is told once
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_picture_is_the_one_that_is_committed(scene: Scene) -> None:
    drawn = render(scene)
    committed = scene.path.read_text(encoding="utf-8")
    assert drawn == committed, "draw them anew with: python -m tests.screenshots"


def test_every_picture_belongs_to_a_scene_and_stands_in_the_readme() -> None:
    names = {scene.path.name for scene in SCENES}
    assert {path.name for path in FOLDER.iterdir()} == names
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert {name for name in names if f"screenshots/{name}" in readme} == names
