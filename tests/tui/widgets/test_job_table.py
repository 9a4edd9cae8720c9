from __future__ import annotations

import pytest
from msgspec.structs import replace

from slurper_tui.monitor.model.job import Phase
from slurper_tui.tui.widgets.job_table import JobTable
from tests.tui.jobs import NOW, forecast, snapshot, view
from tests.tui.test_app import Stage, staged

SMALL = (80, 24)
JOB = view(1, forecast=forecast(6, 9))


def titles(stage: Stage) -> list[str]:
    return stage.text.splitlines()[2].split()


async def test_the_columns_do_not_depend_on_what_happens() -> None:
    async with staged(snapshot(view(1)), size=SMALL) as stage:
        before = titles(stage)
        assert before == ["»", "Status", "Migration", "Done", "%", "Fail", "/s", "ETA"]
        for job in (
            JOB,
            replace(JOB, forecast=None, phase=Phase.STALLED, rate=0.0),
            replace(JOB, missed=3, stale=True, as_of=NOW - 60),
            view(1, "completed", 1000),
        ):
            await stage.show(snapshot(job))
            assert titles(stage) == before


async def test_a_remembered_job_is_dimmed_and_shows_its_age_until_confirmed() -> None:
    old = [view(n, from_history=True, as_of=NOW - 7200) for n in range(3)]
    async with staged(snapshot(*old), size=SMALL) as stage:
        table = stage.app.main.query_one(JobTable)
        assert [table.row_style(y) for y in (1, 2, 3)] == ["cursor", "stale", "stale"]
        assert stage.text.count(" 2h old") == 3
        await stage.show(snapshot(old[0], *map(view, (1, 2))))
        assert sorted(table.row_style(y) for y in (1, 2, 3)) == ["", "", "cursor"]
        assert stage.text.count(" 2h old") == 1
        await stage.show(snapshot(*map(view, range(3)), taken_at=NOW + 5))
        assert " old" not in "".join(stage.text.splitlines()[3:6])


async def test_the_age_of_a_remembered_job_grows_with_the_polls() -> None:
    old = view(1, from_history=True, as_of=NOW - 7200)
    async with staged(snapshot(old), size=SMALL) as stage:
        await stage.show(snapshot(old, taken_at=NOW + 3600))
        assert " 3h old" in stage.text


@pytest.mark.parametrize(("ascii_only", "sign"), [(False, "●"), (True, "*")])
async def test_a_marked_job_has_a_sign_beside_its_status(ascii_only: bool, sign: str) -> None:
    jobs = [view(1), view(2), view(3)]
    async with staged(snapshot(*jobs), size=SMALL, ascii_only=ascii_only) as stage:
        main = stage.app.main
        rows = stage.text.splitlines()[3:6]
        assert sign not in "".join(rows)
        main.state = replace(main.state, marked=frozenset({jobs[1].key}))
        await stage.pilot.pause()
        marked = [row[1] for row in stage.text.splitlines()[3:6]]
        assert marked == [" ", sign, " "]
        main.state = replace(main.state, marked=frozenset())
        await stage.pilot.pause()
        assert stage.text.splitlines()[3:6] == rows
