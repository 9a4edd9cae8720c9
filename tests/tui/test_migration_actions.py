"""Actions on all jobs of a migration, from its row, over a real monitor and a simulated account."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC

import httpx
import pytest
from textual.pilot import Pilot

from slurper_tui.api.client import SlurperClient
from slurper_tui.api.credentials import token_credentials
from slurper_tui.api.models import Source, Target
from slurper_tui.cli.context import resolve
from slurper_tui.format import as_json
from slurper_tui.monitor.model.selection import ALL_JOBS
from slurper_tui.monitor.polling.history_sync import StoredHistory
from slurper_tui.monitor.polling.poller import Monitor
from slurper_tui.monitor.reports.records import job_record
from slurper_tui.monitor.session import Session
from slurper_tui.simulated.account import Fault, Kind, SimulatedAccount
from slurper_tui.simulated.jobs import Plan
from slurper_tui.tui.app import SlurperApp
from slurper_tui.tui.keys import MAIN_KEYS
from slurper_tui.tui.screens.confirm import ConfirmDialog
from slurper_tui.tui.screens.dialogs import CopyDialog
from slurper_tui.tui.screens.palette import Everything
from slurper_tui.tui.state import ScreenOptions
from tests.monitor.inline_history import InlineHistory
from tests.patience import until

PREFIXES = ("2017/", "2018/", "2019/", "2020/", "2021/", "2022/")
LIVE = PREFIXES[1:]
"""The first job has ended, the last two are paused."""


class Program:
    """The program at the row of one migration of six jobs; `sent` is what was not a GET."""

    def __init__(self) -> None:
        now = time.time()
        plans = [
            Plan(
                id=f"{number}" * 32,
                created=now - 3600 * (10 - number),
                objects=100_000,
                seconds=600.0 if prefix == PREFIXES[0] else 90_000.0,
                listing=60.0,
                source=Source("s3", "photos", prefix, "https://s3.example.com"),
                target=Target("r2", "media"),
            )
            for number, prefix in enumerate(PREFIXES)
        ]
        self.account = SimulatedAccount(plans=plans)
        self.ids = {prefix: plan.id for prefix, plan in zip(PREFIXES, plans, strict=True)}
        self.sent: list[str] = []
        self.on_first: Callable[[], object] = list
        self.elsewhere("pause", "2021/")
        self.elsewhere("pause", "2022/")
        self.client = SlurperClient(
            token_credentials(self.account.token), transport=httpx.MockTransport(self._answer)
        )
        history = StoredHistory(InlineHistory())
        monitor = Monitor({self.account.account_id: self.client}, history, interval=2.0)
        options = ScreenOptions(zone=UTC, write=True, environ={"TERM": "xterm-256color"})
        self.app = SlurperApp(Session(lambda: monitor, ALL_JOBS, resolve), options, lambda _: None)
        self.pilot: Pilot[int]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self.sent.append(request.url.path.rpartition("/jobs/")[2])
            if len(self.sent) == 1:
                self.on_first()
        return self.account.answer(request)

    def elsewhere(self, action: str, prefix: str) -> None:
        """Let another client change a job."""
        path = f"accounts/{self.account.account_id}/slurper/jobs/{self.ids[prefix]}/{action}"
        headers = {"Authorization": f"Bearer {self.account.token}"}
        url = f"https://api.cloudflare.com/client/v4/{path}"
        answer = self.account.answer(httpx.Request("PUT", url, headers=headers))
        assert answer.status_code == 200

    def requests(self, action: str, *prefixes: str) -> set[str]:
        """Return what is sent for an action on these jobs."""
        return {f"{self.ids[prefix]}/{action}" for prefix in prefixes}

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition, self.pilot.pause, lambda: self.text)

    async def ask(self, key: str) -> None:
        """Press a key, and wait until its question can be answered."""
        await self.press(key)
        await self.until(lambda: getattr(self.app.screen, "is_painted", False))

    @property
    def complete(self) -> bool:
        """Every job was asked once."""
        snapshot = self.app.main.state.snapshot
        return snapshot is not None and snapshot.complete

    @property
    def text(self) -> str:
        """The text on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    @property
    def words(self) -> str:
        """The words of the dialog, without its line breaks."""
        lines = (line.strip(" ▐▌│█▁▔") for line in self.text.splitlines())
        return " ".join(" ".join(lines).split())

    @property
    def status(self) -> str:
        return self.text.splitlines()[-1]

    @property
    def row(self) -> str:
        """The row of the migration."""
        return next(line for line in self.text.splitlines() if "photos" in line and "▌" in line)


