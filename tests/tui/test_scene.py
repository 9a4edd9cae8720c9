"""Scenes that are arranged elsewhere, while the person goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from slurper_tui.tui.screens import main as main_screen
from slurper_tui.tui.state import Scene, adopt, arrange, highlight_row, see, sort_step
from tests.tui.jobs import snapshot, view
from tests.tui.test_app import staged

JOBS = [view(n, "completed" if n % 3 else "running", done=n) for n in range(12)]
BEFORE, AFTER = snapshot(*JOBS), snapshot(*JOBS[:7], *(view(n, "aborted") for n in range(7, 20)))


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda scene: scene,
        lambda scene: highlight_row(scene, 5),
        lambda scene: arrange(replace(scene, filter_text="status:completed")),
        lambda scene: arrange(replace(scene, view=sort_step(scene.view, 1))),
        lambda scene: arrange(replace(scene, view=replace(scene.view, hide_ended=True))),
        lambda scene: arrange(replace(scene, view=replace(scene.view, migrations=False))),
        lambda scene: replace(scene, writing=True, note="asking", noted_in=2),
    ],
)
def test_what_was_arranged_elsewhere_is_as_if_arranged_here(
    meanwhile: Callable[[Scene], Scene],
) -> None:
    made = see(Scene(), BEFORE)
    scene = meanwhile(made)
    here, there = see(scene, AFTER), adopt(scene, made, see(made, AFTER))
    assert [(line.key, line.view) for line in there.lines] == [
        (line.key, line.view) for line in here.lines
    ]
    for name in ("rows", "place", "jobs", "snapshot", "writing", "note", "filter_text", "view"):
        assert getattr(there, name) == getattr(here, name), name


async def test_many_jobs_come_to_the_screen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_screen, "MANY_JOBS", 5)
    async with staged(BEFORE) as stage:
        for snapshot_ in (BEFORE, AFTER):
            await stage.show(snapshot_)
            while stage.app.main.scene.total != len(snapshot_.jobs):
                await stage.pilot.pause()
            await stage.press("G")
            assert stage.app.main.scene.cursor == len(stage.app.main.scene.lines) - 1
