"""The log and the failures of a migration: of all its jobs together, opened from its row."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from slurper_tui.api.errors import NotFound
from slurper_tui.api.models import LogRow
from slurper_tui.monitor.logs.failures import Reasons
from slurper_tui.monitor.model.base import JobKey
from slurper_tui.monitor.model.job import Counts, JobView
from slurper_tui.monitor.model.logs import (
    FAILED_TYPE,
    FailuresView,
    LogCounts,
    LogView,
    all_failures,
)
from slurper_tui.monitor.reports.retries import keys_left, number_retried
from slurper_tui.monitor.reports.wording import job_names
from slurper_tui.tui.screens.failures import FailuresPage
from slurper_tui.tui.screens.log import LogPage
from slurper_tui.tui.screens.retry_draft import DraftPage
from tests.tui.jobs import ACCOUNT, NOW, iso, view
from tests.tui.log_pages import ARCHIVED, Opened, opened, row

SIZES = pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])


def job(number: int, prefix: str, status: str = "completed", **given: Any) -> JobView:
    return view(number, status, 1000, source="photos", target="media", prefix=prefix, **given)


YEAR, MONTH = job(1, "2024/", failed=3), job(2, "2023/05/", failed=2)
JOBS = (YEAR, MONTH, job(3, "2022/", failed=0))
FAILED = {
    YEAR.key: ("2024/a.jpg", "2024/b.jpg", "2024/c.jpg"),
    MONTH.key: ("2023/05/d.jpg", "2023/05/e.jpg"),
    JOBS[2].key: (),
}


class Reading:
    """A reader of failures with these keys. unread: the jobs whose log cannot be read."""

    def __init__(self, unread: tuple[JobKey, ...] = (), jobs: tuple[JobView, ...] = JOBS) -> None:
        self.reasons = Reasons()
        self._unread = unread
        self._jobs = jobs
        for key, keys in FAILED.items():
            if key not in unread:
                rows = [row(number, key=name) for number, name in enumerate(keys)]
                self.reasons.add(key, rows)
        self.reasons.add(MONTH.key, [row(9, ARCHIVED, "2023/05/old.jpg")])
        self.keys, self.without_key = self.reasons.keys, self.reasons.without_key

    def inexact_keys(self, *given: object) -> tuple[str, ...]:
        return ()

    async def views(self) -> AsyncIterator[FailuresView]:
        parts = []
        for job in self._jobs:
            read = job.key not in self._unread
            parts.append(
                FailuresView(
                    job.key,
                    self.reasons.numbers(job.key),
                    LogCounts({"migrationStart": 1}, whole=read),
                    job.counts.failed,
                    int(job.key == MONTH.key),
                    rows_read=10,
                    problem=None if read else NotFound("no such job", status=404),
                )
            )
        yield all_failures(parts, self.reasons.groups())


@asynccontextmanager
async def migration(
    *keys: str, unread: tuple[JobKey, ...] = (), jobs: tuple[JobView, ...] = JOBS, **options: Any
) -> AsyncIterator[Opened]:
    """The program at the row of the migration, then these keys."""
    async with opened(jobs=jobs, **options) as program:
        program.logs.reading = Reading(unread, jobs)  # type: ignore[assignment]  # as it is used
        await program.press(*keys)
        yield program


def tree(program: Opened) -> list[str]:
    """The lines of the failure tree, without blanks."""
    lines = (" ".join(line.strip(" ▌").split()) for line in program.lines[2:-1])
    return [line for line in lines if line]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_job_is_named_by_its_prefix_or_by_its_id() -> None:
    same = (job(4, "a/"), job(5, "a/"), job(6, ""), job(7, "b/"))
    assert [*job_names(same).values()] == ["job0004", "job0005", "job0006", "b/"]


@SIZES
async def test_e_on_a_migration_shows_the_failures_of_all_its_jobs(size: tuple[int, int]) -> None:
    async with migration("e", size=size) as program:
        assert program.logs.asked == [("failures", *(job.key for job in JOBS))]
        assert isinstance(program.page, FailuresPage)
        assert program.lines[0].startswith(" Failures of 3 jobs  photos")
        assert "the log lists 5 of 5 failures" in program.lines[1]
        assert all(len(line) <= size[0] for line in program.lines)
        await program.press("enter", "G", "k")
        assert any("2024/" in line for line in tree(program))


@SIZES
async def test_failures_say_how_many_superseded_jobs_are_left_out(size: tuple[int, int]) -> None:
    again = job(4, "2024/", failed=0)
    ended = tuple(replace(one, status="completed", ended=True) for one in (YEAR, again))
    times = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    jobs = tuple(
        replace(one, job=replace(one.job, status="completed", created_at=at, finished_at=at))
        for one, at in zip(ended, times, strict=True)
    )
    words = "1 job superseded by a later one, not counted"
    async with migration("e", size=size, jobs=(*jobs, MONTH)) as program:
        assert words in " ".join(tree(program))
        assert program.logs.asked == [("failures", jobs[1].key, MONTH.key)]
    async with migration("e", size=size) as program:
        assert words not in program.text


async def test_failures_are_grouped_by_reason_prefix_and_job() -> None:
    async with migration("e") as program:
        await program.press("enter")
        lines = [line.partition(" seen")[0] for line in tree(program)]
        assert lines == [
            "skipped 1: 0 already there · 1 not copied (1 archive tier)",
            "▾ ✖ 5 failed after several tries",
            "seen 09:44 – 09:46",
            "5 source answered 503",
            "▸ 3 2024/ job job0001 2024/",
            "▸ 2 2023/05/ job job0002 2023/05/",
            "▸ ▲ 1 not copied: archive tier",
        ]


async def test_a_prefix_of_several_jobs_unfolds_into_jobs_and_these_into_keys() -> None:
    twice = (YEAR, job(2, "2024/b", failed=1))
    async with migration("e", jobs=twice) as program:
        reasons = Reasons()
        for one, keys in zip(twice, (("2024/a/1", "2024/a/2"), ("2024/a/1",)), strict=True):
            reasons.add(one.key, [row(1, key=key) for key in keys])
        part = FailuresView(twice[0].key)
        view = all_failures([part, replace(part, key=twice[1].key)], reasons.groups())
        program.page.state = replace(program.page.state, view=view)
        await program.press("home", "enter", "j", "j", "j", "enter", "j", "enter")
        assert [line for line in tree(program) if "job" in line or "2024" in line] == [
            "▾ 3 2024/a/",
            "▾ 2 job job0001 2024/",
            "2024/a/1",
            "2024/a/2",
            "▸ 1 job job0002 2024/b",
        ]
        await program.press("j", "left", "left", "left")
        [cursor] = [line for line in program.lines if line.startswith("▌")]
        assert " ".join(cursor.split()) == "▌ ▾ 3 2024/a/"


async def test_a_log_that_cannot_be_read_is_named_and_the_others_are_shown(folder: Path) -> None:
    async with migration("e", unread=(YEAR.key,), size=(120, 24)) as program:
        assert "log of job job0001: no such job" in program.lines[1]
        assert "the log of job job0001 could not be read to its end: no such job" in program.text
        assert "▸ ✖ 2 failed after several tries" in " ".join(program.text.split())
        await program.press("j", "k", "E")
        await program.see("2 keys saved")
        assert "The log lists 2 of 5 failures" in program.text
        assert "The log of job job0001 could not be read" in " ".join(program.text.split())
    assert os.listdir(folder) == ["failed-photos-3-jobs.txt"]


@pytest.mark.parametrize("keys", [("E",), ("e", "E")])
async def test_one_file_holds_the_failed_keys_of_all_jobs_and_e_again_saves_one_of_each(
    keys: tuple[str, ...], folder: Path
) -> None:
    async with migration(*keys) as program:
        await program.see("5 keys saved")
        assert "rclone copy --files-from-raw failed-photos-3-jobs.txt SRC:photos" in program.text
        assert "E saves one file for each of the 2 jobs too" in program.text
        await program.press("E")
        await program.see("5 keys saved to 2 files, one for each job")
    saved = {name: (folder / name).read_text().splitlines() for name in os.listdir(folder)}
    assert sorted(saved.pop("failed-photos-3-jobs.txt")) == sorted(sum(FAILED.values(), ()))
    assert saved == {
        "failed-photos-job0001.txt": [*FAILED[YEAR.key]],
        "failed-photos-job0002.txt": [*FAILED[MONTH.key]],
    }


async def test_e_again_on_the_page_saves_one_file_of_each_job(folder: Path) -> None:
    async with migration("e", "E") as program:
        await program.see("5 keys saved")
        await program.press("escape", "E")
        await program.see("5 keys saved to 2 files")
    assert len(os.listdir(folder)) == 3


@pytest.mark.parametrize("keys", [("c",), ("e", "c")])
async def test_c_drafts_a_retry_of_every_job_with_failed_keys(keys: tuple[str, ...]) -> None:
    kept = replace(YEAR, job=replace(YEAR.job, overwrite=False))
    async with migration(*keys, jobs=(kept, *JOBS[1:])) as program:
        await program.until(lambda: isinstance(program.page, DraftPage))
        pending = program.page.pending
        assert pending.retry_of == (YEAR.key, MONTH.key)
        drafts = [(draft.keys, draft.overwrite, draft.target) for draft in pending.drafts]
        assert drafts == [(FAILED[YEAR.key], False, "media"), (FAILED[MONTH.key], True, "media")]
        text = " ".join(program.text.split())
        assert "retry of 2 jobs" in text
        assert "job 1 of 2 · 3 keys · retry of job0001 · keeps" in text
        assert "job 2 of 2 · 2 keys · retry of job0002 · overwrites" in text
        await program.press("escape")
        assert not isinstance(program.page, DraftPage)


def test_keys_that_a_completed_retry_has_copied_are_not_left() -> None:
    keys = FAILED[YEAR.key]
    retry = job(8, "", failed=0)
    source = retry.job.source and replace(retry.job.source, path_prefix=None, keys=keys[:2])
    later = replace(retry.job, source=source, created_at=iso(NOW))
    copied = replace(retry, job=later, counts=Counts(2, 2, 0, 0))
    log = LogCounts({"migrationStart": 1}, whole=True)

    def left(child: JobView, log: LogCounts = log) -> dict[str, tuple[str, ...]]:
        views = (child, YEAR)
        parts = [FailuresView(v.key, (), log, 0) for v in views]
        reading: Any = Reading()
        found = keys_left(views, reading, all_failures(parts, ()), (FAILED_TYPE,))
        told = number_retried(views, reading, found, (FAILED_TYPE,))
        assert told == len(keys) - sum(map(len, found.values()))
        return {key.job_id: keys for key, keys in found.items()}

    assert left(copied) == {"job0001": keys[2:]}
    assert left(replace(copied, status="running")) == {"job0001": keys}
    assert left(copied, replace(log, whole=False)) == {"job0001": keys}
    assert left(replace(copied, counts=Counts(2, 1, 0, 0))) == {"job0001": keys}


@SIZES
async def test_l_on_a_migration_shows_the_merged_log_and_each_row_names_its_job(
    size: tuple[int, int], folder: Path
) -> None:
    async with migration("l", size=size) as program:
        assert isinstance(program.page, LogPage)
        assert program.logs.asked == [("follow", *(job.key for job in JOBS))]
        rows = tuple(
            replace(row(minute, key=f"x/{minute}.jpg"), job=job.job.id)
            for minute, job in enumerate((*JOBS, *JOBS))
        )
        paused = LogRow(rows[-1].created_at, JOBS[1].job.id, "migrationPause")
        parts = tuple(LogView(job.key, read=2, whole=True) for job in JOBS)
        view = LogView(JobKey(ACCOUNT, ""), (*rows, paused), 7, whole=True, jobs=parts)
        await program.show(view)
        assert program.lines[0].startswith(" Log of 3 jobs  photos")
        shown = [line for line in program.lines[2:-1] if line.strip()]
        for line, name in zip(
            shown, (*["2024/", "2023/05/", "2022/"] * 2, "2023/05/"), strict=True
        ):
            assert name in line
        assert "paused" in shown[-1]
        await program.press("slash", *"2023/", "enter")
        assert "“2023/” 1 of 3" in program.text
        await program.press("ampersand", *"2023/", "enter")
        left = [line for line in program.lines[2:-1] if line.strip()]
        assert [("2023/05/" in line) for line in left] == [True] * 3
        await program.press("ampersand", "escape")
        await program.press("s")
        await program.see("7 rows saved to")
    assert len((folder / "log-photos-3-jobs.jsonl").read_text().splitlines()) == 7


async def test_the_log_of_a_migration_says_whose_log_cannot_be_read() -> None:
    async with migration("l", size=(120, 24)) as program:
        parts = [LogView(job.key, read=2, whole=True) for job in JOBS]
        parts[1] = replace(parts[1], whole=False, problem=NotFound("no such job", status=404))
        view = LogView(JobKey(ACCOUNT, ""), (row(1),), 3, problem=parts[1].problem)
        await program.show(replace(view, jobs=tuple(parts)))
        said = "log of job job0002: no such job · the API no longer knows this job"
        assert said in program.lines[1]
        parts[2] = replace(parts[2], whole=False, problem=parts[1].problem)
        await program.show(replace(view, jobs=tuple(parts)))
        assert "2 of 3 logs: no such job" in program.lines[1]