@asynccontextmanager
async def migration(size: tuple[int, int] = (120, 40)) -> AsyncIterator[Program]:
    """The program when every job is known and the migration is highlighted."""
    program = Program()
    try:
        async with program.app.run_test(size=size) as program.pilot:
            await program.until(lambda: program.complete)
            assert program.app.main.state.migration is not None
            yield program
    finally:
        await program.client.close()


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_all_live_jobs_are_aborted_in_one_confirmation(size: tuple[int, int]) -> None:
    async with migration(size) as program:
        ids = program.ids
        program.account.faults.add(
            Fault(operation="abort", job=ids["2022/"], status=409, code=10042, message="not now"),
            Fault(Kind.READ_TIMEOUT, operation="abort", job=ids["2019/"], happens=False),
        )
        program.on_first = lambda: program.elsewhere("abort", "2018/")
        await program.ask("X")
        assert "Abort 5 jobs?" in program.words
        assert "3 running, 2 paused" in program.words
        assert "photos" in program.words
        if size[0] == 80:
            assert "objects have not started and will not be copied" in program.words
            assert "they cannot be resumed" in program.words
        await program.press(*"photos", "enter")
        main = program.app.main
        await program.until(lambda: main.note.startswith("2 of 5 aborted"))
        assert main.note == (
            "2 of 5 aborted; 1 without an answer, not sent again; "
            "2022/: abort refused: 10042: not now; 2018/: it was aborted meanwhile"
        )
        assert program.status.lstrip().startswith("2 of 5 aborted; ")
        await program.until(lambda: main.state.snapshot and main.state.snapshot.rounds > 4)
        assert sorted(program.sent) == sorted(program.requests("abort", *LIVE[1:]))
        statuses = {course.plan.id: course.status(time.time()) for course in program.account.jobs()}
        assert statuses[ids["2017/"]] == "completed"
        assert statuses[ids["2022/"]] == "paused"
        assert statuses[ids["2019/"]] == "running"


async def test_an_abort_is_not_confirmed_by_another_word() -> None:
    async with migration() as program:
        await program.ask("X")
        await program.press("y", "enter", "ctrl+u", *"photo", "enter")
        assert isinstance(program.app.screen, ConfirmDialog)
        await program.press("escape")
        assert program.sent == []


async def test_the_question_fits_a_terminal_that_becomes_smaller() -> None:
    async with migration() as program:
        await program.ask("X")
        await program.pilot.resize_terminal(40, 12)
        await program.until(lambda: "they cannot be resumed" in program.words)
        assert "> _" in program.text
        assert "Esc cancel" in program.text


async def test_pausing_a_migration_names_what_came_of_each_job() -> None:
    async with migration() as program:
        fault = Fault(operation="pause", job=program.ids["2018/"], status=409, message="not now")
        program.account.faults.add(fault)
        await program.ask("P")
        assert "Pause 3 of 5 jobs?" in program.words
        assert "3 running" in program.words
        await program.press("y")
        note = "2 of 3 paused; 2018/: pause refused: 1000: not now"
        await program.until(lambda: program.app.main.note == note)
        assert note in program.status
        assert set(program.sent) == program.requests("pause", "2018/", "2019/", "2020/")


async def test_space_marks_all_live_jobs_of_a_migration() -> None:
    async with migration() as program:
        main = program.app.main
        await program.press("space")
        assert {key.job_id for key in main.state.marked} == {program.ids[one] for one in LIVE}
        assert "5 marked" in program.status
        assert "●" in program.row
        await program.press("space")
        assert main.state.marked == frozenset()
        assert "●" not in program.text
        await program.press("right", "down", "space", "up")
        assert len(main.state.marked) == 1
        assert "○" in program.row
        await program.press("space")
        assert len(main.state.marked) == 5
        assert "●" in program.row


async def test_the_ids_and_the_records_of_a_migration_are_copied() -> None:
    async with migration() as program:
        await program.press("z", "y")
        jobs = program.app.main.state.subjects
        assert sorted(program.app.clipboard.splitlines()) == sorted(program.ids.values())
        assert "ids of 6 jobs copied; again to see them in full" in program.status
        await program.press("y")
        assert isinstance(program.app.screen, CopyDialog)
        await program.press("escape", "Y")
        records = [job_record(view) for view in jobs]
        assert json.loads(program.app.clipboard) == json.loads(as_json(records, default=str))
        assert "JSON of 6 jobs copied; again to see it in full" in program.status


async def test_every_key_works_on_a_migration_or_says_what_it_would_take() -> None:
    async with migration() as program:
        why = program.app.main.reasons()
        assert why == {}
        entries = [hit.text or "" async for hit in Everything(program.app.main).discover()]
        [delete] = [text for text in entries if text.startswith("delete")]
        assert "jobs are deleted one by one: go to a job that has ended" in delete
        for prefix in LIVE:
            program.elsewhere("abort", prefix)
        await program.press("R")
        await program.until(lambda: not any(job.live for job in program.app.main.state.subjects))
        why = program.app.main.reasons()
        ended = {"list.mark", "change.pause", "change.resume", "change.abort"}
        assert why == dict.fromkeys(ended, "every job of this migration has ended")
        assert ended <= {key.id for key in MAIN_KEYS}
