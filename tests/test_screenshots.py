"""The committed screenshots match the program."""

from __future__ import annotations

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
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert {name for name in names if f"screenshots/{name}" in readme} == names
