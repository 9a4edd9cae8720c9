"""Several jobs as one migration: folded, unfolded, sorted, filtered, looked at and repainted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.geometry import Region

from slurper_tui.cli.screen import load_view, save_view
from slurper_tui.monitor.model.events import RetryLink
from slurper_tui.monitor.model.job import Counts, JobView, Phase, Snapshot
from slurper_tui.monitor.model.plans import Draft, Plan, Step, unstarted
from slurper_tui.monitor.reports.migrations import migrations
from slurper_tui.tui.availability import reasons
from slurper_tui.tui.render.painted import PaintedLines
from slurper_tui.tui.state import Groups, ScreenState, ViewState, grouped, highlight, see, unfold
from tests.tui.jobs import ACCOUNT, NOW, forecast, snapshot, view
from tests.tui.test_app import Stage, staged

SMALL = (80, 24)
ONE = view(1, source="photos", prefix="2024/", forecast=forecast(6, 9))
TWO = view(2, source="photos", prefix="2023/", forecast=forecast(5, 12), failed=3)
ENDED = view(3, "completed", 1000, source="photos", prefix="2022/", failed=10)
LOGS = view(4, source="logs", done=500)
JOBS = (ONE, TWO, ENDED, LOGS)
PAUSED = view(5, "paused", source="backups", prefix="a/")
NESTED = view(6, "paused", source="backups", prefix="a/b/")


def retry(parent: JobView, done: int = 4) -> tuple[JobView, RetryLink]:
    """A running job of ten keys that failed in another, and how they are tied."""
    child = view(7, source=(parent.job.source and parent.job.source.bucket) or "")
    assert child.job.source is not None
    source = replace(child.job.source, keys=tuple(map(str, range(10))))
    counts = Counts(10, done, 0, 0)
    child = replace(child, job=replace(child.job, source=source), counts=counts, percent=done * 10)
    return child, RetryLink(child.key, parent.key, 10, ("importErrorRetryExhaustion",))


def rows(stage: Stage) -> list[str]:
    """The lines of the list, without the panes beside or below it."""
    lines = stage.text.splitlines()[3:]
    table = (line.partition("│")[0] for line in lines)
    shown = [line for line in table if any(sign in line[2:4] for sign in "▶◔▲‖✔✖◇?·")]
    return [" ".join(line.lstrip("▌ ").split()) for line in shown]


async def test_a_migration_waits_while_a_plan_has_jobs_to_start() -> None:
    ended = [view(n, "completed", 1000, source="photos", prefix=f"{n}/") for n in (1, 2)]
    draft = Draft("s3", "photos", "media", path_prefix="3/")
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, draft), Step(2, draft)))])
    async with staged(snapshot(*ended, unstarted=waiting), size=(120, 30)) as stage:
        [row] = rows(stage)
        assert row.startswith("◇ waiting ▸ photos 2 to start")
        assert "2.00k/2.00k+" in row
        assert "~99" not in stage.text
        assert "100 %" not in stage.text
        assert "100.0 %" not in stage.text
        assert "unaccounted" not in stage.text
        assert "2 of 4, as slots" in stage.text
        text = " ".join(stage.text.split())
        assert "remaining —" in text
        assert "total 2,000+" in text


async def test_a_plan_stands_in_the_list_before_its_first_job_is_started() -> None:
    draft = Draft("s3", "photos", "media")
    steps = tuple(Step(number, draft) for number in range(1, 13))
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, steps)])
    paused = view(1, "paused", source="backups")
    async with staged(snapshot(paused, unstarted=waiting), size=(120, 30)) as stage:
        [row] = [row for row in rows(stage) if "photos" in row]
        assert row.startswith("◇ waiting ▸ photos 12 to start")
        assert "12 to start · 1 paused" in stage.text.splitlines()[0]
        await stage.press("slash", *"photos", "enter", "end")
        assert stage.app.main.state.migration is not None
        assert "to start     12 of 12, as slots" in stage.text
        await stage.press("slash", *" !photos", "enter")
        assert [row for row in rows(stage) if "photos" in row] == []


async def test_a_plan_without_jobs_has_a_row_beside_single_jobs_too() -> None:
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, Draft("s3", "photos", "media")),))])
    jobs = view(1, source="logs", prefix="a/"), view(2, source="logs", prefix="b/")
    async with staged(snapshot(*jobs, unstarted=waiting), size=(120, 30)) as stage:
        await stage.press("m")
        shown = rows(stage)
        assert [row for row in shown if row.startswith("◇ waiting ▸ photos 1 to start")]
        assert [row for row in shown if "logs/a/" in row]
        assert "1 to start" in stage.text.splitlines()[0]
        started = view(3, source="photos", target="media")
        await stage.show(snapshot(*jobs, started, unstarted=waiting))
        assert not [row for row in rows(stage) if "waiting" in row]


async def test_a_highlighted_plan_stays_highlighted_when_its_first_job_has_an_endpoint() -> None:
    draft = Draft("s3", "photos", "media")
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, draft), Step(2, draft)))])
    left = unstarted([Plan(1, ACCOUNT, 0.0, (Step(2, draft),))])
    other = view(1, source="backups")
    async with staged(snapshot(other, unstarted=waiting), size=(120, 30)) as stage:
        await stage.press("G")
        assert stage.app.main.state.migration is not None
        assert stage.app.main.state.migration.unstarted == 2
        started = view(2, source="photos", prefix="2024/", target="media")
        await stage.show(snapshot(other, started, unstarted=left))
        assert stage.app.main.state.migration is not None
        assert stage.app.main.state.migration.keys == {started.key}


@pytest.mark.parametrize(
    "key",
    [*"leEyYcvPUXrmMtTdazI", "space", "enter", "right", "left", "tab", "plus", "exclamation_mark"],
)
async def test_every_key_works_on_a_migration_without_jobs(key: str) -> None:
    waiting = unstarted([Plan(1, ACCOUNT, 0.0, (Step(1, Draft("s3", "photos", "media")),))])
    async with staged(snapshot(unstarted=waiting), size=(80, 24), write=True) as stage:
        await stage.press(key)
        assert stage.app.is_running
        assert stage.feed.asked == [] or key in ("d", "t", "T", "plus", "r")
        assert key not in "leEcv" or "no job of this migration has started" in stage.status


def names(stage: Stage) -> list[str]:
    """What each line is called."""
    return [line.view.key.job_id or "migration" for line in stage.app.main.state.lines]


def at(stage: Stage) -> str:
    line = stage.app.main.state.line
    return "" if line is None else line.view.key.job_id or "migration"


# One row ---------------------------------------------------------------------------------------


async def test_jobs_of_the_same_buckets_are_one_row_with_their_sums() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        assert rows(stage) == [
            "▶ running ▸ photos → media 1.70k/3.00k 56 13 122 6\N{EN DASH}12h",
            "▶ running logs → media 500/1.00k 50 0 61 —",
        ]


async def test_at_eighty_columns_a_migration_has_the_columns_of_a_job() -> None:
    async with staged(snapshot(*JOBS), size=SMALL) as stage:
        assert rows(stage)[0].startswith("▶ running ▸ photos → media")
        assert rows(stage)[0].endswith("1.70k/3.00k 56 13 122 6\N{EN DASH}12h")


@pytest.mark.parametrize("keys", [["enter"], ["right"]])
async def test_it_unfolds_and_folds(keys: list[str]) -> None:
    async with staged(snapshot(*JOBS), size=SMALL) as stage:
        folded = rows(stage)
        await stage.press(*keys)
        assert names(stage) == ["migration", "job0002", "job0001", "job0003", "job0004"]
        assert "▾ photos → media" in rows(stage)[0]
        assert rows(stage)[1].startswith("▶ running 2023/ 350/1.00k")
        await stage.press("down")
        assert at(stage) == "job0002"
        await stage.press("left")
        assert at(stage) == "migration"
        assert len(rows(stage)) == 5
        await stage.press("left")
        assert rows(stage) == folded


async def test_enter_opens_the_details_of_an_unfolded_migration() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("enter")
        assert stage.app.main.table.has_focus
        await stage.press("enter")
        assert stage.app.main.detail.has_focus
        assert len(names(stage)) == 5


async def test_in_ascii_it_has_letters_for_its_signs() -> None:
    child, link = retry(ENDED)
    shown = snapshot(*JOBS, child, PAUSED, NESTED, links=(link,))
    async with staged(shown, size=SMALL, ascii_only=True) as stage:
        assert "> photos -> me" in stage.text
        await stage.press("home", "enter")
        assert "v photos -> me" in stage.text
        assert "@ retry of job0003" in stage.text
        assert stage.text.isascii()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12), (30, 6), (20, 5)])
async def test_it_folds_at_every_size(size: tuple[int, int]) -> None:
    async with staged(snapshot(*JOBS, PAUSED, NESTED), size=size) as stage:
        await stage.press("home", "right", "down", "left", "left", "m", "m", "enter")
        assert names(stage)[:2] == ["migration", "job0002"]
        assert all(len(line) <= size[0] for line in stage.text.splitlines())


async def test_a_job_alone_is_a_row_of_its_own() -> None:
    async with staged(snapshot(ONE, LOGS)) as stage:
        assert names(stage) == ["job0001", "job0004"]
        assert "▸" not in stage.text
        await stage.press("left", "right")
        assert names(stage) == ["job0001", "job0004"]


async def test_slots_are_shown_while_a_job_may_move() -> None:
    async with staged(snapshot(ENDED, replace(ENDED, job=view(9).job), LOGS)) as stage:
        assert "/3 " not in rows(stage)[0]
    over = [view(n, "completed", 1000, source="photos", prefix=f"{n}/") for n in (1, 2)]
    async with staged(snapshot(*over, LOGS)) as stage:
        assert "photos → media" in rows(stage)[1]
        assert "/3" not in rows(stage)[1]


# Retries and prefixes --------------------------------------------------------------------------


async def test_a_retry_is_listed_below_its_migration() -> None:
    child, link = retry(ENDED)
    async with staged(snapshot(*JOBS, child, links=(link,)), size=SMALL) as stage:
        assert " 1.70k/3.00k 56 9 184" in rows(stage)[0]
        await stage.press("home", "enter")
        assert "▶ running ↻ retry of job0003 4/10 40 0 61 —" in rows(stage)
        await stage.press("home")
        assert stage.app.main.state.migration is not None


async def test_a_single_retry_has_its_sign() -> None:
    child, link = retry(ENDED)
    async with staged(snapshot(*JOBS, child), view=ViewState(migrations=False)) as stage:
        assert "↻" not in stage.text
        await stage.show(snapshot(*JOBS, child, links=(link,)))
        assert [row for row in rows(stage) if "↻ photos → media" in row]
        assert stage.text.count("↻") == 1


async def test_overlapping_prefixes_are_warned_about_and_explained() -> None:
    async with staged(snapshot(PAUSED, NESTED, ONE, TWO)) as stage:
        warned = [row for row in rows(stage) if " ! " in row]
        assert len(warned) == 1
        assert "backups → media" in warned[0]
        await stage.press("end")
        text = " ".join(stage.text.replace("│", " ").split())
        assert "prefixes overlap: some objects" in text
        assert "a/b/ is part of a/" in text


# What is highlighted ---------------------------------------------------------------------------


async def test_the_detail_pane_describes_a_migration() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        for part in (
            "photos → media",
            "transferred        1,687",
            "3 of 3 slots in use",
            "122/s now",
        ):
            assert part in stage.text
        assert stage.app.main.state.migration is not None
        assert stage.job is None
        moved = replace(ONE, counts=Counts(1000, 500, 0, 0))
        await stage.show(snapshot(moved, *JOBS[1:], taken_at=NOW + 5))
        assert "transferred        1,837" in stage.text


async def test_the_jobs_of_a_folded_migration_are_reported_as_visible() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        keys = frozenset(job.key for job in JOBS)
        highlighted, visible = stage.feed.looked_at
        assert highlighted is None
        assert visible == keys
        await stage.press("enter", "down")
        highlighted, visible = stage.feed.looked_at
        assert highlighted == TWO.key
        assert visible == keys


async def test_rows_outside_the_viewport_are_not_visible() -> None:
    jobs = [view(n, source=f"b{n // 2}", prefix=f"{n}/") for n in range(100)]
    async with staged(snapshot(*jobs), size=SMALL) as stage:
        _, visible = stage.feed.looked_at
        assert jobs[0].key in visible
        assert jobs[99].key not in visible
        assert len(visible) == 2 * stage.app.main.table.page


async def test_r_asks_for_all_jobs_of_a_migration() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("r")
        assert stage.feed.asked == [("refresh", job.key) for job in (ONE, TWO, ENDED)]
        assert "refreshing 3 jobs" in stage.status


async def test_a_marked_job_keeps_its_sign_below_its_migration() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("enter", "down", "space", "up", "left", "right")
        assert stage.app.main.state.marked == {TWO.key}
        assert "●" in next(line for line in stage.text.splitlines() if "2023/" in line)


async def test_the_palette_goes_to_a_job_that_is_folded_away() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("a")
        stage.app.main.go_to(ENDED.key)
        await stage.pilot.pause()
        assert at(stage) == "job0003"
        assert not stage.app.main.state.view.hide_ended
        assert "2022/" in stage.text


async def test_a_visited_job_is_not_folded_by_a_new_job() -> None:
    async with staged(snapshot(LOGS, ONE)) as stage:
        await stage.press("home")
        await stage.show(snapshot(*JOBS))
        assert at(stage) == "job0001"
        assert names(stage)[0] == "migration"


async def test_an_unvisited_job_is_folded_and_its_migration_highlighted() -> None:
    async with staged(snapshot(ONE)) as stage:
        assert at(stage) == "job0001"
        await stage.show(snapshot(*JOBS))
        assert (at(stage), len(names(stage))) == ("migration", 2)


async def test_when_a_migration_is_one_job_again_that_is_highlighted() -> None:
    async with staged(snapshot(ONE, TWO)) as stage:
        await stage.show(snapshot(TWO))
        assert at(stage) == "job0002"


# Sorting and filtering -------------------------------------------------------------------------


async def test_migrations_are_sorted_by_their_sums_and_their_jobs_inside() -> None:
    jobs = (replace(ONE, percent=36), *JOBS[1:], view(8, source="tiny", done=990))
    async with staged(snapshot(*jobs), view=ViewState(sort="percent")) as stage:
        assert names(stage) == ["job0008", "migration", "job0004"]
        await stage.press("down", "enter")
        assert names(stage) == ["job0008", "migration", "job0003", "job0001", "job0002", "job0004"]
        await stage.press("I")
        assert names(stage) == ["job0004", "migration", "job0002", "job0001", "job0003", "job0008"]
        assert at(stage) == "migration"


async def test_a_migration_with_a_match_is_unfolded_with_just_the_matching_jobs() -> None:
    async with staged(snapshot(*JOBS, PAUSED, NESTED)) as stage:
        await stage.press("slash", *"2023", "enter")
        assert names(stage) == ["migration", "job0002"]
        assert "1/6 shown" in stage.text
        await stage.press("end", "left", "left")
        assert names(stage) == ["migration", "job0002"]
        await stage.press("escape")
        assert names(stage) == ["migration", "job0004", "migration"]
        await stage.press("slash", *"status:failed")
        assert names(stage) == ["migration", "job0002", "job0003"]


@pytest.mark.parametrize("endpoint", ["", "https://s3.example.com"])
async def test_a_filter_that_hides_the_highlighted_migration_highlights_a_line(
    endpoint: str,
) -> None:
    assert LOGS.job.source is not None
    source = replace(LOGS.job.source, endpoint=endpoint or None)
    logs = replace(LOGS, job=replace(LOGS.job, source=source))
    others = [replace(logs, job=replace(logs.job, id=f"job{n:04}")) for n in (8, 9)]
    async with staged(snapshot(*JOBS[:3], *others)) as stage:
        await stage.press("home", *"jj")
        highlighted = stage.app.main.state.migration
        assert highlighted is not None
        assert highlighted.key.endpoint == endpoint
        await stage.press("slash", *"2023", "enter")
        assert at(stage) in ("migration", "job0002")
        assert "photos → media" in stage.text


async def test_a_job_found_by_a_filter_stays_in_sight_without_it() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("slash", *"2022", "enter", "down", "escape")
        assert at(stage) == "job0003"
        assert len(names(stage)) == 5


async def test_hidden_ended_jobs_are_hidden_below_their_migration_and_with_it() -> None:
    over = [view(n, "completed", 1000, source="old", prefix=f"{n}/") for n in (8, 9)]
    async with staged(snapshot(*JOBS, *over)) as stage:
        await stage.press("home", "enter", "a")
        assert names(stage) == ["migration", "job0002", "job0001", "job0004"]
        assert "1.70k/3.00k" in rows(stage)[0]


async def test_the_totals_count_each_job_once_folded_or_not() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        folded = stage.text.splitlines()[0]
        assert "3 running · 1 ended" in folded
        assert "2.20k of 4.00k" in folded
        await stage.press("enter")
        assert stage.text.splitlines()[0] == folded
        await stage.press("m")
        assert stage.text.splitlines()[0] == folded


async def test_the_totals_count_what_was_tried_again_once_and_what_a_filter_finds_as_it_is() -> (
    None
):
    child, link = retry(ENDED)
    async with staged(snapshot(*JOBS, child, links=(link,))) as stage:
        assert "2.20k of 4.00k" in stage.text.splitlines()[0]
        await stage.press("slash", *"2023", "enter")
        assert "350 of 1.00k" in stage.text.splitlines()[0]


# Switching and keeping -------------------------------------------------------------------------


async def test_folding_can_be_switched_off_and_is_saved(tmp_path: Path) -> None:
    async with staged(snapshot(*JOBS)) as stage:
        await stage.press("m")
        assert names(stage) == ["job0002", "job0001", "job0004", "job0003"]
        assert "photos/2024/ → media" in stage.text
        assert at(stage) == "job0002"
        assert stage.saved[-1] == ViewState(migrations=False)
        save_view(tmp_path / "state.json", stage.saved[-1])
        await stage.press("down", "m")
        assert names(stage) == ["migration", "job0004"]
        assert at(stage) == "migration"
        assert stage.saved[-1].migrations
    async with staged(snapshot(*JOBS), view=load_view(tmp_path / "state.json")) as stage:
        assert len(names(stage)) == 4


async def test_unfolded_migrations_stay_unfolded() -> None:
    async with staged(snapshot(*JOBS, PAUSED, NESTED)) as stage:
        await stage.press("home", "enter")
        unfolded = names(stage)
        await stage.show(snapshot(*JOBS, PAUSED, NESTED, taken_at=NOW + 5, rounds=2))
        await stage.press("slash", *"logs", "escape", "greater_than_sign", "less_than_sign")
        assert names(stage) == unfolded


# Nothing moved, nothing drawn ------------------------------------------------------------------


@pytest.fixture
def repaints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Region]]:
    seen, refresh = list[tuple[str, Region]](), PaintedLines.refresh

    def noting(self: PaintedLines, *regions: Region, **given: Any) -> PaintedLines:
        seen.extend((self.id or "", region) for region in regions or (self.size.region,))
        return refresh(self, *regions, **given)

    monkeypatch.setattr(PaintedLines, "refresh", noting)
    return seen


def busy(count: int, **given: Any) -> Snapshot:
    """Migrations of four jobs each."""
    jobs = [view(n, source=f"b{n // 4}", prefix=f"{n}/") for n in range(count)]
    return snapshot(*jobs, **given)


async def test_a_quiet_round_repaints_nothing(repaints: list[tuple[str, Region]]) -> None:
    async with staged(busy(40)) as stage:
        await stage.press("home", "enter")
        repaints.clear()
        await stage.show(busy(40, taken_at=NOW + 5, rounds=2), busy(40, taken_at=NOW + 10))
        assert repaints == []


async def test_one_moved_job_repaints_its_cells_and_those_of_its_sums(
    repaints: list[tuple[str, Region]],
) -> None:
    shown = busy(40)
    async with staged(shown) as stage:
        await stage.press("home", "enter", "down")
        repaints.clear()
        moved = replace(shown.jobs[2], rate=77.0)
        await stage.show(replace(shown, jobs=(*shown.jobs[:2], moved, *shown.jobs[3:])))
        table = [region for who, region in repaints if who == "jobs"]
        assert [region.y for region in table] == [1, 4]
        assert all(region.width <= 4 for region in table)


async def test_moving_the_cursor_repaints_two_rows(repaints: list[tuple[str, Region]]) -> None:
    async with staged(busy(1000)) as stage:
        repaints.clear()
        await stage.press("j")
        assert {region.y for who, region in repaints if who == "jobs"} == {1, 2}


async def test_keys_do_not_look_for_migrations_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def noting(*given: Any) -> Any:
        asked.append(1)
        return migrations(*given)

    monkeypatch.setattr("slurper_tui.tui.state.migrations", noting)
    async with staged(busy(1000)) as stage:
        assert len(asked) == 1
        await stage.press("j", "k", "enter", "down", "left", "left", "I", "a", "G", "space")
        await stage.press("slash", *"b2", "escape")
        assert len(asked) == 1
        await stage.show(busy(1000, taken_at=NOW + 5))
        assert len(asked) == 1
        await stage.show(busy(1001, taken_at=NOW + 5))
        assert len(asked) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"counts": Counts(1000, 7, 0, 1), "percent": 0},
        {"counts": Counts(None, None, None, None), "percent": None},
        {"status": "paused", "phase": Phase.PAUSED},
        {"gone": True},
        {"job": PAUSED.job},
        {"job": replace(ONE.job, source=ENDED.job.source)},
        {"job": replace(ONE.job, finished_at="2026-01-01T00:00:00Z"), "ended": True},
    ],
    ids=["counted", "uncounted", "paused", "gone", "other buckets", "other prefix", "ended"],
)
def test_a_changed_job_is_grouped_as_if_all_were_grouped_anew(change: dict[str, Any]) -> None:
    child, link = retry(ENDED)
    jobs = (*JOBS, PAUSED, NESTED, child)
    before = grouped(snapshot(*jobs, links=(link,)), Groups())
    after = snapshot(replace(jobs[0], **change), *jobs[1:], links=(link,))
    one, other = grouped(after, before), grouped(after, Groups())
    assert one.by_key == other.by_key
    assert one.by_job == other.by_job


async def test_partial_repaints_equal_a_full_paint() -> None:
    async with staged(busy(60), size=SMALL) as stage:
        for key in (
            "enter",
            "j",
            "G",
            "right",
            "k",
            "I",
            "m",
            "j",
            "m",
            "left",
            "greater_than_sign",
        ):
            await stage.press(key)
            partly = stage.text
            stage.app.refresh(layout=True)
            for lines in stage.app.main.query(PaintedLines):
                lines.refresh()
            await stage.pilot.pause()
            assert partly == stage.text


async def test_the_status_line_offers_to_unfold_and_then_to_open() -> None:
    async with staged(snapshot(*JOBS)) as stage:
        assert "Enter unfold" in stage.status
        await stage.press("enter")
        assert "Enter open" in stage.status
        await stage.press("down")
        assert "Enter open" in stage.status


def test_unavailable_keys_show_the_reason() -> None:
    ids = ("list.unfold", "list.fold", "pane.open", "poll.job", "show.log", "copy.id")
    state = see(ScreenState(), snapshot(*JOBS))
    folded = reasons(iter(ids), state, "W")
    assert folded == {}
    child = highlight(unfold(state), ONE.key)
    assert reasons(iter(ids), child, "W") == {"list.unfold": "no migration is highlighted"}
    alone = reasons(iter(ids), highlight(state, LOGS.key), "W")
    assert alone == dict.fromkeys(("list.unfold", "list.fold"), "no migration is highlighted")
